//! Every filter, against somebody who looks at each row; and pages while changes arrive.

use std::collections::BTreeMap;

use consent_manager::MIGRATIONS;
use jiff::{SignedDuration, Timestamp};
use tonic::Code;
use tonic_types::StatusExt;
use yinyom_consent::{
    Actor, CONTACTS, Channel, ChannelChange, ConsentChange, ConsentState, EvidenceMethod, wire,
};
use yinyom_kernel::{BusinessId, ContactId};
use yinyom_proto::manager::v1 as pb;
use yinyom_testkit::{TestDb, both_databases};

use crate::support::history::{Dice, Histories};
use crate::support::*;

#[expect(clippy::unnecessary_wraps, reason = "as a message has it")]
fn time(at: Timestamp) -> Option<prost_types::Timestamp> {
    Some(wire::timestamp(at))
}

async fn thrown(db: TestDb, seed: u64) -> (World, Histories, Dice) {
    let world = World::new(db).await;
    let mut dice = Dice::new(seed);
    let span = (world.now() - SignedDuration::from_hours(24 * 60), world.now());
    let histories = Histories::throw(&mut dice, world.business, 250, span);
    for batch in histories.to_wire().chunks(50) {
        world.take(batch.to_vec()).await;
    }
    (world, histories, dice)
}

fn role(actor: &Actor) -> i32 {
    match actor {
        Actor::Member { role: Some(role), .. } => role.to_wire(),
        _ => 0,
    }
}

/// Some conditions, each met by `like`.
fn asked(
    dice: &mut Dice,
    business: BusinessId,
    like: &ConsentChange,
) -> pb::ListConsentChangesRequest {
    let carried = like.channels[0];
    let mut ask = pb::ListConsentChangesRequest::default();
    for _ in 0..=dice.roll(3) {
        let near = SignedDuration::from_mins(dice.roll(3 * 24 * 60));
        match dice.roll(14) {
            0 => ask.channel = carried.channel.to_wire(),
            1 => ask.state = carried.to.map_or(0, ConsentState::to_wire),
            2 => ask.from_state = carried.from.map_or(0, ConsentState::to_wire),
            3 => ask.surface = like.surface.to_wire(),
            4 => ask.actor = wire::actor_name(business, &like.actor),
            5 => ask.actor_role = role(&like.actor),
            6 => ask.cause = like.cause.to_wire(),
            7 => ask.evidence_method = like.method.map_or(0, EvidenceMethod::to_wire),
            8 => ask.notice_version = like.notice_version.clone().unwrap_or_default(),
            9 => ask.contact = CONTACTS.format(business, like.contact),
            10 => ask.start_time = time(like.recorded_at - near),
            11 => ask.end_time = time(like.recorded_at + near),
            12 => ask.expire_start_time = carried.expires_at.and_then(|at| time(at - near)),
            _ => ask.expire_end_time = carried.expires_at.and_then(|at| time(at + near)),
        }
    }
    ask
}

fn is<T: PartialEq + Default>(asked: &T, has: &T) -> bool {
    *asked == T::default() || asked == has
}

/// Seconds and nanoseconds, so that they can be compared.
fn instant(at: &prost_types::Timestamp) -> (i64, i32) {
    (at.seconds, at.nanos)
}

fn within(
    at: Option<Timestamp>,
    since: Option<&prost_types::Timestamp>,
    before: Option<&prost_types::Timestamp>,
) -> bool {
    let at = at.map(|at| instant(&wire::timestamp(at)));
    since.is_none_or(|since| at.is_some_and(|at| at >= instant(since)))
        && before.is_none_or(|before| at.is_some_and(|at| at < instant(before)))
}

fn fits(ask: &pb::ListConsentChangesRequest, business: BusinessId, it: &ConsentChange) -> bool {
    let carried = |of: &ChannelChange| {
        is(&ask.channel, &of.channel.to_wire())
            && is(&ask.state, &of.to.map_or(0, ConsentState::to_wire))
            && is(&ask.from_state, &of.from.map_or(0, ConsentState::to_wire))
            && within(of.expires_at, ask.expire_start_time.as_ref(), ask.expire_end_time.as_ref())
    };
    it.channels.iter().any(carried)
        && is(&ask.surface, &it.surface.to_wire())
        && is(&ask.actor, &wire::actor_name(business, &it.actor))
        && is(&ask.actor_role, &role(&it.actor))
        && is(&ask.cause, &it.cause.to_wire())
        && is(&ask.evidence_method, &it.method.map_or(0, EvidenceMethod::to_wire))
        && is(&ask.notice_version, &it.notice_version.clone().unwrap_or_default())
        && is(&ask.contact, &CONTACTS.format(business, it.contact))
        && within(Some(it.recorded_at), ask.start_time.as_ref(), ask.end_time.as_ref())
}

async fn changes_are_those_that_every_condition_holds_of(db: TestDb) {
    let (world, histories, mut dice) = thrown(db, 21).await;
    let mut ledger = world.ledger(world.members.owner);
    let mut some = 0;
    for _ in 0..60 {
        let like = dice.pick(&histories.changes);
        let mut ask = asked(&mut dice, world.business, &like);
        ask.parent = world.parent();
        ask.page_size = 1_000;
        let found = ledger.list_consent_changes(ask.clone()).await.unwrap().into_inner();
        let found: Vec<_> = found.entries.iter().map(|entry| entry.ledger_index).collect();
        let fitting = (0..).zip(&histories.changes);
        let fitting = fitting.filter(|(_, change)| fits(&ask, world.business, change));
        let mut expected: Vec<i64> = fitting.map(|(index, _)| index).collect();
        expected.reverse();
        assert_eq!(found, expected, "{ask:?}");
        some += usize::from(!expected.is_empty() && expected.len() < histories.changes.len());
    }
    assert!(some > 30, "{some} questions told something apart");
}

async fn consents_are_those_that_every_condition_holds_of(db: TestDb) {
    let (world, histories, mut dice) = thrown(db, 22).await;
    // The last change of each channel of each contact that is there.
    let mut last: BTreeMap<(ContactId, Channel), (&ConsentChange, ChannelChange)> = BTreeMap::new();
    for change in &histories.changes {
        for carried in &change.channels {
            last.insert((change.contact, carried.channel), (change, *carried));
        }
    }
    last.retain(|_, (_, carried)| carried.to.is_some());
    let now = world.now();
    let state = |carried: &ChannelChange| match carried.to {
        Some(Granted) if carried.expires_at.is_some_and(|at| at <= now) => 1,
        state => state.map_or(0, ConsentState::to_wire),
    };
    let mut ledger = world.ledger(world.members.owner);
    for as_of_time in [None, time(now)] {
        let mut some = 0;
        for _ in 0..60 {
            let like = dice.pick(&last.values().copied().collect::<Vec<_>>());
            let mut of = asked(&mut dice, world.business, like.0);
            // What it became, and from what, is of no interest here.
            (of.state, of.from_state) = (if of.state == 0 { 0 } else { state(&like.1) }, 0);
            let ask = pb::ListConsentsRequest {
                parent: world.parent(),
                page_size: 1_000,
                channel: of.channel,
                state: of.state,
                surface: of.surface,
                actor: of.actor.clone(),
                actor_role: of.actor_role,
                cause: of.cause,
                evidence_method: of.evidence_method,
                notice_version: of.notice_version.clone(),
                contact: of.contact.clone(),
                start_time: of.start_time,
                end_time: of.end_time,
                expire_start_time: of.expire_start_time,
                expire_end_time: of.expire_end_time,
                as_of_time,
                ..Default::default()
            };
            let found = ledger.list_consents(ask.clone()).await.unwrap().into_inner();
            let found: Vec<_> =
                found.consents.into_iter().map(|it| (it.contact, it.channel, it.state)).collect();
            let expected: Vec<_> = last
                .iter()
                .filter(|(_, (change, carried))| {
                    let expiry = carried.expires_at.filter(|_| carried.to == Some(Granted));
                    let alone = ConsentChange {
                        channels: vec![ChannelChange { expires_at: expiry, ..*carried }],
                        ..(*change).clone()
                    };
                    let of = pb::ListConsentChangesRequest { state: 0, ..of.clone() };
                    fits(&of, world.business, &alone) && is(&ask.state, &state(carried))
                })
                .map(|((contact, channel), (_, carried))| {
                    let name = CONTACTS.format(world.business, *contact);
                    (name, channel.to_wire(), state(carried))
                })
                .collect();
            some += usize::from(!expected.is_empty() && expected.len() < last.len());
            assert_eq!(found, expected, "{ask:?}");
        }
        assert!(some > 15, "{some} questions told something apart");
    }
}

async fn pages_hold_each_row_once_while_a_relay_is_at_work(db: TestDb) {
    let (world, histories, _) = thrown(db, 23).await;
    let now = world.now();
    let before: Vec<i64> = (0..250).rev().collect();
    let relay = async {
        let mut contacts: Vec<_> = (0..20).map(|_| Contact::new(world.business)).collect();
        let made = contacts.iter_mut().map(|contact| contact.created(now, NotSet, Granted));
        world.take(made.collect()).await;
        for round in 0..30 {
            let to = [Granted, Denied][round % 2];
            let changes = contacts.iter_mut().map(|contact| contact.phone(now, to));
            world.take(changes.collect()).await;
        }
    };
    let reader = async {
        let mut ledger = world.ledger(world.members.officer);
        for _ in 0..5 {
            let (mut changes, mut consents) = (Vec::new(), Vec::new());
            let mut ask = pb::ListConsentChangesRequest {
                parent: world.parent(),
                page_size: 37,
                end_time: time(now),
                ..Default::default()
            };
            loop {
                let page = ledger.list_consent_changes(ask.clone()).await.unwrap().into_inner();
                changes.extend(page.entries.iter().map(|entry| entry.ledger_index));
                ask.page_token = page.next_page_token;
                if ask.page_token.is_empty() {
                    break;
                }
            }
            let old = histories.changes.iter().filter(|change| change.recorded_at < now).count();
            assert_eq!(changes.len(), old);
            assert!(changes.is_sorted_by(|a, b| a > b) && before.contains(&changes[0]));
            let mut ask = pb::ListConsentsRequest {
                parent: world.parent(),
                page_size: 3,
                state: Granted.to_wire(),
                ..Default::default()
            };
            loop {
                let page = ledger.list_consents(ask.clone()).await.unwrap().into_inner();
                consents.extend(page.consents.into_iter().map(|it| (it.contact, it.channel)));
                ask.page_token = page.next_page_token;
                if ask.page_token.is_empty() {
                    break;
                }
            }
            assert!(consents.is_sorted_by(|a, b| a < b), "each once, in order");
        }
    };
    tokio::join!(relay, reader);
}

async fn every_wrong_filter_is_named(db: TestDb) {
    let world = World::new(db).await;
    let other = BusinessId::generate();
    let foreign = Contact::new(other);
    let now = world.now();
    let fields = |status: tonic::Status| {
        assert_eq!(refusal(&status), (Code::InvalidArgument, "INVALID_INPUT".to_owned()));
        let wrong = status.get_details_bad_request().unwrap().field_violations;
        let mut fields: Vec<_> = wrong.into_iter().map(|wrong| wrong.field).collect();
        fields.sort();
        fields
    };
    let mut ledger = world.ledger(world.members.owner);
    let ask = pb::ListConsentChangesRequest {
        parent: world.parent(),
        contact: foreign.name(),
        from_state: 9,
        actor_role: 9,
        surface_parent: "leads/7".to_owned(),
        evidence_method: 9,
        notice_version: "a\nb".to_owned(),
        expire_start_time: time(now),
        expire_end_time: time(now - SignedDuration::from_secs(1)),
        ..Default::default()
    };
    let common = [
        "actor_role",
        "contact",
        "evidence_method",
        "expire_end_time",
        "from_state",
        "notice_version",
        "surface_parent",
    ];
    assert_eq!(fields(ledger.list_consent_changes(ask).await.unwrap_err()), common);
    let ask = pb::ListConsentsRequest {
        parent: world.parent(),
        contact: "contacts/1".to_owned(),
        cause: 99,
        actor_role: 9,
        surface_parent: format!("businesses/{}/leads/{}", other.uuid(), other.uuid()),
        evidence_method: -1,
        notice_version: "x".repeat(201),
        as_of_time: Some(prost_types::Timestamp { seconds: i64::MAX, nanos: 0 }),
        expire_start_time: Some(prost_types::Timestamp { seconds: 0, nanos: -1 }),
        ..Default::default()
    };
    let wrong = [
        "actor_role",
        "as_of_time",
        "cause",
        "contact",
        "evidence_method",
        "expire_start_time",
        "notice_version",
        "surface_parent",
    ];
    assert_eq!(fields(ledger.list_consents(ask).await.unwrap_err()), wrong);
}

both_databases!(MIGRATIONS =>
    changes_are_those_that_every_condition_holds_of,
    consents_are_those_that_every_condition_holds_of,
    pages_hold_each_row_once_while_a_relay_is_at_work,
    every_wrong_filter_is_named,
);
