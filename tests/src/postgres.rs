//! A PostgreSQL server of a test's own: to be stopped, frozen, filled, and asked what its sessions do.
//!
//! For what may be done on the server that all tests share, `yinyom_testkit::postgres` is enough, and faster.

use std::io::Write;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};

use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, Executor, Row};

/// How a server goes down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stop {
    /// It ends all sessions, rolls back and writes a checkpoint.
    Fast,
    /// It drops everything: a crash, with recovery at the next start.
    Immediate,
}

/// A private server. It ends, and its files go, with this value, or with the test's process if that is killed.
pub struct OwnPostgres {
    programs: PathBuf,
    home: PathBuf,
    /// Where `data` is.
    place: PathBuf,
    owner: Option<&'static str>,
    port: u16,
    password: String,
    guard: Child,
}

impl OwnPostgres {
    /// Starts one, with room for `sessions` of ordinary users.
    pub fn start(sessions: u32) -> Self {
        let home = make_home();
        Self::start_in(sessions, home.clone(), home)
    }

    /// Starts one whose tables are in `place`, all else being in an ordinary temporary directory: its journal, too,
    /// since a server that cannot write its journal does not go on.
    pub fn start_with_tables_in(sessions: u32, place: &Path) -> Self {
        Self::start_in(sessions, make_home(), place.to_owned())
    }

    fn start_in(sessions: u32, home: PathBuf, place: PathBuf) -> Self {
        let programs = find_programs();
        let owner = is_root().then(owner);
        for directory in [&home, &place] {
            give(directory, owner);
        }
        let password = uuid::Uuid::new_v4().simple().to_string();
        let file = home.join("password");
        std::fs::write(&file, &password).expect("a password file");
        give(&file, owner);
        let guard = guard(&programs, &home, &place, owner);
        let server = Self { programs, home, place, owner, port: free_port(), password, guard };
        let (data, journal) = (server.data(), server.home.join("journal"));
        let mut initdb = server.program("initdb");
        initdb.args(["-U", "postgres", "--auth-local=trust", "--auth-host=md5", "-E", "UTF8"]);
        initdb.args(["--locale=C", "--no-sync"]).arg("-D").arg(data).arg("-X").arg(journal);
        initdb.arg("--pwfile").arg(&file);
        must(initdb.output(), "initdb");
        std::fs::remove_file(&file).expect("the password file");
        server.configure(&format!(
            "listen_addresses = '127.0.0.1'\nport = {}\nunix_socket_directories = ''\n\
             max_connections = {}\nsuperuser_reserved_connections = 5\nautovacuum = off\n\
             # It is the server that dies here, never the machine.\nfsync = off\n",
            server.port,
            sessions + 5
        ));
        server.start_again();
        server
    }

    /// The address of `database`, for the superuser.
    pub fn url(&self, database: &str) -> String {
        self.options(database).to_url_lossy().to_string()
    }

    /// The address of `database` for `user`, with its password.
    pub fn url_of(&self, user: &str, password: &str, database: &str) -> String {
        let options = self.options(database).username(user).password(password);
        options.to_url_lossy().to_string()
    }

    fn options(&self, database: &str) -> PgConnectOptions {
        PgConnectOptions::new_without_pgpass()
            .host("127.0.0.1")
            .port(self.port)
            .username("postgres")
            .password(&self.password)
            .database(database)
    }

    /// Runs SQL as the superuser in `database`; the first column of each row.
    pub async fn sql(&self, database: &str, sql: &str) -> sqlx::Result<Vec<String>> {
        let mut connection = self.session(database).await?;
        let rows = connection.fetch_all(AssertSqlSafe(sql.to_owned())).await?;
        connection.close().await?;
        rows.iter().map(|row| row.try_get::<String, _>(0)).collect()
    }

    /// A session of the superuser.
    pub async fn session(&self, database: &str) -> sqlx::Result<PgConnection> {
        PgConnection::connect_with(&self.options(database)).await
    }

    /// How many sessions with our programs' name there are in `database` that are in a state `LIKE` this.
    pub async fn sessions(&self, database: &str, state: &str) -> i64 {
        let sql = format!(
            "SELECT COUNT(*)::text FROM pg_stat_activity WHERE datname = '{database}'
             AND application_name = 'yinyom' AND state LIKE '{state}'"
        );
        self.sql("postgres", &sql).await.expect("an answer")[0].parse().expect("a number")
    }

    /// Appends lines to its configuration; takes effect at a reload or restart.
    pub fn configure(&self, lines: &str) {
        append(&self.data().join("postgresql.conf"), lines);
    }

    /// Says who may connect, instead of what was said before, at once.
    pub fn admit(&self, lines: &str) {
        std::fs::write(self.data().join("pg_hba.conf"), lines).expect("its access table");
        self.pg_ctl(&["reload"]);
    }

    /// The access table that it has at first.
    pub const EVERYBODY: &'static str = "host all all 127.0.0.1/32 md5\n";

    /// Stops it.
    pub fn stop(&self, how: Stop) {
        let mode = match how {
            Stop::Fast => "fast",
            Stop::Immediate => "immediate",
        };
        self.pg_ctl(&["stop", "-w", "-m", mode]);
    }

    /// Starts it after a stop, and waits until it answers.
    pub fn start_again(&self) {
        let log = self.home.join("server.log").display().to_string();
        self.pg_ctl(&["start", "-w", "-t", "60", "-l", &log]);
    }

    /// Stops the server and each of its sessions on the spot, as a machine that has no time for them does. They hold
    /// their locks and their sockets; the kernel goes on to take connections.
    pub fn freeze(&self) {
        self.signal("-STOP");
    }

    /// Lets it go on.
    pub fn thaw(&self) {
        self.signal("-CONT");
    }

    /// Stops the sessions that our programs have now, for ever. New ones can be had: so it looks to a client when its
    /// server went away without a word and another one has taken over. None holds a lock: a new server would not know
    /// of it.
    pub async fn freeze_sessions(&self) {
        let sql = "SELECT pid::text FROM pg_stat_activity WHERE application_name = 'yinyom'";
        let mut sessions = self.sql("postgres", sql).await.expect("an answer");
        assert!(!sessions.is_empty(), "there is nobody");
        while let Some(session) = sessions.pop() {
            let stopped = std::slice::from_ref(&session);
            kill("-STOP", stopped);
            let locks = format!("SELECT mode FROM pg_locks WHERE pid = {session}");
            if !self.sql("postgres", &locks).await.expect("an answer").is_empty() {
                kill("-CONT", stopped);
                sessions.insert(0, session);
            }
        }
    }

    fn signal(&self, signal: &str) {
        let postmaster = self.postmaster();
        // The postmaster first: while it is stopped it makes no new ones.
        kill(signal, std::slice::from_ref(&postmaster));
        let children = format!("/proc/{postmaster}/task/{postmaster}/children");
        let children = std::fs::read_to_string(children).expect("the server's processes");
        let children: Vec<_> = children.split_whitespace().map(str::to_owned).collect();
        kill(signal, &children);
    }

    fn postmaster(&self) -> String {
        let file = std::fs::read_to_string(self.data().join("postmaster.pid")).expect("it runs");
        file.lines().next().expect("a process id").to_owned()
    }

    /// What `pg_dump` makes of `database`, for a superuser.
    pub fn dump(&self, database: &str) -> Vec<u8> {
        let mut dump = self.program("pg_dump");
        dump.args(["-h", "127.0.0.1", "-U", "postgres", "-p", &self.port.to_string(), database]);
        let output = dump.env("PGPASSWORD", &self.password).output().expect("pg_dump");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        output.stdout
    }

    /// The bytes of its write-ahead log, all files of it.
    pub fn journal(&self) -> Vec<u8> {
        let files = std::fs::read_dir(self.home.join("journal")).expect("its journal");
        let files = files.map(|file| file.expect("a file").path()).filter(|path| path.is_file());
        files.flat_map(|path| std::fs::read(path).expect("its bytes")).collect()
    }

    fn data(&self) -> PathBuf {
        self.place.join("data")
    }

    fn pg_ctl(&self, arguments: &[&str]) {
        let mut command = self.program("pg_ctl");
        command.arg("-s").arg("-D").arg(self.data()).args(arguments);
        // A server that inherits a pipe holds it open for ever.
        let out = self.home.join("pg_ctl.log");
        let to = || std::fs::File::options().create(true).append(true).open(&out).expect("a log");
        let status = command.stdin(Stdio::null()).stdout(to()).stderr(to()).status();
        if !status.expect("pg_ctl runs").success() {
            let said = std::fs::read_to_string(&out).unwrap_or_default();
            let log = std::fs::read_to_string(self.home.join("server.log")).unwrap_or_default();
            panic!("pg_ctl {arguments:?} failed: {said}\n{log}");
        }
    }

    fn program(&self, name: &str) -> Command {
        as_owner(&self.programs.join(name), self.owner, &self.home)
    }
}

impl Drop for OwnPostgres {
    fn drop(&mut self) {
        // The guard does the rest when its standard input ends.
        drop(self.guard.stdin.take());
        let _ = self.guard.wait();
    }
}

/// Waits for the other end of its standard input to close, whatever closes it, and removes what there is.
fn guard(programs: &Path, home: &Path, place: &Path, owner: Option<&'static str>) -> Child {
    let script = "trap '' INT TERM HUP; cat >/dev/null
        if [ -f \"$2/data/postmaster.pid\" ]; then
            read -r pid <\"$2/data/postmaster.pid\"
            kill -CONT $(cat /proc/$pid/task/$pid/children) $pid 2>/dev/null
            \"$3\" stop -s -w -m immediate -D \"$2/data\"
        fi
        rm -rf \"$2/data\" \"$1\" 2>/dev/null || rm -rf \"$1\"/*";
    let shell = as_owner(Path::new("/bin/sh"), owner, home)
        .args(["-c", script, "guard"])
        .args([home, place, programs.join("pg_ctl").as_path()])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn();
    shell.expect("a shell")
}

/// A directory that the owner may enter.
fn make_home() -> PathBuf {
    let home = Path::new("/tmp").join(format!("yinyom-pg-{}", uuid::Uuid::now_v7().simple()));
    std::fs::create_dir(&home).expect("a directory");
    home
}

/// The newest set of server programs. Debian keeps them out of `PATH`.
fn find_programs() -> PathBuf {
    let script = "ls -d \"$(dirname \"$(readlink -f \"$(command -v initdb)\")\" 2>/dev/null)\" \
        /usr/lib/postgresql/*/bin /usr/pgsql-*/bin 2>/dev/null | sort --version-sort --reverse";
    let found = Command::new("sh").args(["-c", script]).output().expect("a shell").stdout;
    let found = String::from_utf8(found).expect("paths");
    let mut places = found.lines().map(PathBuf::from);
    places.find(|place| place.join("initdb").is_file() && place.join("pg_ctl").is_file()).expect(
        "this test starts a PostgreSQL server of its own, and there is none: install the package `postgresql`",
    )
}

fn is_root() -> bool {
    let id = Command::new("id").arg("-u").output().expect("an id");
    id.stdout == b"0\n"
}

/// Who runs the server for root, for whom it refuses to run.
fn owner() -> &'static str {
    let known = Command::new("id").arg("postgres").output().expect("an id").status.success();
    if known { "postgres" } else { "nobody" }
}

fn give(path: &Path, owner: Option<&str>) {
    if let Some(owner) = owner {
        must(Command::new("chown").arg(owner).arg(path).output(), "chown");
    }
}

fn as_owner(program: &Path, owner: Option<&str>, home: &Path) -> Command {
    let mut command = match owner {
        Some(owner) => {
            let mut command = Command::new("/usr/sbin/runuser");
            command.args(["-u", owner, "--"]).arg(program);
            command
        }
        None => Command::new(program),
    };
    // The owner may not see the directory that the test runs in.
    command.current_dir(home);
    command
}

fn kill(signal: &str, processes: &[String]) {
    // One that ended meanwhile is none that has to be told.
    let _ = Command::new("kill").arg(signal).args(processes).output();
}

/// Below the range that the system hands out to clients, or a client of another test may have it meanwhile.
pub(crate) fn free_port() -> u16 {
    // None twice, nor where another process looks first: a server that is down still wants its own.
    static TAKEN: AtomicU16 = AtomicU16::new(0);
    let first = u16::try_from(std::process::id() % 1_000).expect("small") * 10;
    loop {
        let port = 10_000 + (first + TAKEN.fetch_add(1, Ordering::Relaxed)) % 10_000;
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}

fn append(file: &Path, lines: &str) {
    let mut file = std::fs::File::options().append(true).open(file).expect("a file");
    file.write_all(lines.as_bytes()).expect("room for it");
}

fn must(output: std::io::Result<Output>, what: &str) {
    let output = output.unwrap_or_else(|error| panic!("{what} does not run: {error}"));
    assert!(output.status.success(), "{what}: {}", String::from_utf8_lossy(&output.stderr));
}
