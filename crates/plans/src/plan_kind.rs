//! Generic plans: after five executions of a prepared statement the server may change to one plan for all values.

mod lost_index;

use crate::explain::Explained;
use crate::outcome::Judged;
use crate::raw::Raw;
use crate::replay::{one_line, unreadable};
use crate::replay_database::{Begun, ReplayDatabase, references, type_of};
use crate::sequences::quoted;
use crate::steps::{self, Step};
use crate::verdict;
use crate::{Error, Finding, Rule, Run};
use lost_index::LostIndex;
use serde::Serialize;
use std::collections::{HashMap, HashSet};
use steadfast_postgres::CapturedStatement;
use steadfast_postgres::tokio_postgres::{self, Statement};

/// Number of executions of each case. The server decides at the sixth.
const RUNS: u32 = 7;

/// Kind of plan that a prepared statement settles on, and its generic plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PlanKind {
    /// True if the server changed to the generic plan. It must then hold for every case; otherwise a broken rule is a
    /// note.
    pub is_generic: bool,
    /// Generic plan on one line.
    pub generic_shape: String,
    /// Pages that the generic plan read with the values of the case.
    pub generic_buffers: u64,
}

/// Executes each statement of `runs` seven times in one session, reads which kind of plan the server settled on, and
/// compares generic plans with the contract. Writes are rolled back.
///
/// `runs` are all cases of one operation, and `judged` the verdicts of [`judge`](crate::judge) on them, in the same
/// order. Plan kinds and findings are added to the verdicts. A generic plan that is chosen in one case must hold in all
/// of them. A statement whose generic plan is never chosen and would not hold gets one note.
///
/// # Errors
/// Returns the errors of [`judge`](crate::judge).
pub async fn plan_kinds(database: &ReplayDatabase, runs: &[Run], judged: &mut [Judged]) -> Result<(), Error> {
    let mut settled = Vec::new();
    for run in runs {
        let of_run = Settling::new(database, run).settle().await;
        settled.push(of_run.map_err(Error::during(|| format!("seven runs of {run}")))?);
    }
    let changed: HashSet<_> =
        settled.iter().flatten().filter(|one| one.kind.is_generic).map(|one| one.sql.clone()).collect();
    let mut noted = HashSet::new();
    for (settled, judged) in settled.into_iter().zip(judged) {
        for one in settled {
            let same = |finding: &Finding| judged.findings.iter().any(|known| known.found == finding.found);
            let statements = judged.statements.iter_mut().filter(|statement| statement.sql == one.sql);
            let findings: Vec<_> = one.findings.into_iter().filter(|finding| !same(finding)).collect();
            for statement in statements {
                statement.plan_kind = Some(one.kind.clone());
            }
            let mut findings = findings.into_iter().map(as_generic);
            if changed.contains(&one.sql) {
                judged.findings.extend(findings);
            } else {
                judged.notes.extend(findings.next().filter(|_| noted.insert(one.sql)));
            }
        }
    }
    Ok(())
}

/// Plan kind and findings of a statement of a case.
struct Settled {
    sql: String,
    kind: PlanKind,
    findings: Vec<Finding>,
}

/// A case that is executed repeatedly. Each of its statements is prepared once.
struct Settling<'a> {
    database: &'a ReplayDatabase,
    run: &'a Run,
    prepared: HashMap<Key<'a>, Statement>,
}

/// Text and parameter types of a prepared statement.
type Key<'a> = (&'a str, &'a [u32]);

/// For each prepared statement its name on the server, and whether the server changed to the generic plan.
type Kinds<'a> = HashMap<Key<'a>, (String, bool)>;

impl<'a> Settling<'a> {
    fn new(database: &'a ReplayDatabase, run: &'a Run) -> Self {
        Self { database, run, prepared: HashMap::new() }
    }

    /// Returns nothing if the case cannot be repeated, because that is a finding already.
    async fn settle(mut self) -> Result<Vec<Settled>, Error> {
        for _ in 0..RUNS {
            let begun = self.begin("").await?;
            let outcome = self.run_once().await;
            self.database.roll_back(begun, outcome.is_err()).await?;
            match outcome {
                Err(error) if error.as_db_error().is_some() => return Ok(Vec::new()),
                outcome => outcome.map_err(Error::database("run a case again"))?,
            }
        }
        let kinds = self.kinds().await?;
        let begun = self.begin("SET LOCAL plan_cache_mode = force_generic_plan").await?;
        let settled = self.explain_all(&kinds).await;
        self.database.roll_back(begun, settled.is_err()).await?;
        settled
    }

    async fn begin(&self, settings: &str) -> Result<Begun, Error> {
        self.database.begin(&self.run.sequences.as_sql(), settings).await
    }

    async fn run_once(&mut self) -> Result<(), tokio_postgres::Error> {
        for step in steps::of(&self.run.captured) {
            match step {
                Step::Plain(_, sql) => self.database.client.batch_execute(&sql).await?,
                Step::Explain(statement) => {
                    let prepared = self.prepared(statement).await?;
                    let raws = Raw::of(statement);
                    self.database.client.query(&prepared, &references(&raws)).await?;
                }
                Step::Refused(..) => {}
            }
        }
        Ok(())
    }

    async fn prepared(
        &mut self,
        statement: &'a CapturedStatement,
    ) -> Result<Statement, tokio_postgres::Error> {
        let key = (&*statement.sql, &statement.types[..]);
        if let Some(prepared) = self.prepared.get(&key) {
            return Ok(prepared.clone());
        }
        let prepared = self.database.prepare(&statement.sql, statement).await?;
        self.prepared.insert(key, prepared.clone());
        Ok(prepared)
    }

    /// Explains the generic plan of each statement, in order, so that each sees the writes of those before it.
    async fn explain_all(&self, kinds: &Kinds<'a>) -> Result<Vec<Settled>, Error> {
        let mut all = Vec::new();
        for step in steps::of(&self.run.captured) {
            match step {
                Step::Plain(_, sql) => self.database.run(&sql).await?,
                Step::Explain(statement) => all.extend(self.explain(statement, kinds).await?),
                Step::Refused(..) => {}
            }
        }
        Ok(all)
    }

    async fn explain(
        &self,
        statement: &'a CapturedStatement,
        kinds: &Kinds<'a>,
    ) -> Result<Option<Settled>, Error> {
        let key = (&*statement.sql, &statement.types[..]);
        let (Some(prepared), Some((name, is_generic))) = (self.prepared.get(&key), kinds.get(&key)) else {
            return Ok(None);
        };
        let values = self.literals(statement, prepared).await?;
        let text = one_line(&statement.sql);
        let doing = || format!("explain the generic plan of `{text}`");
        let json = self.database.execute(name, &values).await.map_err(Error::database(doing()))?;
        let explained = Explained::parse(&json).map_err(|source| unreadable(statement, source))?;
        let facts = &self.database.facts;
        let mut findings = Vec::new();
        if self.run.is_judged(statement) {
            let context = self.run.context(&text);
            findings = verdict::judge(&context, &explained, facts, true);
            let lost = LostIndex { database: self.database, context, statement, prepared, values: &values };
            lost.name_in(&mut findings, &explained).await?;
        }
        let kind = PlanKind {
            is_generic: *is_generic,
            generic_shape: verdict::shape(&explained.plan, facts),
            generic_buffers: explained.buffers(),
        };
        Ok(Some(Settled { sql: text, kind, findings }))
    }

    /// Returns the name and the kind of plan of each statement. All are read before the first EXPLAIN, which counts as
    /// a use of the generic plan.
    async fn kinds(&self) -> Result<Kinds<'a>, Error> {
        let query = "SELECT name, generic_plans > 0 FROM pg_prepared_statements WHERE statement = $1 \
             ORDER BY prepare_time DESC, name DESC LIMIT 1";
        let mut kinds = HashMap::new();
        for key in self.prepared.keys() {
            let asked = self.database.client.query_one(query, &[&key.0]).await;
            let row = asked.map_err(Error::database("read pg_prepared_statements"))?;
            kinds.insert(*key, (row.get(0), row.get(1)));
        }
        Ok(kinds)
    }

    /// Returns the values as constants, because EXECUTE accepts nothing else. The server converts binary values to
    /// text.
    async fn literals(
        &self,
        statement: &CapturedStatement,
        prepared: &Statement,
    ) -> Result<Vec<String>, Error> {
        let mut literals = Vec::new();
        for (at, parameter) in statement.parameters.iter().enumerate() {
            let literal = match &parameter.value {
                None => "NULL".to_owned(),
                Some(bytes) if !parameter.binary => quoted(&String::from_utf8_lossy(bytes)),
                Some(_) => quoted(&self.written_down(statement, at, prepared).await?),
            };
            literals.push(literal);
        }
        Ok(literals)
    }

    async fn written_down(
        &self,
        statement: &CapturedStatement,
        at: usize,
        prepared: &Statement,
    ) -> Result<String, Error> {
        let oid = prepared.params().get(at).map_or(0, |of_server| of_server.oid());
        let doing = "write down a value as text";
        let client = &self.database.client;
        let asked = client.prepare_typed("SELECT $1::text", &[type_of(oid)]).await;
        let asked = asked.map_err(Error::database(doing))?;
        let raws = Raw::of(statement);
        let value = &references(&raws)[at..=at];
        let row = client.query_one(&asked, value).await.map_err(Error::database(doing))?;
        row.try_get(0).map_err(Error::database(doing))
    }
}

fn as_generic(finding: Finding) -> Finding {
    Finding { rule: Rule::GenericPlan, found: format!("in the generic plan: {}", finding.found), ..finding }
}
