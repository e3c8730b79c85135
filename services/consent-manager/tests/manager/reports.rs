//! Counts, with a clock that moves.

use std::time::Duration;

use consent_manager::MIGRATIONS;
use jiff::{SignedDuration, Timestamp};
use tonic::Code;
use yinyom_consent::{Cause, wire};
use yinyom_proto::manager::v1 as pb;
use yinyom_testkit::{TestDb, both_databases};

use crate::support::*;

fn days(n: i64) -> SignedDuration {
    SignedDuration::from_hours(24 * n)
}

async fn trend(
    world: &World,
    granularity: pb::Granularity,
    start: Option<Timestamp>,
    end: Option<Timestamp>,
) -> pb::GetConsentTrendResponse {
    let request = pb::GetConsentTrendRequest {
        parent: world.parent(),
        granularity: granularity.into(),
        start_time: start.map(wire::timestamp),
        end_time: end.map(wire::timestamp),
    };
    world.reports().get_consent_trend(request).await.unwrap().into_inner()
}

/// The buckets in which something happened to the phone: first day, grants, refusals, resets, net granted.
fn phone(trend: &pb::GetConsentTrendResponse) -> Vec<(&str, i64, i64, i64, i64)> {
    trend
        .buckets
        .iter()
        .map(|bucket| (bucket.start_date.as_str(), &bucket.channels[0]))
        .map(|(date, it)| (date, it.grants, it.refusals, it.resets, it.net_granted))
        .filter(|(_, grants, refusals, resets, net)| {
            (*grants, *refusals, *resets, *net) != (0, 0, 0, 0)
        })
        .collect()
}

async fn an_empty_ledger_has_reports(db: TestDb) {
    let world = World::new(db).await;
    assert_eq!(world.summary().await.phone, (0, 0, 0));
    let trend = trend(&world, pb::Granularity::Day, None, None).await;
    assert_eq!((trend.buckets.len(), trend.time_zone.as_str()), (31, "Asia/Bangkok"));
    assert_eq!(trend.buckets[30].start_date, "2026-03-01");
    assert_eq!(trend.buckets[30].start_time, Some(wire::timestamp(world.now())));
    assert!(phone(&trend).is_empty());
}

async fn a_grant_counts_until_the_instant_that_it_runs_out(db: TestDb) {
    let world = World::new(db).await;
    let start = world.now();
    let expiry = start + days(3);
    let mut contact = Contact::new(world.business);
    let mut other = Contact::new(world.business);
    world
        .take(vec![
            contact.created(start, NotSet, NotSet),
            contact.phone_until(start, expiry),
            other.created(start, Granted, Denied),
        ])
        .await;
    assert_eq!(world.summary().await.phone, (0, 2, 0));
    world.clock.advance(Duration::from_hours(72));
    assert_eq!(world.summary().await.phone, (1, 1, 0), "nobody has recorded the expiry");
    let end = Some(start + days(10));
    let due = trend(&world, pb::Granularity::Day, Some(start), end).await;
    let expected = [("2026-03-01", 2, 0, 0, 2), ("2026-03-04", 0, 0, 1, -1)];
    assert_eq!(phone(&due), expected);

    // The job was away for days. What it records then changes no number.
    world.clock.advance(Duration::from_hours(100));
    world.take(vec![contact.phone_expired(world.now(), expiry)]).await;
    assert_eq!(world.summary().await.phone, (1, 1, 0));
    let recorded = trend(&world, pb::Granularity::Day, Some(start), end).await;
    assert_eq!(phone(&recorded), expected);
}

async fn an_expiry_to_come_is_in_no_trend(db: TestDb) {
    let world = World::new(db).await;
    let start = world.now();
    let mut contact = Contact::new(world.business);
    let batch =
        vec![contact.created(start, NotSet, NotSet), contact.phone_until(start, start + days(3))];
    world.take(batch).await;
    let trend = trend(&world, pb::Granularity::Day, Some(start), Some(start + days(10))).await;
    assert_eq!(phone(&trend), [("2026-03-01", 1, 0, 0, 1)]);
}

async fn the_same_state_again_and_what_is_gone_are_counted_as_the_words_say(db: TestDb) {
    let world = World::new(db).await;
    let start = world.now();
    let mut contact = Contact::new(world.business);
    world
        .take(vec![
            contact.created(start, NotSet, NotSet),
            contact.phone(start, Granted),
            contact.phone(start + days(1), Granted),
            contact.phone(start + days(2), Denied),
            contact.phone(start + days(2), Denied),
            contact.phone(start + days(3), NotSet),
            contact.phone(start + days(4), Granted),
            contact.gone(start + days(5), Cause::Deleted),
        ])
        .await;
    let trend = trend(&world, pb::Granularity::Day, Some(start), Some(start + days(9))).await;
    assert_eq!(
        phone(&trend),
        [
            ("2026-03-01", 1, 0, 0, 1),
            ("2026-03-03", 0, 1, 0, -1),
            ("2026-03-04", 0, 0, 1, 0),
            ("2026-03-05", 1, 0, 0, 1),
            ("2026-03-06", 0, 0, 0, -1),
        ]
    );
    let request = pb::GetConsentSummaryRequest { parent: world.parent(), as_of_time: None };
    let summary = world.reports().get_consent_summary(request).await.unwrap().into_inner();
    assert_eq!((summary.contacts, summary.changes), (0, 8));
    assert!(summary.channels[0].coverage.abs() < f64::EPSILON);
}

/// A year of changes, at odd moments around the changes of the clock.
async fn a_year(world: &World) -> i64 {
    let mut contacts: Vec<_> = (0..5).map(|_| Contact::new(world.business)).collect();
    let start: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
    let mut batch = Vec::new();
    let mut at = start;
    let mut state = 1_u64;
    let mut grants = 0;
    for contact in &mut contacts {
        batch.push(contact.created(at, NotSet, NotSet));
    }
    for i in 0..900 {
        // A fixed, unremarkable sequence (Knuth's MMIX).
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        let minutes = i64::try_from((state >> 33) % 1_100).unwrap();
        at += SignedDuration::from_mins(minutes);
        let contact = &mut contacts[i % 5];
        // Each contact goes around, so that each step is a transition.
        let to = [Granted, Denied, NotSet][i / 5 % 3];
        grants += i64::from(to == Granted);
        batch.push(contact.phone(at, to));
    }
    world.take(batch).await;
    grants
}

async fn buckets_of_bangkok_add_up_to_the_changes(db: TestDb) {
    add_up(World::new(db).await).await;
}

async fn buckets_of_kathmandu_add_up_to_the_changes(db: TestDb) {
    add_up(World::in_zone(db, "Asia/Kathmandu").await).await;
}

async fn buckets_of_new_york_add_up_to_the_changes(db: TestDb) {
    add_up(World::in_zone(db, "America/New_York").await).await;
}

async fn add_up(world: World) {
    let grants = a_year(&world).await;
    world.clock.advance(Duration::from_hours(24 * 300));
    let start = "2025-12-31T00:00:00Z".parse().ok();
    let end = "2027-01-31T00:00:00Z".parse().ok();
    for granularity in [pb::Granularity::Day, pb::Granularity::Week, pb::Granularity::Month] {
        let trend = trend(&world, granularity, start, end).await;
        let sum = |of: fn(&pb::ChannelTrend) -> i64| {
            trend.buckets.iter().map(|bucket| of(&bucket.channels[0])).sum::<i64>()
        };
        assert_eq!(sum(|it| it.grants), grants, "{granularity:?}");
        assert_eq!(sum(|it| it.refusals), 300);
        assert_eq!(sum(|it| it.resets), 300);
        assert_eq!(sum(|it| it.net_granted), 0);
    }
}

async fn a_change_is_in_the_day_that_it_was_where_the_business_is(db: TestDb) {
    let world = World::in_zone(db, "America/New_York").await;
    let mut contact = Contact::new(world.business);
    // The night in which the clock was put forward: 01:59 and 03:00 of one day of 23 hours.
    let at = |text: &str| text.parse::<Timestamp>().unwrap();
    world
        .take(vec![
            contact.created(at("2026-03-08T04:45:00Z"), Granted, NotSet),
            contact.phone(at("2026-03-08T05:00:00Z"), Denied),
            contact.phone(at("2026-03-09T03:59:59Z"), NotSet),
            contact.phone(at("2026-03-09T04:00:00Z"), Granted),
        ])
        .await;
    let trend = trend(
        &world,
        pb::Granularity::Day,
        Some(at("2026-03-07T12:00:00Z")),
        Some(at("2026-03-10T12:00:00Z")),
    )
    .await;
    assert_eq!(
        phone(&trend),
        [("2026-03-07", 1, 0, 0, 1), ("2026-03-08", 0, 1, 1, -1), ("2026-03-09", 1, 0, 0, 1),]
    );
}

async fn a_trend_that_cannot_be_cut_is_refused(db: TestDb) {
    let world = World::new(db).await;
    let ask = |granularity: i32, start: &str, end: &str| {
        let time = |text: &str| text.parse().ok().map(wire::timestamp);
        let request = pb::GetConsentTrendRequest {
            parent: world.parent(),
            granularity,
            start_time: time(start),
            end_time: time(end),
        };
        let mut reports = world.reports();
        async move { refusal(&reports.get_consent_trend(request).await.unwrap_err()) }
    };
    let invalid = |reason: &str| (Code::InvalidArgument, reason.to_owned());
    let (old, new) = ("1990-01-01T00:00:00Z", "2026-01-01T00:00:00Z");
    assert_eq!(ask(1, old, new).await, invalid("TOO_MANY_BUCKETS"));
    assert_eq!(ask(3, new, old).await, invalid("INVALID_INPUT"));
    assert_eq!(ask(0, "", "").await, invalid("INVALID_INPUT"));
    assert_eq!(ask(4, "", "").await, invalid("INVALID_INPUT"));
    // The end is before the world's own moment's start.
    assert_eq!(ask(1, "2026-03-02T00:00:00Z", "").await, invalid("INVALID_INPUT"));
}

both_databases!(MIGRATIONS =>
    an_empty_ledger_has_reports,
    a_grant_counts_until_the_instant_that_it_runs_out,
    an_expiry_to_come_is_in_no_trend,
    the_same_state_again_and_what_is_gone_are_counted_as_the_words_say,
    buckets_of_bangkok_add_up_to_the_changes,
    buckets_of_kathmandu_add_up_to_the_changes,
    buckets_of_new_york_add_up_to_the_changes,
    a_change_is_in_the_day_that_it_was_where_the_business_is,
    a_trend_that_cannot_be_cut_is_refused,
);
