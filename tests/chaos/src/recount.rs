//! Whether what the manager keeps beside its ledger is what the ledger says: its own recount, at the end of a run.

use std::path::Path;
use std::process::Stdio;

use tokio::process::Command;

use crate::Failure;
use crate::database::Database;
use crate::plan::Service;

/// Each difference, in the words of `yinyom recount`.
pub async fn recount(program: &Path, database: &Database) -> Result<Vec<String>, Failure> {
    let mut command = Command::new(program);
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("YINYOM_") || name == "FAILPOINTS" {
            command.env_remove(name);
        }
    }
    let url = database.url(Service::Manager, database.address()?);
    command.arg("recount").env("YINYOM_DATABASE_URL", url).stdin(Stdio::null());
    let answer = command.output().await?;
    let text = String::from_utf8_lossy(&answer.stdout);
    let mut lines: Vec<_> = text.lines().map(str::to_owned).collect();
    match answer.status.code() {
        Some(0) if lines.len() == 1 => Ok(Vec::new()),
        // The last line is the sum.
        Some(2) if lines.pop().is_some() && !lines.is_empty() => Ok(lines),
        _ => Err(Failure::Setup(String::from_utf8_lossy(&answer.stderr).into_owned())),
    }
}
