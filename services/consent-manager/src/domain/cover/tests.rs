#![allow(clippy::unwrap_used)]

use proptest::prelude::*;

use super::*;
use crate::domain::Dimension;

const ALL: [Series; 5] =
    [Series::Month, Series::Day, Series::Hour, Series::Quarter, Series::Instant];

/// What is counted in each piece, of events at these instants.
fn count(cover: &Cover, events: &[i64]) -> Vec<Counts> {
    let of = |piece: &Piece| {
        let inside = |at: &&i64| (piece.since..piece.beyond).contains(&piece.series.unit(**at));
        let grants = i64::try_from(events.iter().filter(inside).count()).unwrap();
        Counts { grants, ..Counts::default() }
    };
    cover.pieces.iter().map(of).collect()
}

fn between(events: &[i64], since: i64, before: i64) -> i64 {
    let inside = events.iter().filter(|at| (since..before).contains(*at)).count();
    i64::try_from(inside).unwrap()
}

proptest! {
    #[test]
    fn a_cover_holds_what_is_between_its_moments(
        mut moments in proptest::collection::vec(1_600_000_000_000_000_i64..1_700_000_000_000_000, 2..8),
        events in proptest::collection::vec(1_590_000_000_000_000_i64..1_710_000_000_000_000, 0..200),
        coarse in 0_usize..3,
        on_moments in any::<bool>(),
    ) {
        moments.sort_unstable();
        moments.dedup();
        // Events at the very moments, too.
        let mut events = events;
        if on_moments {
            events.extend(&moments);
            events.extend(moments.iter().map(|at| at - 1));
        }
        let cover = Cover::of(&moments, &ALL[coarse..], &ALL);
        let counted = count(&cover, &events);
        prop_assert_eq!(cover.before(&counted).grants, between(&events, i64::MIN, moments[0]));
        let found: Vec<_> = cover.between(&counted).iter().map(|sum| sum.grants).collect();
        let expected: Vec<_> =
            moments.windows(2).map(|pair| between(&events, pair[0], pair[1])).collect();
        prop_assert_eq!(found, expected);
        let whole: i64 = cover.whole().iter().map(|(piece, sign)| {
            let inside = |at: &&i64| (piece.since..piece.beyond).contains(&piece.series.unit(**at));
            sign * i64::try_from(events.iter().filter(inside).count()).unwrap()
        }).sum();
        prop_assert_eq!(whole, between(&events, moments[0], *moments.last().unwrap()));
    }

    /// From any quarter of an hour to any other.
    #[test]
    fn a_breakdown_holds_what_is_between_its_ends_of_few_units(
        mut ends in proptest::array::uniform2(1_770_000_i64..1_900_000),
        events in proptest::collection::vec(1_592_000_000_000_000_i64..1_711_000_000_000_000, 0..200),
    ) {
        ends.sort_unstable();
        let ends = ends.map(|quarter| Series::Quarter.start(quarter).unwrap());
        for dimension in [Dimension::Surface, Dimension::Actor, Dimension::Method] {
            let whole = Cover::of(&ends, &dimension.series(), &[]).whole();
            let mut found = 0;
            let mut units = 0;
            for (piece, sign) in whole {
                let inside = |at: &&i64| (piece.since..piece.beyond).contains(&piece.series.unit(**at));
                found += sign * i64::try_from(events.iter().filter(inside).count()).unwrap();
                if piece.series != dimension.series()[0] {
                    units += piece.beyond - piece.since;
                }
            }
            prop_assert_eq!(found, between(&events, ends[0], ends[1]));
            // Sixths, days, six hours, hours and quarters.
            prop_assert!(units <= 2 * (3 + 3 + 2 + 3 + 2), "{} units", units);
        }
    }

    #[test]
    fn a_cover_has_few_units_however_long_it_is(
        start in 1_600_000_000_i64..1_700_000_000,
        months in 1_i64..60,
        offset in prop_oneof![Just(-28_i64), Just(23), Just(22)],
    ) {
        // Months of a zone that is quarters of an hour off.
        let first = Series::Month.unit(start * 1_000_000);
        let moments: Vec<_> = (first..=first + months)
            .map(|month| Series::Month.start(month).unwrap() - offset * 900_000_000)
            .collect();
        let cover = Cover::of(&moments, &ALL, &[]);
        let units: i64 = cover.pieces.iter().map(|piece| piece.beyond - piece.since).sum();
        prop_assert!(units <= months + (months + 1) * (12 + 2), "{} units", units);
    }
}

#[test]
fn a_month_of_bangkok_is_a_month_and_seven_hours_at_each_end() {
    let at = |text: &str| text.parse::<jiff::Timestamp>().unwrap().as_microsecond();
    let moments = [at("2026-02-28T17:00:00Z"), at("2026-03-31T17:00:00Z")];
    let cover = Cover::of(&moments, &ALL, &[]);
    let lengths: Vec<_> =
        cover.pieces.iter().map(|piece| (piece.series, piece.beyond - piece.since)).collect();
    assert_eq!(lengths, [(Series::Hour, 7), (Series::Hour, 7), (Series::Month, 1)]);
}
