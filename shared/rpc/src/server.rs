//! Serves services on one port: limits, health, reflection, and a drain with a limit.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use futures::{Stream, StreamExt};
use http::{Request, Response};
use rand::Rng;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_util::sync::CancellationToken;
use tonic::body::Body;
use tonic::server::NamedService;
use tonic::service::{Routes, RoutesBuilder};
use tonic::transport::server::Connected;
use tonic_health::ServingStatus;
use tower::Service;
use yinyom_identity::{Access, Authenticator};

use crate::admission::Admission;
use crate::edge::{Edge, Shared};
use crate::lines::Lines;
use crate::methods::doors;
use crate::{Incoming, ServerConfig, access_gaps};

/// How long a cut connection has to say so to its client.
pub(crate) const LAST_WORDS: Duration = Duration::from_secs(1);

/// A generated server with the limits of messages that `config` names.
#[macro_export]
macro_rules! with_message_limits {
    ($server:expr, $config:expr) => {
        $server
            .max_decoding_message_size($config.max_message_bytes)
            .max_encoding_message_size($crate::MAX_MESSAGE_BYTES)
    };
}

/// Why a server did not start, or stopped.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    #[error("the access table does not fit the services: {}", .0.join("; "))]
    AccessTable(Vec<String>),
    #[error("the descriptors cannot be read")]
    Descriptors(#[from] prost::DecodeError),
    #[error("reflection cannot be set up")]
    Reflection(#[from] tonic_reflection::server::Error),
    #[error("the transport failed")]
    Transport(#[from] tonic::transport::Error),
}

/// A server that is being put together.
pub struct Server {
    config: ServerConfig,
    authenticator: Arc<Authenticator>,
    descriptors: &'static [u8],
    access: &'static [Access],
    services: Vec<&'static str>,
    routes: RoutesBuilder,
}

impl Server {
    /// A server for callers that `authenticator` knows. `descriptors` is an encoded
    /// `FileDescriptorSet` that holds the services to come (and may hold others); `access` must have
    /// one entry for each of their methods, and no others.
    pub fn new(
        config: ServerConfig,
        authenticator: Arc<Authenticator>,
        descriptors: &'static [u8],
        access: &'static [Access],
    ) -> Self {
        let mut routes = Routes::builder();
        routes.add_service(config.health.server());
        Self { config, authenticator, descriptors, access, services: Vec::new(), routes }
    }

    /// Adds a generated server.
    #[must_use]
    pub fn add_service<S>(mut self, service: S) -> Self
    where
        S: Service<Request<Body>, Response = Response<Body>, Error = Infallible>
            + NamedService
            + Clone
            + Send
            + Sync
            + 'static,
        S::Future: Send + 'static,
    {
        self.services.push(S::NAME);
        self.routes.add_service(service);
        self
    }

    /// [Serves](Self::serve_with_incoming) what comes in: at a listener in clear, or as `yinyom-tls` lets it in.
    pub async fn serve(
        self,
        incoming: impl Into<Incoming>,
        shutdown: CancellationToken,
    ) -> Result<(), ServeError> {
        self.serve_with_incoming(incoming.into(), shutdown).await
    }

    /// Serves the connections that `incoming` yields, whatever carries them, until `shutdown` is
    /// cancelled and then until calls have ended: health says "not serving", the linger passes, no
    /// new connections are taken, streams are told ([`crate::Call::draining`]), and what has not
    /// ended by the limit is answered `UNAVAILABLE`. An error in `incoming` is one connection that
    /// did not come about. Where a connection tells its [`Peer`](crate::Peer), tokens are held against it.
    ///
    /// Fails before it serves if the access table does not fit the services.
    pub async fn serve_with_incoming<I, IO>(
        mut self,
        incoming: I,
        shutdown: CancellationToken,
    ) -> Result<(), ServeError>
    where
        I: Stream<Item = std::io::Result<IO>>,
        IO: AsyncRead + AsyncWrite + Connected + Unpin + Send + 'static,
    {
        let gaps = access_gaps(self.descriptors, &self.services, self.access);
        if !gaps.is_empty() {
            return Err(ServeError::AccessTable(gaps));
        }
        self.add_reflection()?;
        self.config.health.say(&self.services, ServingStatus::Serving).await;
        let (draining, cut) = (CancellationToken::new(), CancellationToken::new());
        let edge = Edge {
            shared: Arc::new(Shared {
                authenticator: self.authenticator,
                doors: doors(self.descriptors, &self.services, self.access)?,
                admission: Admission::new(&self.config),
                unary_timeout: self.config.unary_timeout,
                stream_idle_timeout: self.config.stream_idle_timeout,
                limits: self.config.call,
                draining: draining.clone(),
                cut: cut.clone(),
            }),
            routes: self.routes.routes().prepare(),
        };
        let (linger, limit) = (self.config.linger, self.config.drain_limit);
        let (health, services) = (self.config.health.clone(), self.services);
        let begin = draining.clone();
        let stopping = async move {
            shutdown.cancelled().await;
            health.say(&services, ServingStatus::NotServing).await;
            tokio::time::sleep(linger).await;
            begin.cancel();
        };
        let lines = Lines::new(self.config.max_connections);
        let slow_readers = lines.clone().end_slow_readers(self.config.slow_reader_timeout);
        let incoming = incoming
            .filter_map(move |io| std::future::ready(io.map(|io| lines.take(io)).transpose()));
        let mut serving = std::pin::pin!(
            builder(&self.config).serve_with_incoming_shutdown(edge, incoming, stopping)
        );
        let up = async {
            draining.cancelled().await;
            tokio::time::sleep(limit).await;
        };
        tokio::select! {
            served = &mut serving => return Ok(served?),
            () = up => cut.cancel(),
            // Has no end of its own.
            () = slow_readers => {}
        }
        tracing::warn!("calls were cut: they did not end within the drain's limit");
        match tokio::time::timeout(LAST_WORDS, serving).await {
            Ok(served) => Ok(served?),
            Err(_) => Ok(()),
        }
    }

    /// Both versions: older tools ask for v1alpha only.
    fn add_reflection(&mut self) -> Result<(), ServeError> {
        let configure = || {
            let mut builder = tonic_reflection::server::Builder::configure()
                .register_encoded_file_descriptor_set(self.descriptors)
                .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
                // So that a client that knows only reflection can read the details of a refusal.
                .register_encoded_file_descriptor_set(tonic_types::pb::FILE_DESCRIPTOR_SET)
                .with_service_name("grpc.health.v1.Health");
            for service in &self.services {
                builder = builder.with_service_name(*service);
            }
            builder
        };
        let (v1, v1alpha) = (configure().build_v1()?, configure().build_v1alpha()?);
        self.routes.add_service(v1);
        self.routes.add_service(v1alpha);
        Ok(())
    }
}

fn builder(config: &ServerConfig) -> tonic::transport::Server {
    let builder = tonic::transport::Server::builder()
        .max_concurrent_streams(config.max_concurrent_streams)
        .http2_max_pending_accept_reset_streams(Some(config.max_pending_reset_streams))
        .http2_max_local_error_reset_streams(Some(config.max_error_reset_streams))
        .http2_max_header_list_size(config.max_header_bytes)
        .http2_keepalive_interval(Some(config.keepalive_interval))
        .http2_keepalive_timeout(Some(config.keepalive_timeout));
    match config.max_connection_age {
        // A tenth more or less, by the process: clients of many replicas must not leave all of them in one moment.
        Some(age) => builder.max_connection_age(age.mul_f64(rand::rng().random_range(0.9..1.1))),
        None => builder,
    }
}
