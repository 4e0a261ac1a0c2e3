//! Reads that changing groups needs.

use uuid::Uuid;

use super::Client;
use super::pages::Pages;
use super::reads::{append_filter, equals};
use crate::error::PingOneError;
use crate::operation::Operation;
use crate::types::{Group, GroupDocument};

impl Client {
    /// The groups of this name.
    pub fn groups_named(&self, name: &str) -> Pages<Group> {
        let mut url = self.url(&["groups"]);
        append_filter(&mut url, &equals("name", name));
        Pages::new(
            self.clone(),
            Operation::ListGroups,
            self.environment_id(),
            "groups",
            url,
        )
    }

    /// One group, whole.
    pub async fn whole_group(&self, id: Uuid) -> Result<GroupDocument, PingOneError> {
        let id = id.to_string();
        self.read_one(Operation::ReadGroup, &id, self.url(&["groups", &id]))
            .await
    }
}
