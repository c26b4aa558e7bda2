//! Operations as data: contract, statements, and cases.

use diesel::pg::Pg;
use diesel::sql_types::{BigInt, Nullable, Text};
use diesel::{QueryResult, QueryableByName};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use steadfast_plans::{Contract, Error, Verification};

/// An operation with its cases.
#[derive(Clone)]
pub(crate) struct Operation {
    pub(crate) contract: Contract,
    /// Steps of the cases that are added next.
    steps: Vec<Step>,
    cases: Vec<Case>,
}

#[derive(Clone)]
struct Case {
    name: &'static str,
    steps: Vec<Step>,
    values: Vec<Value>,
}

/// A statement and the condition under which it is sent.
#[derive(Clone, Copy)]
enum Step {
    /// Sent always, with as many values of the case as it has parameters.
    Always(&'static str),
    /// Sent if the previous statement found something.
    IfFound(&'static str),
    /// Sent once for each id that the previous statement found.
    ForEach(&'static str),
}

/// A value of a parameter.
#[derive(Clone, Copy)]
pub(crate) enum Value {
    /// `bigint`.
    Id(i64),
    /// `text`.
    Text(&'static str),
    /// NULL of type `text`.
    Null,
}

#[derive(QueryableByName)]
struct Found {
    #[diesel(sql_type = BigInt)]
    id: i64,
}

impl Operation {
    pub(crate) fn new(contract: Contract) -> Self {
        Self { contract, steps: Vec::new(), cases: Vec::new() }
    }

    /// Sets the statement of the following cases to `sql`, whose rows have an `id`.
    pub(crate) fn sends(self, sql: &'static str) -> Self {
        Self { steps: vec![Step::Always(sql)], ..self }
    }

    /// Adds `sql` to the following cases, to be sent if the previous statement finds something.
    pub(crate) fn if_found(mut self, sql: &'static str) -> Self {
        self.steps.push(Step::IfFound(sql));
        self
    }

    /// Adds `sql` to the following cases, to be sent for each id that the previous statement finds.
    pub(crate) fn for_each(mut self, sql: &'static str) -> Self {
        self.steps.push(Step::ForEach(sql));
        self
    }

    /// Adds a case.
    pub(crate) fn case<const COUNT: usize>(mut self, name: &'static str, values: [Value; COUNT]) -> Self {
        self.cases.push(Case { name, steps: self.steps.clone(), values: values.to_vec() });
        self
    }

    /// Runs all cases.
    pub(crate) async fn verify(&self, verification: &mut Verification) -> Result<(), Error> {
        for case in &self.cases {
            let program = async |conn: &mut AsyncPgConnection| case.run(conn).await;
            verification.case(&self.contract, case.name, program).await?;
        }
        Ok(())
    }
}

impl Case {
    async fn run(&self, conn: &mut AsyncPgConnection) -> QueryResult<()> {
        let mut found = Vec::new();
        for step in &self.steps {
            match step {
                Step::Always(sql) => found = send(conn, sql, &self.values).await?,
                Step::IfFound(sql) if !found.is_empty() => found = send(conn, sql, &self.values).await?,
                Step::IfFound(_) => {}
                Step::ForEach(sql) => {
                    for id in &found {
                        send(conn, sql, &[Value::Id(*id)]).await?;
                    }
                }
            }
        }
        Ok(())
    }
}

/// Sends `sql` with as many of `values` as it has parameters, and returns the ids that it finds.
async fn send(conn: &mut AsyncPgConnection, sql: &str, values: &[Value]) -> QueryResult<Vec<i64>> {
    let wanted = (1..=values.len()).take_while(|number| sql.contains(&format!("${number}"))).count();
    let mut query = diesel::sql_query(sql).into_boxed::<Pg>();
    for value in &values[..wanted] {
        query = match *value {
            Value::Id(id) => query.bind::<BigInt, _>(id),
            Value::Text(text) => query.bind::<Text, _>(text),
            Value::Null => query.bind::<Nullable<Text>, _>(None::<&str>),
        };
    }
    let found: Vec<Found> = query.load(conn).await?;
    Ok(found.into_iter().map(|row| row.id).collect())
}
