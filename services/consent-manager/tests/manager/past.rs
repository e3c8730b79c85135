//! Reports and lists of any history, against somebody who reads it from its beginning.

use std::collections::{BTreeMap, HashMap};

use consent_manager::MIGRATIONS;
use jiff::{SignedDuration, Timestamp, ToSpan};
use tonic::Code;
use tonic_types::StatusExt;
use yinyom_consent::{ByChannel, CONTACTS, Channel, ConsentState, EvidenceMethod, wire};
use yinyom_kernel::ContactId;
use yinyom_proto::manager::v1 as pb;
use yinyom_proto::manager::v1::BreakdownDimension::{Actor, EvidenceMethod as Method, Surface};
use yinyom_proto::manager::v1::breakdown_value::Value;
use yinyom_testkit::{TestDb, both_databases};

use crate::support::history::{Dice, Event, Histories};
use crate::support::*;

const CHANNELS: [Channel; 2] = [Channel::Phone, Channel::Email];

/// A world whose ledger has taken a history of two years, in batches of any size.
async fn thrown(db: TestDb, zone: &str, seed: u64, changes: i64) -> (World, Histories, Dice) {
    let world = World::in_zone(db, zone).await;
    let mut dice = Dice::new(seed);
    let span = (world.now() - SignedDuration::from_hours(24 * 730), world.now());
    let histories = Histories::throw(&mut dice, world.business, changes, span);
    let mut left = &histories.to_wire()[..];
    while !left.is_empty() {
        let size = usize::try_from(1 + dice.roll(40)).unwrap().min(left.len());
        let (batch, rest) = left.split_at(size);
        world.take(batch.to_vec()).await;
        left = rest;
    }
    (world, histories, dice)
}

/// Grants, refusals, resets, opt-outs; and how many more are `NOT_SET`, `GRANTED`, `DENIED`.
fn count<'a>(events: impl Iterator<Item = &'a Event>) -> [i64; 7] {
    let mut counts = [0; 7];
    for Event { from, to, .. } in events.filter(|event| event.from != event.to) {
        counts[0] += i64::from(*to == Some(Granted));
        counts[1] += i64::from(*to == Some(Denied));
        counts[2] += i64::from(*to == Some(NotSet) && from.is_some());
        counts[3] += i64::from((*from, *to) == (Some(Granted), Some(Denied)));
        for (i, state) in [NotSet, Granted, Denied].into_iter().enumerate() {
            counts[4 + i] += i64::from(*to == Some(state)) - i64::from(*from == Some(state));
        }
    }
    counts
}

fn all_events(histories: &Histories, channel: Channel, now: Timestamp) -> Vec<Event> {
    let of = |contact| histories.events(contact, channel, now);
    histories.contacts().into_iter().flat_map(of).collect()
}

fn number(count: usize) -> i64 {
    i64::try_from(count).unwrap()
}

#[expect(clippy::unnecessary_wraps, reason = "as a message has it")]
fn time(at: Timestamp) -> Option<prost_types::Timestamp> {
    Some(wire::timestamp(at))
}

fn read(at: Option<&prost_types::Timestamp>) -> Timestamp {
    let at = at.unwrap();
    Timestamp::new(at.seconds, at.nanos).unwrap()
}

/// The first instant after a bucket.
fn end_of(bucket: &pb::TrendBucket, granularity: pb::Granularity, zone: &str) -> Timestamp {
    let date: jiff::civil::Date = bucket.start_date.parse().unwrap();
    let next = match granularity {
        pb::Granularity::Day => date + 1.day(),
        pb::Granularity::Week => date + 1.week(),
        _ => date + 1.month(),
    };
    next.in_tz(zone).unwrap().timestamp()
}

async fn trends(world: &World, histories: &Histories, dice: &mut Dice, zone: &str) {
    let now = world.now();
    let back = |dice: &mut Dice| now - SignedDuration::from_mins(dice.roll(730 * 24 * 60));
    for granularity in [pb::Granularity::Day, pb::Granularity::Week, pb::Granularity::Month] {
        let (a, b) = (back(dice), back(dice));
        let request = pb::GetConsentTrendRequest {
            parent: world.parent(),
            granularity: granularity.into(),
            start_time: time(a.min(b)),
            end_time: time(a.max(b)),
        };
        let trend = world.reports().get_consent_trend(request).await.unwrap().into_inner();
        for (i, channel) in CHANNELS.into_iter().enumerate() {
            let events = all_events(histories, channel, now);
            for bucket in &trend.buckets {
                let start = read(bucket.start_time.as_ref());
                let end = end_of(bucket, granularity, zone);
                let inside = |event: &&Event| start <= event.at && event.at < end;
                let expected = count(events.iter().filter(inside));
                let it = &bucket.channels[i];
                let found = [
                    it.grants,
                    it.refusals,
                    it.resets,
                    it.opt_outs,
                    it.net_not_set,
                    it.net_granted,
                    it.net_denied,
                ];
                let of = (granularity, &bucket.start_date, channel);
                assert_eq!(found, expected, "{of:?}");
                let granted = count(events.iter().filter(|event| event.at < start))[5];
                assert_eq!(it.start_granted, granted, "{of:?}");
                let could = granted + it.grants;
                #[expect(clippy::cast_precision_loss, reason = "a few")]
                let rate = if could > 0 { it.opt_outs as f64 / could as f64 } else { 0.0 };
                assert!((it.opt_out_rate - rate).abs() < 1e-12, "{of:?}");
            }
        }
    }
}

async fn ask_breakdown(
    world: &World,
    dimension: pb::BreakdownDimension,
    (start, end): (Timestamp, Timestamp),
    page_size: i32,
) -> Vec<pb::BreakdownValue> {
    let mut values = Vec::new();
    let mut request = pb::GetConsentBreakdownRequest {
        parent: world.parent(),
        dimension: dimension.into(),
        start_time: time(start),
        end_time: time(end),
        page_size,
        page_token: String::new(),
    };
    loop {
        let page = world.reports().get_consent_breakdown(request.clone()).await.unwrap();
        let page = page.into_inner();
        assert!(page.values.len() <= usize::try_from(page_size).unwrap());
        values.extend(page.values);
        request.page_token = page.next_page_token;
        if request.page_token.is_empty() {
            return values;
        }
    }
}

async fn breakdowns(world: &World, histories: &Histories, dice: &mut Dice) {
    let now = world.now();
    let quarter = |dice: &mut Dice| {
        let at = (now - SignedDuration::from_mins(dice.roll(700 * 24 * 60))).as_second();
        Timestamp::from_second(at - at.rem_euclid(900)).unwrap()
    };
    for dimension in [Surface, Actor, Method] {
        let (a, b) = (quarter(dice), quarter(dice));
        let (start, end) = (a.min(b), a.max(b));
        let mut expected: BTreeMap<String, ByChannel<[i64; 4]>> = BTreeMap::new();
        let mut could = ByChannel::from_fn(|_| 0);
        for channel in CHANNELS {
            let events = all_events(histories, channel, now);
            let inside = |event: &&Event| start <= event.at && event.at < end;
            *could.get_mut(channel) = count(events.iter().filter(|event| event.at < start))[5]
                + count(events.iter().filter(inside))[0];
            for event in events.iter().filter(inside) {
                let Some(by) = &event.by else { continue };
                let value = match dimension {
                    Surface => by.surface.to_wire().to_string(),
                    Actor => wire::actor_name(world.business, &by.actor),
                    _ => by.method.map_or(0, EvidenceMethod::to_wire).to_string(),
                };
                let sum = expected.entry(value).or_default().get_mut(channel);
                let counts = count(std::iter::once(event));
                sum.iter_mut().zip(counts).for_each(|(sum, n)| *sum += n);
            }
        }
        expected.retain(|_, of| of.iter().any(|(_, it)| it[..3] != [0, 0, 0]));
        let mut found = BTreeMap::new();
        let mut last = i64::MAX;
        for it in ask_breakdown(world, dimension, (start, end), 2).await {
            let value = match it.value.unwrap() {
                Value::Surface(code) | Value::EvidenceMethod(code) => code.to_string(),
                Value::Actor(name) => name,
            };
            let counts = |i: usize| {
                let it: &pb::ChannelBreakdown = &it.channels[i];
                [it.grants, it.refusals, it.resets, it.opt_outs]
            };
            for (i, channel) in CHANNELS.into_iter().enumerate() {
                let of = *could.get(channel);
                #[expect(clippy::cast_precision_loss, reason = "a few")]
                let rate = if of > 0 { counts(i)[3] as f64 / of as f64 } else { 0.0 };
                assert!((it.channels[i].opt_out_rate - rate).abs() < 1e-12);
            }
            let (phone, email) = (counts(0), counts(1));
            let answers = phone[0] + phone[1] + email[0] + email[1];
            assert!(answers <= last, "those with the most first");
            last = answers;
            assert!(found.insert(value, ByChannel { phone, email }).is_none(), "each once");
        }
        assert_eq!(found, expected, "{dimension:?}");
    }
}

/// Contact and channel to state, by pages of three.
async fn listed(world: &World, ask: pb::ListConsentsRequest) -> HashMap<(String, i32), i32> {
    let mut ask = pb::ListConsentsRequest { parent: world.parent(), page_size: 3, ..ask };
    let mut found = HashMap::new();
    let mut ledger = world.ledger(world.members.officer);
    loop {
        let page = ledger.list_consents(ask.clone()).await.unwrap().into_inner();
        for it in page.consents {
            assert!(found.insert((it.contact, it.channel), it.state).is_none(), "each once");
        }
        ask.page_token = page.next_page_token;
        if ask.page_token.is_empty() {
            return found;
        }
    }
}

async fn pasts(world: &World, histories: &Histories, dice: &mut Dice) {
    let name = |contact: &ContactId| CONTACTS.format(world.business, *contact);
    for i in 0..9 {
        // Anywhere; and at the very moment of a change, or just before it.
        let at = match i % 3 {
            0 => world.now() - SignedDuration::from_mins(dice.roll(760 * 24 * 60)),
            n => {
                let exact = dice.pick(&histories.changes).recorded_at;
                exact - SignedDuration::from_micros(n - 1)
            }
        };
        let states = CHANNELS.map(|channel| (channel, histories.states(channel, at)));
        let expected: HashMap<_, _> = states
            .iter()
            .flat_map(|(channel, states)| {
                let row = |(contact, state): (&ContactId, &ConsentState)| {
                    ((name(contact), channel.to_wire()), state.to_wire())
                };
                states.iter().map(row).collect::<Vec<_>>()
            })
            .collect();
        let ask = || pb::ListConsentsRequest { as_of_time: time(at), ..Default::default() };
        assert_eq!(listed(world, ask()).await, expected, "as of {at}");
        for state in ConsentState::ALL {
            let some = pb::ListConsentsRequest { state: state.to_wire(), channel: 2, ..ask() };
            let mut expected = expected.clone();
            expected.retain(|(_, channel), is| *channel == 2 && *is == state.to_wire());
            assert_eq!(listed(world, some).await, expected, "{state:?} as of {at}");
        }

        let request = pb::GetConsentSummaryRequest { parent: world.parent(), as_of_time: time(at) };
        let summary = world.reports().get_consent_summary(request).await.unwrap().into_inner();
        for (i, (_, states)) in states.iter().enumerate() {
            let of = |state| number(states.values().filter(|is| **is == state).count());
            let it = &summary.channels[i];
            let found = (it.not_set, it.granted, it.denied);
            let expected = (of(NotSet), of(Granted), of(Denied));
            assert_eq!(found, expected, "as of {at}");
        }
        assert_eq!(summary.contacts, number(states[0].1.len()));
        let contacts = histories.contacts();
        let held: usize = contacts.iter().map(|of| histories.up_to(*of, at).len()).sum();
        assert_eq!(summary.changes, number(held));

        let contact = dice.pick(&contacts);
        let request = pb::GetContactHistoryRequest {
            contact: name(&contact),
            page_size: 1_000,
            as_of_time: time(at),
            ..Default::default()
        };
        let mut ledger = world.ledger(world.members.officer);
        let history = ledger.get_contact_history(request).await.unwrap().into_inner();
        let mut seqs: Vec<_> = history.entries.iter().map(|entry| entry.seq).collect();
        seqs.reverse();
        assert_eq!(seqs, histories.up_to(contact, at), "as of {at}");
        let stood: HashMap<_, _> = history
            .consents
            .iter()
            .map(|it| ((it.contact.clone(), it.channel), it.state))
            .collect();
        let mut expected = expected;
        expected.retain(|(of, _), _| *of == name(&contact));
        assert_eq!(stood, expected, "as of {at}");
    }
}

async fn everything(db: TestDb, zone: &str, seed: u64) {
    let (world, histories, mut dice) = thrown(db, zone, seed, 250).await;
    trends(&world, &histories, &mut dice, zone).await;
    breakdowns(&world, &histories, &mut dice).await;
    pasts(&world, &histories, &mut dice).await;
}

async fn any_history_of_bangkok_is_reported_as_it_was(db: TestDb) {
    everything(db, "Asia/Bangkok", 1).await;
}

async fn any_history_of_kathmandu_is_reported_as_it_was(db: TestDb) {
    everything(db, "Asia/Kathmandu", 2).await;
}

async fn any_history_of_new_york_is_reported_as_it_was(db: TestDb) {
    everything(db, "America/New_York", 3).await;
}

async fn any_history_of_lord_howe_is_reported_as_it_was(db: TestDb) {
    everything(db, "Australia/Lord_Howe", 4).await;
}

async fn what_is_to_come_is_told_by_nobody(db: TestDb) {
    let world = World::new(db).await;
    let mut contact = Contact::new(world.business);
    world.take(vec![contact.created(world.now(), Granted, NotSet)]).await;
    let later = time(world.now() + SignedDuration::from_micros(1));
    let mut ledger = world.ledger(world.members.owner);
    let refused = [
        ledger
            .list_consents(pb::ListConsentsRequest {
                parent: world.parent(),
                as_of_time: later,
                ..Default::default()
            })
            .await
            .map(drop),
        ledger
            .get_contact_history(pb::GetContactHistoryRequest {
                contact: contact.name(),
                as_of_time: later,
                ..Default::default()
            })
            .await
            .map(drop),
        world
            .reports()
            .get_consent_summary(pb::GetConsentSummaryRequest {
                parent: world.parent(),
                as_of_time: later,
            })
            .await
            .map(drop),
    ];
    for answer in refused {
        let status = answer.unwrap_err();
        assert_eq!(refusal(&status), (Code::InvalidArgument, "INVALID_INPUT".to_owned()));
        let wrong = status.get_details_bad_request().unwrap().field_violations;
        assert_eq!(wrong.iter().map(|it| &it.field[..]).collect::<Vec<_>>(), ["as_of_time"]);
    }
}

async fn before_a_contact_was_made_it_is_known_and_not_there(db: TestDb) {
    let world = World::new(db).await;
    let mut contact = Contact::new(world.business);
    world.take(vec![contact.created(world.now(), Granted, NotSet)]).await;
    let ask = |contact: &Contact| pb::GetContactHistoryRequest {
        contact: contact.name(),
        as_of_time: time(world.now() - SignedDuration::from_micros(1)),
        ..Default::default()
    };
    let mut ledger = world.ledger(world.members.owner);
    let known = ledger.get_contact_history(ask(&contact)).await.unwrap().into_inner();
    assert!(known.consents.is_empty() && known.entries.is_empty());
    let stranger = Contact::new(world.business);
    let unknown = ledger.get_contact_history(ask(&stranger)).await.unwrap_err();
    assert_eq!(unknown.code(), Code::NotFound);
}

async fn an_expiry_is_in_no_breakdown(db: TestDb) {
    let world = World::new(db).await;
    let start = world.now();
    let mut contact = Contact::new(world.business);
    let expiry = start + SignedDuration::from_hours(1);
    world
        .take(vec![contact.created(start, NotSet, NotSet), contact.phone_until(start, expiry)])
        .await;
    world.clock.advance(std::time::Duration::from_hours(3));
    world.take(vec![contact.phone_expired(world.now(), expiry)]).await;
    for dimension in [Surface, Actor] {
        let span = (start, world.now() + SignedDuration::from_hours(1));
        let values = ask_breakdown(&world, dimension, span, 10).await;
        let resets: i64 = values.iter().map(|value| value.channels[0].resets).sum();
        let grants: i64 = values.iter().map(|value| value.channels[0].grants).sum();
        assert_eq!((values.len(), grants, resets), (1, 1, 0));
    }
}

async fn a_breakdown_without_ends_is_of_thirty_days_with_this_quarter(db: TestDb) {
    let world = World::new(db).await;
    let mut contact = Contact::new(world.business);
    world.clock.advance(std::time::Duration::from_mins(7));
    world.take(vec![contact.created(world.now(), Granted, NotSet)]).await;
    let ask = |dimension, start_time| pb::GetConsentBreakdownRequest {
        parent: world.parent(),
        dimension,
        start_time,
        ..Default::default()
    };
    let mut reports = world.reports();
    let found = reports.get_consent_breakdown(ask(1, None)).await.unwrap().into_inner();
    let start: Timestamp = START.parse().unwrap();
    let end = start + SignedDuration::from_mins(15);
    assert_eq!(read(found.end_time.as_ref()), end);
    let days = SignedDuration::from_hours(30 * 24);
    assert_eq!(read(found.start_time.as_ref()), end - days);
    assert_eq!(found.values.len(), 1);
    let none = reports.get_consent_breakdown(ask(0, None)).await.unwrap_err();
    assert_eq!(refusal(&none), (Code::InvalidArgument, "INVALID_INPUT".to_owned()));
    let late = time(world.now() + SignedDuration::from_hours(1));
    let after = reports.get_consent_breakdown(ask(1, late)).await.unwrap_err();
    assert_eq!(refusal(&after), (Code::InvalidArgument, "INVALID_INPUT".to_owned()));
}

both_databases!(MIGRATIONS =>
    any_history_of_bangkok_is_reported_as_it_was,
    any_history_of_kathmandu_is_reported_as_it_was,
    any_history_of_new_york_is_reported_as_it_was,
    any_history_of_lord_howe_is_reported_as_it_was,
    what_is_to_come_is_told_by_nobody,
    before_a_contact_was_made_it_is_known_and_not_there,
    an_expiry_is_in_no_breakdown,
    a_breakdown_without_ends_is_of_thirty_days_with_this_quarter,
);
