//! What every room of the house needs and none owns: identifiers, the clock, faults, etags, pages.
//!
//! Nothing here knows a transport or a database. A thing that two services happen to share but that
//! has a concern of its own (phone numbers, consent, identity) lives in a crate of that name.

mod clock;
mod deadline;
mod etag;
mod fault;
mod ids;
mod names;
mod page;
mod scope;
mod text;
mod turn;

pub use clock::{Clock, EARLIEST, ManualClock, SharedClock, SystemClock, from_micros};
pub use deadline::{time_left, waited_for};
pub use etag::{Etag, EtagMismatch};
pub use fault::{Code, Fault, InvalidInput, Violation, Violations};
pub use ids::{
    AccountId, BusinessId, ContactId, InvalidId, LeadId, MemberId, MergeId, OperationId, PointId,
    RequestId,
};
pub use names::{Name, NameError};
pub use page::{MAX_PAGE_SIZE, PageSize};
pub use scope::Scope;
pub use text::{Language, Text, free_text, one_line};
pub use turn::{holding, let_go, take_place};
