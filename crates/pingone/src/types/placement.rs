//! Where a user stands: his population, and how many groups he is in.

use serde::Deserialize;
use uuid::Uuid;

use super::{Identified, Reference, id};
use crate::lenient::texts;

/// A user of whom only the population and the groups matter (`include=memberOfGroupIDs`).
#[derive(Debug, Clone, Deserialize)]
pub struct Placement {
    /// The user.
    #[serde(deserialize_with = "id")]
    pub id: Uuid,
    /// Where he is. PingOne always says it, so an answer without it is none.
    population: Reference,
    #[serde(default, rename = "memberOfGroupIDs", deserialize_with = "texts")]
    groups: Option<Vec<String>>,
}

impl Placement {
    /// The user's population.
    pub fn population(&self) -> Uuid {
        self.population.id
    }

    /// How many groups the user is in, where PingOne says it.
    pub fn groups(&self) -> Option<usize> {
        self.groups.as_ref().map(Vec::len)
    }
}

impl Identified for Placement {
    fn id(&self) -> Uuid {
        self.id
    }
}
