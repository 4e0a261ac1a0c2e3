//! Reads that only provisioning needs.

use uuid::Uuid;

use super::client::Client;
use super::error::PingOneError;
use super::operation::Operation;
use super::roles;
use super::types::Role;
use process::error::ErrorClass;

impl Client {
    /// One role, built in or custom. Built-in roles whose ids are fixed are asked for where they live; of any other id
    /// the environment is asked first, then the list of built-in roles (pingone-api.md §6.9).
    pub async fn role(&self, id: Uuid) -> Result<Role, PingOneError> {
        let text = id.to_string();
        let builtin = self.hosts().url(&["roles", &text]);
        let own = self.url(&["roles", &text]);
        let (first, second) = if roles::fallback().iter().any(|role| role.id == id) {
            (builtin, own)
        } else {
            (own, builtin)
        };
        match self.read_one(Operation::ReadRole, &text, first).await {
            Err(error) if matches!(error.class(), ErrorClass::NotFound | ErrorClass::Forbidden) => {
                match self.read_one(Operation::ReadRole, &text, second).await {
                    Err(other) if other.class() == ErrorClass::NotFound => Err(error),
                    outcome => outcome,
                }
            }
            outcome => outcome,
        }
    }
}
