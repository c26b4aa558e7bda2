//! Sessions that block a migration.

use diesel::pg::Pg;
use diesel::sql_types::{Double, Integer, Nullable, Text};
use diesel::{QueryResult, QueryableByName};
use diesel_async::{AsyncConnection, RunQueryDsl};
use std::fmt;
use std::time::Duration;
use tokio::sync::watch;

/// Interval between two lookups of the sessions.
const INTERVAL: Duration = Duration::from_millis(100);

/// Selects the blocking sessions. Details of other users' sessions are visible only to superusers and members of
/// `pg_read_all_stats`.
const BLOCKERS: &str = "SELECT blocker.pid, usename::text AS username, application_name, state, \
        extract(epoch FROM clock_timestamp() - xact_start)::float8 AS seconds \
    FROM unnest(pg_blocking_pids($1)) AS blocker (pid) LEFT JOIN pg_stat_activity USING (pid) ORDER BY xact_start";

/// A session that blocks a migration.
#[derive(Clone, Debug, QueryableByName)]
pub struct Blocker {
    /// Process id of the session; 0 for a prepared transaction, which has none.
    #[diesel(sql_type = Integer)]
    pub pid: i32,
    /// User of the session.
    #[diesel(sql_type = Nullable<Text>)]
    pub username: Option<String>,
    /// `application_name` of the session.
    #[diesel(sql_type = Nullable<Text>)]
    pub application_name: Option<String>,
    /// State of the session, such as `idle in transaction`.
    #[diesel(sql_type = Nullable<Text>)]
    pub state: Option<String>,
    /// Age of the session's transaction in seconds.
    #[diesel(sql_type = Nullable<Double>)]
    pub seconds: Option<f64>,
}

impl fmt::Display for Blocker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.pid == 0 {
            return f.write_str("a prepared transaction (see pg_prepared_xacts)");
        }
        let text = |text: &Option<String>| text.clone().unwrap_or_else(|| "?".to_owned());
        let (user, program, state) = (text(&self.username), text(&self.application_name), text(&self.state));
        write!(f, "process {} (user {user}, program \"{program}\", {state}", self.pid)?;
        match self.seconds {
            Some(seconds) => write!(f, ", transaction of {seconds:.0} s)"),
            None => f.write_str(")"),
        }
    }
}

/// A migration that did not acquire a lock.
#[derive(Clone, Debug)]
pub struct LockWait {
    /// Name of the migration.
    pub migration: String,
    /// Sessions that block the migration. Empty if they could not be determined in time.
    pub blockers: Vec<Blocker>,
    /// Pause before the next attempt.
    pub pause: Duration,
}

impl fmt::Display for LockWait {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (blocked by: ", self.migration)?;
        if self.blockers.is_empty() {
            f.write_str("unknown sessions")?;
        }
        for (at, blocker) in self.blockers.iter().enumerate() {
            write!(f, "{}{blocker}", if at == 0 { "" } else { ", " })?;
        }
        f.write_str(")")
    }
}

/// Background lookup of the sessions that block a session. Runs until the runtime ends.
pub(super) struct Blockers(watch::Sender<Vec<Blocker>>);

impl Blockers {
    /// Starts looking up the sessions that block `conn`, on the connection `watcher`.
    pub(super) async fn watch<C>(conn: &mut C, watcher: C) -> QueryResult<Self>
    where
        C: AsyncConnection<Backend = Pg> + 'static,
    {
        let pid = diesel::dsl::sql::<Integer>("pg_backend_pid()");
        let pid: i32 = diesel::select(pid).get_result(conn).await?;
        let seen = watch::Sender::new(Vec::new());
        tokio::spawn(look_up(watcher, pid, seen.clone()));
        Ok(Self(seen))
    }

    /// Clears the result of earlier lookups.
    pub(super) fn clear(&self) {
        self.0.send_replace(Vec::new());
    }

    /// Returns the blocking sessions that were found last.
    pub(super) fn seen(&self) -> Vec<Blocker> {
        self.0.borrow().clone()
    }
}

async fn look_up<C>(mut conn: C, pid: i32, seen: watch::Sender<Vec<Blocker>>)
where
    C: AsyncConnection<Backend = Pg>,
{
    loop {
        let query = diesel::sql_query(BLOCKERS).bind::<Integer, _>(pid);
        let Ok(blockers) = query.load::<Blocker>(&mut conn).await else { return };
        if !blockers.is_empty() {
            seen.send_replace(blockers);
        }
        tokio::time::sleep(INTERVAL).await;
    }
}
