//! `yinyom export`: consents or their changes as a file.
//!
//! What arrives goes to `FILE.part`, and how far that is to `FILE.part.state`: a connection that breaks, or a program that
//! is killed, costs what came since the last look, and `FILE` is there only when it is whole.

mod part;
mod progress;
mod stream;

use std::path::{Path, PathBuf};
use std::time::Duration;

use tonic::{Code, Status};
use yinyom_proto::manager::v1 as pb;
use yinyom_proto::manager::v1::export_service_client::ExportServiceClient;

use crate::client::{CallError, Target};
use crate::session::{Lang, Session, SessionArgs, SessionError};
use part::{Part, PartError};
use progress::Progress;
use stream::{Asked, Client};

/// So often in a row nothing may arrive.
const TRIES: u32 = 8;
const MOST_WAIT: Duration = Duration::from_secs(15);

/// Writes consents, or their changes, to a file.
#[derive(Debug, Clone, clap::Args)]
pub struct ExportArgs {
    #[command(flatten)]
    session: SessionArgs,

    /// Where consent-manager answers, if not where `DATA_DIR/dev.json` says.
    #[arg(long, env = "YINYOM_MANAGER", value_name = "http://HOST:PORT")]
    manager: Option<String>,

    /// What is written: every change of consent, or the consents as they stand now.
    #[arg(long, env = "YINYOM_WHAT", value_enum)]
    what: What,

    /// How. XLSX holds 1,048,575 rows at most.
    #[arg(long, env = "YINYOM_FORMAT", value_enum)]
    format: Format,

    /// The language of the headers of CSV and XLSX.
    #[arg(long, env = "YINYOM_LANGUAGE", value_enum, default_value_t)]
    language: Lang,

    /// The file. It is there once it is whole; until then FILE.part is, and is gone on with.
    #[arg(long, env = "YINYOM_OUT", value_name = "FILE")]
    out: PathBuf,
}

/// What is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum What {
    Changes,
    Consents,
}

/// How.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    Csv,
    Jsonl,
    Parquet,
    Xlsx,
}

impl Format {
    const fn wire(self) -> pb::ExportFormat {
        match self {
            Self::Csv => pb::ExportFormat::Csv,
            Self::Jsonl => pb::ExportFormat::JsonLines,
            Self::Parquet => pb::ExportFormat::Parquet,
            Self::Xlsx => pb::ExportFormat::Xlsx,
        }
    }
}

/// Why there is no file.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    #[error(transparent)]
    Session(#[from] SessionError),
    #[error(transparent)]
    Call(#[from] CallError),
    #[error(transparent)]
    Part(#[from] PartError),
    #[error(
        "the manager ended the stream again and again before the file was whole; what came is in {0}"
    )]
    Ended(PathBuf),
}

/// Writes the file. What is said of it.
pub async fn run(args: &ExportArgs, data_dir: &Path) -> Result<String, ExportError> {
    let session = Session::open(&args.session, data_dir, args.manager.is_some())?;
    let target = session.manager(args.manager.as_deref())?;
    let connection = target.by(session.token(), session.language())?;
    let asked = Asked {
        parent: session.business().to_owned(),
        what: args.what,
        format: args.format.wire(),
        language_code: match args.language {
            Lang::En => "en",
            Lang::Th => "th",
        },
    };
    let part = Part::open(&args.out, &asked.key())?;
    let client = ExportServiceClient::new(connection);
    let mut work = Work { client, asked, target, part, progress: Progress::start(), last: None };
    work.run().await?;
    let Work { part, progress, last, .. } = work;
    progress.finish();
    part.finish()?;
    let last = last.unwrap_or_default();
    let size = indicatif::HumanBytes(u64::try_from(last.bytes).unwrap_or_default());
    Ok(format!("{} rows, {size}, in {}\n", last.rows, args.out.display()))
}

struct Work {
    client: Client,
    asked: Asked,
    target: Target,
    part: Part,
    progress: Progress,
    last: Option<pb::ExportProgress>,
}

/// Why a stream ended before the file was whole.
enum Broken {
    /// Another try may do.
    Off(Status),
    Status(Status),
    Part(PartError),
}

impl Work {
    async fn run(&mut self) -> Result<(), ExportError> {
        let (mut tries, mut anew) = (0, false);
        loop {
            let before = self.part.bytes();
            let broken = match self.stream().await {
                Ok(true) => return Ok(()),
                Ok(false) => Broken::Off(Status::unavailable("the stream ended")),
                Err(broken) => broken,
            };
            // What arrived is safe before anything is tried, or said.
            self.part.keep()?;
            tries = if self.part.bytes() > before { 0 } else { tries + 1 };
            match broken {
                Broken::Part(error) => return Err(error.into()),
                Broken::Status(status) if !anew && self.part.bytes() > 0 && is_stale(&status) => {
                    eprintln!(
                        "export: what there is of the file can't be gone on with; it is begun anew"
                    );
                    anew = true;
                    self.part.begin_anew()?;
                }
                Broken::Status(status) => {
                    return Err(self.target.error("The export", &status).into());
                }
                Broken::Off(_) if tries < TRIES => {
                    tokio::time::sleep(Duration::from_secs(1 << tries.min(4)).min(MOST_WAIT)).await;
                }
                Broken::Off(status) if yinyom_rpc::reason(&status).is_some() => {
                    return Err(self.target.error("The export", &status).into());
                }
                Broken::Off(_) => return Err(ExportError::Ended(self.part.path().to_owned())),
            }
        }
    }

    /// Whether the file is whole.
    async fn stream(&mut self) -> Result<bool, Broken> {
        let token = self.part.token().to_owned();
        let mut answers = self.asked.open(&mut self.client, token).await.map_err(broken)?;
        while let Some(message) = answers.next().await.map_err(broken)? {
            self.part.append(&message.data, message.resume_token).map_err(Broken::Part)?;
            self.progress.update(&message.progress);
            self.last = Some(message.progress);
            if message.progress.complete {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

fn broken(status: Status) -> Broken {
    let off = matches!(
        status.code(),
        Code::Unavailable
            | Code::Unknown
            | Code::Cancelled
            | Code::DeadlineExceeded
            | Code::ResourceExhausted
    );
    // A connection that breaks in the middle of a message says INTERNAL, and has no reason.
    let torn = status.code() == Code::Internal && yinyom_rpc::reason(&status).is_none();
    if off || torn { Broken::Off(status) } else { Broken::Status(status) }
}

/// The token is not of this ledger any more.
fn is_stale(status: &Status) -> bool {
    let reason = yinyom_rpc::reason(status).unwrap_or_default();
    ["EXPORT_CHANGED", "INVALID_PAGE_TOKEN"].contains(&reason.as_str())
}
