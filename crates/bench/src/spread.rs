//! Many measurements of one thing, and what is kept of them.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Many measurements of one thing, in its unit.
#[derive(Clone, Debug, Default)]
pub(crate) struct Series(Vec<f64>);

/// What is kept of them.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Spread {
    pub(crate) median: f64,
    pub(crate) p90: f64,
    pub(crate) p99: f64,
    pub(crate) least: f64,
    pub(crate) number: usize,
}

impl Series {
    /// Adds a figure.
    pub(crate) fn push(&mut self, figure: f64) {
        self.0.push(figure);
    }

    /// Adds a time, in milliseconds.
    pub(crate) fn push_time(&mut self, time: Duration) {
        self.push(time.as_secs_f64() * 1000.0);
    }

    /// How many there are.
    pub(crate) fn number(&self) -> usize {
        self.0.len()
    }

    /// The largest figure, to a thousandth.
    pub(crate) fn longest(&self) -> Option<f64> {
        let longest = self.0.iter().copied().max_by(f64::total_cmp)?;
        Some((longest * 1000.0).round() / 1000.0)
    }

    /// What is kept; none if nothing was measured.
    pub(crate) fn spread(&self) -> Option<Spread> {
        let mut figures = self.0.clone();
        figures.sort_by(f64::total_cmp);
        // To a thousandth: more is noise, and unreadable in a file that is kept.
        let at = |per_cent: usize| {
            Some((figures.get((figures.len() * per_cent / 100).min(figures.len() - 1))? * 1000.0).round() / 1000.0)
        };
        let least = (figures.first()? * 1000.0).round() / 1000.0;
        Some(Spread { median: at(50)?, p90: at(90)?, p99: at(99)?, least, number: figures.len() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_quantiles_are_those_of_the_sorted_figures() {
        let mut series = Series::default();
        assert_eq!(series.spread(), None);
        for figure in (1..=100_u32).rev() {
            series.push(f64::from(figure));
        }
        let expected = Spread { median: 51.0, p90: 91.0, p99: 100.0, least: 1.0, number: 100 };
        assert_eq!(series.spread(), Some(expected));
    }
}
