//! How a call gets to another service: by one connection, or by one of several, and then, if it did not get there, by
//! another.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Request, Response, request};
use http_body_util::{BodyExt, Full};
use rand::Rng;
use tokio::time::Instant;
use tonic::Status;
use tonic::body::Body;
use tonic::transport::Channel;
use tower::ServiceExt;
use tower::retry::budget::{Budget, TpsBudget};

use super::replicas::Replicas;
use super::{refuse, transport};
use crate::{EdgeFault, metrics};

/// How often a call is made that does not get there.
const TRIES: u32 = 3;

/// Before it is made once more where there is nobody else to call.
const PAUSE: Duration = Duration::from_millis(20);

/// `UNAVAILABLE`, as it stands in an answer.
const UNAVAILABLE: &[u8] = b"14";

/// By which connection.
#[derive(Clone)]
pub(crate) enum Route {
    One(Channel),
    Many(Many),
}

/// Replicas, and how many calls may be repeated: a tenth of those that were made, and ten a second where there are few, so
/// that a service that is down is not called three times as often as one that is up.
#[derive(Clone)]
pub(crate) struct Many {
    replicas: Replicas,
    budget: Arc<TpsBudget>,
}

impl Many {
    pub(crate) fn new(replicas: Replicas) -> Self {
        Self { replicas, budget: Arc::new(TpsBudget::new(Duration::from_secs(10), 10, 0.1)) }
    }
}

impl Route {
    /// Makes a call, until `deadline`. One with an end is repeated if it did not get there or is answered `UNAVAILABLE`:
    /// what services ask of each other may be asked twice.
    pub(crate) async fn call(
        self,
        request: Request<Body>,
        deadline: Option<Instant>,
        has_end: bool,
    ) -> Result<Response<Body>, Status> {
        match self {
            Self::One(channel) => once(channel, request, deadline).await,
            Self::Many(many) if has_end => many.repeatedly(request, deadline).await,
            Self::Many(many) => {
                let (answer, _) = many.once(request, deadline, None).await?;
                answer
            }
        }
    }
}

impl Many {
    async fn repeatedly(
        self,
        request: Request<Body>,
        deadline: Option<Instant>,
    ) -> Result<Response<Body>, Status> {
        let (parts, body) = request.into_parts();
        // A message or two, which tonic has in memory.
        let body = body.collect().await.map_err(|status| transport(&status))?.to_bytes();
        self.budget.deposit();
        let (mut last, mut said) = (None, None);
        for again in 1.. {
            let request = whole(&parts, &body);
            let (answer, address) = self.once(request, deadline, last).await?;
            let may_repeat = again < TRIES && is_unavailable(&answer) && in_time(deadline);
            let repeats = may_repeat && self.budget.withdraw();
            if may_repeat {
                metrics::retried(repeats);
            }
            if !repeats {
                // Somebody's own word says more than that nobody could be reached after it.
                return answer.or_else(|error| said.ok_or(error));
            }
            (last, said) = (Some(address), answer.ok().or(said));
            if !self.replicas.has_other(address) {
                tokio::time::sleep(jittered(PAUSE * 2_u32.pow(again))).await;
            }
        }
        Err(refuse(&EdgeFault::PeerUnavailable))
    }

    /// The answer of one of them, and of which.
    async fn once(
        &self,
        request: Request<Body>,
        deadline: Option<Instant>,
        other: Option<SocketAddr>,
    ) -> Result<(Result<Response<Body>, Status>, SocketAddr), Status> {
        let Some(replica) = self.replicas.pick(other).await else {
            return Err(refuse(&EdgeFault::PeerUnavailable));
        };
        let under_way = replica.begin();
        let answer = once(replica.channel.clone(), request, deadline).await;
        let takes_calls = answer.is_ok() && !is_unavailable(&answer);
        under_way.end(takes_calls);
        if !takes_calls {
            self.replicas.missed();
        }
        Ok((answer, replica.address))
    }
}

async fn once(
    channel: Channel,
    request: Request<Body>,
    deadline: Option<Instant>,
) -> Result<Response<Body>, Status> {
    let call = channel.oneshot(request);
    let answer = match deadline {
        Some(deadline) => tokio::time::timeout_at(deadline, call)
            .await
            .map_err(|_| refuse(&EdgeFault::DeadlineExceeded))?,
        None => call.await,
    };
    answer.map_err(|error| transport(&Status::from_error(error.into())))
}

fn whole(parts: &request::Parts, body: &Bytes) -> Request<Body> {
    Request::from_parts(parts.clone(), Body::new(Full::new(body.clone())))
}

/// Nobody was reached, or whoever was is about to end, or to begin.
fn is_unavailable(answer: &Result<Response<Body>, Status>) -> bool {
    match answer {
        Ok(response) => code(response.headers()) == Some(UNAVAILABLE),
        Err(status) => status.code() == tonic::Code::Unavailable,
    }
}

/// Of an answer that has nothing but a status.
fn code(headers: &HeaderMap) -> Option<&[u8]> {
    headers.get("grpc-status").map(http::HeaderValue::as_bytes)
}

/// So that all callers do not come back at once.
pub(crate) fn jittered(full: Duration) -> Duration {
    full.mul_f64(rand::rng().random_range(0.5..1.0))
}

fn in_time(deadline: Option<Instant>) -> bool {
    deadline.is_none_or(|deadline| Instant::now() < deadline)
}
