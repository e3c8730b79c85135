//! What follows from a receiver's answer. Pure: no clock, no database, no chance.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use uuid::Uuid;

use crate::table::micros;
use crate::{Event, Outcome, StreamOutcome};

/// The receiver lacks an event that is no longer here.
const GAP: &str = "GAP";
/// The receiver said nothing of the stream, or something that cannot be.
const NO_OUTCOME: &str = "NO_OUTCOME";

const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_mins(1);
/// After so many nonsensical answers somebody has to look.
const PATIENCE: i64 = 10;

/// What to write down, and what to send next.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Verdict {
    /// Events that arrived.
    pub(crate) recorded: Vec<(Uuid, i64)>,
    /// Streams that had failed before and have moved on.
    pub(crate) recovered: Vec<Uuid>,
    /// Streams that did not get on.
    pub(crate) stalls: Vec<Stall>,
    /// The first halves of refused streams that had several events: to be sent now, because what
    /// comes before the refused event should arrive, and the first refused one be named.
    pub(crate) narrower: Vec<Event>,
    /// More of these streams can be sent.
    pub(crate) more: bool,
}

/// A stream that did not get on.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Stall {
    pub(crate) stream: Uuid,
    /// The first event that was not taken.
    pub(crate) seq: i64,
    pub(crate) reason: &'static str,
    pub(crate) attempts: i64,
    /// Microseconds to the next attempt; none, if the stream is quarantined.
    pub(crate) pause: Option<i64>,
}

impl Stall {
    /// A stream that is tried again, less and less often.
    pub(crate) fn pausing(event: &Event, reason: &'static str, before: i64) -> Self {
        let doublings = u32::try_from(before).unwrap_or(u32::MAX).min(16);
        let pause = FIRST_PAUSE.saturating_mul(1 << doublings).min(LONGEST_PAUSE);
        Self {
            stream: event.stream,
            seq: event.seq,
            reason,
            attempts: before.saturating_add(1),
            pause: Some(micros(pause)),
        }
    }

    fn quarantined(event: &Event, reason: &'static str, before: i64) -> Self {
        Self { pause: None, ..Self::pausing(event, reason, before) }
    }
}

/// Judges `outcomes` of `sent`, which is ordered by stream and number. `attempts` tells how often a
/// stream had failed before.
pub(crate) fn judge(
    sent: &[Event],
    outcomes: &[StreamOutcome],
    attempts: &BTreeMap<Uuid, i64>,
) -> Verdict {
    let outcomes: HashMap<Uuid, Outcome> =
        outcomes.iter().map(|answer| (answer.stream, answer.outcome)).collect();
    let mut verdict = Verdict::default();
    for events in sent.chunk_by(|a, b| a.stream == b.stream) {
        let Some(first) = events.first() else { continue };
        let before = attempts.get(&first.stream).copied();
        verdict.stream(events, first, outcomes.get(&first.stream).copied(), before);
    }
    verdict
}

impl Verdict {
    fn stream(
        &mut self,
        events: &[Event],
        first: &Event,
        outcome: Option<Outcome>,
        before: Option<i64>,
    ) {
        let failed = before.unwrap_or_default();
        match outcome {
            Some(Outcome::Refused { .. }) if events.len() > 1 => {
                self.narrower.extend_from_slice(&events[..events.len() / 2]);
                self.more = true;
            }
            Some(Outcome::Refused { reason }) => {
                self.stalls.push(Stall::quarantined(first, reason, failed));
            }
            // It lacks what is not here: what was sent begins later than what it waits for.
            Some(Outcome::Gap { last_seq }) if last_seq < first.seq.saturating_sub(1) => {
                self.stalls.push(Stall::quarantined(first, GAP, failed));
            }
            Some(Outcome::Recorded { last_seq } | Outcome::Gap { last_seq })
                if last_seq >= first.seq =>
            {
                // Only what was sent: what it says to have beyond that, another relay sent, and
                // that one was told whether it is the same.
                let arrived = events.partition_point(|event| event.seq <= last_seq);
                self.recorded.extend(events[..arrived].iter().map(|e| (e.stream, e.seq)));
                self.recovered.extend(before.map(|_| first.stream));
                self.more |= arrived < events.len();
            }
            // Nothing was said of the stream; or the very event that was sent first is missing, or
            // was recorded without being there.
            Some(Outcome::Recorded { .. } | Outcome::Gap { .. }) | None => {
                self.stalls.push(if failed < PATIENCE {
                    Stall::pausing(first, NO_OUTCOME, failed)
                } else {
                    Stall::quarantined(first, NO_OUTCOME, failed)
                });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]

    use super::*;

    const STREAM: Uuid = Uuid::from_u128(1);

    fn events(seqs: impl IntoIterator<Item = i64>) -> Vec<Event> {
        let event = |seq| Event {
            stream: STREAM,
            seq,
            payload: bytes::Bytes::new(),
            created_at: jiff::Timestamp::UNIX_EPOCH,
            trace_parent: None,
        };
        seqs.into_iter().map(event).collect()
    }

    fn judged(sent: &[Event], outcome: Option<Outcome>, failed: Option<i64>) -> Verdict {
        let outcomes: Vec<_> =
            outcome.map(|outcome| StreamOutcome { stream: STREAM, outcome }).into_iter().collect();
        judge(sent, &outcomes, &failed.map(|failed| (STREAM, failed)).into_iter().collect())
    }

    fn recorded(verdict: &Verdict) -> Vec<i64> {
        verdict.recorded.iter().map(|(_, seq)| *seq).collect()
    }

    fn stalled(verdict: &Verdict) -> (i64, &'static str, bool) {
        let [stall] = &verdict.stalls[..] else { panic!("one stall: {verdict:?}") };
        (stall.seq, stall.reason, stall.pause.is_none())
    }

    /// What the receiver has beyond that another relay sent, and only that one knows whether it was
    /// the same.
    #[test]
    fn nothing_is_deleted_that_was_not_sent() {
        let verdict = judged(&events(3..=4), Some(Outcome::Recorded { last_seq: 9 }), None);
        assert_eq!(recorded(&verdict), [3, 4]);
        assert_eq!(verdict, Verdict { recorded: verdict.recorded.clone(), ..Verdict::default() });
    }

    #[test]
    fn nothing_is_deleted_that_did_not_arrive() {
        let some = Some(Outcome::Recorded { last_seq: 4 });
        let verdict = judged(&events(3..=6), some, Some(2));
        assert_eq!(recorded(&verdict), [3, 4]);
        assert!(verdict.more, "the others are still to be sent");
        assert_eq!(verdict.recovered, [STREAM]);

        for outcome in [None, Some(Outcome::Refused { reason: "INVALID" })] {
            assert_eq!(recorded(&judged(&events(3..=6), outcome, None)), [0_i64; 0]);
        }
        let other = StreamOutcome {
            stream: Uuid::from_u128(2),
            outcome: Outcome::Recorded { last_seq: 9 },
        };
        let verdict = judge(&events(3..=6), &[other], &BTreeMap::new());
        assert_eq!(recorded(&verdict), [0_i64; 0], "an answer about a stream that was not sent");
    }

    #[test]
    fn a_gap_that_is_still_here_is_sent_from_there() {
        let verdict = judged(&events(3..=6), Some(Outcome::Gap { last_seq: 4 }), None);
        assert_eq!(recorded(&verdict), [3, 4]);
        assert!(verdict.more && verdict.stalls.is_empty());
    }

    #[test]
    fn a_gap_that_is_no_longer_here_is_quarantined_where_it_begins() {
        let verdict = judged(&events(3..=6), Some(Outcome::Gap { last_seq: 1 }), None);
        assert_eq!(stalled(&verdict), (3, GAP, true));
        // As a hole in our own numbers would end: first what is before it, then the hole.
        let sent: Vec<_> = events([3, 5]);
        let verdict = judged(&sent, Some(Outcome::Gap { last_seq: 3 }), None);
        assert_eq!((recorded(&verdict), verdict.more), (vec![3], true));
        let verdict = judged(&sent[1..], Some(Outcome::Gap { last_seq: 3 }), None);
        assert_eq!(stalled(&verdict), (5, GAP, true));
    }

    #[test]
    fn of_a_refused_stream_what_comes_before_the_refused_event_is_sent() {
        let refused = Some(Outcome::Refused { reason: "INVALID" });
        let mut batch = events(1..=9);
        while batch.len() > 1 {
            let verdict = judged(&batch, refused, None);
            assert!(verdict.stalls.is_empty() && verdict.more);
            assert!(verdict.narrower.len() < batch.len(), "it comes to an end");
            assert_eq!(verdict.narrower.first(), batch.first());
            batch = verdict.narrower;
        }
        assert_eq!(stalled(&judged(&batch, refused, None)), (1, "INVALID", true));
    }

    #[test]
    fn an_answer_that_makes_no_sense_is_waited_out_and_then_shown() {
        let nonsense = [
            None,
            Some(Outcome::Recorded { last_seq: 2 }),
            // It waits for the event that it was sent.
            Some(Outcome::Gap { last_seq: 2 }),
        ];
        for outcome in nonsense {
            assert_eq!(stalled(&judged(&events(3..=4), outcome, None)), (3, NO_OUTCOME, false));
            let last = judged(&events(3..=4), outcome, Some(PATIENCE));
            assert_eq!(stalled(&last), (3, NO_OUTCOME, true));
        }
    }

    #[test]
    fn pauses_grow_and_stay_bounded() {
        let pause = |failed| Stall::pausing(&events([1])[0], "X", failed).pause.unwrap();
        assert_eq!((pause(0), pause(1), pause(5)), (1_000_000, 2_000_000, 32_000_000));
        assert_eq!((pause(6), pause(i64::MAX)), (60_000_000, 60_000_000));
    }
}
