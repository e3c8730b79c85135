//! A client that costs almost nothing, as `pgbench` does: calls are bytes made beforehand, answers are frames that are
//! counted and not decoded. It speaks as much HTTP/2 as a call of one small message needs.
//!
//! A connection makes one method's calls with one token. Its first call tells the headers and the others refer to
//! them, as gRPC clients do.

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;

use bytes::{Buf, BufMut, Bytes, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RESET: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const GO_AWAY: u8 = 7;
const WINDOW_UPDATE: u8 = 8;

const END_STREAM: u8 = 1;
const ACK: u8 = 1;
const END_HEADERS: u8 = 4;

const LARGEST_WINDOW: u32 = 0x7fff_ffff;
const HEAD: usize = 9;
/// A server grants no less: calls in flight must fit.
const FIRST_WINDOW: usize = 65_535;

/// What is called, and by whom.
#[derive(Debug, Clone)]
pub struct Method {
    /// `/package.Service/Method`
    pub path: String,
    /// `Bearer …`, or nothing.
    pub authorization: Option<String>,
}

/// A call that has ended.
#[derive(Debug, Clone)]
pub struct Ended {
    pub stream: u32,
    /// Whether a message came: a refusal has none.
    pub answered: bool,
    /// The last message that came on the connection, for who wants to look at it.
    pub message: Bytes,
}

/// A connection.
pub struct Wire {
    socket: TcpStream,
    method: Method,
    authority: String,
    next: u32,
    told: bool,
    out: BytesMut,
    read: BytesMut,
    ended: VecDeque<Ended>,
    /// Streams on which a message has come, and their last bytes.
    spoken: Vec<(u32, BytesMut)>,
    received: u32,
    /// What may be sent before the server grants more.
    window: usize,
}

impl Wire {
    /// Connects.
    pub async fn connect(to: SocketAddr, method: Method) -> io::Result<Self> {
        let socket = TcpStream::connect(to).await?;
        socket.set_nodelay(true)?;
        let mut out = BytesMut::with_capacity(1 << 16);
        out.put_slice(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
        head(&mut out, 12, SETTINGS, 0, 0);
        // No push, and streams may say what they like.
        for (name, value) in [(2_u16, 0), (4, LARGEST_WINDOW)] {
            out.put_u16(name);
            out.put_u32(value);
        }
        head(&mut out, 4, WINDOW_UPDATE, 0, 0);
        out.put_u32(LARGEST_WINDOW - FIRST_WINDOW as u32);
        Ok(Self {
            socket,
            method,
            authority: to.to_string(),
            next: 1,
            told: false,
            out,
            read: BytesMut::with_capacity(1 << 16),
            ended: VecDeque::new(),
            spoken: Vec::new(),
            received: 0,
            window: FIRST_WINDOW,
        })
    }

    /// Begins a call; it leaves with [`Wire::step`]. Nothing, if the server has to grant more first.
    pub fn begin(&mut self, message: &[u8]) -> Option<u32> {
        let length = message.len() + 5;
        self.window = self.window.checked_sub(length)?;
        let stream = self.next;
        self.next += 2;
        let headers = self.headers();
        head(&mut self.out, headers.len(), HEADERS, END_HEADERS, stream);
        self.out.put_slice(&headers);
        head(&mut self.out, length, DATA, END_STREAM, stream);
        self.out.put_u8(0);
        self.out.put_u32(message.len() as u32);
        self.out.put_slice(message);
        Some(stream)
    }

    /// The block of RFC 7541: the fields of the static table, and those of the dynamic one, which the first call fills.
    fn headers(&mut self) -> BytesMut {
        let mut block = BytesMut::with_capacity(16);
        // POST, http.
        block.put_slice(&[0x80 | 3, 0x80 | 6]);
        let method = &self.method;
        let mut fields = vec![
            Field::Static(4, &method.path),
            Field::Static(1, &self.authority),
            Field::Static(31, "application/grpc"),
            Field::New("te", "trailers"),
        ];
        fields.extend(method.authorization.as_deref().map(|token| Field::Static(23, token)));
        if self.told {
            // The one that was told last is 62.
            let last = 61 + fields.len() as u8;
            block.extend((0..fields.len() as u8).map(|i| 0x80 | (last - i)));
        } else {
            for field in fields {
                field.tell(&mut block);
            }
            self.told = true;
        }
        block
    }

    /// Sends what has been begun and waits until something comes. Cancelled, it has lost nothing.
    pub async fn step(&mut self) -> io::Result<()> {
        while self.out.has_remaining() {
            self.socket.write_buf(&mut self.out).await?;
        }
        if self.socket.read_buf(&mut self.read).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.take_frames()
    }

    /// A call that has ended meanwhile.
    pub fn ended(&mut self) -> Option<Ended> {
        self.ended.pop_front()
    }

    /// One call, by itself.
    pub async fn call(&mut self, message: &[u8]) -> io::Result<Ended> {
        self.begin(message).ok_or(io::ErrorKind::WouldBlock)?;
        loop {
            self.step().await?;
            if let Some(ended) = self.ended() {
                return Ok(ended);
            }
        }
    }

    fn take_frames(&mut self) -> io::Result<()> {
        while self.read.len() >= HEAD {
            let length = u32::from_be_bytes([0, self.read[0], self.read[1], self.read[2]]) as usize;
            if self.read.len() < HEAD + length {
                self.read.reserve(HEAD + length);
                break;
            }
            let (kind, flags) = (self.read[3], self.read[4]);
            let stream = (&self.read[5..9]).get_u32() & LARGEST_WINDOW;
            self.read.advance(HEAD);
            let payload = self.read.split_to(length);
            self.take(kind, flags, stream, &payload)?;
        }
        // Half of the connection's window is a gigabyte: once in a long while.
        if self.received > LARGEST_WINDOW / 2 {
            head(&mut self.out, 4, WINDOW_UPDATE, 0, 0);
            self.out.put_u32(self.received);
            self.received = 0;
        }
        Ok(())
    }

    fn take(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) -> io::Result<()> {
        match kind {
            DATA => {
                self.received += payload.len() as u32;
                match self.spoken.iter_mut().find(|(of, _)| *of == stream) {
                    Some((_, message)) => message.extend_from_slice(payload),
                    None => self.spoken.push((stream, BytesMut::from(payload))),
                }
            }
            HEADERS if flags & END_STREAM != 0 => self.end(stream),
            RESET => self.end(stream),
            SETTINGS if flags & ACK == 0 => head(&mut self.out, 0, SETTINGS, ACK, 0),
            PING if flags & ACK == 0 => {
                head(&mut self.out, payload.len(), PING, ACK, 0);
                self.out.put_slice(payload);
            }
            GO_AWAY => return Err(io::ErrorKind::ConnectionAborted.into()),
            WINDOW_UPDATE if stream == 0 => {
                let more = payload.get(..4).map_or(0, |mut more| more.get_u32());
                self.window += (more & LARGEST_WINDOW) as usize;
            }
            _ => {}
        }
        Ok(())
    }

    fn end(&mut self, stream: u32) {
        let at = self.spoken.iter().position(|(of, _)| *of == stream);
        let message = at.map(|at| self.spoken.swap_remove(at).1);
        let answered = message.is_some();
        let mut message = message.unwrap_or_default().freeze();
        message.advance(message.len().min(5));
        self.ended.push_back(Ended { stream, answered, message });
    }
}

fn head(out: &mut BytesMut, length: usize, kind: u8, flags: u8, stream: u32) {
    out.put_slice(&(length as u32).to_be_bytes()[1..]);
    out.put_slice(&[kind, flags]);
    out.put_u32(stream);
}

enum Field<'a> {
    /// Whose name is in the static table.
    Static(u8, &'a str),
    New(&'a str, &'a str),
}

impl Field<'_> {
    /// As a literal that is remembered.
    fn tell(&self, block: &mut BytesMut) {
        let value = match self {
            Self::Static(name, value) => {
                block.put_u8(0x40 | name);
                value
            }
            Self::New(name, value) => {
                block.put_u8(0x40);
                text(block, name);
                value
            }
        };
        text(block, value);
    }
}

/// Without Huffman's code.
fn text(block: &mut BytesMut, text: &str) {
    match u8::try_from(text.len()) {
        Ok(length @ 0..127) => block.put_u8(length),
        _ => {
            block.put_u8(127);
            let mut rest = text.len() - 127;
            while rest >= 128 {
                block.put_u8((rest % 128) as u8 | 128);
                rest /= 128;
            }
            block.put_u8(rest as u8);
        }
    }
    block.put_slice(text.as_bytes());
}

#[cfg(test)]
mod tests {
    use prost::Message;

    use super::*;
    use crate::echo;

    async fn wire(path: &str) -> Wire {
        let (told, address) = tokio::sync::oneshot::channel();
        tokio::spawn(echo::serve_anywhere(|at| told.send(at).expect("somebody waits")));
        let authorization = Some(format!("Bearer {}", "x".repeat(700)));
        let method = Method { path: path.to_owned(), authorization };
        Wire::connect(address.await.expect("it serves"), method).await.expect("a connection")
    }

    #[tokio::test]
    async fn calls_come_back_with_what_was_said() {
        let mut wire = wire(echo::PATH).await;
        for number in 0..300_u32 {
            let what = Bytes::from(vec![b'a'; number as usize]);
            let said = echo::Said { what }.encode_to_vec();
            let ended = wire.call(&said).await.expect("it goes on");
            assert!(ended.answered && ended.message == said, "call {number}: {ended:?}");
        }
    }

    #[tokio::test]
    async fn a_refusal_is_no_answer() {
        let mut wire = wire("/yinyom.bench.Echo/Nothing").await;
        // The echo's server knows its one service and asks no more; another one is not there.
        assert!(wire.call(b"").await.expect("it goes on").answered);
        let mut wire = self::wire("/yinyom.bench.Nobody/Echo").await;
        assert!(!wire.call(b"").await.expect("it goes on").answered);
    }
}
