//! What happened, by day, week or month of a time zone.

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};
use yinyom_consent::ByChannel;
use yinyom_kernel::{Code, Fault, InvalidInput, Text, Violation};

use super::{Counts, Series};

/// The most buckets that one trend has.
pub const MAX_BUCKETS: usize = 1_000;

/// How long a bucket is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Granularity {
    Day,
    /// From Monday.
    Week,
    Month,
}

/// Which stretch of time is asked for, both ends with the bucket that they are in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    pub granularity: Granularity,
    /// 30 days, 26 weeks or 24 months before `end` if unset.
    pub start: Option<Timestamp>,
    /// Now if unset.
    pub end: Option<Timestamp>,
}

/// A day, a week or a month.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bucket {
    /// The first day.
    pub date: Date,
    pub start: Timestamp,
    /// Where the next one starts.
    pub end: Timestamp,
}

/// What happened in a bucket and a channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ChannelTrend {
    pub counts: Counts,
    /// How many contacts were GRANTED at its start.
    pub start_granted: i64,
}

impl ChannelTrend {
    /// Share of those who could opt out that did, from 0 to 1.
    pub fn opt_out_rate(&self) -> f64 {
        share(self.counts.opt_outs, self.start_granted + self.counts.grants)
    }
}

/// `part` of `all`, from 0 to 1; 0 if there is nothing.
#[expect(clippy::cast_precision_loss, reason = "contacts of one business, far below 2^52")]
pub fn share(part: i64, all: i64) -> f64 {
    if all <= 0 { 0.0 } else { part as f64 / all as f64 }
}

/// What happened in each bucket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trend {
    pub buckets: Vec<(Bucket, ByChannel<ChannelTrend>)>,
    /// IANA name of the zone.
    pub time_zone: String,
}

impl Trend {
    /// From what happened before the first bucket, and what happened in each.
    pub fn new(
        buckets: &[Bucket],
        time_zone: String,
        before: ByChannel<Counts>,
        within: &ByChannel<Vec<Counts>>,
    ) -> Self {
        let mut granted = before.map(|_, counts| counts.granted);
        let buckets = buckets.iter().enumerate().map(|(i, bucket)| {
            let channels = ByChannel::from_fn(|channel| {
                let counts = within.get(channel).get(i).copied().unwrap_or_default();
                let granted = granted.get_mut(channel);
                let start_granted = std::mem::replace(granted, *granted + counts.granted);
                ChannelTrend { counts, start_granted }
            });
            (*bucket, channels)
        });
        Self { buckets: buckets.collect(), time_zone }
    }
}

/// The moments that the buckets are between, in microseconds since 1970.
pub fn edges(buckets: &[Bucket]) -> Vec<i64> {
    let ends = buckets.iter().map(|bucket| bucket.end);
    let all = buckets.first().map(|bucket| bucket.start).into_iter().chain(ends);
    all.map(Timestamp::as_microsecond).collect()
}

/// The span cannot be cut into buckets.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TrendError {
    #[error("more than {MAX_BUCKETS} buckets")]
    TooManyBuckets,
    #[error("the span ends before it starts")]
    EndBeforeStart(InvalidInput),
    #[error("the span leaves the calendar")]
    OutsideCalendar,
    /// Settings knows a zone that this release does not.
    #[error("unknown time zone")]
    UnknownTimeZone,
}

/// `end_time` is before `start_time`.
pub fn end_before_start() -> InvalidInput {
    InvalidInput::one(
        "end_time",
        "END_BEFORE_START",
        Text::new("must not be before start_time.", "ต้องไม่มาก่อน start_time"),
    )
}

impl Fault for TrendError {
    fn code(&self) -> Code {
        match self {
            Self::UnknownTimeZone => Code::FailedPrecondition,
            _ => Code::InvalidArgument,
        }
    }

    fn reason(&self) -> &'static str {
        match self {
            Self::TooManyBuckets => "TOO_MANY_BUCKETS",
            Self::EndBeforeStart(input) => input.reason(),
            Self::OutsideCalendar => "OUT_OF_RANGE",
            Self::UnknownTimeZone => "UNKNOWN_TIME_ZONE",
        }
    }

    fn text(&self) -> Text {
        match self {
            Self::TooManyBuckets => Text::new(
                format!(
                    "A trend has {MAX_BUCKETS} buckets at most. Ask for less time, or for longer buckets."
                ),
                format!("รายงานมีได้ไม่เกิน {MAX_BUCKETS} ช่วง กรุณาลดช่วงเวลาหรือใช้ช่วงที่ยาวขึ้น"),
            ),
            Self::EndBeforeStart(input) => input.text(),
            Self::OutsideCalendar => Text::new("The time is too far away.", "เวลาอยู่นอกช่วงที่รองรับ"),
            Self::UnknownTimeZone => Text::new(
                "The time zone of the business is not known here.",
                "ไม่รู้จักเขตเวลาของธุรกิจนี้",
            ),
        }
    }

    fn violations(&self) -> &[Violation] {
        match self {
            Self::EndBeforeStart(input) => input.violations(),
            _ => &[],
        }
    }
}

/// Cuts `span` into buckets, in order of time and without a gap.
pub fn buckets(zone: &TimeZone, span: Span, now: Timestamp) -> Result<Vec<Bucket>, TrendError> {
    let Span { granularity, start, end } = span;
    let end = end.unwrap_or(now);
    if start.is_some_and(|start| end < start) {
        return Err(TrendError::EndBeforeStart(end_before_start()));
    }
    let last = granularity.first_day(day(zone, end));
    let first = match start {
        Some(start) => day(zone, start),
        None => back(granularity, day(zone, end))?,
    };
    let mut date = granularity.first_day(first);
    let mut starts_at = midnight(zone, date)?;
    let mut buckets = Vec::new();
    while date <= last {
        if buckets.len() == MAX_BUCKETS {
            return Err(TrendError::TooManyBuckets);
        }
        let next = granularity.next(date)?;
        let ends_at = midnight(zone, next)?;
        // A zone that moved over the date line has days that never were.
        if starts_at < ends_at {
            buckets.push(Bucket { date, start: starts_at, end: ends_at });
        }
        (date, starts_at) = (next, ends_at);
    }
    Ok(buckets)
}

fn day(zone: &TimeZone, at: Timestamp) -> Date {
    zone.to_datetime(at).date()
}

/// The first instant of a day. Where the clock is put forward over midnight, that is when it was.
fn midnight(zone: &TimeZone, date: Date) -> Result<Timestamp, TrendError> {
    let midnight = zone.to_timestamp(date.at(0, 0, 0, 0)).ok();
    // What protobuf's timestamps can say: from the year 1 on.
    midnight.filter(|at| *at >= yinyom_kernel::EARLIEST).ok_or(TrendError::OutsideCalendar)
}

fn back(granularity: Granularity, date: Date) -> Result<Date, TrendError> {
    let span = match granularity {
        Granularity::Day => 30.days(),
        Granularity::Week => 26.weeks(),
        Granularity::Month => 24.months(),
    };
    date.checked_sub(span).map_err(|_| TrendError::OutsideCalendar)
}

impl Granularity {
    /// What its buckets are put together from.
    pub const fn series(self) -> &'static [Series] {
        match self {
            Self::Month => &Series::TIME,
            Self::Day | Self::Week => {
                &[Series::Day, Series::Hour, Series::Quarter, Series::Instant]
            }
        }
    }

    /// The first day of the bucket that `date` is in.
    fn first_day(self, date: Date) -> Date {
        match self {
            Self::Day => date,
            Self::Week => {
                let since_monday = i64::from(date.weekday().to_monday_zero_offset());
                // Before the first Monday of the calendar there is no Monday; year -9999 has no changes.
                date.checked_sub(since_monday.days()).unwrap_or(date)
            }
            Self::Month => date.first_of_month(),
        }
    }

    fn next(self, date: Date) -> Result<Date, TrendError> {
        let span = match self {
            Self::Day => 1.day(),
            Self::Week => 1.week(),
            Self::Month => 1.month(),
        };
        date.checked_add(span).map_err(|_| TrendError::OutsideCalendar)
    }
}

#[cfg(test)]
mod tests;
