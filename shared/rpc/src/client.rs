//! Calls another service: with our own token, the served call's request id, and never for longer
//! than the served call has left. A service that has a name is called by its replicas, as they are behind that name now.

mod places;
mod replicas;
mod route;

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use http::{HeaderValue, Request, Response, Uri};
use hyper::rt::{Read, Write};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpStream, lookup_host};
use tokio::time::Instant;
use tonic::body::Body;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Status};
use tower::{BoxError, Service, ServiceExt};
use yinyom_identity::TokenSource;
use yinyom_kernel::Language;
use yinyom_telemetry::{TRACE_PARENT, trace_parent};

use crate::current::current;
use crate::{EdgeFault, REQUEST_ID, request_id, status};
pub use places::Places;
use replicas::{Lookup, Replicas};
use route::{Many, Route};

/// How to reach another service.
#[derive(Debug, Clone)]
pub struct ClientConfig {
    /// `http://host:port`, or several hosts: `http://one:port,two:port`.
    pub endpoint: String,
    /// How long a call may take, if the served call does not end before.
    pub timeout: Duration,
    /// How long a connection may take.
    pub connect_timeout: Duration,
    /// How often a connection is asked whether it lives, idle ones too: a partition that drops
    /// packets says nothing by itself (STACK T5).
    pub keepalive_interval: Duration,
    /// How long it has to say so.
    pub keepalive_timeout: Duration,
}

impl ClientConfig {
    /// The defaults, for `endpoint`.
    pub fn new(endpoint: impl Into<String>) -> Self {
        Self {
            endpoint: endpoint.into(),
            timeout: Duration::from_secs(5),
            connect_timeout: Duration::from_secs(2),
            keepalive_interval: Duration::from_secs(10),
            keepalive_timeout: Duration::from_secs(5),
        }
    }
}

/// The endpoint is not one.
#[derive(Debug, thiserror::Error)]
#[error("not an endpoint of the form http://host:port: {0:?}")]
pub struct ConnectError(String);

/// Prepares connections, within a tokio runtime. They are made at the first call and made again when
/// they break: to each replica that there is behind the endpoint's name, or to an address.
pub fn connect(config: &ClientConfig, tokens: TokenSource) -> Result<Connection, ConnectError> {
    endpoint(config, &["http"])?;
    connect_to_each(config, tokens, |to_address| to_address)
}

/// Like [`connect`], over whatever `connector` makes of a connection to an address. The endpoint may be `https://…`, and
/// then TLS is the connector's own affair.
pub fn connect_to_each<C>(
    config: &ClientConfig,
    tokens: TokenSource,
    connector: impl Fn(ToAddress) -> C + Send + Sync + 'static,
) -> Result<Connection, ConnectError>
where
    C: Service<Uri> + Send + 'static,
    C::Response: Read + Write + Send + Unpin,
    C::Future: Send,
    C::Error: Send,
    BoxError: From<C::Error>,
{
    let (to, Places { origin, hosts }) = endpoint(config, &["http", "https"])?;
    let lookup: Lookup = Box::new(move || Box::pin(look_up(hosts.clone())));
    let dial = Box::new(move |address| {
        let connector = connector(ToAddress::new(address));
        to.clone().origin(origin.clone()).connect_with_connector_lazy(connector)
    });
    let route = Route::Many(Many::new(Replicas::watch(lookup, dial)));
    Ok(Connection { route, tokens, timeout: Some(config.timeout) })
}

/// Connects to one address, whatever place the call names: that of the replica which is meant. A resolver would not do: a
/// place that is an address itself is not resolved, and the port is always the place's own.
#[derive(Debug, Clone)]
pub struct ToAddress {
    http: HttpConnector,
    address: SocketAddr,
}

impl ToAddress {
    fn new(address: SocketAddr) -> Self {
        let mut http = HttpConnector::new();
        http.set_nodelay(true);
        Self { http, address }
    }
}

impl Service<Uri> for ToAddress {
    type Response = TokioIo<TcpStream>;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, BoxError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Uri) -> Self::Future {
        let (http, to) = (self.http.clone(), format!("http://{}", self.address));
        Box::pin(async move { Ok(http.oneshot(to.parse()?).await?) })
    }
}

/// Prepares one connection, over whatever `connector` opens for the endpoint's name. The endpoint may be `https://…`, and
/// then TLS is the connector's own affair.
pub fn connect_with<C>(
    config: &ClientConfig,
    tokens: TokenSource,
    connector: C,
) -> Result<Connection, ConnectError>
where
    C: Service<Uri> + Send + 'static,
    C::Response: Read + Write + Send + Unpin,
    C::Future: Send,
    C::Error: Send,
    BoxError: From<C::Error>,
{
    let route = Route::One(channel_with(config, connector)?);
    Ok(Connection { route, tokens, timeout: Some(config.timeout) })
}

/// The connection of [`connect`] alone, for who calls with tokens of others. It sets no deadlines.
pub fn channel(config: &ClientConfig) -> Result<Channel, ConnectError> {
    let (endpoint, _) = endpoint(config, &["http"])?;
    Ok(endpoint.connect_lazy())
}

/// The connection of [`connect_with`] alone.
pub fn channel_with<C>(config: &ClientConfig, connector: C) -> Result<Channel, ConnectError>
where
    C: Service<Uri> + Send + 'static,
    C::Response: Read + Write + Send + Unpin,
    C::Future: Send,
    C::Error: Send,
    BoxError: From<C::Error>,
{
    let (endpoint, Places { origin, .. }) = endpoint(config, &["http", "https"])?;
    // Calls name the endpoint as it is; tonic must not know of it, or it would do TLS of its own.
    Ok(endpoint.origin(origin).connect_with_connector_lazy(connector))
}

/// How to connect to one place, and where all of them are.
fn endpoint(config: &ClientConfig, schemes: &[&str]) -> Result<(Endpoint, Places), ConnectError> {
    let places = Places::parse(&config.endpoint, schemes)?;
    let host = places.origin.authority().map_or("", |authority| authority.as_str());
    let endpoint = Endpoint::from_shared(format!("http://{host}"))
        .map_err(|_| ConnectError(config.endpoint.clone()))?
        .connect_timeout(config.connect_timeout)
        .http2_keep_alive_interval(config.keepalive_interval)
        .keep_alive_timeout(config.keepalive_timeout)
        .keep_alive_while_idle(true)
        .tcp_nodelay(true);
    Ok((endpoint, places))
}

/// Asks for all of the names. One that cannot be asked for is as if it had no replica, unless that is all there are.
async fn look_up(hosts: Vec<(String, u16)>) -> io::Result<Vec<SocketAddr>> {
    let (mut found, mut failed) = (Vec::new(), None);
    for host in hosts {
        match lookup_host(host).await {
            Ok(addresses) => found.extend(addresses),
            Err(error) => failed = Some(error),
        }
    }
    match failed {
        Some(error) if found.is_empty() => Err(error),
        _ => Ok(found),
    }
}

/// What a generated client is made of: `ContactServiceClient::new(connection)`. Cheap to clone;
/// clones share the connection.
#[derive(Clone)]
pub struct Connection {
    route: Route,
    tokens: TokenSource,
    timeout: Option<Duration>,
}

impl Connection {
    /// For streams: a deadline would end them, so none is set by default.
    #[must_use]
    pub fn for_streams(&self) -> Self {
        Self { timeout: None, ..self.clone() }
    }

    fn prepare(&self, request: &mut Request<Body>) -> Result<Option<Instant>, Status> {
        let served = current();
        let token = self.tokens.token().map_err(|fault| refuse(&fault))?;
        let mut bearer = HeaderValue::from_str(&format!("Bearer {token}"))
            .map_err(|_| refuse(&EdgeFault::PeerUnavailable))?;
        bearer.set_sensitive(true);
        request.headers_mut().insert(http::header::AUTHORIZATION, bearer);
        let id = served.as_ref().map_or_else(
            || request_id::read_or_make(request.headers()),
            |served| Arc::clone(&served.request_id),
        );
        if let Some(id) = request_id::header(&id) {
            request.headers_mut().insert(REQUEST_ID, id);
        }
        let parent = trace_parent().and_then(|parent| HeaderValue::from_str(&parent).ok());
        if let Some(parent) = parent {
            request.headers_mut().insert(TRACE_PARENT, parent);
        }
        // One that the caller wrote into the request stands; tonic's channel keeps it.
        if request.headers().contains_key("grpc-timeout") {
            return Ok(None);
        }
        let now = Instant::now();
        let own = self.timeout.and_then(|timeout| now.checked_add(timeout));
        // A stream outlives the call that happened to open it.
        let left = served.and_then(|served| served.deadline).filter(|_| self.timeout.is_some());
        let deadline = own.into_iter().chain(left).min();
        if let Some(deadline) = deadline {
            let left = deadline.saturating_duration_since(now);
            request.headers_mut().insert("grpc-timeout", timeout_header(left));
        }
        Ok(deadline)
    }
}

impl Service<Request<Body>> for Connection {
    type Response = Response<Body>;
    type Error = Status;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Status>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Status>> {
        // Waiting for the channel is part of the call, so that the deadline covers it.
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, mut request: Request<Body>) -> Self::Future {
        let prepared = self.prepare(&mut request);
        let (route, has_end) = (self.route.clone(), self.timeout.is_some());
        Box::pin(async move { route.call(request, prepared?, has_end).await })
    }
}

/// What tonic says of a call that did not get there. Its text names hosts, so it stays in the log.
fn transport(status: &Status) -> Status {
    tracing::warn!(code = ?status.code(), error = status.message(), "a call did not get there");
    match status.code() {
        Code::DeadlineExceeded => refuse(&EdgeFault::DeadlineExceeded),
        // A timeout of tonic's (TRAPS 12). A connection that ended in the middle of a call has this code, too.
        Code::Cancelled if status.message().contains("imeout") => {
            refuse(&EdgeFault::DeadlineExceeded)
        }
        _ => refuse(&EdgeFault::PeerUnavailable),
    }
}

fn refuse(fault: &dyn yinyom_kernel::Fault) -> Status {
    status(fault, Language::default())
}

/// At most eight digits: microseconds while they fit, then milliseconds, then seconds.
fn timeout_header(left: Duration) -> HeaderValue {
    const MOST: u128 = 99_999_999;
    let text = if left.as_micros() <= MOST {
        format!("{}u", left.as_micros())
    } else if left.as_millis() <= MOST {
        format!("{}m", left.as_millis())
    } else {
        format!("{}S", u128::from(left.as_secs()).min(MOST))
    };
    HeaderValue::from_str(&text).unwrap_or_else(|_| HeaderValue::from_static("0u"))
}
