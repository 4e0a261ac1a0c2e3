//! Writes.

use super::answer::{Outcome, Refusal};
use super::call::Call;
use super::world::World;

/// Attributes that the customer added to the schema (point 61).
pub(crate) const CUSTOM_ATTRIBUTES: [&str; 4] = ["employeeNumber", "department", "preferences", "badges"];

impl World {
    pub(crate) fn write(&mut self, _call: &Call<'_>) -> Outcome {
        Err(Refusal::method())
    }
}
