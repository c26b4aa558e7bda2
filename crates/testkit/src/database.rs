//! Databases for tests.

use crate::template::{APPLICATION_ROLE, Admin, CLONE_PREFIX, Template, random};
use crate::url::ServerUrl;
use crate::{Result, Server, test_server};
use std::fmt::Display;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

/// Time limit for dropping a database: the test may have broken its server.
const DROP_PATIENCE: Duration = Duration::from_secs(20);

/// A private database. Dropped with this value, including its sessions, also if a test panics.
#[derive(Debug)]
pub struct TestDatabase {
    server: ServerUrl,
    name: String,
}

impl TestDatabase {
    /// Creates an empty database on the shared server.
    ///
    /// # Errors
    /// Returns an error if there is no server and none can be started, or if it rejects a statement.
    pub async fn empty() -> Result<Self> {
        let database = Self::claim(test_server::server().await?);
        let admin = Admin::connect(&database.server).await?;
        admin.ensure_application_role(&database.server).await?;
        admin.create(&database.name, None).await?;
        Ok(database)
    }

    /// Creates a copy of the template that `migrate` builds, on the shared server. The first caller of all processes
    /// builds the template, once for each `fingerprint`: pass a value that changes with the migrations, such as their
    /// hash. Templates of the same prefix with another fingerprint are dropped.
    ///
    /// `migrate` receives the URL of an empty database and must close its sessions; open ones are terminated.
    ///
    /// # Errors
    /// Returns the errors of [`TestDatabase::empty`], [`Error::BadName`](crate::Error::BadName) if `prefix` would need
    /// quoting, and [`Error::Migration`](crate::Error::Migration) if `migrate` fails. The next caller then tries again.
    pub async fn from_template<E>(
        prefix: &str,
        fingerprint: impl Display,
        migrate: impl AsyncFnOnce(&str) -> Result<(), E>,
    ) -> Result<Self>
    where
        E: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        Self::clone_on(test_server::server().await?, prefix, fingerprint, migrate).await
    }

    /// Does the same as [`TestDatabase::from_template`] on another server, for tests that break it.
    ///
    /// # Errors
    /// Returns the errors of [`TestDatabase::from_template`].
    pub async fn from_template_on<E>(
        server: &Server,
        prefix: &str,
        fingerprint: impl Display,
        migrate: impl AsyncFnOnce(&str) -> Result<(), E>,
    ) -> Result<Self>
    where
        E: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        Self::clone_on(server.server_url(), prefix, fingerprint, migrate).await
    }

    async fn clone_on<E>(
        server: ServerUrl,
        prefix: &str,
        fingerprint: impl Display,
        migrate: impl AsyncFnOnce(&str) -> Result<(), E>,
    ) -> Result<Self>
    where
        E: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let template = Template::new(prefix, &fingerprint.to_string())?;
        let database = Self::claim(server);
        let admin = Admin::connect(&database.server).await?;
        let migrate = |url: String| async move { migrate(&url).await };
        admin.clone_template(&database.name, &template, migrate, &database.server).await?;
        Ok(database)
    }

    /// Copies this database in its current state. Its sessions must have ended: a copy waits half a minute for them and
    /// then fails. Statistics, frozen pages and object ids are preserved.
    ///
    /// # Errors
    /// Returns [`Error::Database`](crate::Error::Database) if the server rejects the copy.
    pub async fn copy(&self) -> Result<Self> {
        let copy = Self::claim(self.server.clone());
        Admin::connect(&copy.server).await?.copy(&copy.name, &self.name).await?;
        Ok(copy)
    }

    /// Reserves a name before the database is created, so that a database whose creation was interrupted is dropped,
    /// too.
    fn claim(server: ServerUrl) -> Self {
        static CLAIMED: AtomicU32 = AtomicU32::new(0);
        let number = CLAIMED.fetch_add(1, Ordering::Relaxed);
        let name = format!("{CLONE_PREFIX}{}_{number}_{:08x}", std::process::id(), random() >> 32);
        Self { server, name }
    }

    /// Returns the URL of the database.
    pub fn url(&self) -> String {
        self.server.database(&self.name)
    }

    /// Returns the URL for the program under test. Its role, [`APPLICATION_ROLE`], is a superuser, too, and separates
    /// the statements of the program from those of the tests in the server's statistics.
    pub fn application_url(&self) -> String {
        self.server.for_user(APPLICATION_ROLE).database(&self.name)
    }

    /// Returns the name of the database.
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl Drop for TestDatabase {
    fn drop(&mut self) {
        let dropped = std::thread::scope(|scope| {
            // A separate thread, because this may run inside a runtime, which must not be blocked by another one.
            let thread =
                std::thread::Builder::new().spawn_scoped(scope, || drop_blocking(&self.server, &self.name));
            thread.is_ok_and(|thread| thread.join().is_ok_and(|dropped| dropped))
        });
        if !dropped {
            tracing::warn!(
                database = self.name,
                "a test database could not be dropped and is left for the next sweep"
            );
        }
    }
}

fn drop_blocking(server: &ServerUrl, name: &str) -> bool {
    let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() else {
        return false;
    };
    let dropping = async { Admin::connect(server).await?.drop_database(name).await };
    runtime.block_on(async {
        tokio::time::timeout(DROP_PATIENCE, dropping).await.is_ok_and(|done| done.is_ok())
    })
}
