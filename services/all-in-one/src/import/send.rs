//! Sends batches over one stream and takes the answers, with a bounded number of batches under way.
//!
//! A stream that breaks is opened again, and the batches that were not answered are sent again under
//! their own `request_id`: the directory takes none of them twice. Each attempt that gets an answer
//! starts the count of attempts anew.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Code, Status, Streaming};
use uuid::Uuid;
use yinyom_proto::directory::v1::import_service_client::ImportServiceClient;
use yinyom_proto::directory::v1::{
    ImportContactsRequest, ImportContactsResponse, ImportRow, ImportRowResult,
};

use crate::client::Connection;

/// Batches that are sent before the first of them is answered.
const WINDOW: usize = 4;

/// How often a stream that broke without an answer is opened again, and how long to wait before.
const WAITS: [Duration; 5] = [
    Duration::from_millis(200),
    Duration::from_secs(1),
    Duration::from_secs(3),
    Duration::from_secs(5),
    Duration::from_secs(10),
];

/// Rows that travel together, and what the caller needs when they come back.
pub struct Batch<T> {
    pub rows: Vec<ImportRow>,
    pub kept: T,
}

/// A batch of the file, and its answers.
pub struct Answered<T> {
    pub results: Vec<ImportRowResult>,
    pub kept: T,
}

/// Why sending ended early.
#[derive(Debug)]
pub enum SendError {
    /// The directory refused, or stayed away for too long.
    Status(Box<Status>),
    /// The stream ended again and again before its last answer, without a word why.
    Ended,
    /// The directory's answer is not about the rows that it was sent.
    Answer,
}

/// What a stream is for; said in each of its messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mode {
    pub validate_only: bool,
    pub opt_outs_only: bool,
}

struct Waiting<T> {
    id: String,
    batch: Batch<T>,
}

/// One import into one business.
pub struct Sender<T> {
    client: ImportServiceClient<Connection>,
    parent: String,
    mode: Mode,
    waiting: VecDeque<Waiting<T>>,
    answered: bool,
    failures: usize,
}

impl<T> Sender<T> {
    /// Into the business `parent`.
    pub const fn new(client: ImportServiceClient<Connection>, parent: String, mode: Mode) -> Self {
        Self { client, parent, mode, waiting: VecDeque::new(), answered: false, failures: 0 }
    }

    /// Sends all of `batches` and hands each to `done`, in their order, once it is answered. A batch
    /// without rows is not sent.
    pub async fn send<E: From<SendError>>(
        &mut self,
        batches: &mut mpsc::Receiver<Batch<T>>,
        done: &mut dyn FnMut(Answered<T>) -> Result<(), E>,
    ) -> Result<(), E> {
        loop {
            match self.stream(batches, done).await {
                Ok(()) => return Ok(()),
                Err(Failure::Final(error)) => return Err(error),
                Err(Failure::Broken(error)) => match WAITS.get(self.failures) {
                    Some(wait) if error.is_passing() && self.may_go_on() => {
                        tracing::warn!("the stream broke; sending again what was not answered");
                        tokio::time::sleep(*wait).await;
                        self.failures += 1;
                    }
                    _ => return Err(error.into()),
                },
            }
        }
    }

    async fn stream<E: From<SendError>>(
        &mut self,
        batches: &mut mpsc::Receiver<Batch<T>>,
        done: &mut dyn FnMut(Answered<T>) -> Result<(), E>,
    ) -> Result<(), Failure<E>> {
        // As many places as batches can be under way, so that sending never waits.
        let (out, outgoing) = mpsc::channel(WINDOW);
        for waiting in self.waiting.iter().filter(|waiting| !waiting.batch.rows.is_empty()) {
            self.put(&out, waiting)?;
        }
        let mut outgoing = Some(ReceiverStream::new(outgoing));
        let mut answers: Option<Streaming<ImportContactsResponse>> = None;
        loop {
            while self.waiting.len() < WINDOW {
                let Some(batch) = batches.recv().await else { break };
                let waiting = Waiting { id: Uuid::new_v4().to_string(), batch };
                if !waiting.batch.rows.is_empty() {
                    self.put(&out, &waiting)?;
                }
                self.waiting.push_back(waiting);
            }
            let Some(first) = self.waiting.front() else { break };
            let results = if first.batch.rows.is_empty() {
                Vec::new()
            } else {
                if let Some(outgoing) = outgoing.take() {
                    answers = Some(self.open(outgoing).await?);
                }
                next(answers.as_mut()).await?
            };
            if let Some(Waiting { batch, .. }) = self.waiting.pop_front() {
                (self.failures, self.answered) = (0, true);
                check(&batch.rows, &results)?;
                done(Answered { results, kept: batch.kept }).map_err(Failure::Final)?;
            }
        }
        drop(out);
        match answers {
            Some(answers) => end(answers).await,
            None => Ok(()),
        }
    }

    /// A dry run ends with its stream: another one has not met the rows before.
    const fn may_go_on(&self) -> bool {
        !(self.mode.validate_only && self.answered)
    }

    async fn open<E>(
        &mut self,
        outgoing: ReceiverStream<ImportContactsRequest>,
    ) -> Result<Streaming<ImportContactsResponse>, Failure<E>> {
        let answer = self.client.import_contacts(outgoing).await.map_err(Failure::broken)?;
        Ok(answer.into_inner())
    }

    fn put<E>(
        &self,
        out: &mpsc::Sender<ImportContactsRequest>,
        waiting: &Waiting<T>,
    ) -> Result<(), Failure<E>> {
        let request = ImportContactsRequest {
            parent: self.parent.clone(),
            rows: waiting.batch.rows.clone(),
            request_id: waiting.id.clone(),
            validate_only: self.mode.validate_only,
            opt_outs_only: self.mode.opt_outs_only,
        };
        match out.try_send(request) {
            // The stream is gone: its status comes with the next answer.
            Ok(()) | Err(mpsc::error::TrySendError::Closed(_)) => Ok(()),
            Err(mpsc::error::TrySendError::Full(_)) => Err(Failure::Broken(SendError::Ended)),
        }
    }
}

enum Failure<E> {
    /// The stream ended; another one may do.
    Broken(SendError),
    /// Nothing that a second attempt would mend.
    Final(E),
}

impl<E> Failure<E> {
    fn broken(status: Status) -> Self {
        Self::Broken(SendError::Status(Box::new(status)))
    }
}

impl<E: From<SendError>> From<SendError> for Failure<E> {
    fn from(error: SendError) -> Self {
        Self::Final(error.into())
    }
}

async fn next<E>(
    answers: Option<&mut Streaming<ImportContactsResponse>>,
) -> Result<Vec<ImportRowResult>, Failure<E>> {
    let ended = || Failure::Broken(SendError::Ended);
    let answers = answers.ok_or_else(ended)?;
    let answer = answers.message().await.map_err(Failure::broken)?;
    Ok(answer.ok_or_else(ended)?.results)
}

/// Nothing is left to be answered; what remains is the directory's word that all went well.
async fn end<E: From<SendError>>(
    mut answers: Streaming<ImportContactsResponse>,
) -> Result<(), Failure<E>> {
    match answers.message().await.map_err(Failure::broken)? {
        None => Ok(()),
        Some(_) => Err(SendError::Answer.into()),
    }
}

fn check(rows: &[ImportRow], results: &[ImportRowResult]) -> Result<(), SendError> {
    let same = rows.len() == results.len()
        && rows.iter().zip(results).all(|(row, result)| row.row_number == result.row_number);
    if same { Ok(()) } else { Err(SendError::Answer) }
}

impl SendError {
    /// Whether another attempt makes sense.
    fn is_passing(&self) -> bool {
        match self {
            Self::Status(status) => is_passing(status),
            Self::Ended => true,
            Self::Answer => false,
        }
    }
}

/// `UNKNOWN`, `INTERNAL` and `CANCELLED` without a reason of ours come from a connection that was cut.
fn is_passing(status: &Status) -> bool {
    match status.code() {
        Code::Unavailable | Code::Aborted | Code::ResourceExhausted => true,
        Code::Unknown | Code::Internal | Code::Cancelled => yinyom_rpc::reason(status).is_none(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(row_number: i64) -> ImportRow {
        ImportRow { row_number, ..ImportRow::default() }
    }

    fn result(row_number: i64) -> ImportRowResult {
        ImportRowResult { row_number, ..ImportRowResult::default() }
    }

    #[test]
    fn an_answer_about_other_rows_is_no_answer() {
        let rows = [row(2), row(3)];
        assert!(check(&rows, &[result(2), result(3)]).is_ok());
        for results in [&[result(2)][..], &[result(3), result(2)], &[result(2), result(4)], &[]] {
            assert!(matches!(check(&rows, results), Err(SendError::Answer)));
        }
    }

    #[test]
    fn only_what_may_pass_is_tried_again() {
        assert!(is_passing(&Status::unavailable("")));
        assert!(is_passing(&Status::unknown("h2 protocol error")));
        for refused in
            [Status::not_found(""), Status::invalid_argument(""), Status::unauthenticated("")]
        {
            assert!(!is_passing(&refused));
        }
    }
}
