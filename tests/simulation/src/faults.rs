//! What goes wrong in a run, and when: drawn before it begins, so that nothing that happens in it changes it.

use std::collections::VecDeque;
use std::time::Duration;

use turmoil::Sim;

use crate::dice::Dice;

/// What can go wrong.
#[derive(Debug, Clone, Copy)]
pub struct Terrain {
    /// Hosts that talk to each other.
    pub links: &'static [(&'static str, &'static str)],
    /// Hosts that can die.
    pub mortal: &'static [&'static str],
    /// How long things go wrong.
    pub horizon: Duration,
    /// How many things at most.
    pub most: u64,
}

/// One thing that happens.
#[derive(Debug, Clone, Copy)]
enum Act {
    /// Everything between the two is lost, what is on its way too.
    Cut(&'static str, &'static str),
    /// Everything from the first to the second is lost.
    CutOneWay(&'static str, &'static str),
    /// Everything between the two waits.
    Hold(&'static str, &'static str),
    /// Everything between the two takes so many milliseconds.
    Slow(&'static str, &'static str, u64),
    /// As fast as ever.
    Fast(&'static str, &'static str),
    /// What waits arrives; what is sent from now on, too.
    Mend(&'static str, &'static str),
    /// The host dies, and keeps its disk.
    Crash(&'static str),
    /// The host begins anew.
    Boot(&'static str),
}

/// The faults of a run, in order of time.
#[derive(Debug)]
pub struct Plan {
    terrain: Terrain,
    acts: VecDeque<(Duration, Act)>,
}

impl Plan {
    /// Draws one.
    pub fn draw(dice: &Dice, terrain: Terrain) -> Self {
        let mut acts = Vec::new();
        let horizon = u64::try_from(terrain.horizon.as_millis()).unwrap_or(u64::MAX);
        for _ in 0..dice.number(1..=terrain.most) {
            let begin = dice.millis(0..=horizon);
            // Mostly short ones, some that outlast every lease and timeout.
            let longest = *dice.pick(&[100, 600, 2_000, 4_000]);
            let end = (begin + dice.millis(10..=longest)).min(terrain.horizon);
            let (a, b) = *dice.pick(terrain.links);
            let (first, last) = match dice.number(0..=9) {
                0..=1 => (Act::Cut(a, b), Act::Mend(a, b)),
                2 => (Act::CutOneWay(a, b), Act::Mend(a, b)),
                3 => (Act::CutOneWay(b, a), Act::Mend(a, b)),
                4..=5 => (Act::Hold(a, b), Act::Mend(a, b)),
                6 => {
                    // What was on its way for long is the last that arrives for long.
                    let slow = begin.saturating_sub(dice.millis(300..=1_000));
                    let latency = dice.number(50..=250);
                    acts.extend([(slow, Act::Slow(a, b, latency)), (end, Act::Fast(a, b))]);
                    (Act::CutOneWay(a, b), Act::Mend(a, b))
                }
                _ => {
                    let host = *dice.pick(terrain.mortal);
                    (Act::Crash(host), Act::Boot(host))
                }
            };
            acts.extend([(begin, first), (end, last)]);
        }
        acts.sort_by_key(|(at, _)| *at);
        Self { terrain, acts: acts.into() }
    }

    /// Does what is due. Whether all is well from now on.
    pub fn apply(&mut self, sim: &mut Sim<'_>) -> bool {
        if sim.elapsed() > self.terrain.horizon {
            return true;
        }
        while let Some((_, act)) = self.acts.pop_front_if(|(at, _)| *at <= sim.elapsed()) {
            act.apply(sim);
        }
        if sim.elapsed() < self.terrain.horizon {
            return false;
        }
        for (a, b) in self.terrain.links {
            Act::Mend(a, b).apply(sim);
            Act::Fast(a, b).apply(sim);
        }
        for host in self.terrain.mortal {
            Act::Boot(host).apply(sim);
        }
        true
    }
}

impl Act {
    fn apply(self, sim: &mut Sim<'_>) {
        match self {
            Self::Cut(a, b) => sim.partition(a, b),
            Self::CutOneWay(from, to) => sim.partition_oneway(from, to),
            Self::Hold(a, b) => sim.hold(a, b),
            Self::Slow(a, b, millis) => sim.set_link_latency(a, b, Duration::from_millis(millis)),
            Self::Fast(a, b) => {
                sim.set_link_latency(a, b, Duration::from_millis(1));
                sim.set_link_max_message_latency(a, b, Duration::from_millis(10));
            }
            Self::Mend(a, b) => sim.release(a, b),
            Self::Crash(host) => sim.crash(host),
            Self::Boot(host) if sim.is_host_running(host) => {}
            Self::Boot(host) => sim.bounce(host),
        }
    }
}
