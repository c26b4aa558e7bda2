//! Hashing of passwords with Argon2id, on a bounded number of threads.

use argon2::password_hash::{PasswordHash, PasswordHasher, PasswordVerifier, SaltString};
use argon2::{Algorithm, Argon2, Params, Version};
use std::sync::{Arc, LazyLock};
use steadfast_domain::identity::Password;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::spawn_blocking;

/// Maximum number of passwords that are hashed or wait for it. More are refused.
const QUEUE_MAX: usize = 64;

/// Parameters that OWASP recommends: 19 MiB of memory, two passes, one lane.
const PARAMS: Result<Params, argon2::Error> = Params::new(19 * 1024, 2, 1, None);

/// Hashes and verifies passwords. Clones share the limits.
#[derive(Clone, Debug)]
pub struct Passwords {
    queue: Arc<Semaphore>,
    threads: Arc<Semaphore>,
}

/// Place in the queue. Dropping it leaves the queue.
#[derive(Debug)]
pub(super) struct Place(#[expect(dead_code, reason = "held until it is dropped")] OwnedSemaphorePermit);

/// Error of a password that was not hashed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Unhashed {
    /// Too many others wait.
    Busy,
    /// The library refused, which is a defect.
    Fault(String),
}

/// Result of a verification.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Another password.
    Wrong,
    /// The password.
    Right,
    /// The password, whose hash has other parameters than a new one.
    Outdated,
}

impl Default for Passwords {
    /// Uses up to half of the processors.
    fn default() -> Self {
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        Self {
            queue: Arc::new(Semaphore::new(QUEUE_MAX)),
            threads: Arc::new(Semaphore::new((processors / 2).max(1))),
        }
    }
}

impl Passwords {
    /// Takes a place in the queue.
    pub(super) fn place(&self) -> Result<Place, Unhashed> {
        Arc::clone(&self.queue).try_acquire_owned().map(Place).map_err(|_| Unhashed::Busy)
    }

    /// Returns the hash of a password with a new salt, in PHC format.
    pub(super) async fn hash(&self, password: Password) -> Result<String, Unhashed> {
        self.run(self.place()?, move || hash(&password)).await?
    }

    /// Compares a password with the hash `stored`. Takes the same time if there is none.
    pub(super) async fn verify(
        &self,
        place: Place,
        password: Password,
        stored: Option<String>,
    ) -> Result<Verdict, Unhashed> {
        self.run(place, move || verify(&password, stored.as_deref())).await?
    }

    /// Runs `work` on a thread for blocking work.
    async fn run<T: Send + 'static>(
        &self,
        place: Place,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Unhashed> {
        let fault = |error: &dyn std::fmt::Display| Unhashed::Fault(error.to_string());
        let thread = Arc::clone(&self.threads).acquire_owned().await.map_err(|error| fault(&error))?;
        // The thread holds the permits, because it outlives a request that leaves.
        let task = spawn_blocking(move || {
            let _permits = (place, thread);
            work()
        });
        task.await.map_err(|error| fault(&error))
    }
}

fn argon2() -> Result<Argon2<'static>, Unhashed> {
    let params = PARAMS.map_err(|error| Unhashed::Fault(error.to_string()))?;
    Ok(Argon2::new(Algorithm::Argon2id, Version::V0x13, params))
}

fn hash(password: &Password) -> Result<String, Unhashed> {
    let fault = |error: argon2::password_hash::Error| Unhashed::Fault(error.to_string());
    let salt = SaltString::encode_b64(&rand::random::<[u8; 16]>()).map_err(fault)?;
    Ok(argon2()?.hash_password(password.as_bytes(), &salt).map_err(fault)?.to_string())
}

fn verify(password: &Password, stored: Option<&str>) -> Result<Verdict, Unhashed> {
    /// Hash of a random password, to spend the time of a verification.
    static DUMMY: LazyLock<Result<String, Unhashed>> = LazyLock::new(|| {
        let random: [u8; 16] = rand::random();
        hash(&Password::from(format!("{random:02x?}")))
    });
    let dummy = DUMMY.as_ref().map_err(Clone::clone)?;
    let Ok(parsed) = PasswordHash::new(stored.unwrap_or(dummy)) else { return Ok(Verdict::Wrong) };
    let argon2 = argon2()?;
    if argon2.verify_password(password.as_bytes(), &parsed).is_err() || stored.is_none() {
        return Ok(Verdict::Wrong);
    }
    let is_current = Params::try_from(&parsed).is_ok_and(|params| {
        let cost = |params: &Params| (params.m_cost(), params.t_cost(), params.p_cost());
        cost(&params) == cost(argon2.params())
    });
    Ok(if is_current { Verdict::Right } else { Verdict::Outdated })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn password(text: &str) -> Password {
        Password::from(text.to_owned())
    }

    #[tokio::test]
    async fn password_is_verified_by_its_hash() {
        let passwords = Passwords::default();
        let hash = passwords.hash(password("correct horse")).await.expect("a hash");
        assert!(hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{hash}");
        assert_ne!(passwords.hash(password("correct horse")).await.expect("a hash"), hash, "another salt");
        for (text, stored, verdict) in [
            ("correct horse", Some(hash.clone()), Verdict::Right),
            ("wrong horse", Some(hash.clone()), Verdict::Wrong),
            ("correct horse", None, Verdict::Wrong),
            ("correct horse", Some("$argon2id$damaged".to_owned()), Verdict::Wrong),
        ] {
            assert_eq!(
                passwords.verify(passwords.place().expect("a place"), password(text), stored).await,
                Ok(verdict),
                "{text}"
            );
        }
    }

    #[tokio::test]
    async fn hash_with_other_parameters_is_outdated() {
        let weak = Params::new(8 * 1024, 1, 1, None).expect("parameters");
        let salt = SaltString::encode_b64(b"salt of a test").expect("a salt");
        let weak = Argon2::new(Algorithm::Argon2id, Version::V0x13, weak);
        let hash = weak.hash_password(b"correct horse", &salt).expect("a hash").to_string();
        let passwords = Passwords::default();
        let place = passwords.place().expect("a place");
        let verdict = passwords.verify(place, password("correct horse"), Some(hash)).await;
        assert_eq!(verdict, Ok(Verdict::Outdated));
    }

    #[tokio::test]
    async fn full_queue_refuses_at_once() {
        let passwords = Passwords::default();
        let all = passwords.queue.acquire_many(QUEUE_MAX as u32).await.expect("permits");
        assert_eq!(passwords.hash(password("correct horse")).await, Err(Unhashed::Busy));
        drop(all);
        assert!(passwords.hash(password("correct horse")).await.is_ok());
    }
}
