//! A port before its service is there: whoever asks is told so, instead of waiting for an answer.

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::pin::pin;
use std::task::{Context, Poll};

use futures::StreamExt;
use futures::channel::mpsc;
use futures::future::{BoxFuture, Either};
use http::{Request, Response};
use tokio_util::sync::CancellationToken;
use tonic::body::Body;
use tonic::service::Routes;
use tonic_health::ServingStatus;
use tower::Service;
use yinyom_kernel::Language;

use crate::server::LAST_WORDS;
use crate::{EdgeFault, Incoming, status};

/// Connections that wait to be answered.
const WAITING: usize = 16;

/// Answers what comes in until `opening` is over: health says "not serving", everything else is `UNAVAILABLE`,
/// `STARTING`. Gives the port back, with what was opened.
pub async fn stand_by<T>(
    mut incoming: Incoming,
    opening: impl Future<Output = T>,
) -> (Incoming, T) {
    let (health, probes) = tonic_health::server::health_reporter();
    health.set_service_status("", ServingStatus::NotServing).await;
    let mut routes = Routes::builder();
    routes.add_service(probes);
    let standby = Standby(routes.routes().prepare());
    let (mut connections, waiting) = mpsc::channel(WAITING);
    let stop = CancellationToken::new();
    let mut serving = pin!(tonic::transport::Server::builder().serve_with_incoming_shutdown(
        standby,
        waiting,
        stop.clone().cancelled_owned(),
    ));
    let mut opening = pin!(opening);
    let opened = loop {
        tokio::select! {
            opened = &mut opening => break opened,
            Some(connection) = incoming.next() => {
                // One that finds no place is closed, and comes again.
                let _ = connections.try_send(connection);
            }
            // It ends when it is told to.
            _ = &mut serving, if !stop.is_cancelled() => stop.cancel(),
        }
    };
    stop.cancel();
    drop(connections);
    // Calls are answered at once, so all that can be open is a prober that watches: it comes again.
    let _ = tokio::time::timeout(LAST_WORDS, serving).await;
    (incoming, opened)
}

#[derive(Clone)]
struct Standby(Routes);

impl Service<Request<Body>> for Standby {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Either<
        BoxFuture<'static, Result<Response<Body>, Infallible>>,
        Ready<Result<Response<Body>, Infallible>>,
    >;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        if request.uri().path().starts_with("/grpc.health.v1.Health/") {
            let mut routes = self.0.clone();
            return Either::Left(Box::pin(async move { routes.call(request).await }));
        }
        let accept = request.headers().get(http::header::ACCEPT_LANGUAGE);
        let language = Language::negotiate(accept.and_then(|value| value.to_str().ok()));
        Either::Right(ready(Ok(status(&EdgeFault::Starting, language).into_http())))
    }
}
