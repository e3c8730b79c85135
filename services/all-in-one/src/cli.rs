//! The commands.

use std::path::PathBuf;

use crate::bulk::BulkArgs;
use crate::erasures::ErasuresCommand;
use crate::export::ExportArgs;
use crate::import::ImportArgs;
use crate::keys::KeysCommand;
use crate::ledger::{CheckpointArgs, ExportLedgerArgs, LedgerArgs};
use crate::migrate::MigrateArgs;
use crate::receipt::{ReceiptArgs, VerifyReceiptArgs};
use crate::recount::RecountArgs;
use crate::report::ReportArgs;
use crate::serve::ServeArgs;
use crate::token::TokenArgs;
use crate::verify::VerifyArgs;

/// Yinyom, the consent backend of a CRM: three gRPC services with embedded SQLite, in one program.
///
/// Without a command it serves all three on loopback, loads a demo business, and prints what to try.
/// Every flag has an environment variable.
#[derive(clap::Parser)]
#[command(name = "yinyom", version, args_conflicts_with_subcommands = true)]
pub struct Cli {
    #[command(subcommand)]
    pub command: Option<Command>,

    #[command(flatten)]
    pub serve: ServeArgs,

    #[command(flatten)]
    pub data: DataArgs,
}

/// What to do.
#[derive(clap::Subcommand)]
pub enum Command {
    /// Import contacts from a CSV or XLSX export.
    Import {
        #[command(flatten)]
        args: Box<ImportArgs>,
        #[command(flatten)]
        data: DataArgs,
    },
    /// Record what many customers said, and wait until it is.
    Bulk {
        #[command(flatten)]
        args: Box<BulkArgs>,
        #[command(flatten)]
        data: DataArgs,
    },
    /// Print how many contacts said yes or no, and the trend.
    Report {
        #[command(flatten)]
        args: ReportArgs,
        #[command(flatten)]
        data: DataArgs,
    },
    /// Write consents, or their changes, to a file: CSV, JSON Lines, Parquet or XLSX.
    Export {
        #[command(flatten)]
        args: Box<ExportArgs>,
        #[command(flatten)]
        data: DataArgs,
    },
    /// Print or write a person's consent receipt: a page, or the signed record.
    Receipt {
        #[command(flatten)]
        args: Box<ReceiptArgs>,
        #[command(flatten)]
        data: DataArgs,
    },
    /// Print a token for a member, a service or an operator.
    Token {
        #[command(flatten)]
        args: TokenArgs,
        #[command(flatten)]
        data: DataArgs,
    },
    /// Print the signed head of the ledger: keep it, to verify the ledger with later.
    Checkpoint {
        #[command(flatten)]
        args: CheckpointArgs,
        #[command(flatten)]
        data: DataArgs,
    },
    /// Print the public keys that sign the ledger: keep them where nobody who holds the database can write.
    LedgerKeys {
        #[command(flatten)]
        args: LedgerArgs,
        #[command(flatten)]
        data: DataArgs,
    },
    /// Write the records of the ledger to a file, to be verified.
    ExportLedger {
        #[command(flatten)]
        args: Box<ExportLedgerArgs>,
        #[command(flatten)]
        data: DataArgs,
    },
    /// Verify an exported ledger offline. Exit status 2 if anything is wrong with it.
    Verify {
        #[command(flatten)]
        args: VerifyArgs,
    },
    /// List erased persons, and erase them anew in a database that came back from a backup.
    Erasures {
        #[command(subcommand)]
        command: ErasuresCommand,
    },
    /// Recount what consent-manager keeps beside its ledger, and name each difference. Exit status 2 if there is any.
    Recount {
        #[command(flatten)]
        args: RecountArgs,
    },
    /// Verify a consent receipt offline. Exit status 2 if anything is wrong with it.
    VerifyReceipt {
        #[command(flatten)]
        args: VerifyReceiptArgs,
    },
    /// Bring the schema of a service's database up to date, and end. It may run twice, at once, and beside the services.
    Migrate {
        #[command(flatten)]
        args: MigrateArgs,
    },
    /// Rotate master keys, renew the keys of businesses, in a service's database.
    Keys {
        #[command(subcommand)]
        command: Box<KeysCommand>,
    },
    /// Serve consent-settings alone, as in production.
    Settings {
        #[command(flatten)]
        config: Box<consent_settings::Config>,
    },
    /// Serve contact-directory alone, as in production.
    Directory {
        #[command(flatten)]
        config: Box<contact_directory::Config>,
    },
    /// Serve consent-manager alone, as in production.
    Manager {
        #[command(flatten)]
        config: Box<consent_manager::Config>,
    },
}

/// Where a `yinyom` keeps its things.
#[derive(clap::Args)]
pub struct DataArgs {
    /// Databases, keys, and dev.json with addresses and tokens for scripts.
    #[arg(long, env = "YINYOM_DATA_DIR", default_value = "./yinyom-data")]
    pub data_dir: PathBuf,
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use clap::{CommandFactory, Parser};

    use super::*;

    #[test]
    fn every_flag_has_a_variable() {
        fn check(command: &clap::Command) {
            for flag in command.get_arguments().filter(|flag| flag.get_long().is_some()) {
                if matches!(flag.get_id().as_str(), "help" | "version") {
                    continue;
                }
                let name = flag.get_env().and_then(|name| name.to_str()).unwrap_or_default();
                assert!(name.starts_with("YINYOM_"), "--{}: {name:?}", flag.get_id());
            }
            command.get_subcommands().for_each(check);
        }
        let mut command = Cli::command();
        command.build();
        check(&command);
    }

    #[test]
    fn no_command_serves_and_flags_of_serving_do_not_leak_into_commands() {
        assert!(Cli::try_parse_from(["yinyom"]).unwrap().command.is_none());
        assert!(Cli::try_parse_from(["yinyom", "--no-demo", "--settings-port", "0"]).is_ok());
        assert!(Cli::try_parse_from(["yinyom", "report", "--no-demo"]).is_err());
        assert!(Cli::try_parse_from(["yinyom", "import", "x.csv", "--batch", "501"]).is_err());
        assert!(Cli::try_parse_from(["yinyom", "import", "x.csv", "--business", "b"]).is_ok());
    }

    #[test]
    fn help_prints_no_secret_that_the_environment_holds() {
        fn check(command: &clap::Command) {
            for flag in command.get_arguments() {
                let secrets = ["token", "database_url", "master_key", "older_master_keys"];
                if secrets.contains(&flag.get_id().as_str()) {
                    assert!(flag.is_hide_env_values_set(), "{}", flag.get_id());
                }
            }
            command.get_subcommands().for_each(check);
        }
        let mut command = Cli::command();
        command.build();
        check(&command);
    }
}
