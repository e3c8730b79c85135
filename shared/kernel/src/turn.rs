//! What a task holds while it works, so that not too many work at a time, and lets go of when it only waits for others.

use std::any::Any;
use std::cell::RefCell;

tokio::task_local! {
    static HELD: RefCell<Option<Box<dyn Any + Send>>>;
}

/// Does `work` and holds `place` meanwhile: until it has ended, or [`let_go`] is called. Tasks that it spawns hold nothing.
pub async fn holding<P: Send + 'static, F: Future>(place: P, work: F) -> F::Output {
    HELD.scope(RefCell::new(Some(Box::new(place))), work).await
}

/// From here on the running task waits, for as long as it likes: its place is free for those who work.
pub fn let_go() {
    drop(take_place());
}

/// Takes its place from the running task, to hold it for longer than its work takes: until what is returned is dropped.
pub fn take_place() -> Option<Box<dyn Any + Send>> {
    HELD.try_with(|held| held.borrow_mut().take()).ok().flatten()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[tokio::test]
    async fn a_place_is_held_until_the_work_has_ended_or_lets_go() {
        let place = Arc::new(());
        let others = || Arc::strong_count(&place) - 1;
        let inside = holding(Arc::clone(&place), async { others() }).await;
        assert_eq!((inside, others()), (1, 0));
        let inside = holding(Arc::clone(&place), async {
            tokio::task::yield_now().await;
            let_go();
            let_go();
            others()
        });
        assert_eq!(inside.await, 0);
        drop(holding(Arc::clone(&place), std::future::pending::<()>()));
        assert_eq!(others(), 0, "a call that is given up holds nothing");
        let_go();
    }
}
