//! The median of a sample and its bounds. Included by the benches that compare contestants in rounds.

/// Returns the median.
pub(crate) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// Returns the bounds of the median, each of which the true median crosses with a chance of at most 5 %: order statistics,
/// so no shape of the noise is assumed.
pub(crate) fn bounds(mut values: Vec<f64>) -> (f64, f64) {
    values.sort_by(f64::total_cmp);
    let rank = rank_of_bound(values.len());
    (values[rank], values[values.len() - 1 - rank])
}

/// Returns the largest rank r, from 0, with P(Binomial(n, 1/2) <= r) <= 5 %, or 0 if no rank has it.
fn rank_of_bound(n: usize) -> usize {
    let (mut term, mut sum) = (0.5_f64.powi(n as i32), 0.0);
    for rank in 0..n {
        sum += term;
        if sum > 0.05 {
            return rank.saturating_sub(1);
        }
        term *= (n - rank) as f64 / (rank + 1) as f64;
    }
    0
}
