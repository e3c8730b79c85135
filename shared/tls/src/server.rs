//! The end that is called.

use std::sync::Arc;

use arc_swap::ArcSwap;
use rustls::ServerConfig;
use rustls::server::{ResolvesServerCert, WebPkiClientVerifier};
use rustls::sign::SingleCertAndKey;
use tokio::net::TcpListener;
use yinyom_rpc::Incoming;

use crate::accept::{HandshakeLimits, accept_all};
use crate::{Identity, TlsError, Trust, provider};

/// What a port asks of its clients.
#[derive(Debug, Clone)]
pub enum ClientAuthentication {
    /// No certificate.
    None,
    /// One of these authorities', or none.
    Optional(Trust),
    /// One of these authorities'.
    Required(Trust),
}

/// TLS of a port. Cheap to clone; clones share what is in force.
#[derive(Debug, Clone)]
pub struct ServerTls(Arc<ArcSwap<ServerConfig>>);

impl ServerTls {
    /// A port that shows `identity`. TLS 1.3, and 1.2 for who has no better; HTTP/2.
    pub fn new(identity: Identity, clients: ClientAuthentication) -> Result<Self, TlsError> {
        Ok(Self(Arc::new(ArcSwap::from_pointee(config(identity, clients)?))))
    }

    /// Another identity, and other demands, from the next handshake on. No session is resumed beyond it.
    pub fn replace(
        &self,
        identity: Identity,
        clients: ClientAuthentication,
    ) -> Result<(), TlsError> {
        self.0.store(Arc::new(config(identity, clients)?));
        Ok(())
    }

    /// Connections at `listener` whose handshake succeeded.
    pub fn incoming(&self, listener: TcpListener, limits: HandshakeLimits) -> Incoming {
        accept_all(listener, self.clone(), limits)
    }

    pub(crate) fn current(&self) -> Arc<ServerConfig> {
        self.0.load_full()
    }
}

fn config(identity: Identity, clients: ClientAuthentication) -> Result<ServerConfig, TlsError> {
    let builder =
        ServerConfig::builder_with_provider(provider()).with_safe_default_protocol_versions()?;
    let verifier = |trust: Trust| WebPkiClientVerifier::builder_with_provider(trust.0, provider());
    let builder = match clients {
        ClientAuthentication::None => builder.with_no_client_auth(),
        ClientAuthentication::Optional(trust) => {
            builder.with_client_cert_verifier(verifier(trust).allow_unauthenticated().build()?)
        }
        ClientAuthentication::Required(trust) => {
            builder.with_client_cert_verifier(verifier(trust).build()?)
        }
    };
    let resolver: Arc<dyn ResolvesServerCert> = Arc::new(SingleCertAndKey::from(identity.0));
    let mut config = builder.with_cert_resolver(resolver);
    config.alpn_protocols = vec![b"h2".to_vec()];
    Ok(config)
}
