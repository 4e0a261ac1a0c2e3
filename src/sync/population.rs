//! Populations and their users, as the phases hand them on.

use pingone::id::UserId;
use std::collections::HashMap;

use uuid::Uuid;

use super::writer_thread::EncodedResource;

/// What is needed of a population while users are read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PopulationPlan {
    pub(crate) id: Uuid,
    pub(crate) name: String,
    pub(crate) user_count: Option<u64>,
}

/// A translated user.
#[derive(Debug)]
pub(crate) struct UserRow {
    pub(crate) id: UserId,
    /// Position of its population in the plan.
    pub(crate) population: Option<usize>,
    /// Its row says whether it is enabled.
    pub(crate) has_status: bool,
    pub(crate) resource: EncodedResource,
}

/// Populations by id, for translation.
#[derive(Debug)]
pub(crate) struct PopulationNames {
    positions: HashMap<Uuid, usize>,
    names: Vec<String>,
}

impl PopulationNames {
    pub(crate) fn new(populations: &[PopulationPlan]) -> Self {
        Self {
            positions: populations
                .iter()
                .enumerate()
                .map(|(n, population)| (population.id, n))
                .collect(),
            names: populations.iter().map(|population| population.name.clone()).collect(),
        }
    }

    pub(crate) fn position(&self, id: Uuid) -> Option<usize> {
        self.positions.get(&id).copied()
    }

    pub(crate) fn name(&self, id: Uuid) -> Option<&str> {
        self.names.get(self.position(id)?).map(String::as_str)
    }
}

/// How many users the populations say they have; `None` where one says nothing.
pub(crate) fn users_told(populations: &[PopulationPlan]) -> Option<u64> {
    populations.iter().try_fold(0, |sum: u64, population| {
        Some(sum.saturating_add(population.user_count?))
    })
}
