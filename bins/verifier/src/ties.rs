//! Other samples: the cases judged again after each of two more ANALYZEs.

use crate::measure::Measurement;
use anyhow::Result;
use steadfast_plans::{Finding, ReplayDatabase, judge, unstable_plans};

/// Samples besides the one that the verdict was reached with.
const MORE_SAMPLES: u32 = 2;

/// What is otherwise after another ANALYZE.
pub(crate) async fn of_samples(
    pristine: &mut ReplayDatabase,
    measured: &[Measurement],
) -> Result<Vec<Finding>> {
    let mut findings = Vec::new();
    for _ in 0..MORE_SAMPLES {
        pristine.client().batch_execute("ANALYZE").await?;
        pristine.refresh().await?;
        for Measurement { run, judged, .. } in measured.iter().filter(|one| !one.is_heavy) {
            findings.extend(unstable_plans(judged, &judge(pristine, run).await?));
        }
    }
    Ok(findings)
}
