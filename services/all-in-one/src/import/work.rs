//! The two halves of an import: a thread that reads the file into batches, and the task that sends
//! them and takes the answers.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use jiff::tz::TimeZone;
use prost::Message;
use tokio::sync::{mpsc, oneshot};
use yinyom_kernel::Language;
use yinyom_proto::directory::v1::import_service_client::ImportServiceClient;
use yinyom_proto::directory::v1::{ImportOutcome, ImportRowResult};

use super::headers::{HeaderError, Kind, Layout};
use super::progress::Progress;
use super::rejects::Rejects;
use super::row::{Line, Origins, Problem, Reader};
use super::send::{Answered, Batch, Mode, SendError, Sender};
use super::source::{self, FileError, Piece, Place};
use super::tally::{Tally, UnknownOutcome};
use crate::client::{CallError, Connection, Target};

/// Batches that are read ahead.
const AHEAD: usize = 2;

/// A batch is handed over before it is full once its rows are this large together: messages have a
/// limit.
const MAX_BATCH_BYTES: usize = 1024 * 1024;

/// Why an import ended early.
#[derive(Debug, thiserror::Error)]
pub enum WorkError {
    #[error(transparent)]
    File(#[from] FileError),
    #[error(transparent)]
    Headers(#[from] HeaderError),
    #[error(transparent)]
    Call(#[from] CallError),
    #[error(transparent)]
    Outcome(#[from] UnknownOutcome),
    #[error("the directory's answers do not fit the rows that it was sent")]
    Answer,
    #[error("the directory ended the stream again and again before its last answer")]
    Ended,
    #[error("the rejects cannot be written to {path}")]
    Rejects { path: PathBuf, source: io::Error },
    #[error("the reading thread died")]
    Reader,
}

/// An import that is about to run.
pub struct Work {
    pub file: PathBuf,
    pub kind: Kind,
    /// Whether nothing is to be stored.
    pub dry_run: bool,
    pub sheet: Option<String>,
    pub batch: usize,
    pub zone: TimeZone,
    pub language: Language,
    pub rejects: PathBuf,
    pub parent: String,
    pub client: ImportServiceClient<Connection>,
    pub directory: Target,
}

/// A row of a batch, and either where its addresses came from or why it was not sent.
struct Item {
    line: Line,
    read: Result<Origins, Vec<Problem>>,
}

/// The rows of a batch in the order of the file, and how far that is.
struct Chunk {
    items: Vec<Item>,
    place: Place,
}

impl Work {
    /// Runs it, and counts in `tally` as it goes. Tells where rejected rows went, if there are any.
    pub async fn run(
        self,
        tally: &mut Tally,
        progress: &mut Progress,
    ) -> Result<Option<PathBuf>, WorkError> {
        let (batches, mut incoming) = mpsc::channel(AHEAD);
        let (announce, announced) = oneshot::channel();
        let reading = tokio::task::spawn_blocking({
            let (file, sheet, batch) = (self.file, self.sheet, self.batch);
            let (kind, zone, language) = (self.kind, self.zone, self.language);
            move || {
                let mut filling = Filling::new(kind, batch, zone, language, announce, batches);
                source::read(&file, sheet.as_deref(), &mut |piece, place| {
                    filling.take(piece, place)
                })
                .and_then(|()| filling.hand_over())
                .map(|()| (filling.rows, filling.blank))
            }
        });
        let Ok(reader) = announced.await else {
            // No headers: the thread knows why.
            return match ended(reading.await) {
                Err(error) => Err(error),
                Ok(_) => Err(WorkError::Reader),
            };
        };
        tell_ignored(&reader);
        let mut taking = Taking {
            rejects: Rejects::new(self.rejects.clone(), reader.layout().headers().to_vec()),
            reader,
            path: self.rejects,
            tally,
            progress,
        };
        let directory = self.directory;
        let mode = Mode { validate_only: self.dry_run, opt_outs_only: self.kind == Kind::OptOuts };
        let sent = Sender::new(self.client, self.parent, mode)
            .send(&mut incoming, &mut |answered| taking.take(&answered).map_err(Stop::Work))
            .await;
        // Lets a reader that waits for a place see that nobody takes its batches any more.
        drop(incoming);
        let flushed = taking.rejects.finish();
        let read = ended(reading.await);
        sent.map_err(|stop| stop.told(&directory))?;
        (taking.tally.rows, taking.tally.blank) = read?;
        flushed.map_err(|source| WorkError::Rejects { path: taking.path, source })?;
        Ok(taking.rejects.path().map(PathBuf::from))
    }
}

type Read = Result<(u64, u64), Stopped>;

fn ended(read: Result<Read, tokio::task::JoinError>) -> Result<(u64, u64), WorkError> {
    match read {
        Ok(Ok(counts)) => Ok(counts),
        Ok(Err(Stopped::Work(error))) => Err(*error),
        Ok(Err(Stopped::Unwanted)) | Err(_) => Err(WorkError::Reader),
    }
}

/// Why the reading thread stopped.
enum Stopped {
    Work(Box<WorkError>),
    /// The other half has failed.
    Unwanted,
}

impl<E: Into<WorkError>> From<E> for Stopped {
    fn from(error: E) -> Self {
        Self::Work(Box::new(error.into()))
    }
}

/// Why sending stopped.
enum Stop {
    Send(SendError),
    Work(WorkError),
}

impl From<SendError> for Stop {
    fn from(error: SendError) -> Self {
        Self::Send(error)
    }
}

impl Stop {
    fn told(self, directory: &Target) -> WorkError {
        match self {
            Self::Work(error) => error,
            Self::Send(SendError::Status(status)) => directory.error("The import", &status).into(),
            Self::Send(SendError::Ended) => WorkError::Ended,
            Self::Send(SendError::Answer) => WorkError::Answer,
        }
    }
}

/// The reading half.
struct Filling {
    kind: Kind,
    size: usize,
    zone: TimeZone,
    language: Language,
    announce: Option<oneshot::Sender<Arc<Reader>>>,
    batches: mpsc::Sender<Batch<Chunk>>,
    reader: Option<Arc<Reader>>,
    batch: Batch<Chunk>,
    bytes: usize,
    rows: u64,
    blank: u64,
}

impl Filling {
    fn new(
        kind: Kind,
        size: usize,
        zone: TimeZone,
        language: Language,
        announce: oneshot::Sender<Arc<Reader>>,
        batches: mpsc::Sender<Batch<Chunk>>,
    ) -> Self {
        let announce = Some(announce);
        let (reader, batch, bytes, rows, blank) = (None, empty(), 0, 0, 0);
        Self { kind, size, zone, language, announce, batches, reader, batch, bytes, rows, blank }
    }

    fn take(&mut self, piece: Piece, place: Place) -> Result<(), Stopped> {
        let line = match piece {
            Piece::Line(line) => line,
            Piece::Headers(headers) => return self.begin(headers),
        };
        if line.is_blank() {
            self.blank += 1;
            return Ok(());
        }
        let Some(reader) = &self.reader else { return Err(Stopped::Unwanted) };
        self.rows += 1;
        let read = match reader.read(&line) {
            Ok(prepared) => {
                self.bytes += prepared.row.encoded_len();
                self.batch.rows.push(prepared.row);
                Ok(prepared.origins)
            }
            Err(problems) => Err(problems),
        };
        self.batch.kept.items.push(Item { line, read });
        self.batch.kept.place = place;
        let full = self.batch.kept.items.len() >= self.size || self.bytes >= MAX_BATCH_BYTES;
        if full { self.hand_over() } else { Ok(()) }
    }

    fn begin(&mut self, headers: Vec<String>) -> Result<(), Stopped> {
        let layout = Layout::of(self.kind, headers)?;
        let reader = Arc::new(Reader::new(layout, self.zone.clone(), self.language));
        self.reader = Some(Arc::clone(&reader));
        match self.announce.take().map(|announce| announce.send(reader)) {
            Some(Ok(())) => Ok(()),
            _ => Err(Stopped::Unwanted),
        }
    }

    /// Waits until there is a place.
    fn hand_over(&mut self) -> Result<(), Stopped> {
        if self.batch.kept.items.is_empty() {
            return Ok(());
        }
        self.bytes = 0;
        let batch = std::mem::replace(&mut self.batch, empty());
        self.batches.blocking_send(batch).map_err(|_| Stopped::Unwanted)
    }
}

fn empty() -> Batch<Chunk> {
    Batch { rows: Vec::new(), kept: Chunk { items: Vec::new(), place: Place::default() } }
}

/// The half that takes answers.
struct Taking<'a> {
    reader: Arc<Reader>,
    rejects: Rejects,
    path: PathBuf,
    tally: &'a mut Tally,
    progress: &'a mut Progress,
}

impl Taking<'_> {
    fn take(&mut self, answered: &Answered<Chunk>) -> Result<(), WorkError> {
        let mut results = answered.results.iter();
        for item in &answered.kept.items {
            match &item.read {
                Err(problems) => {
                    self.tally.rejected += 1;
                    self.reject(&item.line, problems)?;
                }
                Ok(origins) => {
                    let result = results.next().ok_or(WorkError::Answer)?;
                    self.tally.count(result)?;
                    if result.outcome() == ImportOutcome::Rejected {
                        self.reject(&item.line, &refused(&self.reader, origins, result))?;
                    }
                }
            }
        }
        self.progress.update(answered.kept.place, self.tally);
        Ok(())
    }

    fn reject(&mut self, line: &Line, problems: &[Problem]) -> Result<(), WorkError> {
        let written = self.rejects.write(line, problems);
        written.map_err(|source| WorkError::Rejects { path: self.path.clone(), source })
    }
}

/// What the directory found wrong, in the columns of the file.
fn refused(reader: &Reader, origins: &Origins, result: &ImportRowResult) -> Vec<Problem> {
    let refusal = result.refusal.clone().unwrap_or_default();
    if refusal.field_violations.is_empty() {
        return vec![Problem { column: String::new(), text: refusal.message }];
    }
    refusal
        .field_violations
        .into_iter()
        .map(|wrong| Problem {
            column: reader.column_of(origins, &wrong.field),
            text: wrong.description,
        })
        .collect()
}

/// Once, before the first row: who exported a column expects it to arrive.
fn tell_ignored(reader: &Reader) {
    let ignored = reader.layout().ignored();
    if ignored.is_empty() {
        return;
    }
    let why = match reader.layout().kind() {
        Kind::People => {
            "Only the columns of a contact are; free text can hold phone numbers and e-mail addresses that \
             no mask would cover."
        }
        Kind::OptOuts => {
            "Of an opt-out only phones, e-mails, what is said of them and when are: whoever has the address \
             refuses."
        }
    };
    eprintln!("Not imported: {}. {why}", ignored.join(", "));
}

#[cfg(test)]
#[path = "work_tests.rs"]
mod tests;
