//! Settings of what holds access beside users, groups and roles (access-model.md §0.2). All are off unless asked for.

use uuid::Uuid;

use super::choices::{RoleModel, SyncApplications};
use super::error::ConfigError;
use super::values::Values;

/// What is synced beyond the types of every sync.
#[derive(Debug, Clone, Default)]
pub struct AccessSettings {
    /// Applications.
    pub applications: SyncApplications,
    /// Memberships of populations are granted and revoked.
    pub population_provisioning: bool,
    /// Scopes over which roles may be changed beyond our own: type in lower case, and id; without one every scope of the type.
    pub writable_scopes: Vec<(String, Option<Uuid>)>,
    /// Gateways.
    pub gateways: bool,
    /// Credentials of both, and the environment's keys; never a value of one.
    pub secrets: bool,
}

impl AccessSettings {
    pub(super) fn build(values: &Values, model: RoleModel) -> Result<Self, ConfigError> {
        let this = Self {
            applications: values.choice("sync-applications")?,
            population_provisioning: values.flag("population-provisioning")?,
            writable_scopes: writable_scopes(values)?,
            gateways: values.flag("sync-gateways")?,
            secrets: values.flag("sync-secrets")?,
        };
        if this.secrets && !this.gateways && this.applications == SyncApplications::None {
            return Err(values.invalid("sync-secrets", "needs sync-applications or sync-gateways"));
        }
        this.check_types(values, model == RoleModel::ScopeBinding)?;
        Ok(this)
    }

    /// The types that a setting switches on, with it, and whether it does.
    fn optional_types(&self, bound: bool) -> [(&'static str, &'static str, bool); 7] {
        // An application may be what a role is held over.
        let applications = self.applications != SyncApplications::None || bound;
        [
            ("application", "sync-applications", applications),
            ("environment", "role-model=scope-binding", bound),
            ("gateway", "sync-gateways", self.gateways),
            ("organization", "role-model=scope-binding", bound),
            ("other_scope", "role-model=scope-binding", bound),
            ("role_assignment", "role-model=scope-binding", bound),
            ("secret", "sync-secrets", self.secrets),
        ]
    }

    /// Refuses a type that there is not, or that no setting switches on.
    fn check_types(&self, values: &Values, bound: bool) -> Result<(), ConfigError> {
        const NAME: &str = "sync-resource-types";
        let optional = self.optional_types(bound);
        for id in values.list(NAME) {
            let problem = match optional.iter().find(|(kind, ..)| *kind == id) {
                Some((_, _, true)) => continue,
                Some((_, setting, false)) => format!("names {id}, which only {setting} switches on"),
                None if matches!(id.as_str(), "group" | "population" | "role" | "user") => continue,
                None => format!("must be among user, group, population, role; {id} is not"),
            };
            return Err(values.invalid(NAME, problem));
        }
        Ok(())
    }
}

/// `<type>:<uuid>` or `<type>:*`, the type without case. An organization goes by id alone, and is held against our own later.
fn writable_scopes(values: &Values) -> Result<Vec<(String, Option<Uuid>)>, ConfigError> {
    const NAME: &str = "writable-role-scopes";
    let parse = |entry: &str| {
        let (kind, id) = entry.split_once(':')?;
        let kind = kind.trim().to_lowercase();
        let known = matches!(kind.as_str(), "environment" | "application" | "group" | "population");
        let id = match id.trim() {
            "*" if known => None,
            id => Some(Uuid::try_parse(id).ok().filter(|_| id.len() == 36)?),
        };
        (known || kind == "organization").then_some((kind, id))
    };
    let parsed = values.list(NAME).into_iter().map(|entry| {
        parse(&entry).ok_or_else(|| {
            let shown: String = entry.chars().take(64).collect();
            let problem = format!(
                "must be entries such as environment:<id> or application:*, of the types environment, application, group \
                 and population; {shown:?} is none"
            );
            values.invalid(NAME, problem)
        })
    });
    parsed.collect()
}
