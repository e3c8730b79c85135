//! `yinyom keys`: what is wrapped under which master key, wrapping it anew under the active one, and renewing the keys of
//! businesses; against one service's database, while the service runs.
//!
//! What is done to the keys is `yinyom-keys` and the directory's `renewal`. Here are flags, progress and exit status: 0 if
//! nothing is left to do, 2 if it stopped before, 1 if it failed.

use std::error::Error;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::builder::FalseyValueParser;
use contact_directory::commands::renewal::{Renewal, SETTLED_EVERYWHERE_AFTER};
use contact_directory::store::{KeyRing, KeyTable};
use tokio::time::Instant;
use yinyom_db::{Db, DbConfig, DbError};
use yinyom_kernel::{BusinessId, Clock, Name, Scope, SystemClock, from_micros};
use yinyom_keys::{Counts, Pace, Shelf, ShelfError, check};
use yinyom_privacy::{KeyId, MasterKeys};
use yinyom_process::{DatabaseArgs, KeyArgs};

use crate::import::grouped;
use crate::migrate::Keeper;
use crate::say;

/// How often a line says how far it is.
const EVERY: Duration = Duration::from_secs(1);
/// A count looks at every key of a business.
const STATEMENT: Duration = Duration::from_mins(10);
/// Businesses that are looked up at once.
const BUSINESSES: i64 = 500;

/// What to do with the keys.
#[derive(clap::Subcommand)]
pub enum KeysCommand {
    /// Print how many keys are wrapped under which master key. One that has none, and is no replica's master key any
    /// more, may be taken away.
    Status {
        #[command(flatten)]
        at: At,
    },
    /// Wrap every key anew that is not under the master key. The service may run; an interrupted rotation is begun again.
    Rotate {
        #[command(flatten)]
        at: At,
        #[command(flatten)]
        pace: PaceArgs,
        /// Say what there is to do, and do nothing.
        #[arg(long, env = "YINYOM_DRY_RUN", value_parser = FalseyValueParser::new())]
        dry_run: bool,
    },
    /// Give businesses of contact-directory another key, and seal their contacts' phones and e-mails anew. The service may
    /// run; an interrupted renewal is begun again. Takes a minute and a half before it begins to seal.
    Renew {
        #[command(flatten)]
        at: At,
        #[command(flatten)]
        pace: PaceArgs,
        /// This business alone: `businesses/…`
        #[arg(long, env = "YINYOM_BUSINESS")]
        business: Option<String>,
        /// Businesses whose key is that old, in days; and, whatever this says, those whose renewal was interrupted.
        #[arg(long, env = "YINYOM_OLDER_THAN_DAYS", default_value_t = 30)]
        older_than_days: u16,
    },
}

/// Which database, and the keys of the service that it is of.
#[derive(clap::Args)]
pub struct At {
    /// The service whose database it is.
    #[arg(long, env = "YINYOM_SERVICE")]
    service: Keeper,

    #[command(flatten)]
    database: DatabaseArgs,

    #[command(flatten)]
    keys: KeyArgs,
}

/// How much at a time.
#[derive(clap::Args)]
pub struct PaceArgs {
    /// Keys, or contacts, in a unit of work.
    #[arg(long, env = "YINYOM_KEYS_BATCH", default_value_t = 500,
        value_parser = clap::value_parser!(u16).range(1..=5000))]
    keys_batch: u16,

    /// Stop after so many batches that had something to do.
    #[arg(long, env = "YINYOM_KEYS_BATCHES")]
    keys_batches: Option<u64>,
}

/// Why it was not done.
#[derive(Debug, thiserror::Error)]
enum KeysCommandError {
    #[error("only contact-directory has keys of businesses: --service directory")]
    NoBusinessKeys,
}

/// Does it.
pub async fn run(command: KeysCommand) -> Result<ExitCode, Box<dyn Error>> {
    yinyom_tls::install_provider();
    match command {
        KeysCommand::Status { at } => {
            let opened = at.open().await?;
            say(&opened.table(&opened.count().await?));
            Ok(ExitCode::SUCCESS)
        }
        KeysCommand::Rotate { at, pace, dry_run } => {
            let opened = at.open().await?;
            let counts = opened.count().await?;
            if dry_run {
                say(&opened.table(&counts));
                return Ok(done(opened.left(&counts) == 0));
            }
            let finished = opened.rotate(&pace, counts).await?;
            say(&opened.table(&opened.count().await?));
            Ok(done(finished))
        }
        KeysCommand::Renew { at, pace, business, older_than_days } => {
            if at.service != Keeper::Directory {
                return Err(KeysCommandError::NoBusinessKeys.into());
            }
            let business = business.as_deref().map(Name::parse_business).transpose()?;
            let opened = at.open().await?;
            Ok(done(opened.renew(&pace, business, older_than_days).await?))
        }
    }
}

fn done(finished: bool) -> ExitCode {
    if finished { ExitCode::SUCCESS } else { ExitCode::from(2) }
}

/// A database and the keys to it.
struct Opened {
    service: Keeper,
    db: Db,
    masters: MasterKeys,
}

impl At {
    async fn open(&self) -> Result<Opened, Box<dyn Error>> {
        let masters = self.keys.masters()?;
        let config = DbConfig { statement_timeout: STATEMENT, ..self.database.config()? };
        let db = Db::connect(&config, self.service.migrations()).await?;
        check(&db, &masters).await?;
        Ok(Opened { service: self.service, db, masters })
    }
}

impl Opened {
    async fn count(&self) -> Result<Counts, DbError> {
        match self.service {
            Keeper::Settings => {
                yinyom_keys::count(&self.db, consent_settings::store::key::ServiceKey).await
            }
            Keeper::Directory => yinyom_keys::count(&self.db, KeyTable).await,
            Keeper::Manager => {
                yinyom_keys::count(&self.db, consent_manager::store::subjects::Subjects).await
            }
        }
    }

    fn left(&self, counts: &Counts) -> u64 {
        let others = counts.iter().filter(|(id, _)| **id != self.masters.active());
        others.map(|(_, keys)| keys.unsigned_abs()).sum()
    }

    fn table(&self, counts: &Counts) -> String {
        let row = |(id, keys): (&KeyId, &i64)| {
            let what = if *id == self.masters.active() { "the master key" } else { "another one" };
            format!("{id}  {:>12} keys  {what}\n", grouped(keys.unsigned_abs()))
        };
        counts.iter().map(row).collect::<Vec<_>>().concat()
    }

    async fn rotate(&self, pace: &PaceArgs, counts: Counts) -> Result<bool, ShelfError> {
        match self.service {
            Keeper::Settings => {
                self.wrap(consent_settings::store::key::ServiceKey, pace, counts).await
            }
            Keeper::Directory => self.wrap(KeyTable, pace, counts).await,
            Keeper::Manager => {
                self.wrap(consent_manager::store::subjects::Subjects, pace, counts).await
            }
        }
    }

    async fn wrap(
        &self,
        keys: impl Shelf,
        pace: &PaceArgs,
        counts: Counts,
    ) -> Result<bool, ShelfError> {
        let total = self.left(&counts);
        let pace = Pace { batch: pace.keys_batch.into(), batches: pace.keys_batches };
        let mut line = Line::start("keys wrapped", total);
        let told = |progress: yinyom_keys::Progress| line.tell(progress.wrapped, progress.finished);
        let end = yinyom_keys::rotate(&self.db, &self.masters, keys, pace, now(), told).await?;
        Ok(end.finished)
    }

    async fn renew(
        &self,
        pace: &PaceArgs,
        business: Option<BusinessId>,
        older_than_days: u16,
    ) -> Result<bool, Box<dyn Error>> {
        let ring = KeyRing::new(Arc::new(self.masters.clone()));
        let renewal = Renewal::new(self.db.clone(), ring, pace.keys_batch.into());
        let day = 86_400_000_000_i64;
        let before = now().saturating_sub(day * i64::from(older_than_days)).saturating_add(1);
        let (mut begun, mut ready_at) = (Vec::new(), 0);
        for scope in self.businesses(business).await? {
            if let Some(made_at) = renewal.begin(scope, before, now()).await? {
                begun.push(scope);
                ready_at = ready_at.max(made_at);
            }
        }
        eprintln!("{} businesses have a key to be renewed", grouped(begun.len() as u64));
        if begun.is_empty() {
            return Ok(true);
        }
        let ready_at = from_micros(ready_at) + SETTLED_EVERYWHERE_AFTER;
        eprintln!("every replica seals under the new keys from {ready_at:.0} on");
        while SystemClock.now() < ready_at {
            tokio::time::sleep(EVERY).await;
        }
        let mut left = pace.keys_batches;
        let (mut line, mut sealed) = (Line::start("businesses renewed", begun.len() as u64), 0);
        for (at, scope) in begun.into_iter().enumerate() {
            let mut batches = 0;
            let progress = renewal
                .run(scope, left, |_| {
                    batches += 1;
                    line.tell(at as u64, false);
                })
                .await?;
            sealed += progress.sealed;
            left = left.map(|left| left.saturating_sub(batches));
            if !progress.finished {
                return Ok(false);
            }
        }
        line.tell(line.total, true);
        eprintln!("done; {} values sealed anew", grouped(sealed));
        Ok(true)
    }

    async fn businesses(&self, only: Option<BusinessId>) -> Result<Vec<Scope>, DbError> {
        let (mut all, mut after) = (Vec::new(), None);
        loop {
            let mut tx = self.db.read_unscoped().await?;
            let page = yinyom_keys::holders(&mut tx, after, BUSINESSES).await?;
            after = page.last().copied().flatten();
            let wanted = |scope: &Scope| only.is_none_or(|business| scope.business() == business);
            all.extend(page.into_iter().flatten().filter(wanted));
            if after.is_none() {
                return Ok(all);
            }
        }
    }
}

/// A line on standard error now and then.
struct Line {
    what: &'static str,
    total: u64,
    start: Instant,
    last: Option<Instant>,
}

impl Line {
    fn start(what: &'static str, total: u64) -> Self {
        Self { what, total, start: Instant::now(), last: None }
    }

    fn tell(&mut self, done: u64, finished: bool) {
        if !finished && self.last.is_some_and(|last| last.elapsed() < EVERY) {
            return;
        }
        self.last = Some(Instant::now());
        let millis = self.start.elapsed().as_millis().max(1);
        let rate = u64::try_from(u128::from(done) * 1000 / millis).unwrap_or(u64::MAX);
        let (of, rate) = (grouped(self.total), grouped(rate));
        eprintln!("{} of {of} {}, {rate}/s", grouped(done), self.what);
    }
}

fn now() -> i64 {
    SystemClock.now().as_microsecond()
}
