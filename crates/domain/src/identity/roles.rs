//! Roles of users and the scopes that they give.

use super::{EVERYTHING, Scope};
use crate::fields::names;

names! {
    /// Role of a user, which gives scopes.
    pub enum Role {
        /// Manages the service, its users and all data.
        Admin = "admin",
        /// Treats clients, and writes and signs notes.
        Clinician = "clinician",
        /// Keeps the ledger.
        Biller = "biller",
        /// Keeps clients and appointments.
        FrontDesk = "front_desk",
        /// Uses the service for personal purposes.
        User = "user",
    }
}

impl Role {
    /// Returns the scopes that the role gives. This is the only place that says which role gives which scopes.
    pub fn scopes(self) -> impl Iterator<Item = Scope> {
        let scopes: &[&str] = match self {
            Self::Admin => &[EVERYTHING],
            Self::Clinician => &[
                "identity:own",
                "ledger:read",
                "notes:read",
                "notes:sign",
                "notes:write",
                "practice:read",
                "practice:write",
                "terminology:read",
            ],
            Self::Biller => {
                &["identity:own", "ledger:read", "ledger:write", "practice:read", "terminology:read"]
            }
            Self::FrontDesk => &["identity:own", "practice:read", "practice:write", "terminology:read"],
            Self::User => &["identity:own"],
        };
        scopes.iter().map(|scope| Scope((*scope).to_owned()))
    }
}

/// Returns the scopes that `roles` give together.
pub fn scopes_of(roles: &[Role]) -> Vec<Scope> {
    let mut scopes = Vec::new();
    for scope in roles.iter().flat_map(|role| role.scopes()) {
        if !scopes.contains(&scope) {
            scopes.push(scope);
        }
    }
    scopes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roles_give_grantable_scopes() {
        for role in Role::ALL {
            assert!(role.scopes().all(|scope| Scope::GRANTABLE.contains(&scope.as_str())), "{role:?}");
        }
    }

    #[test]
    fn several_roles_give_the_scopes_of_all() {
        let both = scopes_of(&[Role::Biller, Role::FrontDesk]);
        let has = |scope: &str| both.iter().filter(|held| held.as_str() == scope).count();
        assert_eq!((has("ledger:write"), has("practice:write"), has("practice:read")), (1, 1, 1));
    }
}
