//! A database for one test: there from the first line, gone after the last, alone in the world.

use crate::template::{APPLICATION_ROLE, Admin, CLONE_PREFIX, Template, random};
use crate::url::ServerUrl;
use crate::{Result, Server, test_server};
use std::fmt::Display;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

/// A test that ends must not hang on a server that it broke.
const DROP_PATIENCE: Duration = Duration::from_secs(20);

/// A database of the caller alone. Dropped with this value, open sessions included, also when a test panics.
#[derive(Debug)]
pub struct TestDatabase {
    server: ServerUrl,
    name: String,
}

impl TestDatabase {
    /// An empty database on the shared server.
    ///
    /// # Errors
    /// When there is no server and none can be started, or it refuses.
    pub async fn empty() -> Result<Self> {
        let database = Self::claim(test_server::server().await?);
        let admin = Admin::connect(&database.server).await?;
        admin.ensure_application_role(&database.server).await?;
        admin.create(&database.name, None).await?;
        Ok(database)
    }

    /// A copy, on the shared server, of the template that `migrate` builds. The template is built by whoever comes
    /// first, once for each `fingerprint`, in all processes: give something that changes with the migrations, such as
    /// a hash of them. Templates of the same prefix and another fingerprint are dropped.
    ///
    /// `migrate` gets the address of an empty database and must close its sessions; those left open are cut off.
    ///
    /// # Errors
    /// As [`TestDatabase::empty`]; [`Error::BadName`](crate::Error::BadName) for a `prefix` that needs quoting;
    /// [`Error::Migration`](crate::Error::Migration) when `migrate` fails, after which the next caller tries again.
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

    /// As [`TestDatabase::from_template`], on a server of the caller's, for tests that break it.
    ///
    /// # Errors
    /// As [`TestDatabase::from_template`].
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

    /// A copy of this database as it is now, on the same server. Sessions that are open here must end: a copy waits half a
    /// minute for them and then gives up. Statistics, vacuumed pages and object ids are those of the original.
    ///
    /// # Errors
    /// When the server refuses.
    pub async fn copy(&self) -> Result<Self> {
        let copy = Self::claim(self.server.clone());
        Admin::connect(&copy.server).await?.copy(&copy.name, &self.name).await?;
        Ok(copy)
    }

    /// The name comes before the database, so that one whose creation is cut off is dropped all the same.
    fn claim(server: ServerUrl) -> Self {
        static CLAIMED: AtomicU32 = AtomicU32::new(0);
        let number = CLAIMED.fetch_add(1, Ordering::Relaxed);
        let name = format!("{CLONE_PREFIX}{}_{number}_{:08x}", std::process::id(), random() >> 32);
        Self { server, name }
    }

    /// Its address, for any client.
    pub fn url(&self) -> String {
        self.server.database(&self.name)
    }

    /// Its address for the program under test: a superuser of its own, [`APPLICATION_ROLE`], so that the server's
    /// statistics tell the program's statements from those of the tests.
    pub fn application_url(&self) -> String {
        self.server.for_user(APPLICATION_ROLE).database(&self.name)
    }

    /// Its name on the server.
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl Drop for TestDatabase {
    fn drop(&mut self) {
        let dropped = std::thread::scope(|scope| {
            // A thread of its own: this may run inside a runtime, where blocking on another one is forbidden.
            let thread =
                std::thread::Builder::new().spawn_scoped(scope, || drop_blocking(&self.server, &self.name));
            thread.is_ok_and(|thread| thread.join().is_ok_and(|dropped| dropped))
        });
        if !dropped {
            tracing::warn!(database = self.name, "a test database stays until the next sweep");
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
