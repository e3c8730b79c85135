//! How many instructions a request costs: the same on a noisy machine as on a quiet one.
//!
//! The directory runs under callgrind as it ships, on one core and so with one worker; settings and the manager run
//! beside it, and who calls is outside. One call at a time: *N* calls, then 2 *N*, counted apart; their difference over
//! *N* is what a call costs, without what begins and ends a count. The least of three such differences counts: what else
//! the process does meanwhile (leases, relays) only adds.
//!
//! That takes a release, which takes long to build. Of a debug build, where our own code is not inlined, what is counted is
//! what happens inside one function, from the arrival of a call to its answer: without HTTP/2, the database's thread and whatever goes
//! on beside it. A few calls say as much there as hundreds do of the whole, so that each change can be looked at.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use prost::Message;
use serde::{Deserialize, Serialize};
use tempfile::TempDir;
use tokio::process::{Child, Command};
use yinyom_proto::directory::v1 as dir;
use yinyom_proto::types::v1::Channel;
use yinyom_tests::cores::can_pin;

use crate::echo;
use crate::goal::{Bar, Outcome, Sample};
use crate::goals::writes;
use crate::services::{Services, Wrapper, start_echo};
use crate::town::Town;
use crate::wire::{Method, Wire};

/// How much dearer a call may have become.
const WORSE: f64 = 1.03;
/// Enough for all methods, and few: a directory under callgrind is slow.
const CONTACTS: usize = 500;
/// Contacts of one check, and of a page.
const CHECKED: usize = 100;
const ROUNDS: usize = 3;
/// What is counted of a debug build.
const WITHIN: &str = "yinyom_rpc::edge::Edge::serve::{{closure}}";

/// What of a process is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Counted {
    All,
    Within,
}

/// As many calls as it takes.
pub const fn enough() -> usize {
    match counted() {
        Counted::All => 200,
        Counted::Within => 5,
    }
}

const fn counted() -> Counted {
    if cfg!(debug_assertions) { Counted::Within } else { Counted::All }
}

/// Instructions of a call, by method.
pub type Counts = BTreeMap<String, f64>;

/// What is committed: counts by profile, since a debug build's are its own.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Baseline(BTreeMap<String, Counts>);

impl Baseline {
    /// The one in that file, or none yet.
    pub fn read(path: &Path) -> Self {
        let text = std::fs::read(path).ok();
        text.map(|text| serde_json::from_slice(&text).expect("a baseline")).unwrap_or_default()
    }

    /// Makes these counts what is compared with.
    pub fn write(mut self, path: &Path, profile: &str, counts: Counts) {
        self.0.insert(profile.to_owned(), counts);
        let mut text = serde_json::to_string_pretty(&self).expect("counts");
        text.push('\n');
        std::fs::write(path, text).expect("a file");
    }

    /// Prints both, and how far they are apart. Whether none is more than 3 % worse.
    pub fn compare(&self, profile: &str, counts: &Counts) -> bool {
        let before = self.0.get(profile);
        let echo = counts.get("Echo").copied();
        println!(
            "{:<22} {:>12} {:>12} {:>8} {:>8}",
            "instructions of", profile, "baseline", "+ %", "÷ echo"
        );
        let mut sound = true;
        for (method, count) in counts {
            let was = before.and_then(|before| before.get(method));
            let more = was.map(|was| (count / was - 1.0) * 100.0);
            let worse = was.is_some_and(|was| *count > was * WORSE);
            // What is compared with nothing is not sound, either.
            sound &= !worse && was.is_some();
            let number = |of: Option<f64>, digits: usize| {
                of.map_or_else(|| "–".to_owned(), |of| format!("{of:.digits$}"))
            };
            println!(
                "{method:<22} {count:>12.0} {:>12} {:>8} {:>8} {}",
                number(was.copied(), 0),
                number(more, 2),
                number(echo.map(|echo| count / echo), 2),
                if worse { "✗ more than 3 % worse" } else { "" }
            );
        }
        sound
    }
}

/// Counts them all: of the echo, and of `program` on SQLite. What callgrind wrote is left in `keep`, if that is given.
pub async fn count(program: &Path, calls: usize, keep: Option<&Path>) -> Counts {
    let mut counts = Counts::new();
    if counted() == Counted::All {
        let counter = Counter::new();
        let (at, child) = start_echo(core(), Some(&counter.wrapper())).await;
        let what = bytes::Bytes::from_static(&[b'x'; 92]);
        let said = echo::Said { what }.encode_to_vec();
        let echo = Asked { name: "Echo", path: echo::PATH, token: None, messages: vec![said] };
        counts.insert(echo.name.to_owned(), counter.of(&child, at, &echo, calls, keep).await);
    }

    let files = tempfile::tempdir().expect("a directory");
    let of = |name| format!("sqlite:{}", files.path().join(name).display());
    let databases = [of("settings.db"), of("directory.db"), of("manager.db")];
    let counter = Counter::new();
    let services = Services::start_with(program, databases, core(), Some(&counter.wrapper())).await;
    let town = Town::found(&services, CONTACTS).await;
    for asked in hot(&town) {
        let child = services.directory_process();
        let count = counter.of(child, services.directory, &asked, calls, keep).await;
        counts.insert(asked.name.to_owned(), count);
        town.until_in_the_ledger(&services).await;
    }
    counts
}

/// Goal 13.
pub async fn beside_echo(program: &Path, calls: usize) -> Outcome {
    let counts = count(program, calls, None).await;
    let limit =
        *counts.get("Echo").expect("goal 13 is of a release: an echo has nothing that is ours");
    let value = counts["GetContact"];
    let sample =
        Sample { limit, value, others_limit: 0.0, others_value: 0.0, taken_again: 0, quiet: true };
    let words = ["13", "GetContact on SQLite", "tonic echo", "instructions"];
    Outcome::of(words, Bar::AtMost(2.0), vec![sample])
}

fn core() -> Option<usize> {
    can_pin().then_some(0)
}

/// A method, and what it is asked.
struct Asked {
    name: &'static str,
    path: &'static str,
    token: Option<String>,
    messages: Vec<Vec<u8>>,
}

fn hot(town: &Town) -> [Asked; 4] {
    let all = [&town.granted, &town.denied, &town.changing].into_iter().flatten();
    let get = town.granted.iter().map(|name| dir::GetContactRequest { name: name.clone() });
    let check = dir::BatchCheckConsentRequest {
        parent: town.name.clone(),
        channel: Channel::Phone.into(),
        contacts: all.take(CHECKED).cloned().collect(),
    };
    let list = dir::ListContactsRequest {
        parent: town.name.clone(),
        page_size: i32::try_from(CHECKED).expect("few"),
        ..Default::default()
    };
    let asked = |name, path, token: &String, messages| Asked {
        name,
        path,
        token: Some(token.clone()),
        messages,
    };
    [
        asked(
            "GetContact",
            "/yinyom.directory.v1.ContactService/GetContact",
            &town.user,
            get.map(|ask| ask.encode_to_vec()).collect(),
        ),
        asked(
            "ListContacts(100)",
            "/yinyom.directory.v1.ContactService/ListContacts",
            &town.user,
            vec![list.encode_to_vec()],
        ),
        asked(
            "BatchCheckConsent(100)",
            "/yinyom.directory.v1.ConsentService/BatchCheckConsent",
            &town.owner,
            vec![check.encode_to_vec()],
        ),
        asked(
            "SetContactConsents",
            "/yinyom.directory.v1.ConsentService/SetContactConsents",
            &town.owner,
            writes::sayings(&town.changing).iter().map(Message::encode_to_vec).collect(),
        ),
    ]
}

/// Callgrind, and where it writes.
struct Counter(TempDir);

impl Counter {
    fn new() -> Self {
        Self(tempfile::tempdir().expect("a directory"))
    }

    fn wrapper(&self) -> Wrapper {
        let out = format!("--callgrind-out-file={}", self.0.path().join("counts").display());
        // Counting begins when it is told to: a start is slow enough without.
        let mut arguments =
            ["--tool=callgrind", "--instr-atstart=no", "-q", &out].map(str::to_owned).to_vec();
        if counted() == Counted::Within {
            arguments.push(format!("--toggle-collect={WITHIN}"));
        }
        Wrapper { program: "valgrind".to_owned(), arguments }
    }

    async fn of(
        &self,
        process: &Child,
        at: SocketAddr,
        asked: &Asked,
        calls: usize,
        keep: Option<&Path>,
    ) -> f64 {
        let id = process.id().expect("it runs");
        let method = Method { path: asked.path.to_owned(), authorization: asked.token.clone() };
        let mut wire = Wire::connect(at, method).await.expect("it serves");
        let mut number = 0;
        tell(id, &["instrumentation", "on"]).await;
        // What else the process does in a round is the least in one of them; of both lengths, so that it cancels out.
        let (mut short, mut long) = (u64::MAX, u64::MAX);
        ask(&mut wire, asked, calls / 2, &mut number).await;
        for _ in 0..ROUNDS {
            tell(id, &["zero"]).await;
            ask(&mut wire, asked, calls, &mut number).await;
            let name = keep.map(|keep| keep.join(format!("callgrind.{}", asked.name)));
            match counted() {
                Counted::Within => {
                    short = 0;
                    long = long.min(self.dump(id, name).await);
                }
                Counted::All => {
                    short = short.min(self.dump(id, None).await);
                    ask(&mut wire, asked, 2 * calls, &mut number).await;
                    long = long.min(self.dump(id, name).await);
                }
            }
        }
        tell(id, &["instrumentation", "off"]).await;
        assert!(long > short, "nothing of {} was counted", asked.name);
        (long - short) as f64 / calls as f64
    }

    /// All instructions since the last time.
    async fn dump(&self, id: u32, keep: Option<PathBuf>) -> u64 {
        tell(id, &["dump"]).await;
        // Beside the one that is written at the end, which is empty until then.
        let files = std::fs::read_dir(self.0.path()).expect("its files");
        let mut files = files.map(|file| file.expect("a file").path());
        let file = files.find(|file| file.extension().is_some()).expect("a dump");
        let text = std::fs::read_to_string(&file).expect("text");
        if let Some(keep) = keep {
            std::fs::copy(&file, keep).expect("a copy");
        }
        std::fs::remove_file(file).expect("it goes");
        let line = text.lines().find_map(|line| line.strip_prefix("summary: "));
        line.and_then(|count| count.trim().parse().ok()).expect("a sum")
    }
}

async fn ask(wire: &mut Wire, asked: &Asked, calls: usize, number: &mut usize) {
    for _ in 0..calls {
        let message = &asked.messages[*number % asked.messages.len()];
        *number += 1;
        let ended = wire.call(message).await.expect("it goes on");
        assert!(ended.answered, "{} is refused", asked.name);
    }
}

/// Tells the tool in a process something, and waits until it has done it.
async fn tell(id: u32, what: &[&str]) {
    let told = Command::new("vgdb").arg(format!("--pid={id}")).args(what).output().await;
    let told = told.expect("vgdb comes with valgrind");
    assert!(told.status.success(), "{}", String::from_utf8_lossy(&told.stderr));
}
