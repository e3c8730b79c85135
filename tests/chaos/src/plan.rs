//! Which faults there will be: chosen by a seed, so that a run can be asked for again.
//!
//! The plan is the same for a seed; what the faults hit is not, since that depends on the machine's timing.

use std::time::Duration;

use rand::rngs::StdRng;
use rand::seq::{IndexedRandom, SliceRandom};
use rand::{Rng, SeedableRng};

/// One of the three services.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Service {
    Settings,
    Directory,
    Manager,
}

impl Service {
    pub const ALL: [Self; 3] = [Self::Settings, Self::Directory, Self::Manager];

    /// How many replicas of it run.
    pub const fn replicas(self) -> usize {
        match self {
            Self::Directory => 3,
            Self::Settings | Self::Manager => 2,
        }
    }

    /// The command of `yinyom` that serves it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Settings => "settings",
            Self::Directory => "directory",
            Self::Manager => "manager",
        }
    }
}

/// One replica of a service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Replica {
    pub service: Service,
    pub number: usize,
}

impl Replica {
    pub fn all() -> Vec<Self> {
        let of =
            |service: Service| (0..service.replicas()).map(move |number| Self { service, number });
        Service::ALL.into_iter().flat_map(of).collect()
    }
}

/// A connection between two of those who take part. Each is cut by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Path {
    /// A replica's to PostgreSQL.
    Database(Replica),
    /// A directory's or a manager's to settings.
    Settings(Replica),
    /// A directory's or a settings' to the manager.
    Manager(Replica),
    /// The clients' to a replica.
    Client(Replica),
}

impl Path {
    pub fn all() -> Vec<Self> {
        let mut paths = Vec::new();
        for replica in Replica::all() {
            paths.push(Self::Database(replica));
            match replica.service {
                Service::Settings => {
                    paths.extend([Self::Manager(replica), Self::Client(replica)]);
                }
                Service::Manager => paths.push(Self::Settings(replica)),
                Service::Directory => {
                    paths.extend([
                        Self::Settings(replica),
                        Self::Manager(replica),
                        Self::Client(replica),
                    ]);
                }
            }
        }
        paths
    }
}

/// What is done to a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Harm {
    /// Reset, and refused while it lasts.
    Cut,
    /// Nothing comes through; afterwards everything does, late.
    Hold,
    /// What is sent arrives, and its answers are lost.
    Deafen,
}

/// How PostgreSQL is restarted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Restart {
    /// As by a crash: no checkpoint, nobody is told.
    Immediate,
    /// Sessions are ended.
    Fast,
}

/// Something that breaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// SIGKILL, and a restart after a while.
    Kill(Replica),
    /// SIGSTOP, and SIGCONT after a while.
    Freeze(Replica),
    Harm(Path, Harm),
    /// All replicas of it are dead at once.
    Dead(Service),
    /// A directory does not hear from settings for longer than a lease holds.
    Estrange(usize, Harm),
    RestartDatabase(Restart),
    /// Every process of PostgreSQL is stopped.
    FreezeDatabase,
}

impl Fault {
    /// Its line in the report.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Kill(replica) => match replica.service {
                Service::Settings => "settings killed",
                Service::Directory => "directory killed",
                Service::Manager => "manager killed",
            },
            Self::Freeze(replica) => match replica.service {
                Service::Settings => "settings stopped and continued",
                Service::Directory => "directory stopped and continued",
                Service::Manager => "manager stopped and continued",
            },
            Self::Harm(_, Harm::Cut) => "link cut",
            Self::Harm(_, Harm::Hold) => "link held",
            Self::Harm(_, Harm::Deafen) => "replies lost",
            Self::Dead(Service::Settings) => "every settings dead",
            Self::Dead(Service::Directory) => "every directory dead",
            Self::Dead(Service::Manager) => "every manager dead",
            Self::Estrange(..) => "directory without settings",
            Self::RestartDatabase(Restart::Immediate) => "PostgreSQL crashed",
            Self::RestartDatabase(Restart::Fast) => "PostgreSQL restarted",
            Self::FreezeDatabase => "PostgreSQL stopped and continued",
        }
    }
}

/// A fault with its times.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Planned {
    pub fault: Fault,
    /// How long it lasts.
    pub lasts: Duration,
    /// How long after the one before it begins, at least. Mostly shorter than that one lasts.
    pub after: Duration,
}

/// How much of everything the generator makes.
const KINDS: usize = 14;

/// `count` faults. Each kind comes once before any is chosen freely.
pub fn plan(seed: u64, count: usize) -> Vec<Planned> {
    let mut rng = StdRng::seed_from_u64(seed);
    let mut first: Vec<usize> = (0..KINDS).collect();
    first.shuffle(&mut rng);
    let mut planned = Vec::with_capacity(count);
    for i in 0..count {
        let kind = first.get(i).copied().unwrap_or_else(|| rng.random_range(0..KINDS));
        let fault = fault(kind, &mut rng);
        let long = matches!(fault, Fault::Estrange(..)) || rng.random_ratio(1, 10);
        planned.push(Planned {
            fault,
            lasts: millis(&mut rng, if long { 2_000..4_000 } else { 100..800 }),
            after: millis(&mut rng, 150..700),
        });
    }
    planned
}

fn fault(kind: usize, rng: &mut StdRng) -> Fault {
    match kind {
        0 => Fault::Kill(replica(Service::Settings, rng)),
        1 | 2 => Fault::Kill(replica(Service::Directory, rng)),
        3 => Fault::Kill(replica(Service::Manager, rng)),
        4 => Fault::Freeze(replica(Service::Settings, rng)),
        5 => Fault::Freeze(replica(Service::Directory, rng)),
        6 => Fault::Freeze(replica(Service::Manager, rng)),
        7 => Fault::Harm(path(rng), Harm::Cut),
        8 => Fault::Harm(path(rng), Harm::Hold),
        9 => Fault::Harm(path(rng), Harm::Deafen),
        10 => Fault::Dead(Service::ALL[rng.random_range(0..3)]),
        11 => {
            let harm = [Harm::Cut, Harm::Hold, Harm::Deafen][rng.random_range(0..3)];
            Fault::Estrange(rng.random_range(0..Service::Directory.replicas()), harm)
        }
        12 => Fault::RestartDatabase(
            [Restart::Immediate, Restart::Immediate, Restart::Fast][rng.random_range(0..3)],
        ),
        _ => Fault::FreezeDatabase,
    }
}

fn replica(service: Service, rng: &mut StdRng) -> Replica {
    Replica { service, number: rng.random_range(0..service.replicas()) }
}

fn path(rng: &mut StdRng) -> Path {
    let paths = Path::all();
    *paths.choose(rng).unwrap_or(&paths[0])
}

fn millis(rng: &mut StdRng, range: std::ops::Range<u64>) -> Duration {
    Duration::from_millis(rng.random_range(range))
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn a_seed_says_which_faults_there_are() {
        assert_eq!(plan(7, 200), plan(7, 200));
        assert_ne!(plan(7, 200), plan(8, 200));
    }

    #[test]
    fn the_shortest_plan_has_every_kind() {
        for seed in 0..50 {
            let kinds: HashSet<_> = plan(seed, 30).iter().map(|p| p.fault.kind()).collect();
            assert!(kinds.len() >= 12, "{kinds:?}");
        }
    }

    #[test]
    fn a_directory_is_kept_from_settings_for_longer_than_a_lease() {
        let lease = Duration::from_millis(1_500);
        let mut estranged = plan(1, 300).into_iter();
        assert!(estranged.all(|p| !matches!(p.fault, Fault::Estrange(..)) || p.lasts > lease));
    }
}
