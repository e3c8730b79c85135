//! The connections of a port: so many and no more, and none whose client leaves its answers lying about.
//!
//! When there are as many as may be, a new one ends another that has no caller's call under way: first those that never
//! had one, then those whose last call is the longest ago, so that whoever opens connections and says nothing, or nothing
//! with a token, ends his own. Only if all have calls under way is the new one closed.

use std::any::Any;
use std::collections::HashMap;
use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Instant;
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};
use tonic::transport::server::Connected;

use crate::answers::Answers;
use crate::{EdgeFault, Peer};

/// Calls of health and reflection that a connection may have under way.
const MAX_OPEN: usize = 8;

/// The connections that a server has.
#[derive(Clone)]
pub(crate) struct Lines(Arc<Shared>);

struct Shared {
    most: usize,
    open: Mutex<Open>,
    /// Counts the calls of callers, to tell which connection's was last.
    calls: AtomicU64,
}

#[derive(Default)]
struct Open {
    next: u64,
    lines: HashMap<u64, Arc<Line>>,
    full: bool,
}

/// A connection.
pub(crate) struct Line {
    id: u64,
    /// Calls of known callers that are under way.
    busy: AtomicUsize,
    /// The number of the last of them; 0 if there was none.
    last: AtomicU64,
    /// Calls of health and reflection that are under way.
    strangers: AtomicUsize,
    pub(crate) answers: Answers,
    cut: CancellationToken,
    of: Arc<Shared>,
}

impl Lines {
    pub(crate) fn new(most: usize) -> Self {
        let open = Mutex::default();
        Self(Arc::new(Shared { most: most.max(1), open, calls: AtomicU64::new(0) }))
    }

    /// Takes a connection, if there is or can be made room for it.
    pub(crate) fn take<IO: Connected>(&self, io: IO) -> Option<Held<IO>> {
        let mut open = self.0.open();
        if open.lines.len() >= self.0.most {
            if !open.full {
                open.full = true;
                tracing::warn!(
                    connections = self.0.most,
                    "no more connections are taken: idle ones give way"
                );
            }
            // The newest calls may be a moment ahead of what is seen here: it is a matter of who is the idlest.
            let idle = open.lines.values().filter(|line| line.busy.load(Ordering::Relaxed) == 0);
            let idlest = idle.min_by_key(|line| (line.last.load(Ordering::Relaxed), line.id))?;
            idlest.cut.cancel();
            let id = idlest.id;
            open.lines.remove(&id);
        } else if open.lines.len() < self.0.most / 2 {
            open.full = false;
        }
        open.next += 1;
        let line = Arc::new(Line {
            id: open.next,
            busy: AtomicUsize::new(0),
            last: AtomicU64::new(0),
            strangers: AtomicUsize::new(0),
            answers: Answers::default(),
            cut: CancellationToken::new(),
            of: Arc::clone(&self.0),
        });
        open.lines.insert(line.id, Arc::clone(&line));
        drop(open);
        let cut = Box::pin(line.cut.clone().cancelled_owned());
        Some(Held { io, line, cut })
    }

    /// Ends the connections whose clients have not read on for `limit`, for as long as it is polled.
    pub(crate) async fn end_slow_readers(self, limit: Duration) {
        let mut ticks = tokio::time::interval((limit / 4).max(Duration::from_millis(10)));
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            let now = ticks.tick().await;
            self.end_those_slower_than(limit, now);
        }
    }

    fn end_those_slower_than(&self, limit: Duration, now: Instant) {
        let lines: Vec<_> = self.0.open().lines.values().map(Arc::clone).collect();
        for line in lines {
            if line.answers.oldest().is_some_and(|since| now.duration_since(since) > limit) {
                tracing::info!(
                    "a connection was closed: its client does not read what it asked for"
                );
                line.cut.cancel();
            }
        }
    }
}

impl Shared {
    fn open(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Line {
    /// A caller's call is under way until the guard is dropped.
    pub(crate) fn busy(self: &Arc<Self>) -> Busy {
        self.busy.fetch_add(1, Ordering::Relaxed);
        let number = self.of.calls.fetch_add(1, Ordering::Relaxed) + 1;
        self.last.fetch_max(number, Ordering::Relaxed);
        Busy(Arc::clone(self))
    }

    /// A call that needs no token is under way until the guard is dropped, if there are not too many.
    pub(crate) fn stranger(self: &Arc<Self>) -> Result<Stranger, EdgeFault> {
        let before = self.strangers.fetch_add(1, Ordering::Relaxed);
        let guard = Stranger(Arc::clone(self));
        if before < MAX_OPEN { Ok(guard) } else { Err(EdgeFault::Overloaded) }
    }
}

pub(crate) struct Busy(Arc<Line>);

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.busy.fetch_sub(1, Ordering::Relaxed);
    }
}

pub(crate) struct Stranger(Arc<Line>);

impl Drop for Stranger {
    fn drop(&mut self) {
        self.0.strangers.fetch_sub(1, Ordering::Relaxed);
    }
}

/// What a call knows of its connection.
#[derive(Clone)]
pub(crate) struct Arrived {
    pub(crate) peer: Peer,
    pub(crate) line: Arc<Line>,
}

/// A connection that counts until it is dropped, and that can be ended from outside.
pub(crate) struct Held<IO> {
    io: IO,
    line: Arc<Line>,
    cut: Pin<Box<WaitForCancellationFutureOwned>>,
}

impl<IO> Held<IO> {
    /// Also where nothing is written: a client that does not read must not hold up its own end.
    fn poll_cut(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        match self.cut.as_mut().poll(cx) {
            Poll::Ready(()) => Err(io::ErrorKind::ConnectionAborted.into()),
            Poll::Pending => Ok(()),
        }
    }
}

impl<IO> Drop for Held<IO> {
    fn drop(&mut self) {
        self.line.of.open().lines.remove(&self.line.id);
    }
}

impl<IO: Connected> Connected for Held<IO> {
    type ConnectInfo = Arrived;

    fn connect_info(&self) -> Arrived {
        let info = self.io.connect_info();
        let peer = any(&info).downcast_ref::<Peer>().cloned().unwrap_or_default();
        Arrived { peer, line: Arc::clone(&self.line) }
    }
}

fn any(info: &impl Any) -> &dyn Any {
    info
}

impl<IO: AsyncRead + Unpin> AsyncRead for Held<IO> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.poll_cut(cx)?;
        Pin::new(&mut self.io).poll_read(cx, buffer)
    }
}

impl<IO: AsyncWrite + Unpin> AsyncWrite for Held<IO> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.poll_cut(cx)?;
        Pin::new(&mut self.io).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_cut(cx)?;
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_cut(cx)?;
        Pin::new(&mut self.io).poll_shutdown(cx)
    }

    /// Told so, HTTP/2 puts the head, the message and the trailers of an answer of less than a kilobyte into one write, and
    /// else, from 256 bytes on, into two: a call to the system is the dearest part of a small answer.
    fn is_write_vectored(&self) -> bool {
        false
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use tokio::io::{AsyncReadExt, DuplexStream};

    use super::*;

    impl Lines {
        fn of_test(&self) -> Option<Held<DuplexStream>> {
            self.take(tokio::io::duplex(64).0)
        }

        fn number(&self) -> usize {
            self.0.open().lines.len()
        }
    }

    fn is_cut(held: &Held<DuplexStream>) -> bool {
        held.line.cut.is_cancelled()
    }

    #[tokio::test]
    async fn beyond_the_limit_who_never_called_gives_way_before_who_did() {
        let lines = Lines::new(3);
        let silent = lines.of_test().unwrap();
        let called = lines.of_test().unwrap();
        drop(called.line.busy());
        let calling = lines.of_test().unwrap();
        let call = calling.line.busy();
        let one = lines.of_test().unwrap();
        assert!(is_cut(&silent) && !is_cut(&called) && !is_cut(&calling));
        drop(one.line.busy());
        let two = lines.of_test().unwrap();
        assert!(is_cut(&called), "whose last call is the longest ago");
        let (of_one, of_two) = (one.line.busy(), two.line.busy());
        assert!(lines.of_test().is_none(), "a call under way is not cut for a new connection");
        drop((call, of_one));
        assert!(lines.of_test().is_some());
        drop((silent, called, calling, one, two, of_two));
        assert_eq!(lines.number(), 0);
    }

    #[tokio::test]
    async fn one_that_gives_way_reads_and_writes_no_more() {
        let lines = Lines::new(1);
        let (near, _far) = tokio::io::duplex(64);
        let mut first = lines.take(near).unwrap();
        let waiting = async { first.read_u8().await.unwrap_err().kind() };
        let (kind, _second) = tokio::join!(waiting, async { lines.of_test().unwrap() });
        assert_eq!(kind, io::ErrorKind::ConnectionAborted);
    }

    #[tokio::test]
    async fn strangers_have_few_calls_on_a_connection() {
        let lines = Lines::new(1);
        let held = lines.of_test().unwrap();
        let mut calls: Vec<_> = (0..MAX_OPEN).map(|_| held.line.stranger().unwrap()).collect();
        assert!(held.line.stranger().is_err());
        calls.pop();
        assert!(held.line.stranger().is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_ends_whose_answer_nobody_reads_and_no_other() {
        let lines = Lines::new(2);
        let (slow, fast) = (lines.of_test().unwrap(), lines.of_test().unwrap());
        let (left_lying, read) = (slow.line.answers.begin(), fast.line.answers.begin());
        let limit = Duration::from_mins(1);
        tokio::time::advance(limit / 2).await;
        read.polled();
        read.handed_over();
        tokio::time::advance(limit / 2 + Duration::from_secs(1)).await;
        lines.end_those_slower_than(limit, Instant::now());
        assert!(is_cut(&slow) && !is_cut(&fast));
        // It is ours to say something now, however long that takes.
        read.polled();
        tokio::time::advance(limit * 2).await;
        lines.end_those_slower_than(limit, Instant::now());
        assert!(!is_cut(&fast));
        drop(left_lying);
        assert!(slow.line.answers.oldest().is_none());
    }
}
