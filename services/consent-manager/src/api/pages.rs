//! Page tokens: sealed, and good only for the same question by the same caller (TRAPS 8).

use prost::Message;
use yinyom_consent::Channel;
use yinyom_kernel::{BusinessId, ContactId};
use yinyom_privacy::{InvalidPageToken, TokenSealer};
use yinyom_rpc::Call;

use crate::domain::Place;

/// Seals and opens page tokens. Every replica has the same key, so a page can be had from any.
pub(super) struct Pages(TokenSealer);

/// A question whose answer comes in pages.
pub(super) struct Question {
    rpc: &'static str,
    business: [u8; 16],
    viewer: String,
    /// Everything that is asked but for the page.
    query: Vec<u8>,
}

impl Question {
    /// The question that `call` asks about `business`. `query` is the request with page size and page token unset:
    /// another size is still the same question.
    pub(super) fn of(call: &Call, business: BusinessId, query: &impl Message) -> Self {
        Self {
            rpc: call.rpc(),
            business: business.uuid().into_bytes(),
            viewer: call.caller().key(),
            query: query.encode_to_vec(),
        }
    }

    fn context(&self) -> [&[u8]; 4] {
        [self.rpc.as_bytes(), &self.business, self.viewer.as_bytes(), &self.query]
    }
}

/// Where a page begins.
pub(super) trait Cursor: Sized {
    fn write(&self) -> Vec<u8>;
    fn read(bytes: &[u8]) -> Option<Self>;
}

/// After the change of this number or index.
impl Cursor for i64 {
    fn write(&self) -> Vec<u8> {
        self.to_be_bytes().to_vec()
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self::from_be_bytes)
    }
}

/// After the consent of this contact and channel.
impl Cursor for (ContactId, Channel) {
    fn write(&self) -> Vec<u8> {
        [&self.0.uuid().as_bytes()[..], &self.1.code().to_be_bytes()].concat()
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        let (contact, channel) = bytes.split_first_chunk::<16>()?;
        let channel = Channel::from_code(i16::from_be_bytes(channel.try_into().ok()?)).ok()?;
        Some((uuid::Uuid::from_bytes(*contact).into(), channel))
    }
}

/// After this contact.
impl Cursor for ContactId {
    fn write(&self) -> Vec<u8> {
        self.uuid().as_bytes().to_vec()
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        Some(uuid::Uuid::from_slice(bytes).ok()?.into())
    }
}

/// After this contact of this business.
impl Cursor for (BusinessId, ContactId) {
    fn write(&self) -> Vec<u8> {
        [&self.0.uuid().as_bytes()[..], self.1.uuid().as_bytes()].concat()
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        let (business, contact) = bytes.split_first_chunk::<16>()?;
        let contact = uuid::Uuid::from_slice(contact).ok()?;
        Some((uuid::Uuid::from_bytes(*business).into(), contact.into()))
    }
}

/// After this place of a breakdown.
impl Cursor for Place {
    fn write(&self) -> Vec<u8> {
        [&self.answers.to_be_bytes()[..], self.value.as_bytes()].concat()
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        let (answers, value) = bytes.split_first_chunk::<8>()?;
        let value = String::from_utf8(value.to_vec()).ok()?;
        Some(Self { answers: i64::from_be_bytes(*answers), value })
    }
}

impl Pages {
    pub(super) const fn new(sealer: TokenSealer) -> Self {
        Self(sealer)
    }

    /// Where the page begins that `token` asks for; `None` is the first page.
    pub(super) fn open<C: Cursor>(
        &self,
        question: &Question,
        token: &str,
    ) -> Result<Option<C>, InvalidPageToken> {
        if token.is_empty() {
            return Ok(None);
        }
        let bytes = self.0.open(&question.context(), token)?;
        C::read(&bytes).map(Some).ok_or(InvalidPageToken)
    }

    /// The token of the page after `last`; empty if there is none.
    pub(super) fn next<C: Cursor>(&self, question: &Question, last: Option<C>) -> String {
        last.map(|last| self.0.seal(&question.context(), &last.write())).unwrap_or_default()
    }
}
