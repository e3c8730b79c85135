//! What every call passes on its way to a handler, in this order: request id, deadline, whether it comes in vain, a place
//! among the calls under way, token, access table, a place for the business, its turn; and what every answer passes on its
//! way out. Nothing of a message or of metadata is logged.

use std::collections::HashMap;
use std::convert::Infallible;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures::FutureExt;
use http::{HeaderMap, Request, Response};
use http_body::Body as _;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tonic::body::Body;
use tonic::service::Routes;
use tonic::{Code, Status};
use tower::Service;
use tracing::{Instrument, Span};
use yinyom_identity::{Authenticator, Caller};
use yinyom_kernel::{holding, waited_for};
use yinyom_telemetry::{TRACE_PARENT, continue_from};

use crate::admission::{Admission, Place};
use crate::arrival::{Arrival, Gate};
use crate::body::AnswerBody;
use crate::call::Facts;
use crate::current::{CURRENT, Current};
use crate::incoming::Peer;
use crate::lines::{Arrived, Line, Stranger};
use crate::made::Made;
use crate::methods::Door;
use crate::shape::shape;
use crate::{Call, CallLimits, EdgeFault, REQUEST_ID, metrics, refusal, request_id, status};

/// What all calls of a server share.
pub(crate) struct Shared {
    pub(crate) authenticator: Arc<Authenticator>,
    pub(crate) doors: HashMap<String, Door>,
    pub(crate) admission: Admission,
    pub(crate) unary_timeout: Duration,
    pub(crate) stream_idle_timeout: Duration,
    pub(crate) limits: CallLimits,
    /// The server begins to stop: streams without an end should end.
    pub(crate) draining: CancellationToken,
    /// The drain's time is up: whatever still runs is cut.
    pub(crate) cut: CancellationToken,
}

/// The outermost service.
#[derive(Clone)]
pub(crate) struct Edge {
    pub(crate) routes: Routes,
    pub(crate) shared: Arc<Shared>,
}

impl Service<Request<Body>> for Edge {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        // Routes are always ready; each call gets its own clone of them.
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let arrival = Arrival::of(&request, &self.shared);
        if self.shared.admission.in_vain(&arrival) {
            let response = self.turn_away(&arrival, request.headers());
            return Box::pin(std::future::ready(Ok(response)));
        }
        let span = span(&arrival, request.headers());
        let edge = self.clone();
        Box::pin(async move { Ok(edge.serve(request, arrival).await) }.instrument(span))
    }
}

fn span(arrival: &Arrival, headers: &HeaderMap) -> Span {
    let span = tracing::info_span!(
        "rpc",
        otel.kind = "server",
        rpc = arrival.name,
        request_id = &*arrival.request_id
    );
    if let Some(parent) = headers.get(TRACE_PARENT).and_then(|value| value.to_str().ok()) {
        continue_from(&span, parent);
    }
    span
}

impl Edge {
    /// Whoever comes in vain is told so before anything is made for him. In a rush these are nearly all, and each takes from what
    /// is left for the others: the answer is ready, most have neither a line in the log nor a span, and no rate is charged.
    fn turn_away(&self, arrival: &Arrival, headers: &HeaderMap) -> Response<Body> {
        let mut response = refusal::overloaded(arrival.language);
        if let Some(id) = request_id::header(&arrival.request_id) {
            response.headers_mut().insert(REQUEST_ID, id);
        }
        let mut record = Record::of(arrival);
        record.quiet = !self.shared.admission.rates.names();
        if record.quiet {
            record.finish(Code::ResourceExhausted);
        } else {
            span(arrival, headers).in_scope(|| record.finish(Code::ResourceExhausted));
        }
        response
    }

    async fn serve(self, mut request: Request<Body>, arrival: Arrival) -> Response<Body> {
        let arrived = request.extensions_mut().remove::<Arrived>();
        let mut record = Record::of(&arrival);
        let current =
            Current { request_id: Arc::clone(&arrival.request_id), deadline: arrival.deadline };
        let work = AssertUnwindSafe(self.admit(request, &arrival, arrived.as_ref())).catch_unwind();
        let outcome = tokio::select! {
            biased;
            outcome = waited_for(arrival.deadline, CURRENT.scope(current, work)) => match outcome {
                Ok(outcome) => outcome,
                Err(_) => Err(arrival.status(EdgeFault::Panicked)),
            },
            () = until(arrival.deadline) => Err(arrival.status(EdgeFault::DeadlineExceeded)),
            () = self.shared.cut.cancelled() => Err(arrival.status(EdgeFault::ShuttingDown)),
        };
        let (response, made) = match outcome {
            Ok((response, made, holds)) => {
                record.holds = Some(holds);
                (response, made)
            }
            Err(status) => {
                record.quiet = status.code() == Code::ResourceExhausted
                    && !arrival.is_urgent()
                    && !self.shared.admission.rates.names();
                (status.into_http(), Made::default())
            }
        };
        self.dress(response, made, &arrival, record, arrived.as_ref())
    }

    /// Lets the call through to its handler, or says why not. What it holds goes with the answer.
    async fn admit(
        &self,
        mut request: Request<Body>,
        arrival: &Arrival,
        arrived: Option<&Arrived>,
    ) -> Result<(Response<Body>, Made, Holds), Status> {
        let fault = |fault| arrival.status(fault);
        let admission = &self.shared.admission;
        let line = arrived.map(|arrived| &arrived.line);
        let mut turn = None;
        let holds = if arrival.is_open() {
            let stranger = line.map(Line::stranger).transpose().map_err(fault)?;
            let reflection = arrival.is_reflection().then(|| admission.reflect());
            Holds::Open { _line: stranger, _place: reflection.transpose().map_err(fault)? }
        } else {
            let mut place = admission.enter(arrival.is_urgent()).map_err(fault)?;
            // Once more: of those who came with it on its connection, none stood in the line yet.
            if admission.in_vain(arrival) {
                return Err(fault(EdgeFault::Overloaded));
            }
            let peer = arrived.map(|arrived| arrived.peer.clone()).unwrap_or_default();
            let call = self.authenticate(request.headers(), peer, arrival)?;
            place.line = line.map(Line::busy);
            if let Caller::Member { business, .. } = call.caller() {
                admission.count(&mut place, *business).map_err(fault)?;
            }
            if arrival.takes_turns() {
                let taken = admission.turns.take(arrival.is_urgent(), place.turns()).await;
                turn = Some(taken.map_err(fault)?);
            }
            request.extensions_mut().insert(call);
            Holds::Call { _place: place }
        };
        let mut routes = self.routes.clone();
        let work = async {
            let mut response = match routes.call(request).await {
                Ok(response) => response,
                Err(never) => match never {},
            };
            let unary = arrival.takes_turns();
            let made = if unary {
                Made::of(response.body_mut(), &admission.turns).await
            } else {
                Made::default()
            };
            (response, made)
        };
        let (response, made) = holding(turn, work).await;
        Ok((response, made, holds))
    }

    fn authenticate(
        &self,
        headers: &HeaderMap,
        Peer(peer): Peer,
        arrival: &Arrival,
    ) -> Result<Call, Status> {
        let authorization = headers.get_all(http::header::AUTHORIZATION);
        let caller = self
            .shared
            .authenticator
            .authenticate(authorization.iter().map(http::HeaderValue::as_bytes), peer.as_ref())
            .map_err(|error| {
                tracing::info!(why = error.0.code(), "no caller");
                status(&error, arrival.language)
            })?;
        // A path that no descriptor holds goes nowhere, even if something were routed there.
        let Gate::Door(door) = arrival.gate else {
            return Err(arrival.status(EdgeFault::UnknownMethod));
        };
        let Some(access) = door.access else {
            return Err(arrival.status(EdgeFault::NoAccessEntry));
        };
        access.admit(&caller).map_err(|denied| {
            tracing::info!(caller = kind(&caller), "not admitted");
            status(&denied, arrival.language)
        })?;
        Ok(Call::new(Facts {
            caller,
            peer,
            access,
            language: arrival.language,
            request_id: Arc::clone(&arrival.request_id),
            deadline: arrival.deadline,
            draining: self.shared.draining.clone(),
            limits: self.shared.limits,
            stream_idle_timeout: self.shared.stream_idle_timeout,
        }))
    }

    /// Gives the answer its request id and sees to its end.
    fn dress(
        &self,
        mut response: Response<Body>,
        made: Made,
        arrival: &Arrival,
        mut record: Record,
        arrived: Option<&Arrived>,
    ) -> Response<Body> {
        if let Some(id) = request_id::header(&arrival.request_id) {
            response.headers_mut().insert(REQUEST_ID, id);
        }
        // tonic leaves a copy here; nothing after us may take it for what was sent.
        response.extensions_mut().remove::<Status>();
        if let Some(code) = shape(response.headers_mut(), arrival.language)
            && response.body().is_end_stream()
        {
            record.finish(code);
            return response;
        }
        let language = arrival.language;
        let answer = arrived.map(|arrived| arrived.line.answers.begin());
        response.map(|body| {
            let body = match arrival.gate {
                Gate::Door(Door { streaming: false, .. }) | Gate::Unknown => {
                    AnswerBody::unary(body, made, language, record)
                }
                Gate::Door(_) => {
                    let cut = self.shared.cut.clone();
                    AnswerBody::stream(body, language, record, arrival.deadline, cut)
                }
                // A prober that watches for ever must not hold up the drain.
                Gate::Open => {
                    let cut = self.shared.draining.clone();
                    AnswerBody::stream(body, language, record, arrival.deadline, cut)
                }
            };
            Body::new(body.with(answer))
        })
    }
}

/// Logs the end of a call, once; one that is dropped before its end was cancelled by the caller.
pub(crate) struct Record {
    name: &'static str,
    started: Instant,
    open: bool,
    /// One of so many that the log has no room for all.
    quiet: bool,
    /// Until the end.
    holds: Option<Holds>,
}

/// What a call has of what there is not without end.
enum Holds {
    /// Of health and reflection.
    Open { _line: Option<Stranger>, _place: Option<OwnedSemaphorePermit> },
    /// Of everybody else.
    Call { _place: Place },
}

impl Record {
    fn of(arrival: &Arrival) -> Self {
        Self { name: arrival.name, started: arrival.started, open: true, quiet: false, holds: None }
    }

    pub(crate) fn finish(&mut self, code: Code) {
        if !std::mem::take(&mut self.open) {
            return;
        }
        self.holds = None;
        let took = self.started.elapsed();
        metrics::answered(self.name, code, took);
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        // A caller's fault is no error of ours (STACK T8): the log says the code and goes on. Nor is it news that a
        // caller went away.
        if self.quiet || matches!(code, Code::Ok | Code::Cancelled) {
            tracing::debug!(rpc = self.name, ?code, micros, "answered");
        } else {
            tracing::info!(rpc = self.name, ?code, micros, "answered");
        }
    }
}

impl Drop for Record {
    fn drop(&mut self) {
        self.finish(Code::Cancelled);
    }
}

async fn until(deadline: Option<Instant>) {
    match deadline {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}

const fn kind(caller: &Caller) -> &'static str {
    match caller {
        Caller::Member { .. } => "member",
        Caller::Service(_) => "service",
        Caller::Operator { .. } => "operator",
    }
}

#[cfg(test)]
mod tests;
