//! What an operator's own tools ask of a process: whether it lives and serves, and what it has measured. Both are in clear:
//! they hold nothing personal, and a prober has no certificate.

use std::net::SocketAddr;

use axum::Router;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use tokio::net::TcpListener;
use yinyom_rpc::Health;

use crate::ConfigError;

/// Ports for an operator's tools.
#[derive(Debug, Clone, Default, clap::Args)]
#[command(next_help_heading = "Probes")]
pub struct ProbeArgs {
    /// Address to answer gRPC health on, in clear and without a token: `0.0.0.0:7079`. The service `live` tells whether the
    /// process lives, an empty name whether it takes calls
    #[arg(long, env = "YINYOM_HEALTH_LISTEN", value_name = "ADDRESS")]
    pub health_listen: Option<SocketAddr>,

    /// Address to answer Prometheus on, `http://ADDRESS/metrics`, in clear: `0.0.0.0:9464`
    #[arg(long, env = "YINYOM_METRICS_LISTEN", value_name = "ADDRESS")]
    pub metrics_listen: Option<SocketAddr>,
}

impl ProbeArgs {
    /// Opens the ports, to be answered as long as the process lives, and tells where it says whether it serves: not yet.
    pub async fn open(&self) -> Result<Health, ConfigError> {
        let health = Health::starting().await;
        if let Some(listener) = bind(self.health_listen).await? {
            let address = listener.local_addr().ok();
            tracing::info!(?address, "answering health probes");
            let answering = health.clone().answer(listener);
            tokio::spawn(async move {
                if let Err(error) = answering.await {
                    tracing::error!(%error, "health probes are not answered any more");
                }
            });
        }
        if let Some(listener) = bind(self.metrics_listen).await? {
            let address = listener.local_addr().ok();
            tracing::info!(?address, "answering for metrics");
            let routes = Router::new().route("/metrics", get(metrics));
            tokio::spawn(async move {
                if let Err(error) = axum::serve(listener, routes).await {
                    tracing::error!(%error, "metrics are not told any more");
                }
            });
        }
        Ok(health)
    }
}

async fn bind(address: Option<SocketAddr>) -> Result<Option<TcpListener>, ConfigError> {
    let Some(address) = address else { return Ok(None) };
    let listener = TcpListener::bind(address).await;
    listener.map(Some).map_err(|source| ConfigError::Listen { address, source })
}

async fn metrics() -> Response {
    match yinyom_telemetry::scrape() {
        Ok(text) => ([(CONTENT_TYPE, yinyom_telemetry::TEXT)], text).into_response(),
        Err(error) => {
            tracing::error!(%error, "metrics cannot be told");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}
