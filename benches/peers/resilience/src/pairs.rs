//! Two things measured in turns, so that a machine that gets slower meanwhile slows both.

use std::time::Instant;

/// Rounds that are compared, each with both sides twice.
const PAIRS: usize = 31;

/// Calls in one turn.
const CALLS: u32 = 1_000_000;

/// What one comparison found.
pub struct Comparison {
    /// Nanoseconds a call of the first side: the median of the pairs.
    pub ours_ns: f64,
    /// The same of the second side.
    pub theirs_ns: f64,
    /// First over second side, of each pair, sorted.
    pub ratios: Vec<f64>,
}

impl Comparison {
    /// The median of the pairs' ratios.
    pub fn ratio(&self) -> f64 {
        median(&self.ratios)
    }

    /// The ratios that nine tenths of the pairs lie between.
    pub fn spread(&self) -> (f64, f64) {
        let cut = self.ratios.len() / 20;
        (self.ratios[cut], self.ratios[self.ratios.len() - 1 - cut])
    }
}

/// Measures in the order first, second, second, first, [`PAIRS`] times, after one round to warm up.
pub fn compare(mut ours: impl FnMut(), mut theirs: impl FnMut()) -> Comparison {
    let mut rounds: Vec<(f64, f64)> = (0..=PAIRS)
        .map(|_| {
            let first = nanoseconds_a_call(&mut ours);
            let second = nanoseconds_a_call(&mut theirs) + nanoseconds_a_call(&mut theirs);
            ((first + nanoseconds_a_call(&mut ours)) / 2.0, second / 2.0)
        })
        .collect();
    rounds.remove(0);
    Comparison {
        ours_ns: median(&sorted(rounds.iter().map(|(ours, _)| *ours))),
        theirs_ns: median(&sorted(rounds.iter().map(|(_, theirs)| *theirs))),
        ratios: sorted(rounds.iter().map(|(ours, theirs)| ours / theirs)),
    }
}

fn nanoseconds_a_call(call: &mut impl FnMut()) -> f64 {
    let began = Instant::now();
    for _ in 0..CALLS {
        call();
    }
    began.elapsed().as_secs_f64() * 1e9 / f64::from(CALLS)
}

fn sorted(values: impl Iterator<Item = f64>) -> Vec<f64> {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values
}

fn median(sorted: &[f64]) -> f64 {
    sorted[sorted.len() / 2]
}
