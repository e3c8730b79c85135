//! From a listener to connections whose handshake is done. Handshakes run beside each other, each with a limit of time,
//! all with a limit of number; when that is reached the one that has taken longest gives way, so that those who open
//! connections and say nothing hold up nobody but themselves.

use std::collections::VecDeque;
use std::io;
use std::time::Duration;

use rustls::pki_types::CertificateDer;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::AbortHandle;
use tokio_rustls::TlsAcceptor;
use tokio_stream::wrappers::ReceiverStream;
use webpki::EndEntityCert;
use yinyom_identity::SpiffeId;
use yinyom_rpc::{Incoming, Wire, accept};

use crate::ServerTls;

/// Connections that wait for the server to take them.
const READY: usize = 64;

/// How much of a handshake a stranger gets.
#[derive(Debug, Clone, Copy)]
pub struct HandshakeLimits {
    /// How long one may take.
    pub time: Duration,
    /// How many may be under way. A new one beyond them ends the oldest.
    pub at_a_time: usize,
}

impl Default for HandshakeLimits {
    fn default() -> Self {
        Self { time: Duration::from_secs(5), at_a_time: 512 }
    }
}

/// The connections at `listener`, until the server lets go of them; then nobody listens any more.
pub(crate) fn accept_all(
    listener: TcpListener,
    tls: ServerTls,
    limits: HandshakeLimits,
) -> Incoming {
    let (ready, wires) = mpsc::channel(READY);
    tokio::spawn(async move {
        let mut pending = Pending(VecDeque::new());
        loop {
            let stream = tokio::select! {
                stream = accept(&listener) => stream,
                () = ready.closed() => return,
            };
            let (acceptor, ready) = (TlsAcceptor::from(tls.current()), ready.clone());
            let time = limits.time;
            let handshake = tokio::spawn(async move {
                match tokio::time::timeout(time, shake(acceptor, stream)).await {
                    Ok(Ok(wire)) => {
                        let _ = ready.send(wire).await;
                    }
                    Ok(Err(error)) => tracing::debug!(%error, "a handshake failed"),
                    Err(_) => tracing::debug!("a handshake took too long"),
                }
            });
            pending.push(handshake.abort_handle(), limits.at_a_time);
        }
    });
    Incoming::new(ReceiverStream::new(wires))
}

/// Handshakes under way, the oldest first.
struct Pending(VecDeque<AbortHandle>);

impl Pending {
    fn push(&mut self, handshake: AbortHandle, at_a_time: usize) {
        if self.0.len() >= at_a_time {
            self.0.retain(|handshake| !handshake.is_finished());
        }
        while self.0.len() >= at_a_time.max(1) {
            let Some(oldest) = self.0.pop_front() else { break };
            oldest.abort();
            tracing::debug!("a handshake gave way to a newer one");
        }
        self.0.push_back(handshake);
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        self.0.iter().for_each(AbortHandle::abort);
    }
}

async fn shake(acceptor: TlsAcceptor, stream: TcpStream) -> io::Result<Wire> {
    let stream = acceptor.accept(stream).await?;
    let (_, session) = stream.get_ref();
    let leaf = session.peer_certificates().and_then(|chain| chain.first());
    let peer = leaf.and_then(workload);
    Ok(Wire::new(stream, peer))
}

/// The workload that a certificate names. One that names two, or something else beside, names none (X509-SVID, 2).
fn workload(certificate: &CertificateDer<'_>) -> Option<SpiffeId> {
    let certificate = EndEntityCert::try_from(certificate).ok()?;
    let mut names = certificate.valid_uri_names();
    match (names.next(), names.next()) {
        (Some(name), None) => name.parse().ok(),
        _ => None,
    }
}
