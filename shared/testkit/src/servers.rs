//! A server on a free port that stops with the test.

#![expect(
    clippy::panic,
    clippy::missing_panics_doc,
    reason = "a test that cannot have its server must fail, loudly"
)]

use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tonic::transport::{Channel, Endpoint};
use yinyom_rpc::{ServeError, Server};

/// A server that is serving.
#[derive(Debug)]
pub struct TestServer {
    endpoint: String,
    shutdown: CancellationToken,
    served: JoinHandle<Result<(), ServeError>>,
}

/// Serves on a free port of this machine.
pub async fn serve(stack: Server) -> TestServer {
    let listener = TcpListener::bind("127.0.0.1:0")
        .await
        .unwrap_or_else(|error| panic!("a free port: {error}"));
    let address = listener.local_addr().unwrap_or_else(|error| panic!("its number: {error}"));
    let shutdown = CancellationToken::new();
    let served = tokio::spawn(stack.serve(listener, shutdown.clone()));
    TestServer { endpoint: format!("http://{address}"), shutdown, served }
}

impl TestServer {
    /// `http://127.0.0.1:port`.
    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// A connection without a token; give it one with [`crate::tokens::Bearer`].
    pub fn channel(&self) -> Channel {
        Endpoint::from_shared(self.endpoint.clone())
            .unwrap_or_else(|error| panic!("an endpoint: {error}"))
            .connect_lazy()
    }

    /// Stops it as a deployment would, and fails the test if it does not stop well or never started.
    pub async fn stop(mut self) {
        self.shutdown.cancel();
        match (&mut self.served).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => panic!("the server failed: {error}"),
            Err(error) => panic!("the server panicked: {error}"),
        }
    }
}

impl Drop for TestServer {
    fn drop(&mut self) {
        self.shutdown.cancel();
    }
}
