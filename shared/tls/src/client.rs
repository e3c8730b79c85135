//! The end that calls.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use arc_swap::ArcSwap;
use http::Uri;
use hyper_rustls::{HttpsConnectorBuilder, MaybeHttpsStream};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use tokio::net::TcpStream;
use tower::{BoxError, Service, ServiceExt};
use yinyom_identity::TokenSource;
use yinyom_rpc::{ConnectError, Connection, connect_to_each};

use crate::{Identity, TlsError, Trust, provider};

/// TLS of own calls. Cheap to clone; clones share what is in force.
#[derive(Debug, Clone)]
pub struct ClientTls(Arc<ArcSwap<ClientConfig>>);

impl ClientTls {
    /// Calls those whom `trust` vouches for, by the name they are called by; as `identity`, where they ask.
    pub fn new(trust: Trust, identity: Option<Identity>) -> Result<Self, TlsError> {
        Ok(Self(Arc::new(ArcSwap::from_pointee(config(trust, identity)?))))
    }

    /// Others from the next connection on.
    pub fn replace(&self, trust: Trust, identity: Option<Identity>) -> Result<(), TlsError> {
        self.0.store(Arc::new(config(trust, identity)?));
        Ok(())
    }

    /// `yinyom_rpc::connect` to an endpoint `https://host:port`.
    pub fn connect(
        &self,
        config: &yinyom_rpc::ClientConfig,
        tokens: TokenSource,
    ) -> Result<Connection, ConnectError> {
        let tls = self.clone();
        connect_to_each(config, tokens, move |to_address| tls.over(to_address, Protocol::Http2))
    }

    /// Makes connections for an HTTP client. It is called with `https` or without a scheme that matters: what it makes is
    /// TLS in any case.
    pub fn connector(&self, protocol: Protocol) -> TlsConnector {
        let mut http = HttpConnector::new();
        http.enforce_http(false);
        http.set_nodelay(true);
        self.over(http, protocol)
    }

    fn over<C>(&self, tcp: C, protocol: Protocol) -> TlsConnector<C> {
        TlsConnector { tls: self.clone(), tcp, protocol }
    }
}

/// What is spoken inside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    Http1,
    Http2,
}

/// Makes a connection with the certificates that are in force when it is needed.
#[derive(Debug, Clone)]
pub struct TlsConnector<C = HttpConnector> {
    tls: ClientTls,
    tcp: C,
    protocol: Protocol,
}

impl<C> Service<Uri> for TlsConnector<C>
where
    C: Service<Uri, Response = TokioIo<TcpStream>> + Clone + Send + 'static,
    C::Future: Send,
    BoxError: From<C::Error>,
{
    type Response = MaybeHttpsStream<TokioIo<TcpStream>>;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, BoxError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let config = ClientConfig::clone(&self.tls.0.load());
        let builder = HttpsConnectorBuilder::new().with_tls_config(config).https_only();
        let connector = match self.protocol {
            Protocol::Http1 => builder.enable_http1().wrap_connector(self.tcp.clone()),
            Protocol::Http2 => builder.enable_http2().wrap_connector(self.tcp.clone()),
        };
        Box::pin(async move { connector.oneshot(secure(uri)?).await })
    }
}

/// The same place over `https`.
fn secure(uri: Uri) -> Result<Uri, http::uri::InvalidUriParts> {
    let mut parts = uri.into_parts();
    parts.scheme = Some(http::uri::Scheme::HTTPS);
    Uri::from_parts(parts)
}

fn config(trust: Trust, identity: Option<Identity>) -> Result<ClientConfig, TlsError> {
    let builder = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()?
        .with_root_certificates(trust.0);
    Ok(match identity {
        Some(identity) => builder
            .with_client_cert_resolver(Arc::new(rustls::sign::SingleCertAndKey::from(identity.0))),
        None => builder.with_no_client_auth(),
    })
}
