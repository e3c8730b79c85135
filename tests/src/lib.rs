//! The three services together, as a test sees them: over real connections, with tokens, on either database.
//!
//! [`House`] starts them; [`House::found`] founds a business with its people; [`Person`] is somebody with a
//! token. The tests themselves are in `tests/`; those of a foreign client in `python/`.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::missing_panics_doc,
    reason = "a test that cannot have its house must fail, loudly"
)]

pub mod ask;
mod business;
pub mod cores;
pub mod fleet;
pub mod forge;
mod house;
pub mod mutated;
mod person;
mod postgres;
pub mod proxy;
pub mod raw;
pub mod rolling;
pub mod sizes;
mod small_disk;
pub mod tamper;
mod things;
pub mod wild;
pub mod writer;

pub use business::{TestBusiness, assign, mask};
pub use house::{Database, Frozen, House, Plan, Replica};
pub use person::Person;
pub use postgres::{OwnPostgres, Stop};
pub use small_disk::{SmallDisk, on_small_disk};
pub use things::{Things, refusing};

use tonic::Status;
use tonic_types::StatusExt;

/// What a status says, as a client branches on it: code, reason, and the wrong fields with their reasons.
pub fn refusal(status: &Status) -> (tonic::Code, String, Vec<(String, String)>) {
    let details = status.get_error_details();
    let reason = details.error_info().map(|info| info.reason.clone()).unwrap_or_default();
    let fields = details.bad_request().map(|bad| {
        let each = bad.field_violations.iter();
        each.map(|v| (v.field.clone(), v.reason.clone())).collect()
    });
    (status.code(), reason, fields.unwrap_or_default())
}

/// The reason of a refusal.
pub fn reason<T: std::fmt::Debug>(answer: Result<T, Status>) -> String {
    refusal(&answer.expect_err("must be refused")).1
}

/// Asks until the answer is what a test waits for: the ledger hears of changes in milliseconds, but not in the call
/// that makes them. Fails after a minute, which a busy machine may need, with what was answered last.
pub async fn eventually<T: std::fmt::Debug>(
    mut ask: impl AsyncFnMut() -> T,
    expected: impl Fn(&T) -> bool,
) -> T {
    let deadline = tokio::time::Instant::now() + std::time::Duration::from_mins(1);
    loop {
        let answer = ask().await;
        if expected(&answer) {
            return answer;
        }
        assert!(tokio::time::Instant::now() < deadline, "not in time; the last answer: {answer:?}");
        tokio::task::yield_now().await;
    }
}
