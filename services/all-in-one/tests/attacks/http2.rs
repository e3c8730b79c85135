//! HTTP/2 by hand: frames as an attacker writes them, in any order and at any pace (RFC 9113).

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::{Mutex, mpsc};

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const GOAWAY: u8 = 7;
const WINDOW_UPDATE: u8 = 8;
const CONTINUATION: u8 = 9;

const ACK: u8 = 1;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

/// No machine is that slow.
pub const PATIENCE: Duration = Duration::from_mins(1);

/// What an attacker sees of the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// A stream's last frame.
    Ended(u32),
    /// A stream was reset, for this reason.
    Reset(u32, u32),
    /// The connection will be closed, for this reason.
    GoAway(u32),
    Closed,
}

/// How a connection behaves.
#[derive(Clone, Copy)]
pub struct Manners {
    /// One that does not is dead, as far as the server can tell.
    pub answers_pings: bool,
    /// How much of each answer the server may send unasked.
    pub window: u32,
}

impl Manners {
    pub const GOOD: Self = Self { answers_pings: true, window: 65_535 };
    pub const DEAD: Self = Self { answers_pings: false, window: 65_535 };
    pub const NO_READER: Self = Self { answers_pings: true, window: 0 };
}

/// A connection.
pub struct Line {
    out: Arc<Mutex<OwnedWriteHalf>>,
    events: mpsc::UnboundedReceiver<Event>,
    next: u32,
}

impl Line {
    pub async fn open(address: &str, manners: Manners) -> io::Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let (read, mut out) = stream.into_split();
        let mut hello = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
        // SETTINGS_INITIAL_WINDOW_SIZE.
        let window = [&[0, 4][..], &manners.window.to_be_bytes()].concat();
        hello.extend(frame(SETTINGS, 0, 0, &window));
        out.write_all(&hello).await?;
        let (out, (tell, events)) = (Arc::new(Mutex::new(out)), mpsc::unbounded_channel());
        let answers = manners.answers_pings.then(|| Arc::clone(&out));
        tokio::spawn(async move {
            let _ = listen(read, &tell, answers).await;
            let _ = tell.send(Event::Closed);
        });
        Ok(Self { out, events, next: 1 })
    }

    pub async fn write(&self, bytes: &[u8]) -> io::Result<()> {
        self.out.lock().await.write_all(bytes).await
    }

    /// A fresh stream's number.
    pub fn stream(&mut self) -> u32 {
        let stream = self.next;
        self.next += 2;
        stream
    }

    /// What happens next. Fails the test if nothing does.
    pub async fn event(&mut self) -> Event {
        let event = tokio::time::timeout(PATIENCE, self.events.recv()).await;
        event.expect("the server neither answers nor closes").unwrap_or(Event::Closed)
    }

    /// Everything up to the connection's end.
    pub async fn until_closed(&mut self) -> Vec<Event> {
        let mut seen = Vec::new();
        while seen.last() != Some(&Event::Closed) {
            seen.push(self.event().await);
        }
        seen
    }

    /// Whether the server has closed it by now.
    pub fn is_closed(&mut self) -> bool {
        loop {
            match self.events.try_recv() {
                Ok(Event::Closed) | Err(mpsc::error::TryRecvError::Disconnected) => return true,
                Ok(_) => {}
                Err(mpsc::error::TryRecvError::Empty) => return false,
            }
        }
    }
}

async fn listen(
    mut read: OwnedReadHalf,
    tell: &mpsc::UnboundedSender<Event>,
    answers: Option<Arc<Mutex<OwnedWriteHalf>>>,
) -> io::Result<()> {
    loop {
        let mut head = [0; 9];
        read.read_exact(&mut head).await?;
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
        let (kind, flags) = (head[3], head[4]);
        let stream = u32::from_be_bytes([head[5], head[6], head[7], head[8]]);
        let mut payload = vec![0; usize::try_from(length).unwrap()];
        read.read_exact(&mut payload).await?;
        let code = |at: usize| payload[at..at + 4].try_into().map(u32::from_be_bytes).unwrap();
        let event = match kind {
            RST_STREAM => Event::Reset(stream, code(0)),
            GOAWAY => Event::GoAway(code(4)),
            DATA | HEADERS if flags & END_STREAM != 0 => Event::Ended(stream),
            PING | SETTINGS if flags & ACK == 0 => {
                let echo = if kind == PING { &payload[..] } else { &[] };
                if let Some(out) = &answers {
                    out.lock().await.write_all(&frame(kind, ACK, 0, echo)).await?;
                }
                continue;
            }
            _ => continue,
        };
        if tell.send(event).is_err() {
            return Ok(());
        }
    }
}

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// The head of a call that goes on.
pub fn call(stream: u32, path: &str, token: &str) -> Vec<u8> {
    frame(HEADERS, END_HEADERS, stream, &head(path, token))
}

/// A call with its message.
pub fn whole_call(stream: u32, path: &str, token: &str, message: &[u8]) -> Vec<u8> {
    [call(stream, path, token), data(stream, &framed(message), true)].concat()
}

/// A head that is never finished.
pub fn unfinished_head(stream: u32, path: &str, token: &str) -> Vec<u8> {
    frame(HEADERS, 0, stream, &head(path, token))
}

/// More of it: one header of `size` bytes.
pub fn more_head(stream: u32, size: usize) -> Vec<u8> {
    frame(CONTINUATION, 0, stream, &header("x-more", &"a".repeat(size)))
}

/// A head with that many headers more.
pub fn large_head(stream: u32, path: &str, token: &str, headers: usize) -> Vec<u8> {
    let mut block = head(path, token);
    for _ in 0..headers {
        block.extend(header("x-more", &"a".repeat(100)));
    }
    let mut parts = block.chunks(16_384).peekable();
    let first = parts.next().unwrap();
    let end = |last: bool| if last { END_HEADERS } else { 0 };
    let mut frames = frame(HEADERS, end(parts.peek().is_none()), stream, first);
    while let Some(part) = parts.next() {
        frames.extend(frame(CONTINUATION, end(parts.peek().is_none()), stream, part));
    }
    frames
}

pub fn data(stream: u32, bytes: &[u8], end: bool) -> Vec<u8> {
    frame(DATA, if end { END_STREAM } else { 0 }, stream, bytes)
}

/// One message, framed as gRPC frames it.
pub fn framed(message: &[u8]) -> Vec<u8> {
    let length = u32::try_from(message.len()).unwrap().to_be_bytes();
    [&[0], &length[..], message].concat()
}

/// Takes a call back.
pub fn reset(stream: u32) -> Vec<u8> {
    const CANCEL: u32 = 8;
    frame(RST_STREAM, 0, stream, &CANCEL.to_be_bytes())
}

/// Makes the server reset the stream: a window beyond the largest one.
pub fn overflow(stream: u32) -> Vec<u8> {
    let most = frame(WINDOW_UPDATE, 0, stream, &0x7fff_ffff_u32.to_be_bytes());
    [most.clone(), most].concat()
}

fn head(path: &str, token: &str) -> Vec<u8> {
    let mut block = Vec::new();
    for (name, value) in [
        (":method", "POST"),
        (":scheme", "http"),
        (":path", path),
        (":authority", "localhost"),
        ("content-type", "application/grpc"),
        ("te", "trailers"),
        ("authorization", &format!("Bearer {token}")),
    ] {
        block.extend(header(name, value));
    }
    block
}

/// A literal header, never indexed and never compressed (RFC 7541, 6.2.2).
fn header(name: &str, value: &str) -> Vec<u8> {
    let mut bytes = vec![0];
    for text in [name, value] {
        let length = text.len();
        if length < 127 {
            bytes.push(u8::try_from(length).unwrap());
        } else {
            bytes.push(127);
            let mut rest = length - 127;
            while rest >= 128 {
                bytes.push(u8::try_from(rest % 128).unwrap() | 128);
                rest /= 128;
            }
            bytes.push(u8::try_from(rest).unwrap());
        }
        bytes.extend(text.as_bytes());
    }
    bytes
}
