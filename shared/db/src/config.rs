//! Which database, and how much of it.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;

/// How to reach a database. Everything but the address has a default that suits one service replica.
#[derive(Clone)]
pub struct DbConfig {
    /// `sqlite:PATH`, `sqlite::memory:` or `postgres://…`. May hold a password, so it is not shown.
    pub url: String,
    /// Connections that read. They cannot write: the database refuses.
    pub readers: u32,
    /// Connections that run units of work. SQLite always has one.
    pub writers: u32,
    /// How long work without a caller waits for a connection that is free or new and for it to begin, and SQLite
    /// for another process's lock. A caller waits no longer than nine tenths of what its deadline leaves, so that it
    /// hears `UNAVAILABLE` and not nothing.
    pub acquire_timeout: Duration,
    /// The longest statement that PostgreSQL runs for us, and the longest that it lets a unit of work lie idle. A
    /// second later we give the server up that has not even said so: it is stopped, or cut off.
    pub statement_timeout: Duration,
    /// How long a statement waits for another one's lock on PostgreSQL. Shorter than what callers wait, so that a
    /// lock that is held for ever costs each of them an answer and not its connection.
    pub lock_timeout: Duration,
    /// What a commit on SQLite survives.
    pub durability: Durability,
    /// Serves even as a PostgreSQL role that row-level security does not bind, and warns of it.
    pub allow_rls_bypass: bool,
    /// Who is asked before the database is. Nobody, but in a simulation.
    pub gate: Option<Gate>,
}

/// Lets one unit of work, or one read, pass to the database: at once or later. The [`Pass`] is given
/// back when its work has ended. In a simulation, simulated time stands still while passes are out.
pub type Gate = Arc<dyn Fn() -> BoxFuture<'static, Pass> + Send + Sync>;

/// What a [`Gate`] gives out. Dropped when the work has ended.
pub type Pass = Box<dyn Send + Sync>;

/// What an acknowledged write on SQLite survives. PostgreSQL's own setting decides there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Durability {
    /// A power cut: each commit waits for the disk.
    #[default]
    PowerCut,
    /// The death of the process, not of the machine. Twice as fast.
    ProcessDeath,
}

impl DbConfig {
    /// The defaults for `url`.
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            readers: 8,
            writers: 8,
            acquire_timeout: Duration::from_secs(3),
            statement_timeout: Duration::from_secs(10),
            lock_timeout: Duration::from_secs(2),
            durability: Durability::default(),
            allow_rls_bypass: false,
            gate: None,
        }
    }
}

impl fmt::Debug for DbConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DbConfig")
            .field("readers", &self.readers)
            .field("writers", &self.writers)
            .field("acquire_timeout", &self.acquire_timeout)
            .field("statement_timeout", &self.statement_timeout)
            .field("lock_timeout", &self.lock_timeout)
            .field("durability", &self.durability)
            .field("allow_rls_bypass", &self.allow_rls_bypass)
            .finish_non_exhaustive()
    }
}
