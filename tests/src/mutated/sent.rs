//! Requests as they are sent.

use std::fmt;
use std::sync::Arc;

use prost::Message;
use prost_reflect::MethodDescriptor;
use rand::Rng;
use rand::rngs::StdRng;

use super::bytes::mutate;
use super::town::Town;
use crate::ask::{is_question, path, service};
use crate::wild;

/// Under a frame's header.
const FRAME: usize = 5;

/// A request below gRPC.
pub struct Sent {
    /// Of which service: settings, directory, manager.
    pub to: usize,
    pub method: String,
    pub verb: &'static str,
    pub path: String,
    pub headers: Vec<(&'static str, Vec<u8>)>,
    pub body: Vec<u8>,
    pub who: &'static str,
    pub sees_everything: bool,
    /// Gives up before the answer.
    pub given_up: bool,
}

impl fmt::Debug for Sent {
    /// So that it can be sent again by hand.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { verb, path, who, body, .. } = self;
        write!(f, "{who} {verb} {path}")?;
        for (name, value) in &self.headers {
            if *name != "authorization" {
                write!(f, " {name}={:?}", String::from_utf8_lossy(value))?;
            }
        }
        write!(f, " ")?;
        body.iter().take(2_000).try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// Makes them.
pub struct Sender {
    dice: StdRng,
    methods: Arc<Vec<MethodDescriptor>>,
    town: Arc<Town>,
    /// The message before.
    other: Vec<u8>,
}

impl Sender {
    pub fn new(dice: StdRng, methods: Arc<Vec<MethodDescriptor>>, town: Arc<Town>) -> Self {
        Self { dice, methods, town, other: Vec::new() }
    }

    pub fn next(&mut self) -> Sent {
        let dice = &mut self.dice;
        let method = &self.methods[dice.random_range(0..self.methods.len())];
        let mut at = dice.random_range(0..self.town.callers.len());
        // Half of the time somebody who may.
        if dice.random() {
            let wanted = match method.name() {
                "CreateBusiness" | "ListBusinesses" => "vendor",
                "GetPolicy" | "RenewPolicyLease" | "RecordAuditEvents" | "RecordConsentChanges" => {
                    "contact-directory"
                }
                _ => "owner",
            };
            let found = self.town.callers.iter().position(|caller| caller.who == wanted);
            at = found.unwrap_or(at);
        }
        let caller = &self.town.callers[at];
        // Who sees everything could show it to others, and so could a service that speaks for customers: it lifts no mask
        // from itself if it says that they refuse no longer.
        let may_show = caller.sees_everything || (caller.speaks && !is_question(method));
        let theirs = caller.who.starts_with("their") || (dice.random_ratio(1, 5) && !may_show);
        let words = self.town.words(theirs, caller.surface, 1_800_000_000);
        let messages = if method.is_client_streaming() { dice.random_range(1..=3) } else { 1 };
        let mut body = Vec::new();
        let kind = dice.random_range(0..10);
        for _ in 0..messages {
            let mut message = wild::request(dice, method, words).encode_to_vec();
            let kept = message.clone();
            if kind >= 2 {
                for _ in 0..dice.random_range(1..=3) {
                    mutate(dice, &mut message, &self.other);
                }
            }
            if !theirs {
                self.other = kept;
            }
            body.push(0);
            body.extend(u32::try_from(message.len()).unwrap_or(u32::MAX).to_be_bytes());
            body.extend(message);
        }
        let to = match service(method.parent_service().full_name()) {
            "settings" => 0,
            "directory" => 1,
            _ => 2,
        };
        let mut headers =
            vec![("content-type", b"application/grpc".to_vec()), ("te", b"trailers".to_vec())];
        if !caller.token.is_empty() {
            headers.push(("authorization", caller.token.clone().into_bytes()));
        }
        let mut sent = Sent {
            to,
            method: method.name().to_owned(),
            verb: "POST",
            path: path(method),
            headers,
            body,
            who: caller.who,
            sees_everything: caller.sees_everything,
            given_up: false,
        };
        if kind >= 8 {
            if dice.random() {
                frame(dice, &mut sent);
            } else {
                header(dice, &mut sent);
            }
        }
        sent
    }
}

/// A frame that lies.
fn frame(dice: &mut StdRng, sent: &mut Sent) {
    let body = &mut sent.body;
    match dice.random_range(0..9) {
        0 => body.clear(),
        1 => body.truncate(dice.random_range(0..FRAME)),
        2 => body[0] = [1, 2, 0xff][dice.random_range(0..3)],
        3 => {
            body[0] = 1;
            let encodings = ["gzip", "zstd", "snappy", "identity", ""];
            let encoding = encodings[dice.random_range(0..encodings.len())];
            sent.headers.push(("grpc-encoding", encoding.as_bytes().to_vec()));
        }
        4 => body[FRAME - 1] = body[FRAME - 1].wrapping_add(dice.random_range(1..=255)),
        5 => body[1..FRAME].copy_from_slice(&dice.random::<[u8; 4]>()),
        6 => {
            let again = body.clone();
            body.extend(again);
        }
        7 => body.extend(dice.random::<[u8; 7]>()),
        _ => sent.given_up = true,
    }
}

/// A header that lies, a path that leads nowhere.
fn header(dice: &mut StdRng, sent: &mut Sent) {
    let long = "kanari".repeat(400);
    let (replaces, (name, value)) = match dice.random_range(0..11) {
        0 => {
            let kinds =
                ["application/grpc+proto", "application/grpc+json", "text/plain", "kanari", ""];
            (true, pick(dice, "content-type", &kinds))
        }
        1 => {
            let times =
                ["1n", "1u", "0S", "5m", "99999999H", "999999999H", "-1S", "kanari", "1", ""];
            (false, pick(dice, "grpc-timeout", &times))
        }
        2 => {
            let ids = ["0817776661", "kanari@example.co.th", &long, "", "a b", "\u{e01}"];
            (false, pick(dice, "x-request-id", &ids))
        }
        3 => {
            let words = ["th", "kanari", "*;q=9", "th,en;q=0.8", ";;;", &long];
            (false, pick(dice, "accept-language", &words))
        }
        4 => (false, pick(dice, "kanari-bin", &["!!!", "====", "AAAA", &long])),
        5 => {
            let tokens =
                ["", "Bearer", "Bearer ", "Basic a2FuYXJp", "Bearer kanari", "Bearer a.b.c"];
            (true, pick(dice, "authorization", &tokens))
        }
        6 => {
            if let Some((_, token)) =
                sent.headers.iter_mut().find(|(name, _)| *name == "authorization")
            {
                let at = dice.random_range(0..token.len());
                token[at] = b"Ax.-_="[dice.random_range(0..6)];
            }
            return;
        }
        7 => {
            sent.verb = ["GET", "PUT", "OPTIONS", "HEAD"][dice.random_range(0..4)];
            return;
        }
        8 => {
            let more = ["/", "x", "?phone=0817776661", "%00", "/../..", "//"];
            sent.path.push_str(more[dice.random_range(0..more.len())]);
            return;
        }
        9 => {
            sent.path = sent.path.to_lowercase();
            return;
        }
        _ => {
            sent.headers.retain(|(name, _)| *name != "te");
            return;
        }
    };
    if replaces {
        sent.headers.retain(|(other, _)| *other != name);
    }
    sent.headers.push((name, value));
}

fn pick(dice: &mut StdRng, name: &'static str, of: &[&str]) -> (&'static str, Vec<u8>) {
    (name, of[dice.random_range(0..of.len())].as_bytes().to_vec())
}
