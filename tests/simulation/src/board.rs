//! What the hosts of a run tell the one that watches: outside of the simulated world, so it survives every crash.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use turmoil::{Builder, Sim};
use yinyom_kernel::SharedClock;

use crate::clock::HostClock;
use crate::dice::Dice;
use crate::faults::Plan;

/// After this long with a network that works and hosts that live all must be well.
pub const HEALING: Duration = Duration::from_secs(30);

/// How far each host goes at a time. Messages arrive between ticks; timers are exact to the millisecond.
const TICK: Duration = Duration::from_millis(2);

/// What a run found.
#[derive(Debug, Clone, Default)]
pub struct Board(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    healed: bool,
    wrong: Option<String>,
}

impl Board {
    /// Whether nothing goes wrong any more.
    pub fn healed(&self) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).healed
    }

    /// Ends the run: this must not happen.
    pub fn wrong(&self, what: impl FnOnce() -> String) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if state.wrong.is_none() {
            state.wrong = Some(format!("{:?}: {}", crate::clock::elapsed(), what()));
        }
    }

    fn look(&self, healed: bool) -> Result<(), String> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.healed = healed;
        state.wrong.clone().map_or(Ok(()), Err)
    }
}

/// A world without hosts.
pub fn world(dice: &Dice) -> Sim<'static> {
    Builder::new()
        .tick_duration(TICK)
        .min_message_latency(Duration::from_millis(dice.number(0..=2)))
        .max_message_latency(Duration::from_millis(*dice.pick(&[3, 10, 40])))
        .simulation_duration(Duration::from_hours(1))
        .tcp_capacity(1_024)
        .enable_random_order()
        .rng_seed(dice.number(0..=u64::MAX))
        .build()
}

/// Runs until the world's client is content. How long it took, in simulated time; or what was wrong.
pub fn watch(mut sim: Sim<'_>, mut plan: Plan, board: &Board) -> Result<Duration, String> {
    let mut healed_at = None;
    loop {
        let healed = plan.apply(&mut sim);
        board.look(healed)?;
        if healed && sim.elapsed() > *healed_at.get_or_insert(sim.elapsed()) + HEALING {
            return Err(format!("not well {HEALING:?} after the last fault"));
        }
        if sim.step().map_err(|error| error.to_string())? {
            board.look(healed)?;
            return Ok(sim.elapsed());
        }
    }
}

/// Counts how often a host began, so that it does not throw the same dice in each life.
#[derive(Debug, Clone)]
pub struct Boots {
    host: &'static str,
    count: Arc<AtomicU64>,
}

/// One life of a host.
#[derive(Debug, Clone, Copy)]
pub struct Boot {
    pub host: &'static str,
    number: u64,
}

impl Boots {
    /// None so far.
    pub fn of(host: &'static str) -> Self {
        Self { host, count: Arc::default() }
    }

    /// The next life.
    pub fn next(&self) -> Boot {
        Boot { host: self.host, number: self.count.fetch_add(1, Ordering::Relaxed) }
    }
}

impl Boot {
    /// The dice of this life, in the run of `seed`.
    pub fn dice(self, seed: u64) -> Dice {
        Dice::of(seed, &format!("{} {}", self.host, self.number))
    }

    /// The clock of the machine, which no crash sets right.
    pub fn clock(self, seed: u64) -> SharedClock {
        Arc::new(HostClock::wrong(&Dice::of(seed, self.host)))
    }
}
