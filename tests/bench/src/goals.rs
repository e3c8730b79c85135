//! The goals of the table, by their numbers.

mod checks;
mod imports;
mod lag;
mod ledger;
mod lists;
mod reads;
pub mod writes;

use std::time::Duration;

use prost::Message;

use crate::goal::{Goal, Outcome};
use crate::load::Load;
use crate::measure::Plan;
use crate::stage::Stage;
use crate::wire::Method;

/// All that are measured by the clock. 13 is not: [`crate::instructions`].
pub const ALL: [&str; 12] = ["1", "2", "3", "4", "5", "6", "7", "8", "9", "10", "11", "14"];

/// What a program is laid out by: each way that calls go, once.
const HOT: [&str; 10] = ["1", "2", "4", "5", "6", "7", "8", "9", "10", "14"];

/// Measures the goals of that number.
///
/// # Panics
/// If there is none.
pub async fn run(id: &str, stage: &mut Stage, plan: &Plan) -> Vec<Outcome> {
    let goals = goals(id, stage, plan.lasts).await;
    let mut outcomes = Vec::with_capacity(goals.len());
    for goal in goals {
        outcomes.push(plan.measure(goal).await);
    }
    outcomes
}

/// Makes calls of every kind, of each for about so long.
pub async fn exercise(stage: &mut Stage, lasts: Duration) {
    for id in HOT {
        for mut goal in goals(id, stage, lasts).await {
            // Of an echo it is a service of this program.
            goal.sides.limit(lasts).await;
            goal.sides.service(lasts).await;
        }
    }
}

async fn goals(id: &str, stage: &mut Stage, lasts: Duration) -> Vec<Goal> {
    match id {
        "1" => vec![reads::get_on_postgres(stage).await],
        "2" => vec![reads::get_on_sqlite(stage).await],
        "3" => vec![reads::get_alone(stage).await],
        "4" => vec![lists::pages(stage).await],
        "5" => vec![writes::committed(stage).await],
        "6" => vec![writes::sustained(stage).await],
        "7" => vec![ledger::ingestion(stage).await],
        "8" => vec![imports::imports(stage).await],
        "9" => checks::checks(stage).await.into(),
        "10" => checks::beside_fides(stage).await.into(),
        "11" => vec![lag::lag(stage, lasts).await],
        "14" => vec![reads::revealed(stage).await],
        _ => panic!("there is no goal {id}; there are {ALL:?}"),
    }
}

/// Callers of `path` who send these messages.
fn load(
    to: std::net::SocketAddr,
    path: &str,
    token: Option<&str>,
    messages: impl IntoIterator<Item = impl Message>,
) -> Load {
    Load {
        to,
        method: Method { path: path.to_owned(), authorization: token.map(str::to_owned) },
        messages: messages
            .into_iter()
            .map(|message| message.encode_to_vec())
            .collect::<Vec<_>>()
            .into(),
        connections: crate::pgbench::CLIENTS,
        in_flight: 1,
        core: None,
    }
}

/// Callers of an echo, who send as much as a `GetContact` does.
fn echo_load(to: std::net::SocketAddr) -> Load {
    let what = bytes::Bytes::from_static(&[b'x'; 92]);
    load(to, crate::echo::PATH, None, (0..64).map(|_| crate::echo::Said { what: what.clone() }))
}
