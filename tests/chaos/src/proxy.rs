//! A TCP proxy for one link between two of those who take part, so that it can be broken by itself.

use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use crate::plan::Harm;

/// A link. It is there until the program ends.
pub struct Link {
    /// Where whoever uses it connects to.
    pub address: SocketAddr,
    harm: watch::Sender<Option<Harm>>,
}

impl Link {
    /// A link to whichever of `targets` answers, beginning with the next one in turn: what a load balancer does.
    pub async fn open(targets: Vec<SocketAddr>) -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let (harm, state) = watch::channel(None);
        tokio::spawn(accept(listener, targets, state));
        Ok(Self { address, harm })
    }

    /// Breaks it.
    pub fn harm(&self, harm: Harm) {
        self.harm.send_replace(Some(harm));
    }

    /// Makes it whole.
    pub fn heal(&self) {
        self.harm.send_replace(None);
    }
}

async fn accept(
    listener: TcpListener,
    targets: Vec<SocketAddr>,
    state: watch::Receiver<Option<Harm>>,
) {
    let turn = AtomicUsize::new(0);
    loop {
        let Ok((client, _)) = listener.accept().await else {
            // Out of file descriptors, say: others close some.
            tokio::time::sleep(Duration::from_millis(10)).await;
            continue;
        };
        let turn = turn.fetch_add(1, Ordering::Relaxed);
        tokio::spawn(carry(client, targets.clone(), turn, state.clone()));
    }
}

async fn carry(
    client: TcpStream,
    targets: Vec<SocketAddr>,
    turn: usize,
    mut state: watch::Receiver<Option<Harm>>,
) {
    let reset = |stream: &TcpStream| {
        let _ = stream.set_zero_linger();
    };
    if *state.borrow_and_update() == Some(Harm::Cut) {
        reset(&client);
        return;
    }
    let Some(server) = connect(&targets, turn).await else {
        reset(&client);
        return;
    };
    let _ = (client.set_nodelay(true), server.set_nodelay(true));
    let (mut client, mut server) = (client, server);
    let broken = {
        let (from_client, to_client) = client.split();
        let (from_server, to_server) = server.split();
        let there = forward(from_client, to_server, false, state.clone());
        let back = forward(from_server, to_client, true, state.clone());
        tokio::select! {
            both = async { tokio::try_join!(there, back) } => both.is_err(),
            () = cut(state) => true,
        }
    };
    if broken {
        reset(&client);
        reset(&server);
    }
}

async fn connect(targets: &[SocketAddr], turn: usize) -> Option<TcpStream> {
    for i in 0..targets.len() {
        let target = targets[(turn + i) % targets.len()];
        let connecting = TcpStream::connect(target);
        if let Ok(Ok(stream)) = tokio::time::timeout(Duration::from_secs(1), connecting).await {
            return Some(stream);
        }
    }
    None
}

/// Ends when the link is cut.
async fn cut(mut state: watch::Receiver<Option<Harm>>) {
    if state.wait_for(|harm| *harm == Some(Harm::Cut)).await.is_err() {
        std::future::pending::<()>().await;
    }
}

/// Carries bytes one way until they end. Fails when what was swallowed would be missed.
async fn forward(
    mut from: ReadHalf<'_>,
    mut to: WriteHalf<'_>,
    answers: bool,
    mut state: watch::Receiver<Option<Harm>>,
) -> io::Result<()> {
    let mut buffer = vec![0; 16 * 1024];
    loop {
        let read = from.read(&mut buffer).await?;
        let _ = state.wait_for(|harm| *harm != Some(Harm::Hold)).await;
        if answers && *state.borrow() == Some(Harm::Deafen) {
            // The rest is lost, too: a stream with a hole is none.
            swallow(from, &mut buffer, state).await;
            return Err(io::ErrorKind::ConnectionReset.into());
        }
        if read == 0 {
            return to.shutdown().await;
        }
        to.write_all(&buffer[..read]).await?;
    }
}

async fn swallow(
    mut from: ReadHalf<'_>,
    buffer: &mut [u8],
    mut state: watch::Receiver<Option<Harm>>,
) {
    let over = state.wait_for(|harm| *harm != Some(Harm::Deafen));
    let drain = async { while from.read(buffer).await.is_ok_and(|read| read > 0) {} };
    tokio::select! {
        _ = over => {}
        () = async { drain.await; std::future::pending().await } => {}
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    /// A server that says back what it hears, and counts it.
    async fn echo() -> (SocketAddr, watch::Receiver<usize>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (heard, count) = watch::channel(0);
        tokio::spawn(async move {
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                let heard = heard.clone();
                tokio::spawn(async move {
                    let mut buffer = [0; 64];
                    while let Ok(read) = stream.read(&mut buffer).await {
                        if read == 0 || stream.write_all(&buffer[..read]).await.is_err() {
                            return;
                        }
                        heard.send_modify(|count| *count += read);
                    }
                });
            }
        });
        (address, count)
    }

    async fn ask(stream: &mut TcpStream) -> io::Result<u8> {
        stream.write_all(b"x").await?;
        stream.read_u8().await
    }

    #[tokio::test]
    async fn a_whole_link_passes_and_a_cut_one_resets_and_refuses() {
        let link = Link::open(vec![echo().await.0]).await.unwrap();
        let mut stream = TcpStream::connect(link.address).await.unwrap();
        assert_eq!(ask(&mut stream).await.unwrap(), b'x');
        link.harm(Harm::Cut);
        assert!(stream.read_u8().await.is_err());
        let mut refused = TcpStream::connect(link.address).await.unwrap();
        assert!(refused.read_u8().await.is_err());
        link.heal();
        let mut again = TcpStream::connect(link.address).await.unwrap();
        assert_eq!(ask(&mut again).await.unwrap(), b'x');
    }

    #[tokio::test]
    async fn what_is_held_comes_late() {
        let (address, heard) = echo().await;
        let link = Link::open(vec![address]).await.unwrap();
        let mut stream = TcpStream::connect(link.address).await.unwrap();
        assert_eq!(ask(&mut stream).await.unwrap(), b'x');
        link.harm(Harm::Hold);
        stream.write_all(b"y").await.unwrap();
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
        assert_eq!(*heard.borrow(), 1);
        link.heal();
        assert_eq!(stream.read_u8().await.unwrap(), b'y');
    }

    #[tokio::test]
    async fn a_lost_reply_was_heard_and_its_connection_does_not_live_on() {
        let (address, mut heard) = echo().await;
        let link = Link::open(vec![address]).await.unwrap();
        let mut stream = TcpStream::connect(link.address).await.unwrap();
        link.harm(Harm::Deafen);
        stream.write_all(b"z").await.unwrap();
        heard.wait_for(|count| *count == 1).await.unwrap();
        link.heal();
        // Whether the proxy had read the answer by then or not: it comes whole, or not at all.
        let _ = stream.read_u8().await;
        let mut again = TcpStream::connect(link.address).await.unwrap();
        assert_eq!(ask(&mut again).await.unwrap(), b'x');
    }

    #[tokio::test]
    async fn another_target_stands_in_for_a_dead_one() {
        let dead = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
        let link = Link::open(vec![dead, echo().await.0]).await.unwrap();
        for _ in 0..4 {
            let mut stream = TcpStream::connect(link.address).await.unwrap();
            assert_eq!(ask(&mut stream).await.unwrap(), b'x');
        }
    }
}
