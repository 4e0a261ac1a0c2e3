//! What can be read. Listings are pages that the caller walks, or whole where they are short.

use std::time::Duration;

use reqwest::Url;
use serde::Deserialize;
use tokio::time::Instant;
use uuid::Uuid;

use super::pages::{Ids, Pages};
use super::{Budget, Client, Principal};
use crate::error::{PingOneError, Reason};
use crate::operation::Operation;
use crate::roles;
use crate::types::{
    Activity, Capabilities, Environment, Group, Identified, Membership, Named, PasswordPolicy, Placement, Population,
    Reference, Role, RoleAssignment, User,
};

/// Items asked for on a page of users or groups; PingOne may give fewer (pingone-api.md §4).
const PAGE: &str = "200";
/// For reads that a sync can do without.
const OPTIONAL: Budget = Budget(Duration::from_secs(30));

/// What each sync must be able to list.
pub const ESSENTIAL_LISTS: [Operation; 4] = [
    Operation::ListUsers,
    Operation::ListGroups,
    Operation::ListPopulations,
    Operation::ListRoles,
];

/// Which members of a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MemberKind {
    /// Added by hand.
    Direct,
    /// Through nesting, a filter or a source.
    Indirect,
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
        self.inner.tokens.token(&self.inner.throttle, deadline).await.map(drop)
    }

    /// The configured environment. A 403 here or below it is checked against this call: an environment that does not
    /// exist answers 404 only here (pingone-api.md §3.6).
    pub async fn environment(&self) -> Result<Environment, PingOneError> {
        let url = self.url(&[]);
        match self
            .read_one(Operation::ReadEnvironment, self.environment_id(), url)
            .await
        {
            Err(error) if error.is_gone() => Err(PingOneError {
                reason: Reason::EnvironmentMissing,
                ..error
            }),
            other => other,
        }
    }

    /// Token, environment, and one row each of what a sync lists (connector-model.md §8.2).
    pub async fn validate(&self) -> Result<(), PingOneError> {
        self.environment().await?;
        for list in ESSENTIAL_LISTS {
            self.can_list(list).await?;
        }
        Ok(())
    }

    /// Whether a list can be read, of [`ESSENTIAL_LISTS`] or of what a setting switches on: asks for its first row.
    pub async fn can_list(&self, list: Operation) -> Result<(), PingOneError> {
        self.first_row::<serde::de::IgnoredAny>(list).await.map(drop)
    }

    /// The id of the first row.
    pub async fn first_of(&self, list: Operation) -> Result<Option<Uuid>, PingOneError> {
        let first: Option<Reference> = self.first_row(list).await?;
        Ok(first.map(|row| row.id))
    }

    async fn first_row<T>(&self, list: Operation) -> Result<Option<T>, PingOneError>
    where
        T: for<'de> Deserialize<'de> + Send,
    {
        let (key, limit) = match list {
            Operation::ListApplications => ("applications", true),
            Operation::ListGateways => ("gateways", false),
            Operation::ListKeys => ("keys", false),
            Operation::ListUsers => ("users", true),
            Operation::ListGroups => ("groups", true),
            Operation::ListPopulations => ("populations", true),
            _ => ("roles", false),
        };
        let mut url = self.url(&[key]);
        if limit {
            url.query_pairs_mut().append_pair("limit", "1");
        }
        let mut first = None;
        let mut pages = Pages::new(self.clone(), list, self.environment_id(), key, url);
        pages
            .next_with(|row: T| {
                first.get_or_insert(row);
            })
            .await?;
        Ok(first)
    }

    /// One object, which must be the one that was asked for.
    pub(crate) async fn read_one<T: Identified + for<'de> Deserialize<'de>>(
        &self,
        operation: Operation,
        id: &str,
        url: Url,
    ) -> Result<T, PingOneError> {
        let found: T = self.read(operation, id, url).await?;
        if Uuid::try_parse(id).is_ok_and(|id| id != found.id()) {
            let what = "the answer is about another object".to_owned();
            return Err(PingOneError::new(operation, id, Reason::Corrupt { what }));
        }
        Ok(found)
    }

    /// Any environment.
    pub async fn environment_by_id(&self, id: Uuid) -> Result<Environment, PingOneError> {
        let id = id.to_string();
        self.read_one(
            Operation::ReadEnvironment,
            &id,
            self.inner.hosts.url(&["environments", &id]),
        )
        .await
    }

    /// An organization's name.
    pub async fn organization(&self, id: Uuid) -> Result<Named, PingOneError> {
        let id = id.to_string();
        self.read_one(
            Operation::ReadOrganization,
            &id,
            self.inner.hosts.url(&["organizations", &id]),
        )
        .await
    }

    /// An application's name.
    pub async fn application(&self, id: Uuid) -> Result<Named, PingOneError> {
        let id = id.to_string();
        self.read_one(Operation::ReadApplication, &id, self.url(&["applications", &id]))
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
    pub async fn learn_limits(&self) {
        let limiter = &self.inner.throttle.limiter;
        if !limiter.is_automatic() {
            return;
        }
        match self.with_budget(OPTIONAL).capabilities().await {
            Ok(capabilities) => {
                let rates = capabilities.rates();
                limiter.licence_rates(&rates);
                if let Some(rate) = rates.directory {
                    tracing::info!(
                        licence_requests_per_second = rate,
                        "rate limit was read from the licence"
                    );
                }
            }
            Err(error) => tracing::info!(
                error_class = error.class().as_str(),
                "the licence's limits could not be read"
            ),
        }
    }

    /// The users.
    pub fn users(&self, query: &UsersQuery) -> Pages<User> {
        let url = self.users_url(query.filter.as_deref());
        Pages::new(self.clone(), Operation::ListUsers, self.environment_id(), "users", url)
    }

    /// How many users there are that a filter finds, or in all, where the list says so: asks for its first row.
    pub async fn user_count(&self, filter: Option<&str>) -> Result<Option<u64>, PingOneError> {
        let mut url = self.url(&["users"]);
        url.query_pairs_mut().append_pair("limit", "1");
        if let Some(filter) = filter {
            append_filter(&mut url, filter);
        }
        let operation = Operation::ListUsers;
        let mut pages = Pages::new(self.clone(), operation, self.environment_id(), "users", url);
        let first = pages.next_with(|_: serde::de::IgnoredAny| {}).await?;
        Ok(first.and_then(|page| page.count))
    }

    pub(super) fn users_url(&self, filter: Option<&str>) -> Url {
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
        self.ids(Operation::ListUsers, self.environment_id(), "users", url)
            .await
    }

    /// Ids of the users that a filter finds, with the population that each says he is in.
    pub async fn users_with_population(&self, filter: &str) -> Result<Vec<(Uuid, Uuid)>, PingOneError> {
        let url = self.users_url(Some(filter));
        let operation = Operation::ListUsers;
        let found: Vec<Placement> = Pages::new(self.clone(), operation, self.environment_id(), "users", url)
            .all()
            .await?;
        Ok(found.into_iter().map(|user| (user.id, user.population())).collect())
    }

    /// Ids of a group's members. Whether they are all is for the caller to decide, who knows the group's own counts.
    pub async fn member_ids(&self, group: Uuid, kind: MemberKind) -> Result<Ids, PingOneError> {
        let url = self.users_url(Some(&membership_filter(group, kind)));
        let operation = Operation::ListMembers;
        Pages::new(self.clone(), operation, group.to_string(), "users", url)
            .ids()
            .await
    }

    /// Ids of the groups nested directly in a group.
    pub async fn nested_group_ids(&self, group: Uuid) -> Result<Vec<Uuid>, PingOneError> {
        let mut url = self.groups_url();
        append_filter(&mut url, &membership_filter(group, MemberKind::Direct));
        self.ids(Operation::ListNestedGroups, &group.to_string(), "groups", url)
            .await
    }

    async fn ids(
        &self,
        operation: Operation,
        object: &str,
        key: &'static str,
        url: Url,
    ) -> Result<Vec<Uuid>, PingOneError> {
        let found = Pages::new(self.clone(), operation, object, key, url).ids().await?;
        if found.unproved {
            let what = "the links to the next pages lack the filter, and nothing counts what it matches".to_owned();
            return Err(PingOneError::new(operation, object, Reason::Corrupt { what }));
        }
        if found.is_short() {
            let reason = Reason::Short {
                told: found.told.unwrap_or_default(),
                found: u64::try_from(found.ids.len()).unwrap_or(u64::MAX),
            };
            return Err(PingOneError::new(operation, object, reason));
        }
        Ok(found.ids)
    }

    /// One user.
    pub async fn user(&self, id: Uuid) -> Result<User, PingOneError> {
        let id = id.to_string();
        self.read_one(Operation::ReadUser, &id, self.url(&["users", &id])).await
    }

    /// A user's population, and how many groups he is in.
    pub async fn placement(&self, id: Uuid) -> Result<Placement, PingOneError> {
        let id = id.to_string();
        let mut url = self.url(&["users", &id]);
        url.query_pairs_mut().append_pair("include", "memberOfGroupIDs");
        self.read_one(Operation::ReadUser, &id, url).await
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
        self.read_one(Operation::ReadGroup, &id, self.url(&["groups", &id]))
            .await
    }

    /// One group with the counts that only a single read has (pingone-api.md §6.7).
    pub async fn group_with_counts(&self, group: Uuid) -> Result<Group, PingOneError> {
        let id = group.to_string();
        let mut url = self.url(&["groups", &id]);
        url.query_pairs_mut().append_pair("include", "totalMemberCounts");
        self.read_one(Operation::ReadGroup, &id, url).await
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
        let found: Membership = self.read(Operation::ReadMembership, &user, url).await?;
        if found.id.to_string() != group {
            let what = "the answer is about another group".to_owned();
            return Err(PingOneError::new(
                Operation::ReadMembership,
                user,
                Reason::Corrupt { what },
            ));
        }
        Ok(found)
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
        self.read_one(Operation::ReadPopulation, &id, self.url(&["populations", &id]))
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
        let operation = match principal {
            Principal::Application(_) => Operation::ListApplicationRoles,
            Principal::Gateway(_) => Operation::ListGatewayRoles,
            Principal::User(_) | Principal::Group(_) => Operation::ListRoleAssignments,
        };
        let found: Vec<RoleAssignment> = Pages::new(self.clone(), operation, id.as_str(), "roleAssignments", url)
            .all()
            .await?;
        let of_other = |item: &RoleAssignment| {
            let user = item.user.filter(|_| matches!(principal, Principal::User(_)));
            let elsewhere = item
                .environment
                .is_some_and(|home| !home.id.to_string().eq_ignore_ascii_case(self.environment_id()));
            let application = item
                .application
                .filter(|_| matches!(principal, Principal::Application(_)));
            let named = [user, application].into_iter().flatten();
            let gateways = item.gateway.is_some() && matches!(principal, Principal::User(_));
            // What comes through a group may be linked to as the group's.
            let inherited = |id| match principal {
                Principal::User(_) => item.group.is_none_or(|group| group.id == id),
                _ => item.group.is_some_and(|group| group.id == id),
            };
            let mut holders = item.holders();
            let foreign = holders
                .any(|holder| holder != (kind, principal.id()) && !(holder.0 == "groups" && inherited(holder.1)));
            elsewhere || gateways || foreign || named.into_iter().any(|holder| holder.id != principal.id())
        };
        if found.iter().any(of_other) {
            let what = "the list holds a role assignment of another holder".to_owned();
            return Err(PingOneError::new(operation, id, Reason::Corrupt { what }));
        }
        Ok(found)
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
        self.read_one(Operation::ReadPasswordPolicy, &id, url).await
    }

    async fn settings<T: Identified + for<'de> Deserialize<'de> + Send>(
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
        MemberKind::Indirect => format!("memberOfGroups[id eq \"{group}\" and type eq \"INDIRECT\"]"),
        MemberKind::All => format!("memberOfGroups[id eq \"{group}\"]"),
    }
}

/// Adds a SCIM filter. `%20` rather than `+` for blanks, as PingOne's samples write it.
pub(super) fn append_filter(url: &mut Url, filter: &str) {
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
