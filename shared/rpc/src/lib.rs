//! gRPC at both ends: the server stack that stands before each handler, the client stack that stands
//! behind each outgoing call, and the only maker of a [`tonic::Status`].
//!
//! A handler has three lines:
//!
//! ```text
//! async fn get_contact(&self, request: Request<GetContactRequest>) -> Result<Response<Contact>, Status> {
//!     let (call, body) = Call::open(request)?;
//!     call.answer(self.contacts.get(&call, body).await)
//! }
//! ```
//!
//! [`Server`] has already found out who calls, refused whom the access table does not admit, set the
//! deadline and chosen the language. Whatever goes wrong, in a handler, in tonic or on the way,
//! leaves with `google.rpc.ErrorInfo` of the domain `yinyom.dev`.
//!
//! Not here: roles and what a member may see (the commands decide), retries, TLS (`yinyom-tls` brings its connections
//! as [`Incoming`], and its connector to [`connect_with`]).

mod admission;
mod answers;
mod arrival;
mod body;
mod call;
mod client;
mod config;
mod current;
mod edge;
mod edge_fault;
mod health;
mod incoming;
mod lines;
mod made;
mod methods;
mod metrics;
mod rates;
mod refusal;
mod request_id;
mod server;
mod shape;
mod standby;
mod status;
mod turns;

pub use call::Call;
pub use client::{
    ClientConfig, ConnectError, Connection, Places, ToAddress, channel, channel_with, connect,
    connect_to_each, connect_with,
};
pub use config::{CallLimits, MAX_MESSAGE_BYTES, Rate, ServerConfig};
pub use edge_fault::EdgeFault;
pub use health::{Health, LIVE};
pub use incoming::{Incoming, Peer, Wire, accept};
pub use methods::access_gaps;
pub use request_id::REQUEST_ID;
pub use server::{ServeError, Server};
pub use standby::stand_by;
pub use status::{DOMAIN, reason, status};
