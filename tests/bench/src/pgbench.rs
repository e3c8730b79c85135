//! `pgbench`, the limit of what a database does.

use std::io::Write;
use std::path::PathBuf;
use std::time::Duration;

use tempfile::TempDir;
use tokio::process::Command;

/// Clients of a limit, and of the service beside it.
pub const CLIENTS: usize = 8;

/// Scripts for a database, of which each transaction runs one.
pub struct Pgbench {
    program: PathBuf,
    url: String,
    home: TempDir,
    scripts: Vec<PathBuf>,
    built_in: bool,
}

impl Pgbench {
    /// These scripts; the built-in select, if there are none.
    pub fn new(url: &str, scripts: &[String]) -> Self {
        let home = tempfile::tempdir().expect("a directory");
        let write = |(i, script): (usize, &String)| {
            let path = home.path().join(format!("{i}.sql"));
            let mut file = std::fs::File::create(&path).expect("a file");
            file.write_all(script.as_bytes()).expect("room for it");
            path
        };
        let paths = scripts.iter().enumerate().map(write).collect();
        let built_in = scripts.is_empty();
        Self { program: find(), url: url.to_owned(), home, scripts: paths, built_in }
    }

    /// Makes the tables of the built-in scripts.
    pub async fn prepare(&self) {
        let mut tables = Command::new(&self.program);
        tables.args(["-i", "-q", "-s", "10"]).arg(&self.url);
        let made = tables.output().await.expect("pgbench runs");
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    }

    /// Transactions a second, with prepared statements.
    pub async fn run(&self, clients: usize, lasts: Duration) -> f64 {
        let seconds = lasts.as_secs().max(1).to_string();
        let clients = clients.to_string();
        let mut run = Command::new(&self.program);
        run.args(["-n", "-M", "prepared", "-c", &clients, "-j", "2", "-T", &seconds]);
        if self.built_in {
            run.arg("-S");
        }
        for script in &self.scripts {
            run.arg("-f").arg(script);
        }
        let ran = run.arg(&self.url).current_dir(self.home.path()).output();
        let ran = ran.await.expect("pgbench runs");
        let said = String::from_utf8_lossy(&ran.stdout);
        assert!(ran.status.success(), "{said}{}", String::from_utf8_lossy(&ran.stderr));
        let line = said.lines().find_map(|line| line.strip_prefix("tps = "));
        let tps = line.and_then(|line| line.split(' ').next()).and_then(|tps| tps.parse().ok());
        tps.unwrap_or_else(|| panic!("pgbench says no number: {said}"))
    }
}

/// Debian keeps it beside the server.
fn find() -> PathBuf {
    let script = "command -v pgbench || \
        ls /usr/lib/postgresql/*/bin/pgbench /usr/pgsql-*/bin/pgbench 2>/dev/null | sort -V | tail -n 1";
    let found = std::process::Command::new("sh").args(["-c", script]).output().expect("a shell");
    let path = String::from_utf8_lossy(&found.stdout).trim().to_owned();
    assert!(!path.is_empty(), "there is no pgbench: it comes with PostgreSQL's server");
    path.into()
}
