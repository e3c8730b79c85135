//! A call as its handler sees it.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::{CancellationToken, WaitForCancellationFuture};
use tonic::{Request, Response, Status, Streaming};
use yinyom_identity::{Access, Caller, SpiffeId};
use yinyom_kernel::{Fault, InvalidInput, Language, PageSize};

use crate::{CallLimits, EdgeFault, status};

/// Who calls, what, in which language, until when. Cheap to clone, so that a stream can keep it.
#[derive(Debug, Clone)]
pub struct Call(Arc<Facts>);

#[derive(Debug)]
pub(crate) struct Facts {
    pub(crate) caller: Caller,
    pub(crate) peer: Option<SpiffeId>,
    pub(crate) access: &'static Access,
    pub(crate) language: Language,
    pub(crate) request_id: Arc<str>,
    pub(crate) deadline: Option<Instant>,
    pub(crate) draining: CancellationToken,
    pub(crate) limits: CallLimits,
    pub(crate) stream_idle_timeout: Duration,
}

impl Call {
    pub(crate) fn new(facts: Facts) -> Self {
        Self(Arc::new(facts))
    }

    /// The call and its message (or its stream of messages).
    ///
    /// Fails, `INTERNAL`, only if the handler is served without [`crate::Server`].
    pub fn open<T>(request: Request<T>) -> Result<(Self, T), Status> {
        let (_, mut extensions, message) = request.into_parts();
        match extensions.remove::<Self>() {
            Some(call) => Ok((call, message)),
            None => Err(status(&EdgeFault::Unguarded, Language::default())),
        }
    }

    /// Who calls.
    pub fn caller(&self) -> &Caller {
        &self.0.caller
    }

    /// The workload that has proved that it is at the other end of the connection. Its right to call with this token
    /// has been looked at.
    pub fn peer(&self) -> Option<&SpiffeId> {
        self.0.peer.as_ref()
    }

    /// The method's path: `/yinyom.directory.v1.ContactService/GetContact`.
    pub fn rpc(&self) -> &'static str {
        self.0.access.rpc
    }

    /// The method's entry in the access table.
    pub fn access(&self) -> &'static Access {
        self.0.access
    }

    /// The language that the caller reads.
    pub fn language(&self) -> Language {
        self.0.language
    }

    /// The id that ties this call's log lines together.
    pub fn request_id(&self) -> &str {
        &self.0.request_id
    }

    /// When the caller stops waiting. A unary call always has one, a stream only if the caller set it.
    pub fn deadline(&self) -> Option<Instant> {
        self.0.deadline
    }

    /// Waits until the server begins to stop. A stream without an end should end then: it is cut
    /// when the drain's time is up.
    pub fn draining(&self) -> WaitForCancellationFuture<'_> {
        self.0.draining.cancelled()
    }

    /// What the call may name or ask for.
    pub fn limits(&self) -> CallLimits {
        self.0.limits
    }

    /// Reads a client's `page_size`, as far as the server's limit.
    pub fn page_size(&self, asked: i32) -> Result<PageSize, InvalidInput> {
        PageSize::read(asked).map(|size| size.at_most(self.0.limits.page_size))
    }

    /// The stream's next message, if it comes while the server waits for it.
    ///
    /// `DEADLINE_EXCEEDED` if the client says nothing for too long, `UNAVAILABLE` when the server begins to stop.
    pub async fn next<T>(&self, incoming: &mut Streaming<T>) -> Result<Option<T>, Status> {
        tokio::select! {
            message = tokio::time::timeout(self.0.stream_idle_timeout, incoming.message()) => {
                message.unwrap_or_else(|_| Err(self.status(&EdgeFault::DeadlineExceeded)))
            }
            // Not an end like any other: the client may have more.
            () = self.draining() => Err(self.status(&EdgeFault::ShuttingDown)),
        }
    }

    /// The answer, or the status of what went wrong.
    pub fn answer<T, E: Fault>(&self, outcome: Result<T, E>) -> Result<Response<T>, Status> {
        outcome.map(Response::new).map_err(|fault| self.status(&fault))
    }

    /// The status of `fault`, in the caller's language.
    pub fn status(&self, fault: &dyn Fault) -> Status {
        status(fault, self.0.language)
    }
}
