//! A request that is sent twice takes effect once, and what its record keeps (PRODUCT.md, "Replays").

use minicbor::{Decode, Encode};
use uuid::Uuid;
use yinyom_db::idempotency::{self, Attempt, Kept, Key, RequestError};
use yinyom_db::{DbError, Tx};
use yinyom_kernel::RequestId;

use super::{Error, Session};
use crate::store::{BusinessKeys, StoreError};

/// A client's request, as far as it is recognised again.
#[derive(Debug, Clone)]
pub struct Request {
    pub rpc: String,
    pub id: RequestId,
    /// Everything in it that matters.
    pub body: Vec<u8>,
}

/// How often a write is tried while others are in its way.
const TRIES: usize = 3;

/// Does what `once` does. Who shares addresses with others can be in their way: then nothing of it took effect, and it is
/// done again.
pub(super) async fn again<T, F: Future<Output = Result<T, Error>>>(
    once: impl Fn() -> F,
) -> Result<T, Error> {
    for _ in 1..TRIES {
        match once().await {
            Err(Error::Store(StoreError::Db(DbError::Conflict(_)))) => {}
            done => return done,
        }
    }
    once().await
}

/// What a write came to: ids and counters, never a value that somebody may not see later.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct Receipt {
    #[n(0)]
    #[cbor(with = "uuid_bytes")]
    pub id: Uuid,
    /// The revision that the etag comes from.
    #[n(1)]
    pub revision: i64,
    /// The contact's `consent_seq`; 0 for what has none.
    #[n(2)]
    pub consent_seq: i64,
}

/// What was written, with what is there now. Nothing is there if a request is repeated after its result was
/// deleted.
#[derive(Debug, Clone)]
pub struct Written<T> {
    pub receipt: Receipt,
    pub now: Option<T>,
}

/// Begins a request in its unit of work: `Some` is the outcome that it had before.
pub async fn begin<O>(
    tx: &mut Tx,
    keys: &BusinessKeys,
    session: &Session,
    request: Option<&Request>,
    now: i64,
) -> Result<Option<O>, Error>
where
    O: for<'b> Decode<'b, ()>,
{
    let Some(request) = request else {
        return Ok(None);
    };
    let fingerprint = fingerprint(keys, request);
    match idempotency::begin(tx, &key(session, request), fingerprint, now).await? {
        Attempt::New => Ok(None),
        // A record that this version cannot read is of another one; the request's outcome is then unknown.
        Attempt::Replay(outcome) => {
            minicbor::decode(&outcome).map(Some).map_err(|_| RequestError::Reused.into())
        }
    }
}

/// Keeps the outcome of a request that was begun.
pub async fn finish<O>(
    tx: &mut Tx,
    session: &Session,
    request: Option<&Request>,
    outcome: &O,
) -> Result<(), Error>
where
    O: Encode<()>,
{
    let Some(request) = request else {
        return Ok(());
    };
    let bytes = minicbor::to_vec(outcome).unwrap_or_default();
    Ok(idempotency::finish(tx, &key(session, request), &bytes).await?)
}

/// A request as [`idempotency::keep`] keeps it.
pub fn kept(keys: &BusinessKeys, session: &Session, request: &Request, outcome: &Receipt) -> Kept {
    let outcome = minicbor::to_vec(outcome).unwrap_or_default();
    (key(session, request), fingerprint(keys, request), outcome)
}

fn fingerprint(keys: &BusinessKeys, request: &Request) -> [u8; 32] {
    keys.digest("request", &[request.rpc.as_bytes(), &request.body])
}

/// What it is known by.
pub fn key(session: &Session, request: &Request) -> Key {
    Key {
        business: Some(session.business()),
        caller: session.caller_key.clone(),
        rpc: request.rpc.clone(),
        request_id: request.id,
    }
}

/// A UUID as 16 bytes.
pub mod uuid_bytes {
    use minicbor::decode::{Decoder, Error};
    use minicbor::encode::{self, Encoder, Write};
    use uuid::Uuid;

    pub fn encode<C, W: Write>(
        id: &Uuid,
        out: &mut Encoder<W>,
        _: &mut C,
    ) -> Result<(), encode::Error<W::Error>> {
        out.bytes(id.as_bytes())?.ok()
    }

    pub fn decode<C>(from: &mut Decoder<'_>, _: &mut C) -> Result<Uuid, Error> {
        Uuid::from_slice(from.bytes()?).map_err(|_| Error::message("no UUID"))
    }
}
