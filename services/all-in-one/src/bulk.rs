//! `yinyom bulk`: the same word of many customers, as an operation that goes on by itself; here one waits for its end.
//!
//! Which contact takes the word is the directory's to say, as for one. Whoever stops this command stops no operation.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use prost::Message;
use tokio::time::Instant;
use uuid::Uuid;
use yinyom_proto::directory::v1 as dir;
use yinyom_proto::directory::v1::bulk_consent_service_client::BulkConsentServiceClient;
use yinyom_proto::directory::v1::bulk_set_result::Result as Became;
use yinyom_proto::longrunning::operations_client::OperationsClient;
use yinyom_proto::longrunning::{Operation, WaitOperationRequest, operation};
use yinyom_proto::types::v1::{Channel, ConsentState, Surface};

use crate::client::{CallError, Connection, Target};
use crate::import::grouped;
use crate::session::{Session, SessionArgs, SessionError};

/// Some contacts were refused, and all others recorded.
const SOME_REFUSED: u8 = 2;

/// How long one call waits for the end.
const WAIT: i64 = 2;
/// How often a line tells how far it is.
const EVERY: Duration = Duration::from_secs(5);

/// Records the same word of many contacts, and waits until it is.
///
/// Exit status: 0 if it was recorded of each contact, 2 if some were refused, 1 if it failed, was cancelled or was stopped.
#[derive(clap::Args)]
pub struct BulkArgs {
    /// What the customers said.
    #[arg(value_enum)]
    state: Said,

    /// In which channels: both are changed together, or neither.
    #[arg(long, env = "YINYOM_CHANNEL", value_enum, value_delimiter = ',', required = true)]
    channel: Vec<Of>,

    /// The contacts: a file with an id, or `businesses/{id}/contacts/{id}`, in each line. 10,000 at most.
    #[arg(long, env = "YINYOM_CONTACTS", value_name = "FILE")]
    contacts: Option<PathBuf>,

    /// Instead of a file: contacts whose name, or last name, starts with this.
    #[arg(long, env = "YINYOM_NAME_PREFIX")]
    name_prefix: Option<String>,

    /// Instead of a file: contacts that are in this state in at least one channel.
    #[arg(long, env = "YINYOM_IN_STATE", value_enum)]
    in_state: Option<Said>,

    /// Instead of a file: everybody.
    #[arg(long, env = "YINYOM_ALL")]
    all: bool,

    /// Where it was said. A service's is `api`.
    #[arg(long, env = "YINYOM_SURFACE", value_enum, default_value_t = On::Contacts)]
    surface: On,

    #[command(flatten)]
    session: SessionArgs,

    /// Where contact-directory answers, if not where `DATA_DIR/dev.json` says.
    #[arg(long, env = "YINYOM_DIRECTORY", value_name = "http://HOST:PORT")]
    directory: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Said {
    Granted,
    Denied,
    NotSet,
}

impl Said {
    const fn wire(self) -> ConsentState {
        match self {
            Self::Granted => ConsentState::Granted,
            Self::Denied => ConsentState::Denied,
            Self::NotSet => ConsentState::NotSet,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Of {
    Phone,
    Email,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum On {
    Contacts,
    Api,
}

/// Why it did not come to an end.
#[derive(Debug, thiserror::Error)]
pub enum BulkError {
    #[error("whom: pass --contacts FILE, or --name-prefix and --in-state, or --all")]
    Whom,
    #[error("{path}: {source}")]
    File { path: String, source: std::io::Error },
    #[error(transparent)]
    Session(#[from] SessionError),
    #[error(transparent)]
    Call(#[from] CallError),
    #[error("{name} goes on by itself, though: {source}")]
    Lost { name: String, source: CallError },
    #[error("{name} ended before it was through: {message}\n{done}")]
    Ended { name: String, message: String, done: String },
}

/// Begins, waits, and tells what became of the contacts.
pub async fn run(args: &BulkArgs, data_dir: &Path) -> Result<ExitCode, BulkError> {
    let session = Session::open(&args.session, data_dir, args.directory.is_some())?;
    let directory = session.directory(args.directory.as_deref())?;
    let connection = directory.by(session.token(), session.language())?;
    let request = args.request(session.business())?;
    let mut bulk = BulkConsentServiceClient::new(connection.clone());
    let begun = bulk.bulk_set_contact_consents(request).await;
    let begun = begun.map_err(|status| directory.error("The change", &status))?.into_inner();
    let name = begun.name.clone();
    eprintln!("{name}");
    let lost = |source| BulkError::Lost { name: name.clone(), source };
    let ended = wait(&directory, connection, begun).await.map_err(lost)?;
    let reached = progress(&ended);
    let refused = match reached.refused_count {
        0 => BTreeMap::new(),
        _ => refused(&directory, bulk, &name).await.map_err(lost)?,
    };
    let told = table(&reached, &refused);
    if let Some(operation::Result::Error(status)) = ended.result {
        return Err(BulkError::Ended { name, message: status.message, done: told });
    }
    crate::say(&told);
    Ok(if reached.refused_count == 0 { ExitCode::SUCCESS } else { ExitCode::from(SOME_REFUSED) })
}

impl BulkArgs {
    fn request(&self, business: &str) -> Result<dir::BulkSetContactConsentsRequest, BulkError> {
        let filtered = self.name_prefix.is_some() || self.in_state.is_some();
        let ways = [self.contacts.is_some(), filtered, self.all];
        if ways.into_iter().filter(|way| *way).count() != 1 {
            return Err(BulkError::Whom);
        }
        let contacts = self.contacts.as_deref().map(|path| names(path, business)).transpose()?;
        let filter = contacts.is_none().then(|| dir::ContactFilter {
            name_prefix: self.name_prefix.clone().unwrap_or_default(),
            state: self.in_state.map_or(ConsentState::Unspecified, Said::wire).into(),
            ..Default::default()
        });
        let assignments = self.channel.iter().map(|channel| dir::ConsentAssignment {
            channel: match channel {
                Of::Phone => Channel::Phone.into(),
                Of::Email => Channel::Email.into(),
            },
            state: self.state.wire().into(),
            expire_time: None,
        });
        Ok(dir::BulkSetContactConsentsRequest {
            parent: business.to_owned(),
            contacts: contacts.unwrap_or_default(),
            filter,
            surface: match self.surface {
                On::Contacts => Surface::Contacts.into(),
                On::Api => Surface::Api.into(),
            },
            assignments: assignments.collect(),
            // A call that is tried again begins nothing new.
            request_id: Uuid::now_v7().to_string(),
            ..Default::default()
        })
    }
}

/// The names in a file: whole ones, and ids of this business.
fn names(path: &Path, business: &str) -> Result<Vec<String>, BulkError> {
    let text = fs::read_to_string(path)
        .map_err(|source| BulkError::File { path: path.display().to_string(), source })?;
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    let name = |line: &str| {
        if line.contains('/') { line.to_owned() } else { format!("{business}/contacts/{line}") }
    };
    Ok(lines.map(name).collect())
}

async fn wait(
    directory: &Target,
    connection: Connection,
    mut operation: Operation,
) -> Result<Operation, CallError> {
    let mut operations = OperationsClient::new(connection);
    let mut last_line = Instant::now();
    while !operation.done {
        let timeout = Some(prost_types::Duration { seconds: WAIT, nanos: 0 });
        let request = WaitOperationRequest { name: operation.name.clone(), timeout };
        let waited = operations.wait_operation(request).await;
        operation = waited.map_err(|status| directory.error("The wait", &status))?.into_inner();
        if last_line.elapsed() >= EVERY {
            last_line = Instant::now();
            eprintln!("{}", line(&progress(&operation)));
        }
    }
    Ok(operation)
}

/// How often each reason was given.
async fn refused(
    directory: &Target,
    mut bulk: BulkConsentServiceClient<Connection>,
    name: &str,
) -> Result<BTreeMap<String, u64>, CallError> {
    let (mut reasons, mut page_token) = (BTreeMap::new(), String::new());
    loop {
        let asked = dir::ListBulkSetResultsRequest {
            operation: name.to_owned(),
            only_refused: true,
            page_size: 1_000,
            page_token,
        };
        let page = bulk.list_bulk_set_results(asked).await;
        let page = page.map_err(|status| directory.error("The results", &status))?.into_inner();
        for result in page.results {
            if let Some(Became::Refusal(refusal)) = result.result {
                *reasons.entry(refusal.reason).or_default() += 1;
            }
        }
        page_token = page.next_page_token;
        if page_token.is_empty() {
            return Ok(reasons);
        }
    }
}

/// What cannot be read is told as nothing done.
fn progress(operation: &Operation) -> dir::BulkSetContactConsentsMetadata {
    let metadata = operation.metadata.as_ref();
    metadata.and_then(|any| Message::decode(&any.value[..]).ok()).unwrap_or_default()
}

fn count(number: i64) -> String {
    grouped(number.unsigned_abs())
}

fn line(reached: &dir::BulkSetContactConsentsMetadata) -> String {
    let (done, total) = (count(reached.done_count), count(reached.total_count));
    format!("bulk: {done} of {total} contacts, {} refused", count(reached.refused_count))
}

fn table(reached: &dir::BulkSetContactConsentsMetadata, refused: &BTreeMap<String, u64>) -> String {
    let counts = [
        ("contacts", reached.total_count),
        ("recorded", reached.recorded_count),
        ("refused", reached.refused_count),
    ];
    let counts = counts.map(|(what, number)| format!("{what:<10}{:>10}\n", count(number)));
    let reasons =
        refused.iter().map(|(reason, number)| format!("  {reason}: {}\n", grouped(*number)));
    counts.into_iter().chain(reasons).collect()
}
