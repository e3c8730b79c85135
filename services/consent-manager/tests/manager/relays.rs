//! Several relays at once, each unsure of what has arrived (TRAPS 1, 2).

use std::collections::HashMap;

use consent_manager::MIGRATIONS;
use yinyom_proto::manager::v1 as pb;
use yinyom_testkit::{TestDb, both_databases};

use crate::support::*;

const CONTACTS: usize = 6;
const CHANGES: usize = 12;
const RELAYS: usize = 4;

/// Sends everything, some of each stream at a time, until the ledger says that it has it all. What it hears of one batch
/// is where it goes on; a gap sends it back.
async fn relay(
    mut ledger: Ledger,
    parent: String,
    streams: Vec<Vec<pb::ConsentChange>>,
    stride: usize,
) {
    let mut next = vec![0; streams.len()];
    while next.iter().any(|next| *next < CHANGES) {
        let changes: Vec<_> = streams
            .iter()
            .zip(&next)
            // Begins before what it has heard of: a relay repeats itself after a restart.
            .flat_map(|(stream, next)| stream.iter().skip(next.saturating_sub(1)).take(stride))
            .cloned()
            .collect();
        let request =
            pb::RecordConsentChangesRequest { parent: parent.clone(), changes, ..<_>::default() };
        let answer = ledger.record_consent_changes(request).await.unwrap().into_inner();
        let heard: HashMap<_, _> = answer
            .results
            .into_iter()
            .inspect(|result| assert_ne!(result.outcome(), pb::RecordOutcome::Conflict))
            .map(|result| (result.contact, usize::try_from(result.last_seq).unwrap()))
            .collect();
        for (stream, next) in streams.iter().zip(&mut next) {
            *next = heard.get(&stream[0].contact).copied().unwrap_or(*next);
        }
    }
}

async fn relays_at_once_take_each_change_once_and_in_order(db: TestDb) {
    let world = World::new(db).await;
    let mut contacts: Vec<_> = (0..CONTACTS).map(|_| Contact::new(world.business)).collect();
    let streams: Vec<Vec<_>> = contacts
        .iter_mut()
        .map(|contact| {
            let mut stream = vec![contact.created(world.now(), NotSet, Granted)];
            let states = [Granted, Denied, NotSet].into_iter().cycle();
            stream.extend(states.take(CHANGES - 1).map(|state| contact.phone(world.now(), state)));
            stream
        })
        .collect();
    let relays: Vec<_> = (0..RELAYS)
        .map(|i| {
            let mut streams = streams.clone();
            streams.rotate_left(i);
            tokio::spawn(relay(world.relay(), world.parent(), streams, i + 2))
        })
        .collect();
    for relay in relays {
        relay.await.unwrap();
    }

    let mut indexes = Vec::new();
    for contact in &contacts {
        let history = world.history(contact).await;
        let seqs: Vec<_> = history.entries.iter().rev().map(|entry| entry.seq).collect();
        assert_eq!(seqs, (1..=i64::try_from(CHANGES).unwrap()).collect::<Vec<_>>());
        let of_stream: Vec<_> = history.entries.iter().map(|entry| entry.ledger_index).collect();
        assert!(of_stream.is_sorted_by(|newer, older| newer > older));
        indexes.extend(of_stream);
    }
    indexes.sort_unstable();
    let all = i64::try_from(CONTACTS * CHANGES).unwrap();
    assert_eq!(
        indexes,
        (0..all).collect::<Vec<_>>(),
        "no index is missing and none is there twice"
    );

    // The eleventh state after the first is a refusal.
    let contacts = i64::try_from(CONTACTS).unwrap();
    let summary = world.summary().await;
    assert_eq!((summary.phone, summary.email), ((0, 0, contacts), (0, contacts, 0)));
}

async fn one_of_two_histories_that_arrive_at_once_is_taken(db: TestDb) {
    let world = World::new(db).await;
    let contact = Contact::new(world.business);
    let senders: Vec<_> = [Granted, Denied]
        .into_iter()
        .map(|state| {
            let change = contact.clone().created(world.now(), state, state);
            let (mut ledger, parent) = (world.relay(), world.parent());
            tokio::spawn(async move {
                let request = pb::RecordConsentChangesRequest {
                    parent,
                    changes: vec![change],
                    ..<_>::default()
                };
                let answer = ledger.record_consent_changes(request).await.unwrap().into_inner();
                answer.results[0].outcome()
            })
        })
        .collect();
    let mut outcomes = Vec::new();
    for sender in senders {
        outcomes.push(sender.await.unwrap());
    }
    outcomes.sort();
    assert_eq!(outcomes, [pb::RecordOutcome::Recorded, pb::RecordOutcome::Conflict]);
    assert_eq!(world.history(&contact).await.entries.len(), 1);
}

both_databases!(MIGRATIONS =>
    relays_at_once_take_each_change_once_and_in_order,
    one_of_two_histories_that_arrive_at_once_is_taken,
);
