//! Newtypes over PingOne's UUIDs, so that mixing two kinds does not compile. All print lower-case
//! (connector-model.md §1 point 2).

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident),+ $(,)?) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub Uuid);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.as_hyphenated().fmt(f)
            }
        }

        impl FromStr for $name {
            type Err = uuid::Error;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                Uuid::try_parse(text).map(Self)
            }
        }
    )+};
}

ids! {
    /// A user of the environment.
    UserId,
    /// A group of the environment.
    GroupId,
    /// A population of the environment.
    PopulationId,
    /// An administrator role, built in or custom.
    RoleId,
    /// An environment of the organization.
    EnvironmentId,
    /// The organization that owns the environment.
    OrganizationId,
    /// An application; a worker's id is its OAuth client id.
    ApplicationId,
}
