//! Applications (access-model.md §1.1). Their secrets are never asked for, though most roles that may read applications may
//! read those, too.

use uuid::Uuid;

use super::Client;
use super::pages::{Ids, Pages};
use super::reads::append_filter;
use crate::error::PingOneError;
use crate::operation::Operation;
use crate::types::Application;

impl Client {
    /// The applications.
    pub fn applications(&self) -> Pages<Application> {
        let mut url = self.url(&["applications"]);
        url.query_pairs_mut().append_pair("limit", "100");
        let operation = Operation::ListApplications;
        Pages::new(self.clone(), operation, self.environment_id(), "applications", url)
    }

    /// One application, whole.
    pub async fn whole_application(&self, id: Uuid) -> Result<Application, PingOneError> {
        let id = id.to_string();
        self.read_one(Operation::ReadApplication, &id, self.url(&["applications", &id]))
            .await
    }

    /// The application that we sign in as.
    pub fn own_application(&self) -> Option<Uuid> {
        Uuid::try_parse(&self.client_id()).ok()
    }

    /// The application that we sign in as, where it is one of this environment and a list of applications leaves it out: nothing
    /// counts such a list, and it leaves out others, too. Asks only where the list does not show it.
    pub async fn own_left_out(&self, listed: impl IntoIterator<Item = Uuid>) -> Result<Option<Uuid>, PingOneError> {
        let own = self.own_application();
        let Some(own) = own.filter(|own| listed.into_iter().all(|id| id != *own)) else {
            return Ok(None);
        };
        match self.whole_application(own).await {
            Ok(_) => Ok(Some(own)),
            // It lives in another environment.
            Err(error) if error.is_gone() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Ids of the users who are in every one of these groups, as PingOne itself works it out.
    pub async fn members_of_all(&self, groups: &[Uuid]) -> Result<Ids, PingOneError> {
        let clauses: Vec<String> = groups
            .iter()
            .map(|group| format!("memberOfGroups[id eq \"{group}\"]"))
            .collect();
        let mut url = self.users_url(None);
        append_filter(&mut url, &clauses.join(" and "));
        let operation = Operation::ListMembersOfAll;
        let named: Vec<String> = groups.iter().map(Uuid::to_string).collect();
        let object = named.join(", ");
        Pages::new(self.clone(), operation, object, "users", url).ids().await
    }
}
