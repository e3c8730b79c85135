//! The generated traits: parse, call, render. No rules.
//!
//! [`wire`] turns protobuf into domain values, with the path of every wrong field, and domain values into
//! protobuf. A contact point leaves through [`wire::contacts`] alone, which asks the one decision, after
//! what it shows by privilege was recorded ([`Directory::seen`]).

mod accounts;
mod bulk;
mod consents;
mod contacts;
mod import;
mod leads;
mod merges;
mod operations;
mod outbox;
mod pages;
mod previews;
mod reach;
mod shared_addresses;
mod subjects;
pub mod wire;

use prost::Message;
use yinyom_kernel::{BusinessId, InvalidInput, RequestId};
use yinyom_rpc::Call;

use crate::commands::{Asked, Directory, Error, Request, Session};

/// The directory's services.
pub struct Api {
    directory: Directory,
}

impl Api {
    /// The services over these use cases.
    pub const fn new(directory: Directory) -> Self {
        Self { directory }
    }
}

/// Lets the caller into a business.
async fn session(
    directory: &Directory,
    call: &Call,
    business: BusinessId,
) -> Result<Session, Error> {
    Session::open(directory, call.caller(), business).await
}

/// Who asks what, as it is recorded if privilege alone shows something.
fn reader(call: &Call) -> Asked<'_> {
    Asked { caller: call.caller(), method: call.rpc(), call_id: call.request_id() }
}

/// The client's own request id, with everything that makes the request this one. An empty id is none: the
/// call is then carried out each time.
fn request(call: &Call, id: &str, body: &impl Message) -> Result<Option<Request>, InvalidInput> {
    if id.is_empty() {
        return Ok(None);
    }
    let mut wrong = yinyom_kernel::Violations::new();
    let id: Option<RequestId> = wrong.take("request_id", id.parse());
    let rpc = call.rpc().to_string();
    wrong.finish(id.map(|id| Some(Request { rpc, id, body: body.encode_to_vec() })))
}
