//! Relay and manager: whatever is committed into the outbox reaches the ledger, once and in order.
//!
//! Two directories write into one database, as replicas do, and each relays: its own changes as they come, and whatever
//! the sweep finds. So both relays often send the same. The two managers share a database, too. An auditor compares what
//! was committed with the ledger, all the time and at the end.

mod book;
mod hosts;

use std::sync::Arc;
use std::time::Duration;

use yinyom_identity::{Authenticator, TokenSource};
use yinyom_privacy::{MasterKey, MasterKeys};
use yinyom_testkit::tokens::Tokens;

use crate::Trouble;
use crate::board::{Board, Boots, watch, world};
use crate::clock::HostClock;
use crate::dice::Dice;
use crate::faults::{Plan, Terrain};
use crate::store::{Disk, Store, Template};
use book::Book;
use hosts::{audit, manage, relay};

const DIRECTORIES: [&str; 2] = ["directory-1", "directory-2"];
const MANAGERS: &[&str] = &["manager-1", "manager-2"];
const TERRAIN: Terrain = Terrain {
    links: &[
        ("directory-1", "manager-1"),
        ("directory-1", "manager-2"),
        ("directory-2", "manager-1"),
        ("directory-2", "manager-2"),
    ],
    mortal: &["directory-1", "directory-2", "manager-1", "manager-2"],
    horizon: Duration::from_secs(3),
    most: 7,
};

const CALLERS: &str =
    r#"{"services": [{ "name": "contact-directory", "businesses": "*", "rpcs": ["*"] }]}"#;

/// What all runs of the pair share.
pub struct Ledger {
    directory: Template,
    manager: Template,
    tokens: Tokens,
    authenticator: Arc<Authenticator>,
    masters: MasterKeys,
}

/// What the hosts of one run share.
#[derive(Clone)]
struct Run {
    seed: u64,
    board: Board,
    book: Book,
    outbox: Store,
    ledger: Store,
    masters: MasterKeys,
    token: TokenSource,
    authenticator: Arc<Authenticator>,
}

impl Ledger {
    /// What is made once for all seeds.
    pub fn new() -> Result<Self, Trouble> {
        let tokens = Tokens::new(Arc::new(HostClock::exact()));
        Ok(Self {
            directory: Template::new(&contact_directory::MIGRATIONS)?,
            manager: Template::new(&consent_manager::MIGRATIONS)?,
            authenticator: tokens.authenticator(CALLERS),
            tokens,
            masters: MasterKeys::new(MasterKey::generate(), Vec::new()),
        })
    }

    /// Runs a seed. How long it took, in simulated time; or what was wrong.
    pub fn tell(&self, seed: u64) -> Result<Duration, String> {
        let disk = Disk::new().map_err(|error| error.to_string())?;
        let store = |name, template| disk.store(name, template).map_err(|error| error.to_string());
        let run = Run {
            seed,
            board: Board::default(),
            book: Book::new(&Dice::of(seed, "contacts")),
            outbox: store("directory.db", &self.directory)?,
            ledger: store("manager.db", &self.manager)?,
            masters: self.masters.clone(),
            token: self.tokens.source("contact-directory"),
            authenticator: Arc::clone(&self.authenticator),
        };
        let mut sim = world(&Dice::of(seed, "world"));
        for name in MANAGERS {
            let (run, boots) = (run.clone(), Boots::of(name));
            sim.host(*name, move || manage(run.clone(), boots.next()));
        }
        for name in DIRECTORIES {
            let (run, boots) = (run.clone(), Boots::of(name));
            sim.host(name, move || relay(run.clone(), boots.next()));
        }
        sim.client("auditor", audit(run.clone()));
        watch(sim, Plan::draw(&Dice::of(seed, "faults"), TERRAIN), &run.board)
    }
}
