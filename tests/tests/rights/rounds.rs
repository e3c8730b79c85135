//! Rights are given and taken again and again, through either replica of settings, while somebody asks every
//! directory without a pause. What is asked after the taking call has returned must not be answered by the right.
//!
//! Time stands still: no lease runs out, so nothing is hidden but by rules that the directory has heard of.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::World;
use crate::probe::{Asker, Heard};
use crate::right::Right;

/// Rounds of each right; `YINYOM_RIGHTS_ROUNDS` sets another number.
const ROUNDS: u64 = 12;

/// Even: the right is given, or on its way. Odd: the call that took it has returned, and nobody has begun to give
/// it again. A question that is asked and answered within one odd time is a question without the right.
#[derive(Default)]
struct Times(AtomicU64);

impl Times {
    fn now(&self) -> u64 {
        self.0.load(Ordering::SeqCst)
    }

    fn next(&self) -> u64 {
        self.0.fetch_add(1, Ordering::SeqCst) + 1
    }
}

/// How far somebody is who asks all the time.
#[derive(Debug, Clone, Default)]
struct Progress {
    /// The last time in which the right was seen.
    seen_in: Option<u64>,
    /// The last time in which everything was asked from beginning to end.
    asked_in: Option<u64>,
    /// Questions without the right.
    judged: u64,
    /// Answers that there must not be.
    broken: Vec<String>,
}

macro_rules! each_right {
    ($($name:ident: $right:ident),+ $(,)?) => {
        $(
            #[tokio::test(flavor = "multi_thread")]
            async fn $name() {
                holds(Right::$right).await;
            }
        )+
    };
}

each_right!(
    a_viewer_taken_off_the_list_sees_masks: Listing,
    a_member_who_was_removed_is_nobody: Membership,
    an_admin_who_became_a_user_sees_masks: Admin,
    an_owner_who_gave_the_business_away_and_was_demoted_sees_masks: Ownership,
    enforcement_switched_on_hides: NoEnforcement,
    not_set_masked_hides: NotSetShown,
    nobody_lifts_their_mask_any_more: Regrant,
    a_shared_refusal_stops_marketing: SharedAddresses,
    an_officer_no_more_reads_no_ledger: Ledger,
);

async fn holds(right: Right) {
    let world = World::standing_still().await.0;
    let rounds = std::env::var("YINYOM_RIGHTS_ROUNDS").map_or(ROUNDS, |n| n.parse().unwrap());
    let (times, stop) = (Arc::new(Times::default()), CancellationToken::new());
    let owner = world.everywhere(&world.business.owner);

    let mut asking = JoinSet::new();
    let mut progress = Vec::new();
    let mut first = Vec::new();
    for directory in 0..world.house.directories.len() {
        let holder = right.holder(&world);
        let contact = right.contact(&world).await;
        let asker = |contact: &str| Asker::new(&world, &holder, directory, contact);
        first.push(asker(&right.contact(&world).await));
        let (told, seen) = watch::channel(Progress::default());
        progress.push(seen);
        let all_the_time = ask_all_the_time(right, asker(&contact), Arc::clone(&times), told);
        let stop = stop.clone();
        asking.spawn(async move { stop.run_until_cancelled_owned(all_the_time).await });
    }

    for round in 0..rounds {
        let by = &owner[usize::try_from(round).unwrap() % 2];
        right.give(&world, by).await;
        until(&mut progress, times.now(), |p| p.seen_in).await;
        right.take(&world, by).await;
        times.next();
        // The very next question, to each directory.
        let probe = right.probes()[0];
        let heard = futures::future::join_all(first.iter_mut().map(|asker| asker.ask(probe))).await;
        for (directory, heard) in heard.iter().enumerate() {
            assert!(!right.is_broken_by(heard), "round {round}, directory {directory}: {heard:?}");
        }
        until(&mut progress, times.now(), |p| p.asked_in).await;
        times.next();
    }
    stop.cancel();
    while let Some(asked) = asking.join_next().await {
        asked.unwrap();
    }
    let progress: Vec<_> = progress.iter().map(|p| p.borrow().clone()).collect();
    let broken: Vec<_> = progress.iter().flat_map(|p| &p.broken).collect();
    let judged: u64 = progress.iter().map(|p| p.judged).sum();
    println!(
        "{right:?}: {rounds} rounds, {judged} questions without the right, all answered without it"
    );
    assert!(broken.is_empty(), "{right:?}: {} of {judged} reveal: {broken:#?}", broken.len());
    world.house.close().await;
}

async fn ask_all_the_time(
    right: Right,
    mut asker: Asker,
    times: Arc<Times>,
    told: watch::Sender<Progress>,
) {
    loop {
        let began = times.now();
        for probe in right.probes() {
            let before = times.now();
            let heard = asker.ask(probe).await;
            let after = times.now();
            told.send_modify(|progress| {
                if before.is_multiple_of(2) {
                    if heard == Heard::Revealed {
                        progress.seen_in = Some(before);
                    }
                } else if before == after {
                    progress.judged += 1;
                    if right.is_broken_by(&heard) {
                        progress.broken.push(format!("{probe:?} at {before}: {heard:?}"));
                    }
                }
            });
        }
        if times.now() == began {
            told.send_modify(|progress| progress.asked_in = Some(began));
        }
        // What is not answered by the network is answered without it, too.
        tokio::task::yield_now().await;
    }
}

/// Until all of them are that far in `time`.
async fn until(
    progress: &mut [watch::Receiver<Progress>],
    time: u64,
    far: impl Fn(&Progress) -> Option<u64>,
) {
    for (directory, progress) in progress.iter_mut().enumerate() {
        let there = progress.wait_for(|p| far(p).is_some_and(|at| at >= time));
        let there = timeout(Duration::from_mins(1), there).await;
        assert!(
            there.is_ok_and(|there| there.is_ok()),
            "directory {directory} does not get to {time}"
        );
    }
}
