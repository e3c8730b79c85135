//! `yinyom migrate`: the schema of one service's database, brought up to date before the service's new release is rolled out.
//!
//! What a service does when it starts, and nothing else: so it may run twice, at once with another, and beside the old release.
//! Exit status: 0 if the database is as this release needs it, 1 if not.

use std::error::Error;
use std::process::ExitCode;
use std::time::Duration;

use yinyom_db::{Db, DbConfig, Migrated, Migrations};
use yinyom_process::DatabaseArgs;

use crate::say;

/// How long SQLite waits for who has the file. On PostgreSQL one migration waits for another as long as that takes.
const PATIENCE: Duration = Duration::from_mins(1);

/// Brings a schema up to date.
#[derive(clap::Args)]
pub struct MigrateArgs {
    /// The service whose database it is.
    service: Keeper,

    #[command(flatten)]
    database: DatabaseArgs,
}

/// A service that keeps a database.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Keeper {
    Settings,
    Directory,
    Manager,
}

impl Keeper {
    /// The schema's history.
    pub fn migrations(self) -> &'static Migrations {
        match self {
            Self::Settings => &consent_settings::MIGRATIONS,
            Self::Directory => &contact_directory::MIGRATIONS,
            Self::Manager => &consent_manager::MIGRATIONS,
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Settings => "consent-settings",
            Self::Directory => "contact-directory",
            Self::Manager => "consent-manager",
        }
    }
}

/// Brings it up to date, and says what it did.
pub async fn run(args: MigrateArgs) -> Result<ExitCode, Box<dyn Error>> {
    yinyom_tls::install_provider();
    let config = DbConfig { acquire_timeout: PATIENCE, ..args.database.config()? };
    let db = Db::connect(&config, args.service.migrations()).await?;
    say(&told(args.service.name(), db.migrated()));
    db.close().await;
    Ok(ExitCode::SUCCESS)
}

fn told(service: &str, migrated: &Migrated) -> String {
    let Migrated { from, applied, to, known } = migrated;
    let line = |(version, name): &(i64, String)| format!("{service}: applied {version} {name}\n");
    let lines: Vec<String> = applied.iter().map(line).collect();
    let from = from.map_or("new".to_owned(), |from| format!("at {from}"));
    let done = match applied.len() {
        0 => format!("it is at {to}, nothing was to be done"),
        1 => format!("it was {from} and is at {to}: 1 migration"),
        several => format!("it was {from} and is at {to}: {several} migrations"),
    };
    let beyond = if to > known {
        format!(
            "; a later release has been here, beside which this one, which knows {known}, may run"
        )
    } else {
        String::new()
    };
    lines.concat() + &format!("{service}: {done}{beyond}\n")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn what_was_done_is_told_in_a_line_each() {
        let applied = vec![(1, "ledger".to_owned()), (2, "audit".to_owned())];
        let migrated = Migrated { from: None, applied, to: 2, known: 2 };
        assert_eq!(
            told("s", &migrated),
            "s: applied 1 ledger\ns: applied 2 audit\ns: it was new and is at 2: 2 migrations\n"
        );
        let migrated = Migrated { from: Some(3), applied: Vec::new(), to: 3, known: 2 };
        assert_eq!(
            told("s", &migrated),
            "s: it is at 3, nothing was to be done; a later release has been here, beside which \
             this one, which knows 2, may run\n"
        );
    }

    /// What the release before uses must still be there. No reader of SQL, but whoever takes something away or makes it
    /// narrower has to say one of these.
    fn takes_something(sql: &str) -> bool {
        let sql = sql.to_uppercase();
        let words: Vec<&str> = sql.split_whitespace().collect();
        let drops = words.windows(2).any(|pair| {
            pair[0] == "DROP" && !["INDEX", "TRIGGER", "NOT", "DEFAULT"].contains(&pair[1])
        });
        drops
            || [" RENAME ", " SET NOT NULL", " TYPE ", "TRUNCATE "]
                .iter()
                .any(|word| words.join(" ").contains(word))
    }

    /// Or a file with another name would be left out.
    #[test]
    fn each_file_is_a_migration_with_a_number_of_its_own() {
        for keeper in [Keeper::Settings, Keeper::Directory, Keeper::Manager] {
            let Migrations { sqlite, postgres } = keeper.migrations();
            for (database, history) in [("sqlite", sqlite), ("postgres", postgres)] {
                let root = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
                let files = format!("{root}/{}/migrations/{database}", keeper.name());
                let files = std::fs::read_dir(files).unwrap().count();
                let versions: Vec<_> = history.iter().map(|migration| migration.version).collect();
                assert_eq!(versions.len(), files, "{versions:?}");
                assert!(versions.windows(2).all(|two| two[0] < two[1]), "{versions:?}");
            }
        }
    }

    #[test]
    fn a_migration_that_says_that_it_expands_takes_nothing_away() {
        for keeper in [Keeper::Settings, Keeper::Directory, Keeper::Manager] {
            let Migrations { sqlite, postgres } = keeper.migrations();
            for migration in sqlite.iter().chain(postgres.iter()) {
                let expands = migration.description.starts_with(yinyom_db::EXPAND);
                assert!(
                    !(expands && takes_something(migration.sql.as_str())),
                    "{} {} {}",
                    keeper.name(),
                    migration.version,
                    migration.description
                );
            }
        }
        assert!(takes_something("ALTER TABLE a DROP COLUMN b"));
        assert!(takes_something("drop table a"));
        assert!(takes_something("ALTER TABLE a RENAME COLUMN b TO c"));
        assert!(takes_something("ALTER TABLE a ALTER COLUMN b SET NOT NULL"));
        assert!(!takes_something(
            "CREATE TABLE a (b INT NOT NULL); DROP INDEX c; CREATE INDEX d ON a (b)"
        ));
    }
}
