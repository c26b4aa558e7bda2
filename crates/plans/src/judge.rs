//! One case judged: replayed on the database database, each statement held against the contract of its operation.

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

/// Maximum number of times that a case sends one statement.
const REPETITIONS_MAX: u32 = 2;

/// What a session's operation is called where the program declares none.
const UNNAMED: &str = "unnamed";

/// One case of an operation: what the program sent when it ran.
#[derive(Clone, Debug)]
pub struct Run {
    /// What the operation promises.
    pub contract: Contract,
    /// The name of the case.
    pub case: String,
    /// What it sent. Statements of other operations are replayed with it, since it may build on them, and not judged.
    pub captured: Captured,
    /// Indexes that this very case must use, by the names of the contract; empty when any of them will do.
    pub expects: Vec<String>,
    /// Where the sequences stood before it ran: the replay then draws the same numbers.
    pub sequences: Sequences,
}

impl Run {
    /// A case that any index of the contract may serve, and whose statements draw no numbers.
    pub fn new(contract: Contract, case: impl Into<String>, captured: Captured) -> Self {
        let (expects, sequences) = (Vec::new(), Sequences::default());
        Self { contract, case: case.into(), captured, expects, sequences }
    }

    /// Indexes that this very case must use.
    #[must_use]
    pub fn expects(self, indexes: &[&str]) -> Self {
        Self { expects: indexes.iter().map(|index| (*index).to_owned()).collect(), ..self }
    }

    /// Where the sequences stood before it ran.
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

/// The operation, and the case in brackets.
impl fmt::Display for Run {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} [{}]", self.contract.operation, self.case)
    }
}

/// Replays `run` on `database`, rolled back, and holds each statement against the contract.
///
/// The plan that a prepared statement settles on is judged apart, by [`plan_kinds`](crate::plan_kinds).
///
/// # Errors
/// [`Error`] when no verdict can be reached: the database is lost, or its plans cannot be read. What is wrong with the
/// statements is in the findings.
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
    // A statement in a loop is why the budget is exceeded.
    findings.extend(if repeated.is_empty() { over_budget(run) } else { repeated });
    Ok(Judged { contract, case, sent, statements, findings, notes: Vec::new() })
}

/// What the capture itself shows.
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
        let found = format!("{} statements whose answer is not in the capture", run.captured.missing);
        let suggestion = "wait for every statement before the case ends, and drop none of its futures";
        findings.push(run.context("").finding(Rule::Replay, "every statement answered", found, suggestion));
    }
    findings
}

/// Number of statements that the operation sent.
fn sent(run: &Run) -> u32 {
    run.captured.own().filter(|statement| run.is_judged(statement)).count() as u32
}

fn over_budget(run: &Run) -> Vec<Finding> {
    let (sent, limit) = (sent(run), run.contract.statements);
    let suggestion = "find the statement that is sent repeatedly, and fetch its rows by one statement; if each of them is \
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

/// Statements that the case sends more often than once and once more.
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
        let suggestion = "send the statement once for all of its values, e.g. by `= ANY($1)`; if it is meant to be sent in \
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
        "a statement that can be run again on a clone",
        why,
        "make the statement repeatable: pass ids and times as values, send each statement by itself, and give both \
         clones the same data",
    )
}

fn difference(context: &Context<'_>, ran: &Ran<'_>) -> Option<Finding> {
    let (expected, found) = (ran.statement.rows()?, ran.explained.rows());
    (expected != found).then(|| {
        context.finding(
            Rule::Replay,
            format!("{expected} rows, as the program got"),
            format!("{found} rows in the replay"),
            "pass all that the statement depends on as values, and give both clones the same data",
        )
    })
}

/// What the server did behind the statement for foreign keys.
fn behind(context: &Context<'_>, behind: &Behind, database: &ReplayDatabase) -> Vec<Finding> {
    let (facts, contract) = (&database.facts, context.contract);
    let declared =
        |index: &String| contract.supports_fk.contains(index) || contract.served_by.contains(index);
    let indexes = behind.index_names(facts).into_iter();
    let undeclared = indexes.filter(|index| !declared(index) && !facts.is_referenced(index)).map(|index| {
        let suggestion = format!(
            "see whether the statement is meant to delete rows or change keys that others refer to; if so, name {index} \
             in `supports_fk`"
        );
        context.finding(Rule::Undeclared, "only declared indexes behind the statement", index, suggestion)
    });
    let read = behind.tables.keys().filter(|table| !facts.is_small(table) && !contract.reads_all());
    let unserved = read.map(|Relation { name: table, .. }| {
        context.finding(
            Rule::Unserved,
            format!("the rows of {table} that refer to this one to be found by an index"),
            format!("all of {table} read behind the statement"),
            format!(
                "see whether the statement is meant to delete rows or change keys that {table} refers to; if so, add an \
                 index on that foreign key, and name it in `supports_fk`"
            ),
        )
    });
    undeclared.chain(unserved).collect()
}

/// Indexes that this case must use and did not.
fn missed(run: &Run, replay: &Replay<'_>, statements: &[StatementOutcome]) -> Vec<Finding> {
    if !replay.refused.is_empty() {
        return Vec::new();
    }
    let used: Vec<_> = statements.iter().flat_map(StatementOutcome::all_indexes).collect();
    let missed = run.expects.iter().filter(|index| !used.contains(index));
    let shapes: Vec<_> = statements.iter().map(|statement| statement.shape.as_str()).collect();
    missed
        .map(|index| {
            let suggestion = "give the statement the condition or the order that the index serves; if it is right as it \
                              is, let another case expect the index";
            run.context("").finding(
                Rule::Unserved,
                format!("{index} to be used"),
                shapes.join("; "),
                suggestion,
            )
        })
        .collect()
}
