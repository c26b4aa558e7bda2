//! Roles of users and the scopes that they give.

use super::{EVERYTHING, Scope};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Role of a user, which gives scopes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Manages the service, its users and all data.
    Admin,
    /// Treats clients, and writes and signs notes.
    Clinician,
    /// Keeps the ledger.
    Biller,
    /// Keeps clients and appointments.
    FrontDesk,
    /// Uses the service for personal purposes.
    User,
}

impl Role {
    /// All roles.
    pub const ALL: [Self; 5] = [Self::Admin, Self::Clinician, Self::Biller, Self::FrontDesk, Self::User];

    /// Returns the name and the scopes of the role. This is the only place that says which role gives which scopes.
    const fn row(self) -> (&'static str, &'static [&'static str]) {
        match self {
            Self::Admin => ("admin", &[EVERYTHING]),
            Self::Clinician => (
                "clinician",
                &[
                    "identity:own",
                    "ledger:read",
                    "notes:read",
                    "notes:sign",
                    "notes:write",
                    "practice:read",
                    "practice:write",
                    "terminology:read",
                ],
            ),
            Self::Biller => {
                let scopes =
                    &["identity:own", "ledger:read", "ledger:write", "practice:read", "terminology:read"];
                ("biller", scopes)
            }
            Self::FrontDesk => {
                ("front_desk", &["identity:own", "practice:read", "practice:write", "terminology:read"])
            }
            Self::User => ("user", &["identity:own"]),
        }
    }

    /// Returns the name, such as `front_desk`.
    pub const fn as_str(self) -> &'static str {
        self.row().0
    }

    /// Returns the role of this name, or `None` if there is none.
    pub fn of_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.as_str() == name)
    }

    /// Returns the scopes that the role gives.
    pub fn scopes(self) -> impl Iterator<Item = Scope> {
        self.row().1.iter().map(|scope| Scope((*scope).to_owned()))
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
            assert_eq!(Role::of_name(role.as_str()), Some(role));
            assert_eq!(serde_json::to_value(role).expect("JSON"), role.as_str());
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
