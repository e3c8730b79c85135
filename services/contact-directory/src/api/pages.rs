//! Page tokens: where a page ends, sealed for the one who asked and the question that was asked (TRAPS 8).

use minicbor::{Decode, Encode};
use prost::Message;
use uuid::Uuid;
use yinyom_privacy::{InvalidPageToken, TokenSealer};

use crate::commands::Session;
use crate::domain::order::{Cursor, CursorKey};

/// A question that comes in pages.
pub struct Question {
    context: [Vec<u8>; 4],
}

impl Question {
    /// `body` is the request without its page size and page token: those may differ from page to page.
    pub fn new(rpc: &str, session: &Session, body: &impl Message) -> Self {
        let business = session.business().uuid();
        Self {
            context: [
                rpc.as_bytes().to_vec(),
                business.as_bytes().to_vec(),
                session.caller_key.clone().into_bytes(),
                body.encode_to_vec(),
            ],
        }
    }

    /// Where the page begins; at the start if there is no token.
    pub fn open(
        &self,
        sealer: &TokenSealer,
        token: &str,
    ) -> Result<Option<Cursor>, InvalidPageToken> {
        if token.is_empty() {
            return Ok(None);
        }
        let bytes = sealer.open(&self.parts(), token)?;
        let end: End = minicbor::decode(&bytes).map_err(|_| InvalidPageToken)?;
        let key = match (end.text, end.time) {
            (Some(text), None) => CursorKey::Text(text),
            (None, Some(time)) => CursorKey::Time(time),
            _ => return Err(InvalidPageToken),
        };
        let id = Uuid::from_slice(&end.id).map_err(|_| InvalidPageToken)?;
        Ok(Some(Cursor { key, id }))
    }

    /// The token of the next page; empty if there is none.
    pub fn seal(&self, sealer: &TokenSealer, next: Option<Cursor>) -> String {
        let Some(Cursor { key, id }) = next else {
            return String::new();
        };
        let (text, time) = match key {
            CursorKey::Text(text) => (Some(text), None),
            CursorKey::Time(time) => (None, Some(time)),
        };
        let end = End { id: id.as_bytes().to_vec(), text, time };
        minicbor::to_vec(&end).map(|bytes| sealer.seal(&self.parts(), &bytes)).unwrap_or_default()
    }

    fn parts(&self) -> [&[u8]; 4] {
        self.context.each_ref().map(|part| &part[..])
    }
}

#[derive(Encode, Decode)]
#[cbor(array)]
struct End {
    #[n(0)]
    #[cbor(with = "minicbor::bytes")]
    id: Vec<u8>,
    #[n(1)]
    text: Option<String>,
    #[n(2)]
    time: Option<i64>,
}
