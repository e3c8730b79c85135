#![allow(clippy::unwrap_used)]

use proptest::prelude::*;

use super::*;
use crate::domain::tally::QUARTER_MICROS;

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn zone(name: &str) -> TimeZone {
    TimeZone::get(name).unwrap()
}

fn cut(name: &str, granularity: Granularity, start: &str, end: &str) -> Vec<Bucket> {
    let span = Span { granularity, start: Some(at(start)), end: Some(at(end)) };
    buckets(&zone(name), span, Timestamp::UNIX_EPOCH).unwrap()
}

#[test]
fn a_day_is_the_business_s_day() {
    let days =
        cut("Asia/Bangkok", Granularity::Day, "2026-03-01T16:59:59Z", "2026-03-01T17:00:00Z");
    let dates: Vec<_> = days.iter().map(|day| day.date.to_string()).collect();
    assert_eq!(dates, ["2026-03-01", "2026-03-02"]);
    assert_eq!(days[1].start, at("2026-03-01T17:00:00Z"));
}

#[test]
fn days_have_23_and_25_hours_where_clocks_are_changed() {
    let hours = |start: &str, end: &str| {
        let days = cut("America/New_York", Granularity::Day, start, end);
        assert_eq!(days.len(), 1);
        (days[0].end.as_second() - days[0].start.as_second()) / 3_600
    };
    assert_eq!(hours("2026-03-08T12:00:00Z", "2026-03-08T12:00:00Z"), 23);
    assert_eq!(hours("2026-11-01T12:00:00Z", "2026-11-01T12:00:00Z"), 25);
}

#[test]
fn a_day_without_midnight_starts_when_the_clock_was_put_forward() {
    // In Beirut the clock goes from 00:00 to 01:00.
    let days = cut("Asia/Beirut", Granularity::Day, "2026-03-28T12:00:00Z", "2026-03-29T12:00:00Z");
    assert_eq!(days[1].start, at("2026-03-28T22:00:00Z"));
    assert_eq!(days[0].end, days[1].start);
}

#[test]
fn a_day_that_never_was_has_no_bucket() {
    let days =
        cut("Pacific/Apia", Granularity::Day, "2011-12-29T20:00:00Z", "2011-12-31T20:00:00Z");
    let dates: Vec<_> = days.iter().map(|day| day.date.to_string()).collect();
    assert_eq!(dates, ["2011-12-29", "2011-12-31", "2012-01-01"]);
}

#[test]
fn a_week_starts_on_monday_and_a_month_on_its_first() {
    let sunday = "2026-03-01T10:00:00Z";
    let week = cut("Asia/Bangkok", Granularity::Week, sunday, sunday);
    assert_eq!(week[0].date.to_string(), "2026-02-23");
    let months = cut("Asia/Bangkok", Granularity::Month, "2025-12-31T17:00:00Z", sunday);
    let dates: Vec<_> = months.iter().map(|month| month.date.to_string()).collect();
    assert_eq!(dates, ["2026-01-01", "2026-02-01", "2026-03-01"]);
}

#[test]
fn without_ends_it_is_the_last_30_days_26_weeks_or_24_months() {
    let now = at("2026-03-01T10:00:00Z");
    for (granularity, count) in
        [(Granularity::Day, 31), (Granularity::Week, 27), (Granularity::Month, 25)]
    {
        let span = Span { granularity, start: None, end: None };
        let buckets = buckets(&zone("Asia/Bangkok"), span, now).unwrap();
        assert_eq!(buckets.len(), count, "{granularity:?}");
        assert!(buckets.last().is_some_and(|last| last.start <= now && now < last.end));
    }
}

#[test]
fn more_than_a_thousand_buckets_are_refused() {
    let span = |end: &str| Span {
        granularity: Granularity::Day,
        start: Some(at("2026-01-01T00:00:00Z")),
        end: Some(at(end)),
    };
    let count = |end: &str| buckets(&TimeZone::UTC, span(end), at(end)).map(|all| all.len());
    assert_eq!(count("2028-09-26T00:00:00Z"), Ok(1_000));
    assert_eq!(count("2028-09-27T00:00:00Z"), Err(TrendError::TooManyBuckets));
    assert_eq!(count("9999-12-30T00:00:00Z"), Err(TrendError::TooManyBuckets));
    assert!(matches!(count("2025-12-31T00:00:00Z"), Err(TrendError::EndBeforeStart(_))));
}

#[test]
fn the_end_of_the_calendar_is_no_panic() {
    for granularity in [Granularity::Day, Granularity::Week, Granularity::Month] {
        for edge in [Timestamp::MIN, Timestamp::MAX] {
            for start in [None, Some(edge)] {
                let span = Span { granularity, start, end: Some(edge) };
                let _ = buckets(&zone("Asia/Kathmandu"), span, edge);
            }
        }
    }
}

#[test]
fn who_could_opt_out_was_granted_at_the_start_or_came_to_it_since() {
    let counts = Counts { grants: 3, opt_outs: 2, granted: 1, ..Counts::default() };
    let start = at("2026-03-01T00:00:00Z");
    let bucket = |date: &str| Bucket { date: date.parse().unwrap(), start, end: start };
    let before = ByChannel { phone: Counts { granted: 5, ..counts }, email: Counts::default() };
    let within = ByChannel { phone: vec![counts, counts], email: vec![] };
    let days = [bucket("2026-03-01"), bucket("2026-03-02")];
    let trend = Trend::new(&days, "UTC".to_owned(), before, &within);
    let phone: Vec<_> = trend.buckets.iter().map(|(_, channels)| channels.phone).collect();
    assert_eq!(phone.iter().map(|it| it.start_granted).collect::<Vec<_>>(), [5, 6]);
    assert!((phone[0].opt_out_rate() - 0.25).abs() < f64::EPSILON);
    assert!(trend.buckets[0].1.email.opt_out_rate().abs() < f64::EPSILON, "nobody could");
}

proptest! {
    #[test]
    fn buckets_partition_time(
        start in 1_600_000_000_i64..1_900_000_000,
        days in 0_i64..700,
        granularity in prop_oneof![
            Just(Granularity::Day), Just(Granularity::Week), Just(Granularity::Month)
        ],
        name in prop_oneof![
            Just("Asia/Bangkok"), Just("Asia/Kathmandu"), Just("America/New_York"),
            Just("Australia/Lord_Howe"), Just("Pacific/Chatham"),
        ],
    ) {
        let start = Timestamp::from_second(start).unwrap();
        let end = Timestamp::from_second(start.as_second() + days * 86_400).unwrap();
        let span = Span { granularity, start: Some(start), end: Some(end) };
        let buckets = buckets(&zone(name), span, end).unwrap();
        prop_assert!(buckets[0].start <= start && start < buckets[0].end);
        let last = buckets.last().unwrap();
        prop_assert!(last.start <= end && end < last.end);
        for pair in buckets.windows(2) {
            prop_assert_eq!(pair[0].end, pair[1].start);
        }
        for bucket in &buckets {
            prop_assert!(bucket.start < bucket.end);
            // What quarters of an hour are put together to.
            prop_assert_eq!(bucket.start.as_microsecond() % QUARTER_MICROS, 0);
            prop_assert_eq!(day(&zone(name), bucket.start), bucket.date);
            prop_assert_eq!(granularity.first_day(bucket.date), bucket.date);
        }
    }
}
