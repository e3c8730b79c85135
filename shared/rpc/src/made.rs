//! An answer is made within the turn of its call, and one that a client cannot be sent at once keeps that turn until he has
//! taken it. Otherwise answers would pile up that have been worked for and that nobody has had yet, and the last of them
//! would be late although its turn came early. Whoever takes his time keeps others waiting for a moment, no longer, and never
//! has more than three quarters of the turns so.

use std::time::Duration;

use bytes::Bytes;
use http_body::{Body as _, Frame};
use http_body_util::BodyExt;
use tokio::sync::oneshot;
use tokio::time::timeout;
use tonic::Status;
use tonic::body::Body;
use yinyom_kernel::take_place;

use crate::turns::Turns;

/// As much as HTTP/2 sends a client who has not said that it may be more.
const AT_ONCE: usize = 65_535;

/// How long an answer keeps its turn while it goes out.
const PATIENCE: Duration = Duration::from_millis(100);

/// What has been made of an answer's body.
#[derive(Default)]
pub(crate) struct Made {
    first: Option<Result<Frame<Bytes>, Status>>,
    _turn: Option<oneshot::Sender<()>>,
}

impl Made {
    /// The first part of `body`, which of an answer that is no stream is all of it but its trailers. A large one takes the
    /// turn of the running task with it.
    pub(crate) async fn of(body: &mut Body, turns: &Turns) -> Self {
        if body.is_end_stream() {
            return Self::default();
        }
        let first = body.frame().await;
        let data = first.as_ref().and_then(|frame| frame.as_ref().ok()?.data_ref());
        let large = data.is_some_and(|data| data.len() > AT_ONCE);
        Self { first, _turn: large.then(|| keep_turn(turns)).flatten() }
    }

    /// Once.
    pub(crate) fn first(&mut self) -> Option<Result<Frame<Bytes>, Status>> {
        self.first.take()
    }
}

/// The turn ends with what is returned.
fn keep_turn(turns: &Turns) -> Option<oneshot::Sender<()>> {
    let leave = turns.keep()?;
    let turn = take_place()?;
    let (kept, gone) = oneshot::channel();
    tokio::spawn(async move {
        let _ = timeout(PATIENCE, gone).await;
        drop((turn, leave));
    });
    Some(kept)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use http_body_util::Full;
    use yinyom_kernel::holding;

    use super::*;
    use crate::ServerConfig;

    /// Within a turn; how many hold it afterwards besides us.
    async fn made_of(turns: &Turns, bytes: usize, turn: &Arc<()>) -> (Made, usize) {
        let body = Full::new(Bytes::from(vec![0; bytes]));
        let mut body = Body::new(body);
        let made = holding(Arc::clone(turn), async { Made::of(&mut body, turns).await }).await;
        // Whoever would let go of it has had the time.
        tokio::task::yield_now().await;
        (made, Arc::strong_count(turn) - 1)
    }

    async fn made(bytes: usize, turn: &Arc<()>) -> (Made, usize) {
        made_of(&Turns::new(&ServerConfig::default()), bytes, turn).await
    }

    #[tokio::test(start_paused = true)]
    async fn clients_who_take_their_time_never_have_all_turns() {
        let turns = Turns::new(&ServerConfig { max_busy_calls: 4, ..<_>::default() });
        let turn = Arc::new(());
        let mut answers = Vec::new();
        for held in [1, 2, 3, 3] {
            let (made, now) = made_of(&turns, AT_ONCE + 1, &turn).await;
            assert_eq!(now, held);
            answers.push(made);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_large_answer_keeps_its_turn_until_it_is_gone() {
        let turn = Arc::new(());
        let (made, held) = made(AT_ONCE + 1, &turn).await;
        assert_eq!(held, 1);
        drop(made);
        tokio::task::yield_now().await;
        assert_eq!(Arc::strong_count(&turn), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_nobody_takes_keeps_it_for_a_moment() {
        let turn = Arc::new(());
        let (_made, held) = made(AT_ONCE + 1, &turn).await;
        assert_eq!(held, 1);
        tokio::time::sleep(PATIENCE + Duration::from_millis(2)).await;
        assert_eq!(Arc::strong_count(&turn), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn a_small_one_does_not() {
        let turn = Arc::new(());
        let (mut made, held) = made(AT_ONCE, &turn).await;
        assert_eq!(held, 0);
        let first = made.first().and_then(Result::ok).and_then(|frame| frame.into_data().ok());
        assert_eq!(first.map(|data| data.len()), Some(AT_ONCE));
        assert!(made.first().is_none(), "once");
    }
}
