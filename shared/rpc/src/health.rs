//! What a server says of its health: on its own port, and on one for probers that have neither certificate nor token.

use std::fmt;

use futures::StreamExt;
use tokio::net::TcpListener;
use tokio_stream::wrappers::TcpListenerStream;
use tonic_health::ServingStatus;
use tonic_health::pb::health_server::HealthServer;
use tonic_health::server::{HealthReporter, HealthService};

use crate::lines::Lines;

/// What is asked whether the process lives: always serving, from before the first step of its start to after the last
/// call. Whoever is asked for the whole (an empty name) says whether calls are taken.
pub const LIVE: &str = "live";

/// Probers are a few.
const PROBERS: usize = 64;

/// What a server says of its health. Cheap to clone; the clones say the same.
#[derive(Clone, Default)]
pub struct Health(HealthReporter);

impl Health {
    /// Of a process that lives and takes no calls yet.
    pub async fn starting() -> Self {
        let health = Self::default();
        health.0.set_service_status("", ServingStatus::NotServing).await;
        health.0.set_service_status(LIVE, ServingStatus::Serving).await;
        health
    }

    /// Calls are taken, or not any more, where the server that takes them is not one alone.
    pub async fn set(&self, status: ServingStatus) {
        self.say(&[], status).await;
    }

    /// Says it of the whole, and of each of `services`.
    pub(crate) async fn say(&self, services: &[&str], status: ServingStatus) {
        for service in services.iter().chain(&[""]) {
            self.0.set_service_status(service, status).await;
        }
    }

    pub(crate) fn server(&self) -> HealthServer<HealthService> {
        HealthServer::new(HealthService::from_health_reporter(self.0.clone()))
    }

    /// Answers probers at `listener`, in clear and nothing else, for as long as it is polled.
    pub async fn answer(self, listener: TcpListener) -> Result<(), tonic::transport::Error> {
        let lines = Lines::new(PROBERS);
        let incoming = TcpListenerStream::new(listener)
            .filter_map(move |io| std::future::ready(io.map(|io| lines.take(io)).transpose()));
        let mut server = tonic::transport::Server::builder()
            .max_concurrent_streams(16)
            .http2_max_header_list_size(4096)
            .http2_max_pending_accept_reset_streams(Some(16));
        server.add_service(self.server()).serve_with_incoming(incoming).await
    }
}

impl fmt::Debug for Health {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Health").finish_non_exhaustive()
    }
}
