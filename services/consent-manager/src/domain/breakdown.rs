//! What happened, by where, by whom, or by how the customer told us.

use std::collections::HashMap;

use jiff::{SignedDuration, Timestamp};
use uuid::Uuid;
use yinyom_consent::{Actor, ByChannel, Channel, EvidenceMethod, Surface, UnknownCode};
use yinyom_kernel::{MemberId, PageSize};

use super::tally::QUARTER_MICROS;
use super::{Counts, Series, TrendError, end_before_start, share};

/// What is looked back on where nothing is said.
const USUAL: SignedDuration = SignedDuration::from_hours(30 * 24);

/// What a breakdown is by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dimension {
    Surface,
    Actor,
    Method,
}

/// One of the values of a dimension.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum By {
    Surface(Surface),
    /// Whatever the role was.
    Actor(Actor),
    /// `None` is for changes that do not say.
    Method(Option<EvidenceMethod>),
}

impl Dimension {
    /// The series that are told apart by it, the longest first: so both ends have few units, however much happened.
    pub const fn series(self) -> [Series; 6] {
        let months = match self {
            Self::Surface => Series::MonthBySurface,
            Self::Actor => Series::MonthByActor,
            Self::Method => Series::MonthByMethod,
        };
        [
            months,
            Series::SixthByDoing,
            Series::DayByDoing,
            Series::SixHoursByDoing,
            Series::HourByDoing,
            Series::Quarter,
        ]
    }

    /// Where its value is in that of whose doing it was ([`Series::value`]): from which character on, how many.
    pub const fn in_doing(self) -> (i32, i32) {
        match self {
            Self::Surface => (1, 1),
            Self::Method => (2, 1),
            Self::Actor => (3, i32::MAX - 3),
        }
    }

    /// Reads a value as it is kept; `None` if it is none.
    pub fn read(self, value: &str) -> Option<By> {
        let code = || value.parse::<i16>().ok();
        match self {
            Self::Surface => Surface::from_code(code()?).ok().map(By::Surface),
            Self::Method => match code()? {
                0 => Some(By::Method(None)),
                code => {
                    let method: Result<_, UnknownCode> = EvidenceMethod::from_code(code);
                    method.ok().map(|method| By::Method(Some(method)))
                }
            },
            Self::Actor => match value.split_at_checked(1)? {
                ("m", id) => {
                    let member = MemberId::from(Uuid::try_parse(id).ok()?);
                    Some(By::Actor(Actor::Member { member, role: None }))
                }
                ("s", name) => Some(By::Actor(Actor::Service { name: name.to_owned() })),
                _ => None,
            },
        }
    }
}

/// Which stretch of time, in quarters of an hour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Period {
    pub start: Timestamp,
    /// Where it ends, without it.
    pub end: Timestamp,
}

impl Period {
    /// From the quarter of `start`, or of 30 days before the end, up to the quarter of `end`; or to the end of this very
    /// quarter.
    pub fn of(
        start: Option<Timestamp>,
        end: Option<Timestamp>,
        now: Timestamp,
    ) -> Result<Self, TrendError> {
        let floor = |at: Timestamp| {
            let quarter = at.as_microsecond().div_euclid(QUARTER_MICROS) * QUARTER_MICROS;
            yinyom_kernel::from_micros(quarter).max(yinyom_kernel::EARLIEST)
        };
        let end = match end {
            Some(end) => floor(end),
            None => now
                .checked_add(SignedDuration::from_micros(QUARTER_MICROS))
                .map(floor)
                .map_err(|_| TrendError::OutsideCalendar)?,
        };
        let start = match start {
            Some(start) => floor(start),
            None => end.checked_sub(USUAL).map(floor).map_err(|_| TrendError::OutsideCalendar)?,
        };
        if end < start {
            return Err(TrendError::EndBeforeStart(end_before_start()));
        }
        Ok(Self { start, end })
    }
}

/// What happened by one value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Share {
    pub by: By,
    /// As it is kept.
    pub value: String,
    pub channels: ByChannel<Counts>,
}

impl Share {
    /// Its place among the others: by how much happened, and then by name.
    pub fn place(&self) -> Place {
        let answers = self.channels.iter().map(|(_, it)| it.grants + it.refusals).sum::<i64>();
        Place { answers, value: self.value.clone() }
    }

    /// Share of yes among yes and no.
    pub fn grant_rate(&self, channel: Channel) -> f64 {
        let counts = self.channels.get(channel);
        share(counts.grants, counts.grants + counts.refusals)
    }
}

/// A place in a breakdown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    pub answers: i64,
    pub value: String,
}

/// A breakdown: the values by which anything happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Breakdown {
    pub period: Period,
    /// Those with the most yes and no first.
    pub shares: Vec<Share>,
    /// How many contacts could opt out in all: were GRANTED at the start, or came to it.
    pub could_opt_out: ByChannel<i64>,
}

impl Breakdown {
    /// From what was counted of each value, as it is kept. Values that cannot be read are left out.
    pub fn new(
        period: Period,
        dimension: Dimension,
        counted: impl IntoIterator<Item = (String, Channel, Counts)>,
        could_opt_out: ByChannel<i64>,
    ) -> Self {
        let mut values: HashMap<String, ByChannel<Counts>> = HashMap::new();
        for (value, channel, counts) in counted {
            values.entry(value).or_default().get_mut(channel).add(&counts, 1);
        }
        let happened = |channels: &ByChannel<Counts>| {
            channels.iter().any(|(_, it)| it.grants + it.refusals + it.resets != 0)
        };
        let mut shares: Vec<_> = values
            .into_iter()
            .filter(|(_, channels)| happened(channels))
            .filter_map(|(value, channels)| {
                Some(Share { by: dimension.read(&value)?, value, channels })
            })
            .collect();
        shares.sort_unstable_by(|a, b| a.place().order().cmp(&b.place().order()));
        Self { period, shares, could_opt_out }
    }

    /// What comes after `place`.
    pub fn after(&mut self, place: &Place) {
        self.shares.retain(|share| share.place().order() > place.order());
    }

    /// Keeps what fits a page; the last place on it, if another page follows.
    pub fn cut(&mut self, size: PageSize) -> Option<Place> {
        let more = self.shares.len() > size.rows();
        self.shares.truncate(size.rows());
        self.shares.last().filter(|_| more).map(Share::place)
    }

    /// Share of those who could opt out that did so by one value.
    pub fn opt_out_rate(&self, of: &Share, channel: Channel) -> f64 {
        share(of.channels.get(channel).opt_outs, *self.could_opt_out.get(channel))
    }
}

impl Place {
    fn order(&self) -> (i64, &str) {
        (-self.answers, &self.value)
    }
}
