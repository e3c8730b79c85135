//! A TCP proxy between a replica and those that it calls: a small load balancer whose wire a test can cut.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// What becomes of bytes on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flow {
    /// They get through.
    Open,
    /// They wait, in both directions, and get through when the wire is open again: a partition that says nothing.
    Held,
    /// Connections are closed, and new ones too: nobody is there.
    Refused,
}

/// A wire to several upstreams, of which each connection takes the first that answers.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    flow: watch::Sender<Flow>,
    serving: JoinHandle<()>,
}

impl Proxy {
    /// A wire that is open, to `upstreams` in the order of preference.
    pub async fn to(upstreams: Vec<SocketAddr>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("its number");
        let (flow, wire) = watch::channel(Flow::Open);
        let serving = tokio::spawn(async move {
            while let Ok((near, _)) = listener.accept().await {
                tokio::spawn(join(near, upstreams.clone(), wire.clone()));
            }
        });
        Self { address, flow, serving }
    }

    /// `http://127.0.0.1:port`.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// From now on.
    pub fn set(&self, flow: Flow) {
        self.flow.send_replace(flow);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.serving.abort();
        self.flow.send_replace(Flow::Refused);
    }
}

async fn join(near: TcpStream, upstreams: Vec<SocketAddr>, wire: watch::Receiver<Flow>) {
    let mut open = wire.clone();
    let opened = open.wait_for(|flow| *flow != Flow::Held).await.map(|flow| *flow);
    if !matches!(opened, Ok(Flow::Open)) {
        return;
    }
    let Some(far) = first_of(upstreams).await else { return };
    for end in [&near, &far] {
        end.set_nodelay(true).expect("an end that is open");
    }
    let ((from_near, to_near), (from_far, to_far)) = (near.into_split(), far.into_split());
    let mut cut = wire.clone();
    tokio::select! {
        () = pump(from_near, to_far, wire.clone()) => {}
        () = pump(from_far, to_near, wire) => {}
        _ = cut.wait_for(|flow| *flow == Flow::Refused) => {}
    }
}

async fn first_of(upstreams: Vec<SocketAddr>) -> Option<TcpStream> {
    for upstream in upstreams {
        if let Ok(stream) = TcpStream::connect(upstream).await {
            return Some(stream);
        }
    }
    None
}

async fn pump(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, mut wire: watch::Receiver<Flow>) {
    let mut bytes = vec![0; 16 * 1024];
    while let Ok(read @ 1..) = from.read(&mut bytes).await {
        if wire.wait_for(|flow| *flow == Flow::Open).await.is_err()
            || to.write_all(&bytes[..read]).await.is_err()
        {
            return;
        }
    }
}
