//! `yinyom erasures`: whom a service's database knows to be erased, and erasing them anew in a database of contact-directory
//! that came back from a backup.
//!
//! The directory compares itself with the manager before it serves, so this is for when both came back: keep a list apart
//! from their backups. What is done is `contact_directory::commands::erase::Replay`. Exit status: 0, or 1 if it failed.

use std::error::Error;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::ExitCode;

use contact_directory::commands::catch_up::about;
use contact_directory::commands::erase::Replay;
use contact_directory::store::erase::Erased;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;
use yinyom_consent::CONTACTS;
use yinyom_db::Db;
use yinyom_kernel::{BusinessId, ContactId};
use yinyom_process::DatabaseArgs;

use crate::say;

/// Erasures that are read at once.
const PAGE: i64 = 1_000;

/// What to do about erasures.
#[derive(clap::Subcommand)]
pub enum ErasuresCommand {
    /// Print erased contacts, one line of JSON each: ids and times alone. Keep it apart from the databases' backups.
    List {
        /// The service whose database it is.
        #[arg(long, env = "YINYOM_SERVICE")]
        service: Keeper,
        #[command(flatten)]
        at: At,
    },
    /// Erase the contacts of a list anew in a database of contact-directory, before it serves. The manager is told when it
    /// does.
    Replay {
        /// What `yinyom erasures list` printed.
        list: PathBuf,
        #[command(flatten)]
        at: At,
    },
}

/// A service that knows of erasures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Keeper {
    Directory,
    Manager,
}

/// Which database.
#[derive(clap::Args)]
pub struct At {
    #[command(flatten)]
    database: DatabaseArgs,
}

/// A line of a list.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    contact: String,
    seq: i64,
    erase_time: String,
}

/// A line is none.
#[derive(Debug, thiserror::Error)]
#[error("line {0} is no line of `yinyom erasures list`")]
struct BadLine(usize);

impl Line {
    fn of(business: Uuid, erased: Erased) -> Self {
        Self {
            contact: CONTACTS.format(BusinessId::from(business), erased.contact),
            seq: erased.seq,
            erase_time: erased.at.to_string(),
        }
    }

    fn read(line: &str) -> Option<(BusinessId, Erased)> {
        let line: Self = serde_json::from_str(line).ok()?;
        let (business, contact): (_, ContactId) = CONTACTS.parse(&line.contact).ok()?;
        let at: Timestamp = line.erase_time.parse().ok()?;
        Some((business, Erased { contact, seq: line.seq, at }))
    }
}

/// Does it.
pub async fn run(command: ErasuresCommand) -> Result<ExitCode, Box<dyn Error>> {
    match command {
        ErasuresCommand::List { service, at } => list(service, &at).await?,
        ErasuresCommand::Replay { list, at } => replay(list, &at).await?,
    }
    Ok(ExitCode::SUCCESS)
}

async fn list(service: Keeper, at: &At) -> Result<(), Box<dyn Error>> {
    let db = at.open(service).await?;
    let mut after = (Uuid::nil(), Uuid::nil());
    loop {
        let mut tx = db.read_unscoped().await?;
        // Both keep it in the same table.
        let page = contact_directory::store::erase::all(&mut tx, after, PAGE).await?;
        drop(tx);
        let Some((business, last)) = page.last() else { return Ok(()) };
        after = (*business, last.contact.uuid());
        let mut lines = String::new();
        for (business, erased) in page {
            lines.push_str(&serde_json::to_string(&Line::of(business, erased))?);
            lines.push('\n');
        }
        say(&lines);
    }
}

async fn replay(list: PathBuf, at: &At) -> Result<(), Box<dyn Error>> {
    // All of it is read before any of it is done.
    let mut wanted = Vec::new();
    for (at, line) in BufReader::new(File::open(list)?).lines().enumerate() {
        let line = line?;
        if !line.trim().is_empty() {
            wanted.push(Line::read(&line).ok_or(BadLine(at + 1))?);
        }
    }
    let db = at.open(Keeper::Directory).await?;
    let replay = Replay::new(db.clone());
    let (mut erased, all) = (0_u64, wanted.len());
    for (business, of) in wanted {
        erased += u64::from(replay.erase(about(business), of).await?);
    }
    db.write_back_journal().await?;
    say(&format!("{all} erasures, of which {erased} were unknown and are done\n"));
    Ok(())
}

impl At {
    async fn open(&self, service: Keeper) -> Result<Db, Box<dyn Error>> {
        let migrations = match service {
            Keeper::Directory => &contact_directory::MIGRATIONS,
            Keeper::Manager => &consent_manager::MIGRATIONS,
        };
        Ok(Db::connect(&self.database.config()?, migrations).await?)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_list_is_read_as_it_was_printed_and_nothing_else_is() {
        let at: Timestamp = "2026-11-29T01:02:03.456789Z".parse().unwrap();
        let erased = Erased { contact: ContactId::generate(), seq: 7, at };
        let business = BusinessId::generate();
        let line = serde_json::to_string(&Line::of(business.uuid(), erased)).unwrap();
        assert_eq!(Line::read(&line), Some((business, erased)));
        for other in ["", "{}", "x", &line.replace("contacts", "leads"), &line.replace("2026", "x")]
        {
            assert_eq!(Line::read(other), None, "{other}");
        }
    }
}
