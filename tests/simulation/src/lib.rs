//! The real code of both pairs of services that talk to each other, over a simulated network (crate `turmoil`), one run a
//! seed.
//!
//! | pair | hosts | what must hold |
//! |---|---|---|
//! | [`Pair::Ledger`] | two directories, each with its relay, on one database; two managers on another | every change that was committed into the outbox is in the ledger once and in order, at all times a beginning of it and after healing all of it |
//! | [`Pair::Rules`] | two settings on one database; three directories; an office that changes rules | no answer reveals what a call took away that had returned before the answer was made; after healing every directory is live and knows the last rules |
//!
//! In each run messages take a random time, links are cut (both ways, one way), held and slow, hosts die and come back with
//! their disk, clocks are wrong by constants and rates of their own, and everybody works on meanwhile. Then the network
//! heals, and all must be well within [`HEALING`].
//!
//! # What a seed repeats
//! The seed fixes the faults and their times, the operations, the clocks, and the dice of the network and of the stores.
//! Time is simulated: it stands still while a host computes and while SQLite works ([`store`]), so that a slow or busy
//! machine makes no difference.
//!
//! The seed does not fix what the code under test draws for itself: ids, keys, the jitter of its pauses, the turn of a
//! `select!`; nor which of two statements that a host has under way at once SQLite ends first. A message more or less
//! shifts the dice of the network for all later ones. So a seed that failed is the same story told again, not the same
//! trace. Of seeds that failed without a guard, told ten times, each failed again, two to ten times: let a seed be told
//! some times, `make simulation SEEDS=1 SEED=… TIMES=20`.
//!
//! # Not here
//! PostgreSQL (its sockets are the machine's), the contact store between the two looks at the rules (a pause stands for
//! it), and faults in the middle of a unit of work, which wants real processes: that is the chaos run's.

mod board;
mod clock;
mod dice;
mod faults;
mod ledger;
mod rules;
mod run;
mod store;
mod wire;

pub use board::HEALING;
pub use rules::Without;
pub use run::{Failure, Pair, Seeds, Told, run};

/// Something that no run should meet, wherever it comes from.
pub type Trouble = Box<dyn std::error::Error>;
