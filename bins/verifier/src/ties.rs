//! Near ties: a plan that another sample of the same data changes is a plan that production may not have.

use crate::measure::Measurement;
use anyhow::Result;
use steadfast_plans::{Finding, Judged, Pristine, Rule, StatementOutcome, judge};

/// Samples besides the one that the verdict was reached with.
const MORE_SAMPLES: u32 = 2;

/// A finding for each case whose indexes are others after another ANALYZE.
pub(crate) async fn near_ties(pristine: &mut Pristine, measured: &[Measurement]) -> Result<Vec<Finding>> {
    let mut findings = Vec::new();
    for _ in 0..MORE_SAMPLES {
        pristine.client().batch_execute("ANALYZE").await?;
        pristine.refresh().await?;
        for Measurement { run, judged, .. } in measured.iter().filter(|one| !one.is_heavy) {
            let again = judge(pristine, run).await?;
            findings.extend(changed(judged, &again));
        }
    }
    Ok(findings)
}

fn changed(before: &Judged, after: &Judged) -> Vec<Finding> {
    let pairs = before.statements.iter().zip(&after.statements);
    let changed = pairs.filter(|(before, after)| before.indexes() != after.indexes());
    let finding = |(was, is): (&StatementOutcome, &StatementOutcome)| Finding {
        rule: Rule::NearTie,
        subject: before.contract.operation.clone(),
        case: before.case.clone(),
        statement: was.sql.clone(),
        expected: was.shape.clone(),
        found: is.shape.clone(),
        mend: "a statement that leaves the planner one good way, or statistics that tell the two apart"
            .to_owned(),
    };
    changed.map(finding).collect()
}
