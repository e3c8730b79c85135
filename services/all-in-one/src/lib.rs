//! `yinyom`: consent-settings, contact-directory and consent-manager in one program, for a laptop; and
//! the commands of whoever works with them.
//!
//! - [`serve`]: starts the three ([`services`] is the wiring), loads the [`demo`] business through
//!   their own API, and says where they are ([`welcome`], [`facts`]).
//! - [`import`], [`bulk`], [`report`], [`export`], [`receipt`]: clients like any other, for the services of this or another machine.
//! - [`recount`]: whether what the manager keeps beside its ledger is what the ledger says.
//! - [`erasures`]: whom a database knows to be erased, and erasing them anew.
//! - [`migrate`]: the schema of a service's database, brought up to date before the service is.
//! - [`keys`]: rotation of keys in a service's database.
//! - [`ledger`], [`verify`]: what a company keeps of its ledger, and verifies offline.
//! - [`token`]: a token for whoever needs one while trying things out.
//! - `settings`, `directory`, `manager`: one service alone, by its own configuration, as in
//!   production.
//!
//! The services do not know that they share a process: each has its database, its keys and its port,
//! and they reach each other over gRPC with tokens of their own. No rule of the product is here.

mod bulk;
mod callers;
mod cli;
mod client;
mod data_dir;
mod demo;
mod erasures;
mod export;
mod facts;
mod import;
mod keys;
mod ledger;
#[cfg(test)]
mod limits_table;
mod migrate;
mod receipt;
mod recount;
mod report;
mod serve;
mod services;
mod session;
mod token;
mod verify;
mod welcome;

use std::error::Error;
use std::io::Write;
use std::process::ExitCode;

pub use cli::Cli;
use cli::Command;

/// Does what the command line asks for.
pub async fn run(cli: Cli) -> Result<ExitCode, Box<dyn Error>> {
    match cli.command {
        None => {
            let telemetry = cli.serve.logs.telemetry("yinyom");
            let serve =
                async |stop| Box::pin(serve::run(&cli.serve, &cli.data.data_dir, stop)).await;
            Ok(yinyom_process::run(&telemetry, serve).await)
        }
        Some(Command::Import { args, data }) => Ok(import::run(*args, &data.data_dir).await?),
        Some(Command::Bulk { args, data }) => Ok(bulk::run(&args, &data.data_dir).await?),
        Some(Command::Report { args, data }) => {
            report::run(args, &data.data_dir).await?;
            Ok(ExitCode::SUCCESS)
        }
        Some(Command::Export { args, data }) => {
            say(&export::run(&args, &data.data_dir).await?);
            Ok(ExitCode::SUCCESS)
        }
        Some(Command::Receipt { args, data }) => {
            say(&receipt::run(&args, &data.data_dir).await?);
            Ok(ExitCode::SUCCESS)
        }
        Some(Command::Token { args, data }) => {
            say(&format!("{}\n", token::run(&args, &data.data_dir)?));
            Ok(ExitCode::SUCCESS)
        }
        Some(Command::Checkpoint { args, data }) => {
            say(&ledger::checkpoint(&args, &data.data_dir).await?);
            Ok(ExitCode::SUCCESS)
        }
        Some(Command::LedgerKeys { args, data }) => {
            say(&ledger::keys(&args, &data.data_dir).await?);
            Ok(ExitCode::SUCCESS)
        }
        Some(Command::ExportLedger { args, data }) => {
            say(&ledger::export(&args, &data.data_dir).await?);
            Ok(ExitCode::SUCCESS)
        }
        Some(Command::Verify { args }) => Ok(verify::run(&args)?),
        Some(Command::VerifyReceipt { args }) => Ok(receipt::verify_file(&args)?),
        Some(Command::Migrate { args }) => migrate::run(args).await,
        Some(Command::Keys { command }) => keys::run(*command).await,
        Some(Command::Recount { args }) => recount::run(args).await,
        Some(Command::Erasures { command }) => erasures::run(command).await,
        Some(Command::Settings { config }) => Ok(config.run().await),
        Some(Command::Directory { config }) => Ok(config.run().await),
        Some(Command::Manager { config }) => Ok(config.run().await),
    }
}

/// Writes to standard output. Nobody may listen there any more, as behind `yinyom | head`; that is no
/// reason to stop serving.
fn say(text: &str) {
    let mut out = std::io::stdout().lock();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}
