//! The call that the running task serves, so that the calls it makes carry its id and end with it.

use std::sync::Arc;

use tokio::time::Instant;

#[derive(Debug, Clone)]
pub(crate) struct Current {
    pub(crate) request_id: Arc<str>,
    pub(crate) deadline: Option<Instant>,
}

tokio::task_local! {
    pub(crate) static CURRENT: Current;
}

/// The served call. None in work that no call asked for.
pub(crate) fn current() -> Option<Current> {
    CURRENT.try_with(Clone::clone).ok()
}
