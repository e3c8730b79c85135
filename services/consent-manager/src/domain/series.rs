//! The stretches of time that changes are counted by.

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

const QUARTER: i64 = 15 * 60 * 1_000_000;
const HOUR: i64 = 4 * QUARTER;
const DAY: i64 = 24 * HOUR;
/// Sixths of a month have so many days, and the last one what is left.
const FIVE: i64 = 5;

/// A series of counts: how long its units are, and whether they are told apart by a value. A unit is numbered from 1970,
/// UTC. Of one instant, one hour and so on there is a count of everything; from these every stretch of time of any zone
/// is put together ([`super::Cover`]).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Series {
    /// A microsecond.
    Instant = 0,
    /// A quarter of an hour, by surface, evidence method and actor together: for both ends of a breakdown. Every zone's
    /// offset is a multiple of it.
    Quarter = 1,
    Hour = 2,
    Day = 3,
    Month = 4,
    MonthBySurface = 5,
    MonthByActor = 6,
    MonthByMethod = 7,
    /// By surface, evidence method and actor together, as quarters of an hour are. The store makes them.
    HourByDoing = 8,
    DayByDoing = 9,
    SixHoursByDoing = 10,
    /// Five days of a month, the last one to its end.
    SixthByDoing = 11,
}

/// How long a unit is.
#[derive(Debug, Clone, Copy)]
enum Length {
    Micros(i64),
    Month,
    Sixth,
}

impl Series {
    /// Every one of them, by code.
    pub const ALL: [Self; 12] = [
        Self::Instant,
        Self::Quarter,
        Self::Hour,
        Self::Day,
        Self::Month,
        Self::MonthBySurface,
        Self::MonthByActor,
        Self::MonthByMethod,
        Self::HourByDoing,
        Self::DayByDoing,
        Self::SixHoursByDoing,
        Self::SixthByDoing,
    ];

    /// Those that are made of [`Series::Quarter`] before they are stored.
    pub const COARSER: [Self; 6] = [
        Self::Hour,
        Self::Day,
        Self::Month,
        Self::MonthBySurface,
        Self::MonthByActor,
        Self::MonthByMethod,
    ];

    /// Those that the store makes itself, of [`Series::Quarter`].
    pub const DERIVED: [Self; 4] =
        [Self::HourByDoing, Self::DayByDoing, Self::SixHoursByDoing, Self::SixthByDoing];

    /// Those that any stretch of time is put together from, the longest first.
    pub const TIME: [Self; 5] = [Self::Month, Self::Day, Self::Hour, Self::Quarter, Self::Instant];

    /// Whether it is told apart by surface, evidence method and actor together.
    pub const fn is_by_doing(self) -> bool {
        matches!(
            self,
            Self::Quarter
                | Self::HourByDoing
                | Self::DayByDoing
                | Self::SixHoursByDoing
                | Self::SixthByDoing
        )
    }

    /// Whether it holds answers alone, by whose doing they were.
    pub(super) const fn is_by_value(self) -> bool {
        match self {
            Self::MonthBySurface
            | Self::MonthByActor
            | Self::MonthByMethod
            | Self::HourByDoing
            | Self::DayByDoing
            | Self::SixHoursByDoing
            | Self::SixthByDoing => true,
            Self::Instant | Self::Quarter | Self::Hour | Self::Day | Self::Month => false,
        }
    }

    /// What is told apart of whose doing it was: surface, method and actor, as in a value of [`Series::Quarter`].
    pub(super) fn value(self, doing: &str) -> &str {
        let part = match self {
            Self::Quarter
            | Self::HourByDoing
            | Self::DayByDoing
            | Self::SixHoursByDoing
            | Self::SixthByDoing => Some(doing),
            Self::MonthBySurface => doing.get(..1),
            Self::MonthByMethod => doing.get(1..2),
            Self::MonthByActor => doing.get(2..),
            Self::Instant | Self::Hour | Self::Day | Self::Month => None,
        };
        part.unwrap_or_default()
    }

    /// The number that the store keeps.
    pub const fn code(self) -> i32 {
        self as i32
    }

    /// The unit that an instant is in, in microseconds since 1970.
    pub fn unit(self, at: i64) -> i64 {
        match self.length() {
            Length::Micros(length) => at.div_euclid(length),
            Length::Month => month(date(at)),
            Length::Sixth => sixth(date(at)),
        }
    }

    /// Where a unit starts, in microseconds since 1970. `None` if that is beyond the calendar.
    pub fn start(self, unit: i64) -> Option<i64> {
        match self.length() {
            Length::Micros(length) => unit.checked_mul(length),
            Length::Month => day_of_month(unit, 1),
            Length::Sixth => day_of_month(unit.div_euclid(6), unit.rem_euclid(6) * FIVE + 1),
        }
    }

    /// The unit whose start is nearest to `at`, and that start.
    pub(super) fn nearest(self, at: i64) -> (i64, i64) {
        let unit = self.unit(at);
        let start = self.start(unit).unwrap_or(at);
        match self.start(unit + 1) {
            Some(next) if next - at < at - start => (unit + 1, next),
            _ => (unit, start),
        }
    }

    const fn length(self) -> Length {
        match self {
            Self::Instant => Length::Micros(1),
            Self::Quarter => Length::Micros(QUARTER),
            Self::Hour | Self::HourByDoing => Length::Micros(HOUR),
            Self::SixHoursByDoing => Length::Micros(6 * HOUR),
            Self::Day | Self::DayByDoing => Length::Micros(DAY),
            Self::SixthByDoing => Length::Sixth,
            Self::Month | Self::MonthBySurface | Self::MonthByActor | Self::MonthByMethod => {
                Length::Month
            }
        }
    }
}

fn date(at: i64) -> Date {
    TimeZone::UTC.to_datetime(yinyom_kernel::from_micros(at)).date()
}

fn month(date: Date) -> i64 {
    (i64::from(date.year()) - 1970) * 12 + i64::from(date.month()) - 1
}

fn sixth(date: Date) -> i64 {
    month(date) * 6 + ((i64::from(date.day()) - 1) / FIVE).min(5)
}

fn day_of_month(month: i64, day: i64) -> Option<i64> {
    let year = i16::try_from(1970 + month.div_euclid(12)).ok()?;
    let of_year = i8::try_from(month.rem_euclid(12) + 1).ok()?;
    let first = Date::new(year, of_year, i8::try_from(day).ok()?).ok()?;
    let start: Option<Timestamp> = TimeZone::UTC.to_timestamp(first.at(0, 0, 0, 0)).ok();
    start.map(Timestamp::as_microsecond)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use yinyom_consent::{EvidenceMethod, Surface};

    use super::*;

    #[test]
    fn a_month_is_a_month_of_the_calendar() {
        let at = |text: &str| text.parse::<Timestamp>().map_or(0, Timestamp::as_microsecond);
        assert_eq!(Series::Month.unit(at("1970-01-01T00:00:00Z")), 0);
        assert_eq!(Series::Month.unit(at("1969-12-31T23:59:59Z")), -1);
        assert_eq!(Series::Month.unit(at("2024-02-29T23:59:59Z")), 54 * 12 + 1);
        assert_eq!(Series::Month.start(54 * 12 + 2), Some(at("2024-03-01T00:00:00Z")));
        let edge = Timestamp::MAX.as_microsecond();
        assert!(Series::Month.start(Series::Month.unit(edge) + 1).is_none());
        assert!(Series::Month.nearest(edge).1 <= edge);
    }

    #[test]
    fn a_sixth_of_a_month_has_five_days_and_the_last_one_the_rest() {
        let at = |text: &str| text.parse::<Timestamp>().map_or(0, Timestamp::as_microsecond);
        let march = (54 * 12 + 2) * 6;
        for (moment, sixth) in [
            ("2024-02-29T23:59:59Z", march - 1),
            ("2024-03-01T00:00:00Z", march),
            ("2024-03-05T23:59:59Z", march),
            ("2024-03-06T00:00:00Z", march + 1),
            ("2024-03-26T00:00:00Z", march + 5),
            ("2024-03-31T23:59:59Z", march + 5),
            ("2024-04-01T00:00:00Z", march + 6),
            ("1969-12-31T23:59:59Z", -1),
        ] {
            assert_eq!(Series::SixthByDoing.unit(at(moment)), sixth, "{moment}");
        }
        assert_eq!(Series::SixthByDoing.start(march + 5), Some(at("2024-03-26T00:00:00Z")));
    }

    #[test]
    fn each_series_is_counted_once() {
        let mut all = vec![Series::Instant, Series::Quarter];
        all.extend(Series::COARSER.into_iter().chain(Series::DERIVED));
        all.sort_unstable();
        assert_eq!(all, Series::ALL);
    }

    /// SQL cuts values by these places, too.
    #[test]
    fn surfaces_and_methods_are_digits() {
        let is_digit = |code: i16| (0..=9).contains(&code);
        assert!(Surface::ALL.iter().all(|of| is_digit(of.code())));
        assert!(EvidenceMethod::ALL.iter().all(|of| is_digit(of.code())));
        assert_eq!(Series::MonthBySurface.value("42mabc"), "4");
        assert_eq!(Series::MonthByMethod.value("42mabc"), "2");
        assert_eq!(Series::MonthByActor.value("42mabc"), "mabc");
    }

    proptest! {
        #[test]
        fn an_instant_is_in_its_unit_and_no_start_is_nearer(at in -60_000_000_000_000_000_i64..250_000_000_000_000_000) {
            for series in Series::ALL {
                let unit = series.unit(at);
                let (start, next) = (series.start(unit), series.start(unit + 1));
                prop_assert!(start.is_some_and(|start| start <= at));
                prop_assert!(next.is_none_or(|next| at < next));
                let (nearest, begins) = series.nearest(at);
                prop_assert_eq!(series.start(nearest), Some(begins));
                for other in [start, next].into_iter().flatten() {
                    prop_assert!((begins - at).abs() <= (other - at).abs());
                }
            }
        }
    }
}
