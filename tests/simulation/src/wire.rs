//! The simulated network, as the client and the server of the services see it.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use futures::{Stream, stream};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tonic::transport::server::Connected;
use tonic::transport::{Channel, Endpoint, Uri};
use tower::Service;
use turmoil::net::{TcpListener, TcpStream};
use yinyom_rpc::ClientConfig;

use crate::dice::Dice;

/// Where every service serves.
pub const PORT: u16 = 7000;

/// A simulated connection.
#[derive(Debug)]
pub struct Wire(TcpStream);

impl Connected for Wire {
    type ConnectInfo = ();

    fn connect_info(&self) {}
}

impl AsyncRead for Wire {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, into)
    }
}

impl AsyncWrite for Wire {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        from: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, from)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}

/// What comes in at [`PORT`] of this host.
pub async fn incoming() -> io::Result<impl Stream<Item = io::Result<Wire>>> {
    let listener = TcpListener::bind(("0.0.0.0", PORT)).await?;
    Ok(stream::unfold(listener, async |listener| {
        let accepted = listener.accept().await.map(|(stream, _)| Wire(stream));
        Some((accepted, listener))
    }))
}

type Connecting = Pin<Box<dyn Future<Output = io::Result<TokioIo<Wire>>> + Send>>;

/// Connects to one of `hosts` by chance, as a balancer in front of replicas would.
pub fn connector(
    hosts: &'static [&'static str],
    dice: Dice,
) -> impl Service<Uri, Response = TokioIo<Wire>, Error = io::Error, Future = Connecting> {
    tower::service_fn(move |_: Uri| -> Connecting {
        let host = *dice.pick(hosts);
        Box::pin(async move { Ok(TokioIo::new(Wire(TcpStream::connect((host, PORT)).await?))) })
    })
}

/// How a service reaches another one here: as in production, but a dead connection is noticed after two seconds and not
/// after fifteen, so that a run can be short.
pub fn client_config() -> ClientConfig {
    ClientConfig {
        timeout: Duration::from_secs(2),
        connect_timeout: Duration::from_millis(500),
        keepalive_interval: Duration::from_secs(1),
        keepalive_timeout: Duration::from_secs(1),
        ..ClientConfig::new("http://replicas")
    }
}

/// A channel of somebody who is no service, with a connection of its own.
pub fn channel(hosts: &'static [&'static str], dice: Dice) -> Channel {
    Endpoint::from_static("http://replicas")
        .connect_timeout(Duration::from_millis(500))
        .connect_with_connector_lazy(connector(hosts, dice))
}
