//! How stretches of time are put together from counts of months, days, hours and so on.
//!
//! To get from one moment to another, one goes to the nearest month's start, by way of the nearest day's and so on, and
//! from month to month: so the way has few units whatever lies between, and whatever the zone. Where it goes beyond the
//! moment, what is too much is subtracted.

use std::collections::HashMap;

use super::{Counts, Series};

/// Adjacent units of a series, counted together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Piece {
    pub series: Series,
    pub since: i64,
    /// Past the last.
    pub beyond: i64,
}

/// How the stretches between moments are put together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cover {
    /// What has to be counted.
    pub pieces: Vec<Piece>,
    /// From the beginning of time to the first moment, with sign.
    before: Vec<(usize, i64)>,
    /// Between the top units of two moments.
    middles: Vec<Option<usize>>,
    /// From its top unit to each moment, with sign.
    tails: Vec<Vec<(usize, i64)>>,
}

impl Cover {
    /// Covers the stretches between `moments`, which are in order, by `series`, and what was before the first of them by
    /// `earlier`; the longest first, each of whose units begins and ends with units of the next. Where the last of these is not [`Series::Instant`], a moment counts as the unit's
    /// start that is nearest to it.
    pub fn of(moments: &[i64], series: &[Series], earlier: &[Series]) -> Self {
        let mut kept = Kept::default();
        let mut tops = Vec::with_capacity(moments.len());
        let mut tails = Vec::with_capacity(moments.len());
        for moment in moments {
            let (top, tail) = way(*moment, series);
            tops.push(top);
            tails.push(tail.into_iter().map(|(piece, sign)| (kept.number(piece), sign)).collect());
        }
        let top = series.first().copied().unwrap_or(Series::Instant);
        let mut before = Vec::new();
        if let (Some(first), Some(longest)) = (moments.first(), earlier.first()) {
            let (beyond, tail) = way(*first, earlier);
            let all = Piece { series: *longest, since: i64::MIN, beyond };
            before.push((kept.number(all), 1));
            before.extend(tail.into_iter().map(|(piece, sign)| (kept.number(piece), sign)));
        }
        let middles = tops
            .windows(2)
            .map(|pair| match pair {
                [since, beyond] if since < beyond => {
                    Some(kept.number(Piece { series: top, since: *since, beyond: *beyond }))
                }
                _ => None,
            })
            .collect();
        Self { pieces: kept.pieces, before, middles, tails }
    }

    /// What there was before the first moment, where `counted` is what was found in each piece.
    pub fn before(&self, counted: &[Counts]) -> Counts {
        let mut sum = Counts::default();
        add(&mut sum, &self.before, 1, counted);
        sum
    }

    /// What there was between each moment and the next.
    pub fn between(&self, counted: &[Counts]) -> Vec<Counts> {
        let sums = self.middles.iter().enumerate().map(|(at, middle)| {
            let mut sum = middle.and_then(|piece| counted.get(piece)).copied().unwrap_or_default();
            for (at, sign) in [(at, -1), (at + 1, 1)] {
                add(&mut sum, self.tails.get(at).map_or(&[], Vec::as_slice), sign, counted);
            }
            sum
        });
        sums.collect()
    }

    /// The pieces of the one stretch between the first moment and the last, with sign.
    pub fn whole(&self) -> Vec<(Piece, i64)> {
        let tail = |at: Option<&Vec<(usize, i64)>>, sign: i64| {
            let tail = at.into_iter().flatten().map(move |(piece, of)| (*piece, of * sign));
            tail.collect::<Vec<_>>()
        };
        let middles = self.middles.iter().flatten().map(|piece| (*piece, 1));
        middles
            .chain(tail(self.tails.first(), -1))
            .chain(tail(self.tails.last(), 1))
            .filter_map(|(piece, sign)| Some((*self.pieces.get(piece)?, sign)))
            .collect()
    }
}

fn add(sum: &mut Counts, pieces: &[(usize, i64)], sign: i64, counted: &[Counts]) {
    for (piece, of) in pieces {
        if let Some(counts) = counted.get(*piece) {
            sum.add(counts, sign * of);
        }
    }
}

/// From the start of the nearest top unit to `moment`.
fn way(moment: i64, series: &[Series]) -> (i64, Vec<(Piece, i64)>) {
    let Some((top, finer)) = series.split_first() else { return (moment, Vec::new()) };
    let (unit, mut place) = top.nearest(moment);
    let mut tail = Vec::with_capacity(finer.len());
    for series in finer {
        let from = series.unit(place);
        let (to, start) = series.nearest(moment);
        let sign = (to - from).signum();
        if sign != 0 {
            tail.push((Piece { series: *series, since: from.min(to), beyond: from.max(to) }, sign));
        }
        place = start;
    }
    (unit, tail)
}

/// Each piece once.
#[derive(Default)]
struct Kept {
    pieces: Vec<Piece>,
    numbers: HashMap<Piece, usize>,
}

impl Kept {
    fn number(&mut self, piece: Piece) -> usize {
        *self.numbers.entry(piece).or_insert_with(|| {
            self.pieces.push(piece);
            self.pieces.len() - 1
        })
    }
}

#[cfg(test)]
mod tests;
