//! Connections as they come in: over TCP, over TLS, or over whatever a test makes of bytes.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use futures::stream::BoxStream;
use futures::{Stream, StreamExt};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tonic::transport::server::Connected;
use yinyom_identity::SpiffeId;

/// What a server waits before it looks for connections again after it could not take one: it has run out of files, and
/// calls must end first.
const BREATH: Duration = Duration::from_millis(50);

trait Io: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Io for T {}

/// A connection, and who is at its other end.
pub struct Wire {
    io: Box<dyn Io>,
    peer: Peer,
}

impl Wire {
    /// A connection over `io`. `peer` is the workload that has proved that it is at the other end.
    pub fn new(
        io: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
        peer: Option<SpiffeId>,
    ) -> Self {
        Self { io: Box::new(io), peer: Peer(peer) }
    }
}

/// The workload that has proved that it is at the other end of a connection, if one has: what [`Connected`] tells of a
/// [`Wire`].
#[derive(Debug, Clone, Default)]
pub struct Peer(pub Option<SpiffeId>);

/// Connections, one after the other. A listener becomes one by `into()`.
pub struct Incoming(BoxStream<'static, Wire>);

impl Incoming {
    /// Connections that are made elsewhere. What could not be made is not here: a server goes on.
    pub fn new(wires: impl Stream<Item = Wire> + Send + 'static) -> Self {
        Self(wires.boxed())
    }
}

/// In plain text: whoever listens elsewhere than on loopback should think twice.
impl From<TcpListener> for Incoming {
    fn from(listener: TcpListener) -> Self {
        Self::new(futures::stream::unfold(listener, async |listener| {
            let stream = accept(&listener).await;
            Some((Wire::new(stream, None), listener))
        }))
    }
}

/// The next connection, however long it takes: one that failed before it was taken is no reason to stop, and a machine
/// that has run out of files gets some back.
pub async fn accept(listener: &TcpListener) -> TcpStream {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                // Answers are small and whole when they are written: nothing to wait for.
                if let Err(error) = stream.set_nodelay(true) {
                    tracing::debug!(%error, "a connection waits for full packets");
                }
                return stream;
            }
            Err(error) if is_of_one_connection(&error) => {
                tracing::debug!(%error, "a connection failed before it was taken");
            }
            Err(error) => {
                tracing::warn!(%error, "no connection can be taken");
                tokio::time::sleep(BREATH).await;
            }
        }
    }
}

fn is_of_one_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionRefused
    )
}

impl Stream for Incoming {
    type Item = io::Result<Wire>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.poll_next_unpin(cx).map(|wire| wire.map(Ok))
    }
}

impl Connected for Wire {
    type ConnectInfo = Peer;

    fn connect_info(&self) -> Peer {
        self.peer.clone()
    }
}

impl AsyncRead for Wire {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Wire {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write_vectored(cx, bytes)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }
}
