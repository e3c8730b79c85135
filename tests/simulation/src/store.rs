//! The databases of a run: files that outlive the hosts that open them, and a gate that keeps simulated time from running
//! on while SQLite works.

use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc;

use futures::FutureExt;
use tempfile::TempDir;
use yinyom_db::{Db, DbConfig, Durability, Gate, Migrations, Pass};

use crate::Trouble;
use crate::dice::Dice;

/// An empty database of one service, migrated once for all runs.
#[derive(Debug, Clone)]
pub struct Template(Arc<Vec<u8>>);

impl Template {
    /// An empty database with the schema of `migrations`.
    pub fn new(migrations: &Migrations) -> Result<Self, Trouble> {
        let directory = directory()?;
        let path = directory.path().join("template.db");
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(async {
            // Closed, so that all of it is in the one file.
            Db::connect(&config(&path), migrations).await?.close().await;
            Ok::<_, Trouble>(())
        })?;
        Ok(Self(Arc::new(std::fs::read(path)?)))
    }
}

/// The files of one run; gone with it.
#[derive(Debug)]
pub struct Disk(TempDir);

impl Disk {
    /// An empty one.
    pub fn new() -> Result<Self, Trouble> {
        Ok(Self(directory()?))
    }

    /// A fresh database in a file of this name.
    pub fn store(&self, name: &str, template: &Template) -> Result<Store, Trouble> {
        let path = self.0.path().join(name);
        std::fs::write(&path, &template.0[..])?;
        Ok(Store(path))
    }
}

/// In memory where the machine has a place for it: nothing here must survive a power cut.
fn directory() -> std::io::Result<TempDir> {
    let memory = Path::new("/dev/shm");
    if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() }
}

fn config(path: &Path) -> DbConfig {
    let config = DbConfig::new(format!("sqlite:{}", path.display()));
    DbConfig { durability: Durability::ProcessDeath, readers: 2, ..config }
}

/// The database of one service. Several hosts may open it, as replicas do.
#[derive(Debug, Clone)]
pub struct Store(PathBuf);

impl Store {
    /// How a host opens it. Each of its units of work and reads is let through after a random part of `latency`
    /// milliseconds of simulated time.
    pub fn config(&self, dice: Dice, latency: RangeInclusive<u64>) -> DbConfig {
        DbConfig { gate: Some(gate(dice, latency)), ..config(&self.0) }
    }
}

/// Lets work through after a while; from then on to its end simulated time stands still.
///
/// Work waits before it begins and never in the middle, so no host keeps a lock while another one runs: that one would wait
/// for it in real time, in which the first does not go on.
fn gate(dice: Dice, latency: RangeInclusive<u64>) -> Gate {
    Arc::new(move || {
        let (dice, latency) = (dice.clone(), latency.clone());
        async move {
            tokio::time::sleep(dice.millis(latency)).await;
            stand_still()
        }
        .boxed()
    })
}

/// A paused tokio runtime jumps to its next timer as soon as it has nothing to do, even while a thread that it does not
/// know works for it. It does not while a blocking task of its own runs.
fn stand_still() -> Pass {
    let (pass, given_back) = mpsc::channel::<()>();
    tokio::task::spawn_blocking(move || given_back.recv().is_err());
    Box::new(pass)
}
