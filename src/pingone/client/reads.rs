//! What can be read. Listings are pages that the caller walks, or whole where they are short.

use std::time::Duration;

use reqwest::Url;
use serde::Deserialize;
use tokio::time::Instant;
use uuid::Uuid;

use super::{Budget, Client, Principal};
use crate::error::ErrorClass;
use crate::pingone::error::{PingOneError, Reason};
use crate::pingone::operation::Operation;
use crate::pingone::page::Pages;
use crate::pingone::roles;
use crate::pingone::types::{
    Activity, Capabilities, Environment, Group, IdOnly, Membership, Named, PasswordPolicy, Population, Role,
    RoleAssignment, User,
};

/// Items asked for on a page of users or groups; PingOne may give fewer (pingone-api.md §4).
const PAGE: &str = "200";
/// For reads that a sync can do without.
const OPTIONAL: Budget = Budget(Duration::from_secs(30));

/// Which members of a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MemberKind {
    /// Added by hand.
    Direct,
    /// Everybody who belongs to it.
    All,
}

/// Which users.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct UsersQuery {
    /// A SCIM filter; without it all.
    pub filter: Option<String>,
}

impl Client {
    /// Proves the credentials: gets a token.
    pub async fn prove(&self) -> Result<(), PingOneError> {
        let deadline = Instant::now() + self.budget.0;
        self.inner.tokens.token(&self.inner.gate, deadline).await.map(drop)
    }

    /// The configured environment. A 403 here or below it is checked against this call: an environment that does not
    /// exist answers 404 only here (pingone-api.md §3.6).
    pub async fn environment(&self) -> Result<Environment, PingOneError> {
        let url = self.url(&[]);
        match self.read(Operation::ReadEnvironment, self.environment_id(), url).await {
            Err(error) if error.class() == ErrorClass::NotFound => Err(PingOneError {
                reason: Reason::EnvironmentMissing,
                ..error
            }),
            other => other,
        }
    }

    /// Token, environment, and one row each of users, groups, populations and roles (connector-model.md §8.2).
    pub async fn validate(&self) -> Result<(), PingOneError> {
        self.environment().await?;
        for (operation, path) in [
            (Operation::ListUsers, "users"),
            (Operation::ListGroups, "groups"),
            (Operation::ListPopulations, "populations"),
        ] {
            let mut url = self.url(&[path]);
            url.query_pairs_mut().append_pair("limit", "1");
            self.get(operation, self.environment_id(), url).await?;
        }
        self.get(Operation::ListRoles, self.environment_id(), self.url(&["roles"]))
            .await
            .map(drop)
    }

    /// Any environment.
    pub async fn environment_by_id(&self, id: Uuid) -> Result<Environment, PingOneError> {
        let id = id.to_string();
        self.read(
            Operation::ReadEnvironment,
            &id,
            self.inner.hosts.url(&["environments", &id]),
        )
        .await
    }

    /// An organization's name.
    pub async fn organization(&self, id: Uuid) -> Result<Named, PingOneError> {
        let id = id.to_string();
        self.read(
            Operation::ReadOrganization,
            &id,
            self.inner.hosts.url(&["organizations", &id]),
        )
        .await
    }

    /// An application's name.
    pub async fn application(&self, id: Uuid) -> Result<Named, PingOneError> {
        let id = id.to_string();
        self.read(Operation::ReadApplication, &id, self.url(&["applications", &id]))
            .await
    }

    /// What the licence allows.
    pub async fn capabilities(&self) -> Result<Capabilities, PingOneError> {
        self.read(
            Operation::ReadCapabilities,
            self.environment_id(),
            self.url(&["capabilities"]),
        )
        .await
    }

    /// Where the rate is automatic, reads the licence's limits and keeps to our share of them. What cannot be read
    /// leaves the default in force (pingone-api.md §5: optional and permission dependent).
    pub async fn learn_limits(&self) -> Result<(), PingOneError> {
        let limiter = &self.inner.gate.limiter;
        if !limiter.is_automatic() {
            return Ok(());
        }
        match self.with_budget(OPTIONAL).capabilities().await {
            Ok(capabilities) => {
                if let Some(rate) = capabilities.directory_rate() {
                    limiter.licence_rate(rate);
                    tracing::info!(
                        licence_requests_per_second = rate,
                        "rate limit was read from the licence"
                    );
                }
                Ok(())
            }
            Err(error) if error.class() == ErrorClass::Auth => Err(error),
            Err(error) => {
                tracing::info!(
                    error_class = error.class().as_str(),
                    "the licence's limits could not be read"
                );
                Ok(())
            }
        }
    }

    /// The users.
    pub fn users(&self, query: &UsersQuery) -> Pages<User> {
        let url = self.users_url(query.filter.as_deref());
        Pages::new(self.clone(), Operation::ListUsers, self.environment_id(), "users", url)
    }

    fn users_url(&self, filter: Option<&str>) -> Url {
        let mut url = self.url(&["users"]);
        url.query_pairs_mut().append_pair("limit", PAGE);
        if let Some(filter) = filter {
            append_filter(&mut url, filter);
        }
        url
    }

    /// Ids of the users that a filter finds, or of all.
    pub async fn user_ids(&self, filter: Option<String>) -> Result<Vec<Uuid>, PingOneError> {
        let url = self.users_url(filter.as_deref());
        self.ids(Operation::ListUsers, self.environment_id().to_owned(), "users", url)
            .await
    }

    /// Ids of a group's members.
    pub async fn member_ids(&self, group: Uuid, kind: MemberKind) -> Result<Vec<Uuid>, PingOneError> {
        let url = self.users_url(Some(&membership_filter(group, kind)));
        self.ids(Operation::ListMembers, group.to_string(), "users", url).await
    }

    /// Ids of the groups nested directly in a group.
    pub async fn nested_group_ids(&self, group: Uuid) -> Result<Vec<Uuid>, PingOneError> {
        let mut url = self.groups_url();
        append_filter(&mut url, &membership_filter(group, MemberKind::Direct));
        self.ids(Operation::ListNestedGroups, group.to_string(), "groups", url)
            .await
    }

    async fn ids(
        &self,
        operation: Operation,
        object: String,
        key: &'static str,
        url: Url,
    ) -> Result<Vec<Uuid>, PingOneError> {
        Pages::<IdOnly>::new(self.clone(), operation, object, key, url)
            .all_as(|item| item.id)
            .await
    }

    /// One user.
    pub async fn user(&self, id: Uuid) -> Result<User, PingOneError> {
        let id = id.to_string();
        self.read(Operation::ReadUser, &id, self.url(&["users", &id])).await
    }

    fn groups_url(&self) -> Url {
        let mut url = self.url(&["groups"]);
        url.query_pairs_mut().append_pair("limit", PAGE);
        url
    }

    /// The groups.
    pub fn groups(&self) -> Pages<Group> {
        Pages::new(
            self.clone(),
            Operation::ListGroups,
            self.environment_id(),
            "groups",
            self.groups_url(),
        )
    }

    /// One group.
    pub async fn group(&self, id: Uuid) -> Result<Group, PingOneError> {
        let id = id.to_string();
        self.read(Operation::ReadGroup, &id, self.url(&["groups", &id])).await
    }

    /// How many users belong to a group in whatever way; `None` where PingOne does not say (pingone-api.md §6.7).
    pub(crate) async fn total_members(&self, group: Uuid) -> Result<Option<u64>, PingOneError> {
        let id = group.to_string();
        let mut url = self.url(&["groups", &id]);
        url.query_pairs_mut().append_pair("include", "totalMemberCounts");
        let group: Group = self.read(Operation::ReadGroup, &id, url).await?;
        Ok(group.total_member_counts.and_then(|counts| counts.users))
    }

    /// The groups that a user belongs to.
    pub async fn groups_of_user(&self, id: Uuid) -> Result<Vec<Membership>, PingOneError> {
        let id = id.to_string();
        let mut url = self.url(&["users", &id, "memberOfGroups"]);
        url.query_pairs_mut().append_pair("limit", "100");
        Pages::new(self.clone(), Operation::ListParents, id, "groupMemberships", url)
            .all()
            .await
    }

    /// The groups that a group is nested in.
    pub async fn parents_of_group(&self, id: Uuid) -> Result<Vec<Membership>, PingOneError> {
        let id = id.to_string();
        let url = self.url(&["groups", &id, "memberOfGroups"]);
        Pages::new(self.clone(), Operation::ListParents, id, "groupMemberships", url)
            .all()
            .await
    }

    /// One membership.
    pub async fn membership(&self, user: Uuid, group: Uuid) -> Result<Membership, PingOneError> {
        let (user, group) = (user.to_string(), group.to_string());
        let url = self.url(&["users", &user, "memberOfGroups", &group]);
        self.read(Operation::ReadMembership, &user, url).await
    }

    /// The populations.
    pub fn populations(&self) -> Pages<Population> {
        let mut url = self.url(&["populations"]);
        url.query_pairs_mut().append_pair("limit", "100");
        Pages::new(
            self.clone(),
            Operation::ListPopulations,
            self.environment_id(),
            "populations",
            url,
        )
    }

    /// One population.
    pub async fn population(&self, id: Uuid) -> Result<Population, PingOneError> {
        let id = id.to_string();
        self.read(Operation::ReadPopulation, &id, self.url(&["populations", &id]))
            .await
    }

    /// The built-in roles of every environment.
    pub fn builtin_roles(&self) -> Pages<Role> {
        let url = self.inner.hosts.url(&["roles"]);
        Pages::new(self.clone(), Operation::ListRoles, self.environment_id(), "roles", url)
    }

    /// The environment's own roles.
    pub fn custom_roles(&self) -> Pages<Role> {
        let url = self.url(&["roles"]);
        Pages::new(self.clone(), Operation::ListRoles, self.environment_id(), "roles", url)
    }

    /// Names and scope types of built-in roles for clients that may not read their list (pingone-api.md §6.9).
    pub fn fallback_roles(&self) -> Vec<Role> {
        roles::fallback()
    }

    /// A principal's role assignments.
    pub async fn role_assignments(&self, principal: Principal) -> Result<Vec<RoleAssignment>, PingOneError> {
        let (kind, id) = principal.path();
        let id = id.to_string();
        let url = self.url(&[kind, &id, "roleAssignments"]);
        Pages::new(self.clone(), Operation::ListRoleAssignments, id, "roleAssignments", url)
            .all()
            .await
    }

    /// The password policies.
    pub async fn password_policies(&self) -> Result<Vec<PasswordPolicy>, PingOneError> {
        self.settings(
            Operation::ListPasswordPolicies,
            &["passwordPolicies"],
            "passwordPolicies",
        )
        .await
    }

    /// One password policy.
    pub async fn password_policy(&self, id: Uuid) -> Result<PasswordPolicy, PingOneError> {
        let id = id.to_string();
        let url = self.url(&["passwordPolicies", &id]);
        self.read(Operation::ReadPasswordPolicy, &id, url).await
    }

    async fn settings<T: for<'de> Deserialize<'de> + Send>(
        &self,
        operation: Operation,
        path: &[&str],
        key: &'static str,
    ) -> Result<Vec<T>, PingOneError> {
        Pages::new(self.clone(), operation, self.environment_id(), key, self.url(path))
            .all()
            .await
    }

    /// Audit activities. The filter must bound `recordedAt` and may have one further clause (pingone-api.md §6.11);
    /// nothing personal belongs in it, since it stands in the address.
    pub fn activities(&self, filter: &str, limit: u32) -> Pages<Activity> {
        let mut url = self.url(&["activities"]);
        url.query_pairs_mut().append_pair("limit", &limit.to_string());
        append_filter(&mut url, filter);
        let operation = Operation::ListActivities;
        Pages::new(self.clone(), operation, self.environment_id(), "activities", url)
    }
}

/// `attribute eq "value"`, with what the value holds of quotes and backslashes escaped (pingone-api.md §4.1).
pub fn equals(attribute: &str, value: &str) -> String {
    let mut filter = format!("{attribute} eq \"");
    for c in value.chars() {
        if matches!(c, '"' | '\\') {
            filter.push('\\');
        }
        filter.push(c);
    }
    filter.push('"');
    filter
}

/// `memberOfGroups[…]` of pingone-api.md §6.6.
fn membership_filter(group: Uuid, kind: MemberKind) -> String {
    match kind {
        MemberKind::Direct => format!("memberOfGroups[id eq \"{group}\" and type eq \"DIRECT\"]"),
        MemberKind::All => format!("memberOfGroups[id eq \"{group}\"]"),
    }
}

/// Adds a SCIM filter. `%20` rather than `+` for blanks, as PingOne's samples write it.
fn append_filter(url: &mut Url, filter: &str) {
    let encoded: String = filter
        .bytes()
        .map(|byte| match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => char::from(byte).to_string(),
            _ => format!("%{byte:02X}"),
        })
        .collect();
    let query = match url.query() {
        Some(query) if !query.is_empty() => format!("{query}&filter={encoded}"),
        _ => format!("filter={encoded}"),
    };
    url.set_query(Some(&query));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_is_encoded_as_the_samples_write_it() {
        let mut url = Url::parse("https://x/users?limit=200").unwrap();
        append_filter(&mut url, "memberOfGroups[id eq \"e4\" and type eq \"DIRECT\"]");
        assert_eq!(
            url.query(),
            Some("limit=200&filter=memberOfGroups%5Bid%20eq%20%22e4%22%20and%20type%20eq%20%22DIRECT%22%5D")
        );
        let mut url = Url::parse("https://x/users").unwrap();
        append_filter(&mut url, "name eq \"Zoë & Co\"");
        assert_eq!(url.query(), Some("filter=name%20eq%20%22Zo%C3%AB%20%26%20Co%22"));
    }

    #[test]
    fn a_value_cannot_leave_its_quotes() {
        assert_eq!(equals("username", "mara"), r#"username eq "mara""#);
        assert_eq!(equals("name", r#"a" or id sw "\"#), r#"name eq "a\" or id sw \"\\""#);
    }
}
