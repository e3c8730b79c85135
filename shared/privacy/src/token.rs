//! Page tokens: sealed, bound to who asked what, and of few lengths (TRAPS 8).

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use yinyom_kernel::{Code, Fault, Text};
use zeroize::Zeroizing;

use crate::DataKey;
use crate::key::context as join;

/// Payloads are filled up to a multiple of this, so that a token's length does not tell how long
/// the name is that the next page begins after.
const BLOCK_BYTES: usize = 64;
const LENGTH_BYTES: usize = 4;
/// No token of ours is longer.
const MAX_TOKEN_CHARS: usize = 8192;

/// Seals page tokens.
#[derive(Clone)]
pub struct TokenSealer {
    key: DataKey,
    /// Open, too.
    others: Vec<DataKey>,
}

impl TokenSealer {
    /// Every replica of a service must be given the same key, or a page can be asked for only where
    /// the one before came from: `MasterKeys::sealer`.
    pub fn new(key: &DataKey) -> Self {
        Self { key: key.derive("yinyom page token"), others: Vec::new() }
    }

    /// Opens what a sealer with that key sealed, too.
    #[must_use]
    pub fn opening(mut self, key: &DataKey) -> Self {
        self.others.push(key.derive("yinyom page token"));
        self
    }

    /// `payload` as text that is safe in a URL. It opens only in the same `context`: method,
    /// business, viewer and the query's fingerprint.
    pub fn seal(&self, context: &[&[u8]], payload: &[u8]) -> String {
        let length = u32::try_from(payload.len()).unwrap_or(u32::MAX);
        let mut padded = Zeroizing::new(Vec::with_capacity(payload.len() + 2 * BLOCK_BYTES));
        padded.extend_from_slice(&length.to_be_bytes());
        padded.extend_from_slice(payload);
        let full = padded.len().next_multiple_of(BLOCK_BYTES);
        padded.resize(full, 0);
        URL_SAFE_NO_PAD.encode(self.key.seal(&join(context), &padded))
    }

    /// What [`seal`](Self::seal) sealed in this `context`. Every other text is refused in the same
    /// way.
    pub fn open(&self, context: &[&[u8]], token: &str) -> Result<Vec<u8>, InvalidPageToken> {
        if token.len() > MAX_TOKEN_CHARS {
            return Err(InvalidPageToken);
        }
        let blob = URL_SAFE_NO_PAD.decode(token).map_err(|_| InvalidPageToken)?;
        let context = join(context);
        let padded = std::iter::once(&self.key)
            .chain(&self.others)
            .find_map(|key| key.open(&context, &blob).ok())
            .ok_or(InvalidPageToken)?;
        let (length, rest) = padded.split_first_chunk::<LENGTH_BYTES>().ok_or(InvalidPageToken)?;
        let length = usize::try_from(u32::from_be_bytes(*length)).map_err(|_| InvalidPageToken)?;
        rest.get(..length).map(<[u8]>::to_vec).ok_or(InvalidPageToken)
    }
}

impl fmt::Debug for TokenSealer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenSealer([secret])")
    }
}

/// The page token was not made here, or for another query or viewer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a page token of this query")]
pub struct InvalidPageToken;

impl Fault for InvalidPageToken {
    fn code(&self) -> Code {
        Code::InvalidArgument
    }

    fn reason(&self) -> &'static str {
        "INVALID_PAGE_TOKEN"
    }

    fn text(&self) -> Text {
        Text::new(
            "The page token does not belong to this query. Begin again without one.",
            "โทเค็นหน้าถัดไปไม่ตรงกับคำค้นนี้ กรุณาเริ่มใหม่จากหน้าแรก",
        )
    }
}
