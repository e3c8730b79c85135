//! The hosts: directories that commit and relay, managers, and the auditor.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use consent_manager::{App, Notary, Parts};
use contact_directory::sink;
use contact_directory::store::KeyRing;
use futures::FutureExt;
use futures::future::BoxFuture;
use prost::Message;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;
use yinyom_consent::{ConsentChange, wire};
use yinyom_db::{Db, DbError};
use yinyom_kernel::{BusinessId, ContactId, Scope, SharedClock};
use yinyom_outbox::{Event, Relay, RelayConfig, RelayHandle, enqueue, status};
use yinyom_policy::{Policies, PoliciesConfig, Policy, PolicySource, Renewal, SourceError};
use yinyom_rpc::{ServerConfig, connect_with};
use yinyom_transparency::LedgerKey;

use super::book::{Entry, Stream};
use super::{MANAGERS, Run};
use crate::board::Boot;
use crate::dice::Dice;
use crate::wire::{client_config, connector, incoming};

/// A directory: commits changes, at times some dozens at once, and relays.
pub async fn relay(run: Run, boot: Boot) -> turmoil::Result {
    let (dice, clock) = (boot.dice(run.seed), boot.clock(run.seed));
    let database = run.outbox.config(dice.clone(), 0..=3);
    let db = Db::connect(&database, &contact_directory::MIGRATIONS).await?;
    let connector = connector(MANAGERS, dice.clone());
    let connection = connect_with(&client_config(), run.token.clone(), connector)?;
    let keys = KeyRing::new(Arc::new(run.masters.clone()));
    let sink = sink::Ledger::new(connection, keys, db.clone(), SharedClock::clone(&clock));
    let config = RelayConfig {
        batch: *Dice::of(run.seed, "batch").pick(&[2, 7, 500]),
        delivery_timeout: Duration::from_secs(3),
        ..RelayConfig::default()
    };
    let relay = Relay::new(db.clone(), sink, SharedClock::clone(&clock), config);
    let handle = relay.handle();
    tokio::spawn(relay.run(CancellationToken::new()));
    while !run.board.healed() {
        let stream = *dice.pick(run.book.streams());
        let changes = if dice.chance(5) { dice.number(10..=40) } else { 1 };
        commit(&run, &db, stream, changes, &clock, &dice).await?;
        tell(&handle, stream, &dice);
        tokio::time::sleep(dice.millis(0..=250)).await;
    }
    std::future::pending().await
}

#[expect(clippy::disallowed_methods, reason = "the relay's own right (TRAPS 16)")]
fn scope(business: BusinessId) -> Scope {
    Scope::assume(business)
}

/// Commits the next changes of a contact. A unit of work is over within one instant of simulated time, so what was
/// committed is in the book before anybody can die.
async fn commit(
    run: &Run,
    db: &Db,
    stream: Stream,
    changes: u64,
    clock: &SharedClock,
    dice: &Dice,
) -> Result<(), DbError> {
    let (book, clock, dice) = (run.book.clone(), SharedClock::clone(clock), dice.clone());
    let committed = db
        .write::<_, DbError, _, _>(scope(stream.0), move |mut tx| async move {
            let changes = book.next(stream, changes, clock.now(), &dice);
            enqueue(&mut tx, &changes.iter().map(event).collect::<Vec<_>>()).await?;
            tx.done(changes)
        })
        .await?;
    run.book.committed(committed);
    Ok(())
}

fn event(change: &ConsentChange) -> Event {
    Event {
        stream: change.contact.uuid(),
        seq: change.seq,
        payload: Bytes::from(wire::change_to_wire(change).encode_to_vec()),
        created_at: change.recorded_at,
        trace_parent: None,
    }
}

/// Mostly; else the sweep has to find it.
fn tell(handle: &RelayHandle, (business, contact): Stream, dice: &Dice) {
    if dice.chance(80) {
        handle.wake(business, [contact.uuid()]);
    }
}

/// A manager.
pub async fn manage(run: Run, boot: Boot) -> turmoil::Result {
    let (dice, clock) = (boot.dice(run.seed), boot.clock(run.seed));
    let nobody = Arc::new(Nobody);
    // The same in each run of a seed.
    let key = LedgerKey::from_seed(&[7; 32])?;
    let app = App::open(Parts {
        database: run.ledger.config(dice, 0..=3),
        masters: run.masters,
        notary: Arc::new(Notary::new(key, None, "yinyom.test".parse()?)),
        sign_earlier: false,
        authenticator: run.authenticator,
        policies: Policies::new(nobody, SharedClock::clone(&clock), PoliciesConfig::default()),
        server: ServerConfig::unhurried(),
        clock,
    })
    .await?;
    let incoming = incoming().await?;
    let stop = CancellationToken::new();
    Ok(app.serve_with(|server| server.serve_with_incoming(incoming, stop)).await?)
}

/// Settings that nobody asks here.
struct Nobody;

impl PolicySource for Nobody {
    fn policy(&self, _: BusinessId) -> BoxFuture<'_, Result<Option<Policy>, SourceError>> {
        std::future::pending().boxed()
    }

    fn renew(&self, _: Uuid, _: i64, _: Duration) -> BoxFuture<'_, Result<Renewal, SourceError>> {
        std::future::pending().boxed()
    }
}

/// Compares book and ledger, and is content when the ledger has everything and the outbox nothing.
pub async fn audit(run: Run) -> turmoil::Result {
    let dice = Dice::of(run.seed, "auditor");
    let config = |store: &crate::store::Store| store.config(dice.clone(), 0..=0);
    let outbox = Db::connect(&config(&run.outbox), &contact_directory::MIGRATIONS).await?;
    let ledger = Db::connect(&config(&run.ledger), &consent_manager::MIGRATIONS).await?;
    loop {
        let healed = run.board.healed();
        let entries = entries(&ledger).await?;
        let complete = run.book.compare(&entries);
        let waiting = waiting(&run, &outbox).await?;
        match (complete, waiting) {
            (Err(wrong), _) | (_, Err(wrong)) => run.board.wrong(|| wrong),
            (Ok(true), Ok(0)) if healed => return Ok(()),
            _ => {}
        }
        let pause = if healed { 20 } else { 500 };
        tokio::time::sleep(Duration::from_millis(pause)).await;
    }
}

async fn entries(ledger: &Db) -> Result<Vec<Entry>, DbError> {
    let mut tx = ledger.read_unscoped().await?;
    let rows = tx
        .query(
            "SELECT business_id, contact_id, ledger_index, seq, leaf_hash FROM ledger
             ORDER BY business_id, ledger_index",
        )
        .fetch_all::<(Uuid, Uuid, i64, i64, Vec<u8>)>()
        .await?;
    let entry = |(business, contact, index, seq, leaf_hash)| Entry {
        stream: (BusinessId::from(business), ContactId::from(contact)),
        index,
        seq,
        leaf_hash,
    };
    Ok(rows.into_iter().map(entry).collect())
}

/// How many changes wait. None of them is poison, so none may be quarantined.
async fn waiting(run: &Run, outbox: &Db) -> Result<Result<u64, String>, DbError> {
    let mut waiting = 0;
    for (business, _) in run.book.streams() {
        let status = status(&mut outbox.read(scope(*business)).await?).await?;
        if let Some(stuck) = status.quarantined.first() {
            return Ok(Err(format!("change {} is quarantined: {}", stuck.seq, stuck.reason)));
        }
        waiting += status.backlog;
    }
    Ok(Ok(waiting))
}
