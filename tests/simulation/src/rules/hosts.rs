//! The hosts: settings, and directories that answer reads.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use consent_settings::{App, Parts};
use contact_directory::domain::{View, Viewer};
use futures::future::join3;
use tokio_util::sync::CancellationToken;
use yinyom_consent::ConsentState;
use yinyom_kernel::{BusinessId, SharedClock};
use yinyom_policy::{Policies, PoliciesConfig, RemoteSource, Standing};
use yinyom_rpc::{ServerConfig, connect_with};

use super::law::Law;
use super::{Run, SETTINGS, Without};
use crate::board::Boot;
use crate::clock::elapsed;
use crate::dice::Dice;
use crate::wire::{client_config, connector, incoming};

/// A settings.
pub async fn settle(run: Run, boot: Boot) -> turmoil::Result {
    let latency = *Dice::of(run.seed, "store").pick(&[0, 5, 30]);
    // There is no manager in this world: what was changed waits in the outbox.
    let manager = connector(SETTINGS, boot.dice(run.seed));
    let app = App::open(Parts {
        database: run.store.config(boot.dice(run.seed), 0..=latency),
        masters: run.masters,
        authenticator: run.authenticator,
        manager: connect_with(&client_config(), run.token.clone(), manager)?,
        server: ServerConfig::unhurried(),
        clock: boot.clock(run.seed),
    })
    .await?;
    let incoming = incoming().await?;
    let stop = CancellationToken::new();
    Ok(app.serve_with(|server| server.serve_with_incoming(incoming, stop)).await?)
}

/// A directory, as far as rules go.
pub async fn answer(run: Run, number: usize, boot: Boot) -> turmoil::Result {
    run.current[number].store(false, Ordering::Relaxed);
    let (dice, clock) = (boot.dice(run.seed), boot.clock(run.seed));
    let connector = connector(SETTINGS, dice.clone());
    let connection = connect_with(&client_config(), run.token.clone(), connector)?;
    let source = Arc::new(RemoteSource::new(connection));
    let policies = Policies::new(source, SharedClock::clone(&clock), PoliciesConfig::default());
    tokio::spawn(policies.clone().keep_lease(CancellationToken::new()));
    let business = loop {
        match run.business.get() {
            Some(business) => break *business,
            None => tokio::time::sleep(Duration::from_millis(5)).await,
        }
    };
    let report = async {
        loop {
            let standing = policies.of(business).await;
            let current =
                standing.live().is_some_and(|policy| Law::of(policy) == run.history.last());
            run.current[number].store(current, Ordering::Relaxed);
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    // Short reads and long ones: some begin before a right is taken away and end after.
    let quick = read(&run, &policies, business, dice.clone(), 4);
    let slow = read(&run, &policies, business, dice.clone(), 500);
    join3(report, quick, slow).await;
    Ok(())
}

/// Reads for ever. A pause of up to `longest` milliseconds stands for the contact store. Each answer is looked at as
/// everybody would get it, for each state: they would differ in nothing else.
async fn read(run: &Run, policies: &Policies, business: BusinessId, dice: Dice, longest: u64) {
    loop {
        tokio::time::sleep(dice.millis(0..=25)).await;
        if run.board.healed() {
            std::future::pending::<()>().await;
        }
        let mut standing = policies.of(business).await;
        tokio::time::sleep(dice.millis(0..=longest)).await;
        if run.without != Without::SecondLook {
            standing = policies.confirm(business, standing).await;
        }
        // As `Session::look`: nothing is awaited from here to the answer.
        let at = elapsed();
        for member in run.history.people() {
            let viewer = Viewer::of_member(standing.membership(member));
            let view = viewer.map(|viewer| View::new(viewer, standing.rules()));
            for state in ConsentState::ALL {
                let shown = view.is_some_and(|view| view.reveals(*state));
                if shown && !run.history.allows(member, *state, at) {
                    run.board.wrong(|| revealed(&standing, *state));
                }
            }
        }
    }
}

fn revealed(standing: &Standing, state: ConsentState) -> String {
    let revision = standing.live().map(|policy| policy.revision);
    format!("revealed {state:?} by the rules of revision {revision:?} after they were gone")
}
