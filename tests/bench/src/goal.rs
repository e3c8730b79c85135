//! A goal: two sides that are measured alike, and how far apart they may be.

use std::time::Duration;

use serde::Serialize;

/// What a goal asks of its ratio.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Bar {
    AtLeast(f64),
    AtMost(f64),
}

impl Bar {
    /// Whether it is reached.
    pub fn is_met(self, ratio: f64) -> bool {
        match self {
            Self::AtLeast(bar) => ratio >= bar,
            Self::AtMost(bar) => ratio <= bar,
        }
    }
}

impl std::fmt::Display for Bar {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::AtLeast(bar) => write!(f, "≥ {bar}"),
            Self::AtMost(bar) => write!(f, "≤ {bar}"),
        }
    }
}

/// What is measured, of one side and of the other.
#[tonic::async_trait(?Send)]
pub trait Sides {
    /// What the database, the wire or another program does, for about so long.
    async fn limit(&mut self, lasts: Duration) -> f64;

    /// What our service does.
    async fn service(&mut self, lasts: Duration) -> f64;
}

/// A goal of the table.
pub struct Goal {
    pub id: &'static str,
    pub what: &'static str,
    /// What it is held against.
    pub against: &'static str,
    /// Of both sides.
    pub unit: &'static str,
    pub bar: Bar,
    pub sides: Box<dyn Sides>,
}

/// One measurement of both sides.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Sample {
    pub limit: f64,
    pub value: f64,
    /// The share of the machine that others used during each.
    pub others_limit: f64,
    pub others_value: f64,
    /// How many were thrown away before it.
    pub taken_again: usize,
    pub quiet: bool,
}

/// What came out.
#[derive(Debug, Clone, Serialize)]
pub struct Outcome {
    pub id: String,
    pub what: String,
    pub against: String,
    pub unit: String,
    /// Medians.
    pub value: f64,
    pub limit: f64,
    /// The median of the samples' ratios, and between which they lie.
    pub ratio: f64,
    pub ratio_from: f64,
    pub ratio_to: f64,
    pub bar: String,
    pub met: bool,
    /// Whether nobody else used the machine during any of the samples that count.
    pub quiet: bool,
    pub samples: Vec<Sample>,
}

impl Outcome {
    /// Of at least one sample.
    pub fn of([id, what, against, unit]: [&str; 4], bar: Bar, samples: Vec<Sample>) -> Self {
        let ratios = || samples.iter().map(|sample| sample.value / sample.limit);
        let ratio = median(ratios().collect());
        Self {
            id: id.to_owned(),
            what: what.to_owned(),
            against: against.to_owned(),
            unit: unit.to_owned(),
            value: median(samples.iter().map(|sample| sample.value).collect()),
            limit: median(samples.iter().map(|sample| sample.limit).collect()),
            ratio,
            ratio_from: ratios().fold(f64::INFINITY, f64::min),
            ratio_to: ratios().fold(f64::NEG_INFINITY, f64::max),
            bar: bar.to_string(),
            met: bar.is_met(ratio),
            quiet: samples.iter().all(|sample| sample.quiet),
            samples,
        }
    }
}

/// The one in the middle.
pub fn median(mut of: Vec<f64>) -> f64 {
    of.sort_unstable_by(f64::total_cmp);
    let middle = of.len() / 2;
    if of.len().is_multiple_of(2) { f64::midpoint(of[middle - 1], of[middle]) } else { of[middle] }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(limit: f64, value: f64) -> Sample {
        Sample { limit, value, others_limit: 0.0, others_value: 0.0, taken_again: 0, quiet: true }
    }

    #[test]
    fn a_ratio_is_the_median_of_the_pairs_and_not_of_the_medians() {
        let samples = vec![sample(100.0, 50.0), sample(200.0, 60.0), sample(10.0, 8.0)];
        let outcome = Outcome::of(["1", "", "", ""], Bar::AtLeast(0.5), samples);
        assert!((outcome.ratio - 0.5).abs() < 1e-9 && outcome.met, "{outcome:?}");
        assert!((outcome.ratio_from - 0.3).abs() < 1e-9 && (outcome.ratio_to - 0.8).abs() < 1e-9);
    }

    #[test]
    fn a_bar_from_above_is_missed_above() {
        assert!(Bar::AtMost(2.2).is_met(2.2) && !Bar::AtMost(2.2).is_met(2.3));
        assert!(Bar::AtLeast(0.25).is_met(0.25) && !Bar::AtLeast(0.25).is_met(0.24));
    }
}
