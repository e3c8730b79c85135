//! A call as its handler sees it.

use std::sync::Arc;

use tokio::time::Instant;
use tokio_util::sync::{CancellationToken, WaitForCancellationFuture};
use tonic::{Request, Response, Status};
use yinyom_identity::{Access, Caller, SpiffeId};
use yinyom_kernel::{Fault, Language};

use crate::{EdgeFault, status};

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

    /// The answer, or the status of what went wrong.
    pub fn answer<T, E: Fault>(&self, outcome: Result<T, E>) -> Result<Response<T>, Status> {
        outcome.map(Response::new).map_err(|fault| self.status(&fault))
    }

    /// The status of `fault`, in the caller's language.
    pub fn status(&self, fault: &dyn Fault) -> Status {
        status(fault, self.0.language)
    }
}
