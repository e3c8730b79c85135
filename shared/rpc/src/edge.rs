//! What every call passes on its way to a handler, in this order: request id, deadline, a place
//! among the calls under way, token, access table, a place for the business; and what every answer passes on its way out. Nothing of a message or of metadata is logged.

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
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tonic::body::Body;
use tonic::service::Routes;
use tonic::{Code, Status};
use tower::Service;
use tracing::Instrument;
use yinyom_identity::{Authenticator, Caller};
use yinyom_kernel::{Language, waited_for};

use crate::admission::{Admission, Place};
use crate::body::AnswerBody;
use crate::call::Facts;
use crate::current::{CURRENT, Current};
use crate::incoming::Peer;
use crate::methods::Door;
use crate::shape::shape;
use crate::{Call, EdgeFault, REQUEST_ID, request_id, status};

/// Services of tonic's that need no token: a prober has none, and what they tell is public.
const OPEN: [&str; 3] = [
    "/grpc.health.v1.Health/",
    "/grpc.reflection.v1.ServerReflection/",
    "/grpc.reflection.v1alpha.ServerReflection/",
];

/// What all calls of a server share.
pub(crate) struct Shared {
    pub(crate) authenticator: Arc<Authenticator>,
    pub(crate) doors: HashMap<String, Door>,
    pub(crate) admission: Admission,
    pub(crate) unary_timeout: Duration,
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
        let span = tracing::info_span!(
            "rpc",
            otel.kind = "server",
            rpc = arrival.name,
            request_id = &*arrival.request_id
        );
        let edge = self.clone();
        Box::pin(async move { Ok(edge.serve(request, arrival).await) }.instrument(span))
    }
}

impl Edge {
    async fn serve(self, request: Request<Body>, arrival: Arrival) -> Response<Body> {
        let mut record =
            Record { name: arrival.name, started: arrival.started, open: true, place: None };
        let current =
            Current { request_id: Arc::clone(&arrival.request_id), deadline: arrival.deadline };
        let work = AssertUnwindSafe(self.admit(request, &arrival)).catch_unwind();
        let outcome = tokio::select! {
            biased;
            outcome = waited_for(arrival.deadline, CURRENT.scope(current, work)) => match outcome {
                Ok(outcome) => outcome,
                Err(_) => Err(arrival.status(EdgeFault::Panicked)),
            },
            () = until(arrival.deadline) => Err(arrival.status(EdgeFault::DeadlineExceeded)),
            () = self.shared.cut.cancelled() => Err(arrival.status(EdgeFault::ShuttingDown)),
        };
        let response = match outcome {
            Ok((response, place)) => {
                record.place = place;
                response
            }
            Err(status) => status.into_http(),
        };
        self.dress(response, &arrival, record)
    }

    /// Lets the call through to its handler, or says why not. The place goes with the answer.
    async fn admit(
        &self,
        mut request: Request<Body>,
        arrival: &Arrival,
    ) -> Result<(Response<Body>, Option<Place>), Status> {
        let mut place = None;
        if !arrival.is_open() {
            let fault = |fault| arrival.status(fault);
            let mut entered = self.shared.admission.enter().map_err(fault)?;
            let peer = request.extensions_mut().remove::<Peer>().unwrap_or_default();
            let call = self.authenticate(request.headers(), peer, arrival)?;
            if let Caller::Member { business, .. } = call.caller() {
                self.shared.admission.count(&mut entered, *business).map_err(fault)?;
            }
            request.extensions_mut().insert(call);
            place = Some(entered);
        }
        let mut routes = self.routes.clone();
        match routes.call(request).await {
            Ok(response) => Ok((response, place)),
            Err(never) => match never {},
        }
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
        }))
    }

    /// Gives the answer its request id and sees to its end.
    fn dress(
        &self,
        mut response: Response<Body>,
        arrival: &Arrival,
        mut record: Record,
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
        response.map(|body| {
            Body::new(match arrival.gate {
                Gate::Door(Door { streaming: false, .. }) | Gate::Unknown => {
                    AnswerBody::unary(body, language, record)
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
            })
        })
    }
}

/// Where a path leads.
#[derive(Clone, Copy)]
enum Gate {
    /// To health or reflection.
    Open,
    /// To a method that is described.
    Door(Door),
    /// Nowhere.
    Unknown,
}

/// What is known of a call before its token is looked at.
struct Arrival {
    gate: Gate,
    /// For the log: a path that we do not know is a stranger's text and stays out of it.
    name: &'static str,
    language: Language,
    request_id: Arc<str>,
    deadline: Option<Instant>,
    started: Instant,
}

impl Arrival {
    /// Sets the deadline here and not at the first poll: tonic's own timer for `grpc-timeout` starts
    /// right after, answers without details, and so never comes first.
    fn of(request: &Request<Body>, shared: &Shared) -> Self {
        let (headers, path) = (request.headers(), request.uri().path());
        let open = OPEN.iter().copied().find(|prefix| path.starts_with(prefix));
        let (gate, name) = match (open, shared.doors.get(path)) {
            (Some(prefix), _) => (Gate::Open, prefix),
            (None, Some(door)) => {
                (Gate::Door(*door), door.access.map_or("no access entry", |access| access.rpc))
            }
            (None, None) => (Gate::Unknown, "unknown"),
        };
        let started = Instant::now();
        let asked = grpc_timeout(headers);
        let limit = match gate {
            Gate::Door(Door { streaming: true, .. }) | Gate::Open => asked,
            Gate::Door(_) | Gate::Unknown => {
                Some(asked.map_or(shared.unary_timeout, |asked| asked.min(shared.unary_timeout)))
            }
        };
        let accept = headers.get(http::header::ACCEPT_LANGUAGE).and_then(|v| v.to_str().ok());
        Self {
            gate,
            name,
            language: Language::negotiate(accept),
            request_id: request_id::read_or_make(headers),
            deadline: limit.and_then(|limit| started.checked_add(limit)),
            started,
        }
    }

    fn is_open(&self) -> bool {
        matches!(self.gate, Gate::Open)
    }

    fn status(&self, fault: EdgeFault) -> Status {
        status(&fault, self.language)
    }
}

/// Logs the end of a call, once; one that is dropped before its end was cancelled by the caller.
pub(crate) struct Record {
    name: &'static str,
    started: Instant,
    open: bool,
    /// Among the calls under way, until the end.
    place: Option<Place>,
}

impl Record {
    pub(crate) fn finish(&mut self, code: Code) {
        if !std::mem::take(&mut self.open) {
            return;
        }
        self.place = None;
        let micros = u64::try_from(self.started.elapsed().as_micros()).unwrap_or(u64::MAX);
        // A caller's fault is no error of ours (STACK T8): the log says the code and goes on. Nor is it news that a
        // caller went away.
        if matches!(code, Code::Ok | Code::Cancelled) {
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

/// `grpc-timeout`: up to eight digits and a unit. One that cannot be read is no deadline, as in tonic.
fn grpc_timeout(headers: &HeaderMap) -> Option<Duration> {
    let value = headers.get("grpc-timeout")?.to_str().ok()?;
    let (digits, unit) = value.split_at_checked(value.len().checked_sub(1)?)?;
    if digits.is_empty() || digits.len() > 8 || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let amount: u64 = digits.parse().ok()?;
    Some(match unit {
        "H" => Duration::from_hours(amount),
        "M" => Duration::from_mins(amount),
        "S" => Duration::from_secs(amount),
        "m" => Duration::from_millis(amount),
        "u" => Duration::from_micros(amount),
        "n" => Duration::from_nanos(amount),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use yinyom_identity::{CallerTable, Subject, TokenIssuer, TokenVerifier};

    use super::*;

    #[tokio::test]
    async fn a_described_method_without_an_access_entry_is_refused_to_everybody() {
        let clock: yinyom_kernel::SharedClock = Arc::new(yinyom_kernel::SystemClock);
        let issuer = TokenIssuer::generate("issuer", Arc::clone(&clock)).unwrap();
        let verifier =
            TokenVerifier::new(&issuer.jwks().unwrap(), "issuer", "yinyom", clock).unwrap();
        let callers = CallerTable::new(Vec::new(), vec!["vendor".to_owned()]).unwrap();
        let door = Door { access: None, streaming: false };
        let mut edge = Edge {
            routes: Routes::default(),
            shared: Arc::new(Shared {
                authenticator: Arc::new(Authenticator::new(verifier, callers)),
                doors: HashMap::from([("/a.B/C".to_owned(), door)]),
                admission: Admission::new(1, 1),
                unary_timeout: Duration::from_secs(1),
                draining: CancellationToken::new(),
                cut: CancellationToken::new(),
            }),
        };
        let ttl = Duration::from_mins(1);
        let token = issuer.issue(&Subject::named("vendor"), "yinyom", ttl).unwrap();
        let request = Request::post("/a.B/C")
            .header("authorization", format!("Bearer {token}"))
            .body(Body::empty())
            .unwrap();
        let response = edge.call(request).await.unwrap();
        let status = Status::from_header_map(response.headers()).unwrap();
        assert_eq!(status.code(), Code::PermissionDenied);
        assert_eq!(crate::reason(&status).as_deref(), Some("NO_ACCESS_ENTRY"));
    }

    fn timeout(value: &'static str) -> Option<Duration> {
        let mut headers = HeaderMap::new();
        headers.insert("grpc-timeout", http::HeaderValue::from_static(value));
        grpc_timeout(&headers)
    }

    #[test]
    fn a_timeout_is_read_as_grpc_writes_it() {
        assert_eq!(timeout("250m"), Some(Duration::from_millis(250)));
        assert_eq!(timeout("99999999H"), Some(Duration::from_hours(99_999_999)));
        for wrong in ["", "m", "5", "123456789m", "-1S", "1.5S", "5s", "+5S"] {
            assert_eq!(timeout(wrong), None, "{wrong}");
        }
    }
}
