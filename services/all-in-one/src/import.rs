//! `yinyom import`: streams the export of another CRM into the directory.
//!
//! - [`source`]: a file, row by row; `headers`, `text`, `words`, `dates`: what its cells say. Pure.
//! - [`row`]: a row as the directory takes it, or why it is not even asked.
//! - [`send`]: batches over one stream, with a bounded number under way.
//! - [`tally`]: what became of the rows. `rejects`: those that were not taken.
//!
//! The rules of an import (which consent replaces which, which row is which contact) are the
//! directory's. Memory does not grow with the file: the reading thread waits for the sender, and the
//! sender for answers.

mod csv_file;
mod dates;
mod headers;
mod progress;
mod rejects;
mod row;
mod send;
mod source;
mod tally;
mod text;
mod words;
mod work;
#[cfg(feature = "xlsx")]
mod xlsx_file;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use jiff::tz::TimeZone;
use yinyom_proto::directory::v1::import_service_client::ImportServiceClient;
use yinyom_proto::settings::v1::GetBusinessRequest;
use yinyom_proto::settings::v1::business_service_client::BusinessServiceClient;

use crate::client::CallError;
use crate::session::{Session, SessionArgs, SessionError};
use headers::Kind;
use progress::{Progress, rate};
use tally::Tally;
pub use tally::grouped;
use work::Work;

/// Some rows were rejected, and all others taken.
const SOME_REJECTED: u8 = 2;

/// Under the table of a dry run.
const DRY_RUN: &str = "Nothing was stored: this was a dry run.";

/// Where a business is, if nobody says.
const ZONE: &str = "Asia/Bangkok";

/// Imports contacts from a CSV or XLSX export.
///
/// Headers may be English or Thai; dates of the Buddhist or the Gregorian era. Importing a file again
/// changes nothing. Exit status: 0 if every row was taken, 2 if some were rejected, 1 if the import
/// failed; of a dry run, as the import would end.
#[derive(clap::Args)]
pub struct ImportArgs {
    /// The export: CSV (UTF-8; commas, semicolons or tabs) or XLSX.
    file: PathBuf,

    #[command(flatten)]
    session: SessionArgs,

    /// Tells what would become of the rows, and stores nothing. 50,000 rows at most.
    #[arg(long, env = "YINYOM_DRY_RUN")]
    dry_run: bool,

    /// The file is another tool's suppression list: whoever has one of its phone numbers or e-mail addresses is DENIED
    /// in that channel, and nothing else happens. Names are not read. Where the file has a column of consents, only
    /// those who refuse there count.
    #[arg(long, env = "YINYOM_OPT_OUTS_ONLY")]
    opt_outs_only: bool,

    /// Where contact-directory answers, if not where `DATA_DIR/dev.json` says.
    #[arg(long, env = "YINYOM_DIRECTORY", value_name = "http://HOST:PORT")]
    directory: Option<String>,

    /// Where rejected rows go, each with its problem. `NAME.rejects.csv` in this directory if unset.
    #[arg(long, env = "YINYOM_REJECTS", value_name = "FILE")]
    rejects: Option<PathBuf>,

    /// Rows that are stored together.
    #[arg(long, env = "YINYOM_BATCH", default_value_t = 200,
          value_parser = clap::value_parser!(u16).range(1..=500))]
    batch: u16,

    /// The sheet of a workbook; the first one if unset.
    #[arg(long, env = "YINYOM_SHEET")]
    sheet: Option<String>,

    /// Where the dates of the file are days. The business's zone if that can be asked, else
    /// Asia/Bangkok.
    #[arg(long, env = "YINYOM_TIME_ZONE")]
    time_zone: Option<String>,
}

/// Why an import failed. Says nothing of what is in the file.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    #[error(transparent)]
    Session(#[from] SessionError),
    #[error(transparent)]
    Call(#[from] CallError),
    #[error(transparent)]
    Work(#[from] work::WorkError),
    #[error("{0:?} is no time zone; name one such as Asia/Bangkok")]
    Zone(String),
    #[error("the rejects would overwrite the file that is imported")]
    SameFile,
    #[error(
        "{rows} rows were read and {answered} have an outcome: something is wrong with this program"
    )]
    DoesNotAddUp { rows: u64, answered: u64 },
}

/// Imports, and tells what became of the rows.
pub async fn run(args: ImportArgs, data_dir: &Path) -> Result<ExitCode, ImportError> {
    let session = Session::open(&args.session, data_dir, args.directory.is_some())?;
    let zone = zone(args.time_zone.as_deref(), &session).await?;
    let rejects = args.rejects.unwrap_or_else(|| beside(&args.file));
    if same_file(&args.file, &rejects) {
        return Err(ImportError::SameFile);
    }
    let directory = session.directory(args.directory.as_deref())?;
    let connection = directory.by(session.token(), session.language())?;
    let work = Work {
        file: args.file,
        kind: if args.opt_outs_only { Kind::OptOuts } else { Kind::People },
        dry_run: args.dry_run,
        sheet: args.sheet,
        batch: usize::from(args.batch),
        zone,
        language: session.language(),
        rejects,
        parent: session.business().to_owned(),
        client: ImportServiceClient::new(connection),
        directory,
    };
    let mut progress = Progress::start();
    let mut tally = Tally::default();
    let done = work.run(&mut tally, &mut progress).await;
    progress.finish();
    let rejected = done.inspect_err(|_| {
        if tally.answered() > 0 && !args.dry_run {
            eprintln!(
                "{} rows were taken or rejected before. Run it again: what was taken comes out unchanged.",
                tally.answered()
            );
        }
    })?;
    if !tally.adds_up() {
        let (rows, answered) = (tally.rows, tally.answered());
        return Err(ImportError::DoesNotAddUp { rows, answered });
    }
    let mut said = summary(&tally, rejected.as_deref(), &progress);
    if args.dry_run {
        said = format!("{said}{DRY_RUN}\n");
    }
    crate::say(&said);
    Ok(if tally.rejected == 0 { ExitCode::SUCCESS } else { ExitCode::from(SOME_REJECTED) })
}

async fn zone(named: Option<&str>, session: &Session) -> Result<TimeZone, ImportError> {
    let name = match (named, session.settings()?) {
        (Some(name), _) => name.to_owned(),
        (None, Some(settings)) => {
            let connection = settings.by(session.token(), session.language())?;
            let request = GetBusinessRequest { name: session.business().to_owned() };
            BusinessServiceClient::new(connection)
                .get_business(request)
                .await
                .map_err(|status| settings.error("Reading the business", &status))?
                .into_inner()
                .business
                .map_or_else(|| ZONE.to_owned(), |business| business.time_zone)
        }
        (None, None) => ZONE.to_owned(),
    };
    TimeZone::get(&name).map_err(|_| ImportError::Zone(name))
}

fn summary(tally: &Tally, rejects: Option<&Path>, progress: &Progress) -> String {
    let elapsed = progress.elapsed();
    let mut text = format!(
        "rows      {:>8}   in {}.{} s, {} rows/s\n",
        tally.rows,
        elapsed.as_secs(),
        elapsed.subsec_millis() / 100,
        rate(tally.rows, elapsed)
    );
    for (word, count) in [
        ("created", tally.created),
        ("updated", tally.updated),
        ("unchanged", tally.unchanged),
        ("rejected", tally.rejected),
    ] {
        text = format!("{text}{word:<9} {count:>8}\n");
    }
    for (count, why) in [
        (tally.kept_for_refusal(), "consents were kept as they are because of an earlier refusal"),
        (tally.kept_granted, "consents were kept: \"not set\" does not take back a yes"),
        (tally.denied_contacts, "contacts are DENIED by an opt-out"),
        (tally.kept_addresses, "addresses that nobody has are kept as refused"),
        (tally.blank, "blank rows were skipped"),
    ] {
        if count > 0 {
            text = format!("{text}{count} {why}.\n");
        }
    }
    match rejects {
        Some(path) => format!("{text}The rejected rows are in {}.\n", path.display()),
        None => text,
    }
}

/// `contacts.csv` → `contacts.rejects.csv` in the working directory: where exports lie may be
/// somebody else's.
fn beside(file: &Path) -> PathBuf {
    let stem = file.file_stem().unwrap_or_default().to_string_lossy();
    PathBuf::from(format!("{stem}.rejects.csv"))
}

fn same_file(file: &Path, rejects: &Path) -> bool {
    match (file.canonicalize(), rejects.canonicalize()) {
        (Ok(file), Ok(rejects)) => file == rejects,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn rejects_never_overwrite_what_is_imported() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("a.csv");
        std::fs::write(&file, "x").unwrap();
        assert!(same_file(&file, &dir.path().join(".").join("a.csv")));
        assert!(!same_file(&file, &dir.path().join("a.rejects.csv")));
        assert_eq!(beside(Path::new("exports/a.rejects.csv")), Path::new("a.rejects.rejects.csv"));
    }

    #[tokio::test]
    async fn the_summary_holds_the_four_outcomes() {
        let tally = Tally {
            rows: 10,
            created: 4,
            updated: 3,
            unchanged: 2,
            rejected: 1,
            kept_denied: 5,
            kept_refused_before: 1,
            ..Tally::default()
        };
        let text = summary(&tally, Some(Path::new("x.rejects.csv")), &Progress::start());
        for line in
            ["created          4", "updated          3", "unchanged        2", "rejected         1"]
        {
            assert!(text.contains(line), "{text}");
        }
        assert!(text.contains("6 consents were kept") && text.contains("x.rejects.csv"));
        assert!(!text.contains("blank"));
    }
}
