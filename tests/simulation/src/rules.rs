//! Directory and settings: a right that was taken away is gone when the call returns, and comes back only by another call.
//!
//! An office changes the rules of a business through either of two settings, and tries again until it is told that it is
//! done. Three directories keep copies under a lease and answer reads all the time. Each answer is compared with what the
//! law allowed at that moment.

mod hosts;
mod law;
mod office;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use yinyom_failpoints::{Point, Scenario};
use yinyom_identity::{Authenticator, TokenSource};
use yinyom_kernel::BusinessId;
use yinyom_privacy::{MasterKey, MasterKeys};
use yinyom_testkit::tokens::Tokens;

use crate::Trouble;
use crate::board::{Board, Boots, watch, world};
use crate::clock::HostClock;
use crate::dice::Dice;
use crate::faults::{Plan, Terrain};
use crate::store::{Disk, Store, Template};
use hosts::{answer, settle};
use law::History;
use office::rule;

const DIRECTORIES: [&str; 3] = ["directory-1", "directory-2", "directory-3"];
const SETTINGS: &[&str] = &["settings-1", "settings-2"];
const TERRAIN: Terrain = Terrain {
    links: &[
        ("directory-1", "settings-1"),
        ("directory-1", "settings-2"),
        ("directory-2", "settings-1"),
        ("directory-2", "settings-2"),
        ("directory-3", "settings-1"),
        ("directory-3", "settings-2"),
        ("office", "settings-1"),
        ("office", "settings-2"),
    ],
    mortal: &["directory-1", "directory-2", "directory-3", "settings-1", "settings-2"],
    horizon: Duration::from_millis(3_500),
    most: 7,
};

const CALLERS: &str = r#"{
  "services": [{ "name": "contact-directory", "businesses": "*", "rpcs": ["*"] }],
  "operators": ["vendor"]
}"#;

/// Which guard is left out, to see that these runs notice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Without {
    Nothing,
    /// A directory does not look at the rules again after it has read its store.
    SecondLook,
    /// Settings does not wait for leases after it took a right away.
    LeaseWait,
}

impl Without {
    /// Leaves out what only a failpoint can, for as long as the answer lives.
    pub fn begin(self) -> Option<Scenario> {
        (self == Self::LeaseWait).then(|| {
            let scenario = Scenario::from_environment();
            yinyom_failpoints::set(Point::LeaseWait, "return");
            scenario
        })
    }
}

/// What all runs of the pair share.
pub struct Rules {
    without: Without,
    settings: Template,
    tokens: Arc<Tokens>,
    authenticator: Arc<Authenticator>,
    masters: MasterKeys,
}

/// What the hosts of one run share.
#[derive(Clone)]
struct Run {
    seed: u64,
    without: Without,
    board: Board,
    history: History,
    /// Once there is one.
    business: Arc<OnceLock<BusinessId>>,
    /// Which directories are live and know the last rules.
    current: Arc<[AtomicBool; 3]>,
    store: Store,
    masters: MasterKeys,
    token: TokenSource,
    tokens: Arc<Tokens>,
    authenticator: Arc<Authenticator>,
}

impl Run {
    fn all_current(&self) -> bool {
        self.current.iter().all(|current| current.load(Ordering::Relaxed))
    }
}

impl Rules {
    /// What is made once for all seeds.
    pub fn new(without: Without) -> Result<Self, Trouble> {
        let tokens = Tokens::new(Arc::new(HostClock::exact()));
        Ok(Self {
            without,
            settings: Template::new(&consent_settings::MIGRATIONS)?,
            authenticator: tokens.authenticator(CALLERS),
            tokens: Arc::new(tokens),
            masters: MasterKeys::new(MasterKey::generate(), Vec::new()),
        })
    }

    /// Runs a seed. How long it took, in simulated time; or what was wrong.
    pub fn tell(&self, seed: u64) -> Result<Duration, String> {
        let disk = Disk::new().map_err(|error| error.to_string())?;
        let store = disk.store("settings.db", &self.settings).map_err(|error| error.to_string())?;
        let run = Run {
            seed,
            without: self.without,
            board: Board::default(),
            history: History::default(),
            business: Arc::default(),
            current: Arc::default(),
            store,
            masters: self.masters.clone(),
            token: self.tokens.source("contact-directory"),
            tokens: Arc::clone(&self.tokens),
            authenticator: Arc::clone(&self.authenticator),
        };
        let mut sim = world(&Dice::of(seed, "world"));
        for name in SETTINGS {
            let (run, boots) = (run.clone(), Boots::of(name));
            sim.host(*name, move || settle(run.clone(), boots.next()));
        }
        for (number, name) in DIRECTORIES.into_iter().enumerate() {
            let (run, boots) = (run.clone(), Boots::of(name));
            sim.host(name, move || answer(run.clone(), number, boots.next()));
        }
        sim.client("office", rule(run.clone()));
        watch(sim, Plan::draw(&Dice::of(seed, "faults"), TERRAIN), &run.board)
    }
}
