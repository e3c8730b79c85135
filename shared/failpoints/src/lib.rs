//! Where a test or a chaos run makes the system fail, and how. Without the feature `failpoints` nothing of it is in
//! the program; a release build with it does not compile.
//!
//! | point | reached when |
//! |---|---|
//! | `db::before_commit` | a unit of work is done and not committed |
//! | `db::after_commit` | it is committed, and nobody has been told |
//! | `outbox::after_send` | the receiver has taken a delivery, and the relay has not marked it |
//! | `manager::after_ingest` | changes are in the ledger, and the relay has not been told |
//! | `settings::lease_wait` | a right was taken away, before one waits for the leases |
//!
//! An action is one of:
//!
//! | action | what happens |
//! |---|---|
//! | `return` | the caller gets an error, or no answer; at `settings::lease_wait` the wait is left out |
//! | `return(abort)` | the process dies on the spot, as by `SIGKILL` |
//! | `return(hang)` | whoever gets there waits until the point is set to something else; the thread goes on with others |
//! | `panic`, `print`, `sleep(milliseconds)` … | what the crate `fail` says; `sleep` and `pause` block the thread |
//!
//! with its `25%return`, `3*return->off` and the like. A test sets them by [`set`] under a [`Scenario`]; a program
//! built with the feature takes them from `FAILPOINTS=db::after_commit=1%return(abort);outbox::after_send=return`.

#[cfg(all(feature = "failpoints", not(debug_assertions)))]
compile_error!("failpoints are for debug builds: leave the feature `failpoints` off in a release");

/// A place in the code. See the [table](crate).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Point {
    BeforeCommit,
    AfterCommit,
    AfterSend,
    AfterIngest,
    LeaseWait,
}

impl Point {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::BeforeCommit,
        Self::AfterCommit,
        Self::AfterSend,
        Self::AfterIngest,
        Self::LeaseWait,
    ];

    /// Its name in `FAILPOINTS`.
    pub fn name(self) -> &'static str {
        match self {
            Self::BeforeCommit => "db::before_commit",
            Self::AfterCommit => "db::after_commit",
            Self::AfterSend => "outbox::after_send",
            Self::AfterIngest => "manager::after_ingest",
            Self::LeaseWait => "settings::lease_wait",
        }
    }
}

/// A failpoint says: not further than this.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cut;

/// Does what the action of `point` says. Nothing, and at no cost, without the feature.
#[cfg_attr(
    not(feature = "failpoints"),
    expect(clippy::unused_async, reason = "as with the feature")
)]
pub async fn reached(point: Point) -> Result<(), Cut> {
    #[cfg(feature = "failpoints")]
    return on::reached(point).await;
    #[cfg(not(feature = "failpoints"))]
    {
        let _ = point;
        Ok(())
    }
}

/// Failpoints that are set, for as long as this lives. There is one at a time in a process; others wait for it.
#[must_use = "the points are off again when it is dropped"]
pub struct Scenario {
    #[cfg(feature = "failpoints")]
    _scenario: fail::FailScenario<'static>,
}

impl Scenario {
    /// Sets what the variable `FAILPOINTS` says, and nothing else.
    ///
    /// # Panics
    ///
    /// If it says what is no point or no action.
    pub fn from_environment() -> Self {
        let scenario = Self {
            #[cfg(feature = "failpoints")]
            _scenario: fail::FailScenario::setup(),
        };
        #[cfg(feature = "failpoints")]
        for (name, _) in fail::list() {
            assert!(Point::ALL.iter().any(|point| point.name() == name), "no failpoint: {name}");
        }
        scenario
    }
}

/// Sets a point. Under a [`Scenario`], or another test of the process is hit.
///
/// # Panics
///
/// If `actions` is none, or the feature is off: a test would show nothing.
#[expect(clippy::panic, reason = "a test that cannot have its fault must fail")]
pub fn set(point: Point, actions: &str) {
    if let Err(error) = fail::cfg(point.name(), actions) {
        panic!("{}={actions}: {error}", point.name());
    }
}

/// Sets a point off. Whoever hangs there goes on.
pub fn clear(point: Point) {
    fail::remove(point.name());
}

#[cfg(feature = "failpoints")]
mod on {
    use std::time::Duration;

    use super::{Cut, Point};

    /// What `return` at a point asks for.
    enum Order {
        Cut,
        Abort,
        Hang,
    }

    #[expect(clippy::panic, reason = "a fault that does not happen would show nothing")]
    fn order(argument: &str) -> Order {
        match argument {
            "" => Order::Cut,
            "abort" => Order::Abort,
            "hang" => Order::Hang,
            other => panic!("no action: return({other})"),
        }
    }

    fn ordered(point: Point) -> Option<Order> {
        fail::fail_point!(point.name(), |argument| Some(order(&argument.unwrap_or_default())));
        None
    }

    fn actions(point: Point) -> Option<String> {
        fail::list()
            .into_iter()
            .find_map(|(name, actions)| (name == point.name()).then_some(actions))
    }

    pub(super) async fn reached(point: Point) -> Result<(), Cut> {
        match ordered(point) {
            None => Ok(()),
            Some(Order::Cut) => Err(Cut),
            Some(Order::Abort) => std::process::abort(),
            Some(Order::Hang) => {
                let hanging = actions(point);
                while actions(point) == hanging {
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
                Ok(())
            }
        }
    }
}

#[cfg(all(test, feature = "failpoints"))]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_point_does_what_it_is_set_to() {
        let _scenario = Scenario::from_environment();
        assert_eq!(reached(Point::AfterSend).await, Ok(()));
        set(Point::AfterSend, "1*return->off");
        assert_eq!(reached(Point::AfterCommit).await, Ok(()));
        assert_eq!(reached(Point::AfterSend).await, Err(Cut));
        assert_eq!(reached(Point::AfterSend).await, Ok(()));
    }

    #[tokio::test]
    async fn whoever_hangs_goes_on_when_the_point_is_cleared() {
        let _scenario = Scenario::from_environment();
        set(Point::AfterIngest, "return(hang)");
        let hanging = tokio::spawn(reached(Point::AfterIngest));
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
        assert!(!hanging.is_finished());
        clear(Point::AfterIngest);
        assert_eq!(hanging.await.ok(), Some(Ok(())));
    }

    #[test]
    #[should_panic(expected = "no action")]
    fn an_unknown_action_is_not_ignored() {
        let _scenario = Scenario::from_environment();
        set(Point::AfterIngest, "return(vanish)");
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
        runtime.map(|runtime| runtime.block_on(reached(Point::AfterIngest))).ok();
    }
}
