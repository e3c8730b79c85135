//! The rules of a business, and the lease under which they may be used (TRAPS 6).
//!
//! Settings owns the rules. A replica of the directory or the manager keeps a copy and renews one lease for all
//! businesses; settings does not let a call that takes a right away return before every live holder has
//! applied it. Hence: a rule without a live lease reveals nothing.
//!
//! - [`Policy`]: the rules of one business.
//! - [`Policies`]: the copy. [`Policies::of`] answers with a [`Standing`], and a standing says under which
//!   rules a member stands *now*.
//! - [`PolicySource`]: where rules come from; over gRPC in [`RemoteSource`].
//!
//! What the rules mean for a contact point is not decided here but in the directory's `domain`.

mod cache;
mod policy;
mod remote;
mod source;

pub use cache::{Policies, PoliciesConfig, Standing};
pub use policy::{Membership, NotSetVisibility, Policy, PolicyMember, Rules, SharedAddressPolicy};
pub use remote::RemoteSource;
pub use source::{PolicySource, Renewal, SourceError};
