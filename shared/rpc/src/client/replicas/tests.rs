//! Calls to replicas that come and go. Each server is known by its answer: whether it is serving something.

#![allow(clippy::unwrap_used)]

use std::collections::HashSet;
use std::future::pending;

use http::{Request, Response};
use tokio::net::TcpListener;
use tokio::runtime::{self, Runtime};
use tokio::sync::oneshot;
use tonic::body::Body;
use tonic::transport::Endpoint;
use tonic::{Code, Status};
use tonic_health::ServingStatus;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;
use tower::service_fn;

use yinyom_identity::{TokenIssuer, TokenSource};
use yinyom_kernel::SystemClock;

use super::*;
use crate::client::route::{Many, Route};
use crate::{ClientConfig, Health, connect, stand_by};

/// Long enough for anything here on any machine.
const LIMIT: Duration = Duration::from_secs(30);

/// What they answer to be told apart by.
const ONE: i32 = ServingStatus::Serving as i32;
const OTHER: i32 = ServingStatus::NotServing as i32;

/// On threads of its own, so that its connections end with it.
struct Server {
    address: SocketAddr,
    runtime: Option<Runtime>,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.runtime.take().unwrap().shutdown_background();
    }
}

impl Server {
    async fn of<F: Future<Output: Send> + Send + 'static>(
        serving: impl FnOnce(TcpListener) -> F + Send + 'static,
    ) -> Self {
        let runtime = runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
        let runtime = runtime.unwrap();
        let (told, hears) = oneshot::channel();
        runtime.spawn(async move {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            told.send(listener.local_addr().unwrap()).unwrap();
            serving(listener).await
        });
        Self { address: hears.await.unwrap(), runtime: Some(runtime) }
    }
}

async fn serve(says: ServingStatus) -> Server {
    Server::of(move |listener| async move {
        let health = Health::default();
        health.set(says).await;
        health.answer(listener).await
    })
    .await
}

async fn starting() -> Server {
    Server::of(|listener| async move { stand_by(listener.into(), pending::<()>()).await.1 }).await
}

/// Behind one name.
#[derive(Clone, Default)]
struct Behind(Arc<Mutex<Vec<SocketAddr>>>);

impl Behind {
    fn these<'a>(servers: impl IntoIterator<Item = &'a Server>) -> Self {
        let behind = Self::default();
        behind.change(servers);
        behind
    }

    fn change<'a>(&self, servers: impl IntoIterator<Item = &'a Server>) {
        *self.0.lock().unwrap() = servers.into_iter().map(|server| server.address).collect();
    }

    fn route(&self) -> Route {
        Route::Many(Many::new(self.replicas()))
    }

    fn replicas(&self) -> Replicas {
        let behind = self.clone();
        let lookup: Lookup = Box::new(move || {
            let now = behind.0.lock().unwrap().clone();
            Box::pin(std::future::ready(Ok(now)))
        });
        let dial: Dial = Box::new(|address| {
            Endpoint::from_shared(format!("http://{address}")).unwrap().connect_lazy()
        });
        Replicas::watch(lookup, dial)
    }
}

async fn ask(route: &Route) -> Result<i32, Status> {
    let route = route.clone();
    let deadline = Some(Instant::now() + LIMIT);
    let call = service_fn(move |request| route.clone().call(request, deadline, true));
    let answer = HealthClient::new(call).check(HealthCheckRequest::default()).await;
    answer.map(|answer| answer.into_inner().status)
}

/// Until they have said each of `these`.
async fn until_heard(route: &Route, these: &[i32]) {
    let hear = async {
        let mut heard = HashSet::new();
        while these.iter().any(|said| !heard.contains(said)) {
            heard.insert(ask(route).await.unwrap());
        }
    };
    tokio::time::timeout(LIMIT, hear).await.unwrap();
}

#[tokio::test]
async fn every_replica_gets_calls() {
    let (one, other) =
        (serve(ServingStatus::Serving).await, serve(ServingStatus::NotServing).await);
    let route = Behind::these([&one, &other]).route();
    until_heard(&route, &[ONE, OTHER]).await;
}

/// Told as an operator tells it, with a port each.
#[tokio::test]
async fn each_place_is_called_where_it_is() {
    let (one, other) =
        (serve(ServingStatus::Serving).await, serve(ServingStatus::NotServing).await);
    let config = ClientConfig::new(format!("http://{},{}", one.address, other.address));
    let issuer = TokenIssuer::generate("tests", Arc::new(SystemClock)).unwrap();
    let tokens = TokenSource::issuer(Arc::new(issuer), "tests", "tests");
    let route = connect(&config, tokens).unwrap().route;
    until_heard(&route, &[ONE, OTHER]).await;
    drop(one);
    until_heard(&route, &[OTHER]).await;
}

#[tokio::test]
async fn whoever_dies_gets_no_calls_and_none_fails() {
    let (one, other) =
        (serve(ServingStatus::Serving).await, serve(ServingStatus::NotServing).await);
    let route = Behind::these([&one, &other]).route();
    until_heard(&route, &[ONE, OTHER]).await;
    drop(one);
    // Its connection ends in a moment, and calls on it with it: they are made again.
    for _ in 0..200 {
        ask(&route).await.unwrap();
    }
    for _ in 0..50 {
        assert_eq!(ask(&route).await.unwrap(), OTHER);
    }
}

#[tokio::test]
async fn a_new_replica_gets_calls_and_one_that_is_taken_away_gets_no_more() {
    let (one, other) =
        (serve(ServingStatus::Serving).await, serve(ServingStatus::NotServing).await);
    let behind = Behind::these([&one]);
    let route = behind.route();
    assert_eq!(ask(&route).await.unwrap(), ONE);
    behind.change([&one, &other]);
    until_heard(&route, &[OTHER]).await;
    behind.change([&other]);
    let leave = async {
        let mut in_a_row = 0;
        while in_a_row < 100 {
            let said = ask(&route).await.unwrap();
            in_a_row = if said == OTHER { in_a_row + 1 } else { 0 };
        }
    };
    tokio::time::timeout(LIMIT, leave).await.unwrap();
}

#[tokio::test]
async fn a_replica_that_takes_no_calls_yet_is_passed_over() {
    let (starting, ready) = (starting().await, serve(ServingStatus::Serving).await);
    let route = Behind::these([&starting, &ready]).route();
    for _ in 0..50 {
        // What is ready knows no such method, and says so; what is starting says nothing of methods.
        assert_eq!(call(&route, true).await.unwrap(), Code::Unimplemented);
    }
}

/// A call of a method that nobody has: its code, if it got anywhere.
async fn call(route: &Route, has_end: bool) -> Result<Code, Status> {
    let request = Request::post("http://name/no.such.Service/Method")
        .header("content-type", "application/grpc")
        .body(Body::empty())
        .unwrap();
    let deadline = Some(Instant::now() + LIMIT);
    let answer: Response<Body> = route.clone().call(request, deadline, has_end).await?;
    Ok(Status::from_header_map(answer.headers()).unwrap().code())
}

#[tokio::test]
async fn where_nobody_is_left_a_call_fails_and_is_not_made_for_ever() {
    let one = serve(ServingStatus::Serving).await;
    let behind = Behind::these([&one]);
    let route = behind.route();
    assert_eq!(ask(&route).await.unwrap(), ONE);
    let refused = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    *behind.0.lock().unwrap() = vec![refused];
    let fail = async { while ask(&route).await.is_ok() {} };
    tokio::time::timeout(LIMIT, fail).await.unwrap();
    behind.change([]);
    let fail = async {
        loop {
            if ask(&route).await.unwrap_err().code() == Code::Unavailable {
                return;
            }
        }
    };
    tokio::time::timeout(LIMIT, fail).await.unwrap();
}

#[tokio::test]
async fn who_has_just_failed_is_not_called_again_while_another_one_rests() {
    let (one, other) =
        (serve(ServingStatus::Serving).await, serve(ServingStatus::NotServing).await);
    let addresses = [one.address, other.address];
    let replicas = Behind::these([&one, &other]).replicas();
    for _ in 0..2 {
        // Both rest, the second one for a shorter time.
        let first = replicas.pick(None).await.unwrap();
        first.begin().end(false);
    }
    for address in addresses {
        let picked = replicas.pick(Some(address)).await.unwrap();
        assert_ne!(picked.address, address);
    }
}

#[tokio::test]
async fn calls_that_fail_together_count_once() {
    let one = serve(ServingStatus::Serving).await;
    let replicas = Behind::these([&one]).replicas();
    let replica = replicas.pick(None).await.unwrap();
    for _ in 0..20 {
        replica.begin().end(false);
    }
    assert_eq!(replica.rest().failures, 1);
    replica.begin().end(true);
    assert!(replica.is_up(Instant::now()));
}

#[tokio::test]
async fn a_stream_is_not_opened_twice() {
    let (starting, ready) = (starting().await, serve(ServingStatus::Serving).await);
    let route = Behind::these([&starting, &ready]).route();
    let mut heard = HashSet::new();
    let hear = async {
        while heard.len() < 2 {
            heard.insert(call(&route, false).await.unwrap());
        }
    };
    tokio::time::timeout(LIMIT, hear).await.unwrap();
    assert_eq!(heard, HashSet::from([Code::Unavailable, Code::Unimplemented]));
}
