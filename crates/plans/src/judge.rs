//! The verdict on one case: its statements are replayed and compared with the contract of the operation.

use crate::explain::Relation;
use crate::foreign_keys::Behind;
use crate::outcome::{Judged, StatementOutcome};
use crate::replay::{Ran, Replay, one_line};
use crate::replay_database::ReplayDatabase;
use crate::sequences::Sequences;
use crate::verdict::{self, Context};
use crate::work;
use crate::{Contract, Error, Finding, Rule};
use std::collections::BTreeMap;
use std::fmt;
use steadfast_postgres::{Captured, CapturedStatement};

/// Maximum number of statements of an operation that declares no batch.
const STATEMENTS_MAX: u32 = 10;

/// Maximum number of times that a case may send one statement.
const REPETITIONS_MAX: u32 = 2;

/// Operation of sessions for which the program declares none.
const UNNAMED: &str = "unnamed";

/// A case that ran: what the program sent.
#[derive(Clone, Debug)]
pub struct Run {
    /// Contract of the operation.
    pub contract: Contract,
    /// Name of the case.
    pub case: String,
    /// Captured statements. Statements of other operations are replayed but not judged.
    pub captured: Captured,
    /// Indexes that this case must use; empty if any index of the contract will do.
    pub expects: Vec<String>,
    /// State of the sequences before the case ran, from which the replay draws the same numbers.
    pub sequences: Sequences,
}

impl Run {
    /// Creates a run without expected indexes and sequences.
    pub fn new(contract: Contract, case: impl Into<String>, captured: Captured) -> Self {
        let (expects, sequences) = (Vec::new(), Sequences::default());
        Self { contract, case: case.into(), captured, expects, sequences }
    }

    /// Sets the indexes that this case must use.
    #[must_use]
    pub fn expects(self, indexes: &[&str]) -> Self {
        Self { expects: indexes.iter().map(|index| (*index).to_owned()).collect(), ..self }
    }

    /// Sets the state of the sequences before the case ran.
    #[must_use]
    pub fn sequences(self, sequences: Sequences) -> Self {
        Self { sequences, ..self }
    }

    pub(crate) fn context<'a>(&'a self, statement: &'a str) -> Context<'a> {
        Context { contract: &self.contract, case: &self.case, statement }
    }

    pub(crate) fn is_judged(&self, statement: &CapturedStatement) -> bool {
        [UNNAMED, &self.contract.operation].contains(&statement.operation)
    }
}

/// Prints the operation, and the case in brackets.
impl fmt::Display for Run {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} [{}]", self.contract.operation, self.case)
    }
}

/// Replays `run` on `database`, rolls it back, and compares each statement with the contract.
///
/// The plan that a prepared statement settles on is judged by [`plan_kinds`](crate::plan_kinds).
///
/// # Errors
/// Returns [`Error`] if no verdict can be reached: the connection is lost, or a plan cannot be read. Faults of the
/// statements are findings.
pub async fn judge(database: &ReplayDatabase, run: &Run) -> Result<Judged, Error> {
    let replay = database.replay(&run.captured, &run.sequences.as_sql()).await;
    let replay = replay.map_err(Error::during(|| format!("replay of {run}")))?;
    let mut findings = beforehand(run);
    findings.extend(replay.refused.iter().map(|(statement, why)| refused(run, statement, why)));
    let mut statements = Vec::new();
    for ran in &replay.ran {
        let text = one_line(&ran.statement.sql);
        let context = run.context(&text);
        findings.extend(difference(&context, ran));
        if run.is_judged(ran.statement) {
            findings.extend(verdict::judge(&context, &ran.explained, &database.facts, replay.wrote));
            findings.extend(behind(&context, &ran.behind, database));
            findings.extend(work::cascading(&context, ran, &database.facts));
        }
        statements.push(StatementOutcome::of(ran, &database.facts));
    }
    findings.extend(missed(run, &replay, &statements));
    let judged = |statement: &StatementOutcome| {
        statement.operation == UNNAMED || statement.operation == run.contract.operation
    };
    statements.retain(judged);
    let (contract, case) = (run.contract.clone(), run.case.clone());
    let (repeated, sent) = (repeated(run, &statements), sent(run));
    // A repeated statement is the reason why the budget is exceeded.
    findings.extend(if repeated.is_empty() { over_budget(run) } else { repeated });
    Ok(Judged { contract, case, sent, statements, findings, notes: Vec::new() })
}

/// Returns the findings of the capture itself.
fn beforehand(run: &Run) -> Vec<Finding> {
    let mut findings = Vec::new();
    if run.contract.statements > STATEMENTS_MAX && run.contract.batch.is_none() {
        let expected = format!("at most {STATEMENTS_MAX} statements, or a batch with its reason");
        let found = format!("a budget of {}", run.contract.statements);
        let suggestion = "fetch what belongs together in one statement; if each statement is needed, declare \
                          `batch(at_most, reason)`";
        findings.push(run.context("").finding(Rule::Budget, expected, found, suggestion));
    }
    if run.captured.missing > 0 {
        let found = format!("{} statements without a captured answer", run.captured.missing);
        let suggestion = "await every statement before the case ends, and drop no future of one";
        findings.push(run.context("").finding(
            Rule::Replay,
            "an answer to every statement",
            found,
            suggestion,
        ));
    }
    findings
}

/// Returns the number of statements that the operation sent.
fn sent(run: &Run) -> u32 {
    run.captured.own().filter(|statement| run.is_judged(statement)).count() as u32
}

fn over_budget(run: &Run) -> Vec<Finding> {
    let (sent, limit) = (sent(run), run.contract.statements);
    let suggestion = "find the statement that is sent repeatedly, and fetch its rows with one statement; if all statements are \
                      needed, raise `statements`";
    let finding = || {
        run.context("").finding(
            Rule::Budget,
            format!("at most {limit} statements"),
            format!("{sent}"),
            suggestion,
        )
    };
    (sent > limit).then(finding).into_iter().collect()
}

/// Returns a finding for each statement that the case sends more than twice.
fn repeated(run: &Run, statements: &[StatementOutcome]) -> Vec<Finding> {
    if run.contract.batch.is_some() {
        return Vec::new();
    }
    let mut times: BTreeMap<i64, (&StatementOutcome, u32)> = BTreeMap::new();
    for statement in statements {
        if let Some(id) = statement.query_id {
            times.entry(id).or_insert((statement, 0)).1 += 1;
        }
    }
    let often = times.into_values().filter(|(_, times)| *times > REPETITIONS_MAX);
    let finding = |(statement, times): (&StatementOutcome, u32)| {
        let suggestion = "send the statement once for all of its values, e.g. with `= ANY($1)`; if it is meant to be sent in \
                          batches, declare `batch(at_most, reason)`";
        let expected = format!("each statement at most {REPETITIONS_MAX} times in one case");
        run.context(&statement.sql).finding(Rule::Repeated, expected, format!("{times} times"), suggestion)
    };
    often.map(finding).collect()
}

fn refused(run: &Run, statement: &CapturedStatement, why: &str) -> Finding {
    let text = one_line(&statement.sql);
    run.context(&text).finding(
        Rule::Replay,
        "a statement that can be repeated on a copy of the database",
        why,
        "make the statement repeatable: pass ids and times as values, send one statement per message, and build both \
         copies from the same data",
    )
}

fn difference(context: &Context<'_>, ran: &Ran<'_>) -> Option<Finding> {
    let (expected, found) = (ran.statement.rows()?, ran.explained.rows());
    (expected != found).then(|| {
        context.finding(
            Rule::Replay,
            format!("{expected} rows, as the program got"),
            format!("{found} rows in the replay"),
            "pass everything that the statement depends on as values, and build both copies from the same data",
        )
    })
}

/// Returns the findings of the scans for foreign keys.
fn behind(context: &Context<'_>, behind: &Behind, database: &ReplayDatabase) -> Vec<Finding> {
    let (facts, contract) = (&database.facts, context.contract);
    let declared =
        |index: &String| contract.supports_fk.contains(index) || contract.served_by.contains(index);
    let indexes = behind.index_names(facts).into_iter();
    let undeclared = indexes.filter(|index| !declared(index) && !facts.is_referenced(index)).map(|index| {
        let suggestion = format!(
            "check whether the statement is meant to delete rows or change keys that other tables reference; if so, name \
             {index} in `supports_fk`"
        );
        context.finding(Rule::Undeclared, "only declared indexes used for foreign keys", index, suggestion)
    });
    let read = behind.tables.keys().filter(|table| !facts.is_small(table) && !contract.reads_all());
    let unserved = read.map(|Relation { name: table, .. }| {
        context.finding(
            Rule::Unserved,
            format!("the referencing rows of {table} to be found by an index"),
            format!("the whole of {table} read for a foreign key or trigger"),
            format!(
                "check whether the statement is meant to delete rows or change keys that {table} references; if so, add an \
                 index on that foreign key, and name it in `supports_fk`"
            ),
        )
    });
    undeclared.chain(unserved).collect()
}

/// Returns a finding for each index that the case must use and did not.
fn missed(run: &Run, replay: &Replay<'_>, statements: &[StatementOutcome]) -> Vec<Finding> {
    if !replay.refused.is_empty() {
        return Vec::new();
    }
    let used: Vec<_> = statements.iter().flat_map(StatementOutcome::all_indexes).collect();
    let missed = run.expects.iter().filter(|index| !used.contains(index));
    let shapes: Vec<_> = statements.iter().map(|statement| statement.shape.as_str()).collect();
    missed
        .map(|index| {
            let suggestion = "give the statement the condition or the order that the index serves; if the statement is right, \
                              let another case expect the index";
            run.context("").finding(
                Rule::Unserved,
                format!("{index} to be used"),
                shapes.join("; "),
                suggestion,
            )
        })
        .collect()
}
