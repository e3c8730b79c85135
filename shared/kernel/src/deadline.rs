//! Until when somebody waits for what the running task does.

use std::time::Duration;

use tokio::time::Instant;

tokio::task_local! {
    static DEADLINE: Option<Instant>;
}

/// Does `work` for somebody who waits until `deadline`. It is not cut off then: it is for the work to know when an
/// answer is of no use any more. Tasks that it spawns do not know.
pub async fn waited_for<F: Future>(deadline: Option<Instant>, work: F) -> F::Output {
    DEADLINE.scope(deadline, work).await
}

/// How long somebody still waits for what this task does. None if nobody does, or for ever.
pub fn time_left() -> Option<Duration> {
    let deadline = DEADLINE.try_with(|deadline| *deadline).ok().flatten()?;
    Some(deadline.saturating_duration_since(Instant::now()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn who_waits_is_known_to_the_task_alone() {
        let soon = Instant::now() + Duration::from_secs(5);
        let (inside, spawned) = waited_for(Some(soon), async {
            (time_left(), tokio::spawn(async { time_left() }).await.ok().flatten())
        })
        .await;
        assert!(inside.is_some_and(|left| left <= Duration::from_secs(5)));
        assert_eq!((spawned, time_left()), (None, None));
        let past = waited_for(Some(Instant::now()), async { time_left() }).await;
        assert_eq!(past, Some(Duration::ZERO));
    }
}
