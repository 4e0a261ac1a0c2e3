//! Applications (access-model.md §1.4–1.7): the resource, who may sign on as one value, and the `access` entitlement with
//! the grants of groups.

use std::collections::BTreeMap;

use uuid::Uuid;

use super::{description, display_name};
use crate::model::{APPLICATION, GROUP, Slug, USER};
use baton::model::{
    AppTrait, DESCRIPTION_MAX_BYTES, DISPLAY_NAME_MAX_BYTES, Entitlement, EntitlementId, Expandable, Grant,
    GrantImmutable, Profile, Resource, ResourceId, ResourceTrait, Status, StatusKind, Value, cut,
};
use pingone::types::{Application, GroupCondition};

/// Longest raw source type in bytes (the SDK's rule).
const RAW_SOURCE_TYPE_MAX_BYTES: usize = 256;
/// Longest detail of a machine identity in bytes (the SDK's rule).
const DETAIL_MAX_BYTES: usize = 1024;

/// Who may sign on (access-model.md §1.5).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AccessMode {
    /// Something is asked for that we do not know.
    Unknown,
    /// Groups are asked for, and none is named.
    GroupsEmpty,
    /// An administrator's role and groups.
    AdminAndGroups,
    /// Members of at least one group.
    AnyGroup,
    /// Members of every group.
    AllGroups,
    /// Holders of an administrator's role.
    AdminOnly,
    /// Nobody: it signs on by itself.
    NoSignOn,
    /// Every user of the environment.
    Everyone,
}

impl AccessMode {
    pub(crate) fn of(application: &Application) -> Self {
        let condition = &application.access_control;
        let role = condition.role.is_some();
        if strange(application).is_some() {
            return Self::Unknown;
        }
        match &condition.group {
            Some(group) if group.groups.is_empty() => Self::GroupsEmpty,
            Some(_) if role => Self::AdminAndGroups,
            Some(group) if wants_all(group) && group.groups.len() > 1 => Self::AllGroups,
            Some(_) => Self::AnyGroup,
            None if role => Self::AdminOnly,
            None if matches!(application.application_type.as_deref(), Some("WORKER" | "SERVICE")) => Self::NoSignOn,
            None => Self::Everyone,
        }
    }

    /// The value of `access_mode`.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::GroupsEmpty => "groups_empty",
            Self::AdminAndGroups => "admin_and_groups",
            Self::AnyGroup => "any_group",
            Self::AllGroups => "all_groups",
            Self::AdminOnly => "admin_only",
            Self::NoSignOn => "no_sign_on",
            Self::Everyone => "everyone",
        }
    }

    /// Why the entitlement and its grants cannot be changed through us.
    const fn source_id(self) -> &'static str {
        match self {
            Self::Unknown => "unknown-condition",
            Self::GroupsEmpty => "no-group",
            Self::AdminAndGroups => "admin-and-groups",
            Self::AnyGroup => "group-access",
            Self::AllGroups => "all-groups",
            Self::AdminOnly => "admin-only",
            Self::NoSignOn => "no-sign-on",
            Self::Everyone => "everyone",
        }
    }
}

fn wants_all(group: &GroupCondition) -> bool {
    group.kind.as_deref() == Some("ALL_GROUPS")
}

/// What of the condition is not known, in a word.
fn strange(application: &Application) -> Option<&str> {
    let condition = &application.access_control;
    let role = condition.role.as_deref().filter(|kind| *kind != "ADMIN_USERS_ONLY");
    let group = condition.group.as_ref().and_then(|group| group.kind.as_deref());
    let group = group.filter(|kind| !matches!(*kind, "ANY_GROUP" | "ALL_GROUPS"));
    role.filter(|kind| !kind.is_empty())
        .or(group)
        .or(condition.strange.as_deref())
}

/// What a translation needs to know beside the row.
#[derive(Debug)]
pub(crate) struct Around<'a> {
    /// The groups that conditions name and the sync has, with their names.
    pub(crate) groups: &'a BTreeMap<Uuid, String>,
    /// Our own client.
    pub(crate) own: Option<Uuid>,
    /// Groups are synced and so may be principals.
    pub(crate) with_groups: bool,
    /// Users are synced, so that a group's access can be expanded to its members.
    pub(crate) with_users: bool,
}

/// One application with what follows from its row.
#[derive(Debug)]
pub(crate) struct Translated<'a> {
    id: Uuid,
    row: &'a Application,
    mode: AccessMode,
    name: String,
    around: &'a Around<'a>,
}

impl<'a> Translated<'a> {
    pub(crate) fn new(id: Uuid, row: &'a Application, around: &'a Around<'a>) -> Self {
        let text = id.to_string();
        Self {
            id,
            row,
            mode: AccessMode::of(row),
            name: display_name([row.name.as_deref(), Some(text.as_str())]),
            around,
        }
    }

    /// The groups that its condition names.
    fn groups(&self) -> impl Iterator<Item = Uuid> + '_ {
        let condition = self.row.access_control.group.iter();
        condition.flat_map(|condition| condition.groups.iter().copied())
    }

    /// The resource. `unresolved`: PingOne did not work out who is in all its groups.
    pub(crate) fn resource(&self, unresolved: bool) -> Resource {
        let row = self.row;
        let status = match row.enabled {
            Some(true) => (StatusKind::Enabled, "ENABLED"),
            Some(false) => (StatusKind::Disabled, "DISABLED"),
            None => (StatusKind::Unspecified, "UNKNOWN"),
        };
        Resource {
            id: ResourceId::new(APPLICATION, self.id),
            parent: None,
            display_name: self.name.clone(),
            description: description(row.description.as_deref()),
            profile: self.profile(unresolved),
            status: Some(Status {
                kind: status.0,
                details: status.1.to_owned(),
            }),
            created_at: row.created_at,
            resource_trait: ResourceTrait::App(app_trait(row)),
            immutable: None,
        }
    }

    fn profile(&self, unresolved: bool) -> Profile {
        let row = self.row;
        let mut profile = Profile::default();
        profile.text("id", Some(self.id.to_string()));
        profile.text("name", row.name.clone());
        profile.text("description", row.description.clone());
        profile.text(
            "environment_id",
            row.environment.map(|environment| environment.id.to_string()),
        );
        profile.text("protocol", row.protocol.clone());
        profile.text("type", row.application_type.clone());
        profile.flag("enabled", row.enabled);
        profile.flag("hidden_from_app_portal", row.hidden_from_app_portal);
        profile.flag("is_system", Some(row.is_system()));
        profile.flag("is_connector", Some(self.around.own == Some(self.id)));
        profile.list("grant_types", row.grant_types.clone().map(sorted));
        profile.text("token_endpoint_auth_method", row.token_endpoint_auth_method.clone());
        profile.list("tags", row.tags.clone().map(sorted));
        profile.text("icon_url", row.icon.as_ref().and_then(|icon| icon.href.clone()));
        profile.text("created_at", row.created_at.map(|at| at.to_string()));
        profile.text("updated_at", row.updated_at.map(|at| at.to_string()));
        self.add_condition(&mut profile, unresolved);
        profile
    }

    fn add_condition(&self, profile: &mut Profile, unresolved: bool) {
        let condition = &self.row.access_control;
        profile.text("access_mode", Some(self.mode.as_str()));
        let admin_only = match condition.role.as_deref() {
            None => Some(false),
            Some("ADMIN_USERS_ONLY") => Some(true),
            Some(_) => None,
        };
        profile.flag("access_admin_only", admin_only);
        if let Some(group) = &condition.group {
            profile.text("access_group_type", group.kind.clone());
            profile.list(
                "access_group_ids",
                Some(self.groups().map(|id| id.to_string()).collect()),
            );
            profile.list("access_group_names", Some(self.group_names()));
        }
        profile.flag("access_unresolved", unresolved.then_some(true));
    }

    /// The names of the condition's groups, an id where there is none.
    fn group_names(&self) -> Vec<String> {
        let name = |id: Uuid| self.around.groups.get(&id).cloned().unwrap_or_else(|| id.to_string());
        self.groups().map(name).collect()
    }

    /// The `access` entitlement; `None` where nothing could ever be granted.
    pub(crate) fn entitlement(&self) -> Option<Entitlement> {
        let never = self.mode == AccessMode::NoSignOn || (self.mode == AccessMode::AdminOnly && self.row.is_worker());
        if never {
            return None;
        }
        let mut metadata = Profile::default();
        metadata.text("access_mode", Some(self.mode.as_str()));
        Some(Entitlement {
            id: self.access(),
            resource_display_name: self.name.clone(),
            display_name: cut(&format!("{} Access", self.name), DISPLAY_NAME_MAX_BYTES).into_owned(),
            description: cut(&self.condition_in_words(), DESCRIPTION_MAX_BYTES).into_owned(),
            grantable_to: &[USER],
            immutable: Some(self.mode.source_id()),
            exclusion: None,
            immutable_metadata: Some(metadata),
        })
    }

    fn access(&self) -> EntitlementId {
        EntitlementId {
            resource: ResourceId::new(APPLICATION, self.id),
            slug: Slug::Access.into(),
        }
    }

    fn condition_in_words(&self) -> String {
        let names = sorted(self.group_names()).join(", ");
        let all = self.row.access_control.group.as_ref().is_some_and(wants_all);
        match self.mode {
            AccessMode::AnyGroup => format!("Member of any of: {names}"),
            AccessMode::AllGroups => format!("Member of all of these together: {names}"),
            AccessMode::AdminAndGroups => {
                let which = if all { "all" } else { "any" };
                format!("Administrator and member of {which} of: {names}")
            }
            AccessMode::AdminOnly => "Holders of an administrator role; not limited by group".to_owned(),
            AccessMode::Everyone | AccessMode::NoSignOn => {
                "Every user of the environment; not limited by group".to_owned()
            }
            AccessMode::GroupsEmpty => "Limited to groups, and no group is named".to_owned(),
            AccessMode::Unknown => format!(
                "Limited by a condition that this connector does not know: {}",
                strange(self.row).unwrap_or_default()
            ),
        }
    }

    /// The groups of whose members every one must be, where that is for PingOne to work out.
    pub(crate) fn intersection(&self) -> Option<Vec<Uuid>> {
        (self.mode == AccessMode::AllGroups).then(|| self.groups().collect())
    }

    /// The grants of groups. A group that alone gives access hands it on to its members; one that is a condition beside
    /// others does not. `missing` is told of each group that is not in the sync.
    pub(crate) fn group_grants(&self, mut missing: impl FnMut(Uuid)) -> Vec<Grant> {
        let expands = match self.mode {
            AccessMode::AnyGroup => self.around.with_users,
            AccessMode::AdminAndGroups | AccessMode::Unknown | AccessMode::AllGroups => false,
            _ => return Vec::new(),
        };
        if !self.around.with_groups {
            return Vec::new();
        }
        let mut grants = Vec::new();
        for group in self.groups() {
            let Some(name) = self.around.groups.get(&group) else {
                missing(group);
                continue;
            };
            grants.push(Grant {
                immutable: Some(GrantImmutable {
                    source_id: self.mode.source_id(),
                    metadata: None,
                }),
                expandable: expands.then(|| Expandable {
                    entitlement_ids: vec![EntitlementId::member(GROUP, group)],
                    principal_types: &[USER],
                }),
                metadata: Some(self.metadata(Some(name))),
                ..Grant::new(self.access(), ResourceId::new(GROUP, group))
            });
        }
        grants
    }

    /// The grant of a user who is in every group.
    pub(crate) fn user_grant(&self, user: Uuid) -> Grant {
        let ids = self.groups().map(|id| Value::String(id.to_string())).collect();
        let mut metadata = Profile::default();
        metadata.set("group_ids", Value::List(ids));
        Grant {
            immutable: Some(GrantImmutable {
                source_id: self.mode.source_id(),
                metadata: Some(metadata),
            }),
            metadata: Some(self.metadata(None)),
            ..Grant::new(self.access(), ResourceId::new(USER, user))
        }
    }

    fn metadata(&self, group: Option<&String>) -> Profile {
        let mut metadata = Profile::default();
        metadata.text("access_mode", Some(self.mode.as_str()));
        metadata.text("group_name", group.cloned());
        metadata
    }
}

fn sorted(mut texts: Vec<String>) -> Vec<String> {
    texts.sort_unstable();
    texts
}

fn app_trait(row: &Application) -> AppTrait {
    let protocol = row.protocol.as_deref();
    let flags = [
        (row.hidden_from_app_portal == Some(true), "APP_FLAG_HIDDEN"),
        (row.enabled == Some(false), "APP_FLAG_INACTIVE"),
        (protocol == Some("SAML"), "APP_FLAG_SAML"),
        (protocol == Some("OPENID_CONNECT"), "APP_FLAG_OIDC"),
        (protocol == Some("EXTERNAL_LINK"), "APP_FLAG_BOOKMARK"),
    ];
    let raw = format!(
        "{}/{}",
        protocol.unwrap_or("-"),
        row.application_type.as_deref().unwrap_or("-")
    );
    AppTrait {
        flags: flags
            .into_iter()
            .filter_map(|(applies, flag)| applies.then_some(flag))
            .collect(),
        source_type: match protocol {
            Some("OPENID_CONNECT") => "oidc",
            Some("SAML") => "saml",
            Some("WS_FED") => "ws_fed",
            Some("EXTERNAL_LINK") => "link",
            _ => "other",
        },
        raw_source_type: cut(&raw, RAW_SOURCE_TYPE_MAX_BYTES).into_owned(),
        non_human: signs_on_by_itself(row).then(|| {
            let mut detail = "pingone.application".to_owned();
            if let Some(kind) = &row.application_type {
                detail.push('.');
                detail.push_str(&kind.to_lowercase());
            }
            cut(&detail, DETAIL_MAX_BYTES).into_owned()
        }),
    }
}

/// Whether it has a credential of its own to sign on with (access-model.md §3.1).
fn signs_on_by_itself(row: &Application) -> bool {
    let machine = matches!(row.application_type.as_deref(), Some("WORKER" | "SERVICE"));
    let client_credentials = || {
        row.grant_types
            .iter()
            .flatten()
            .any(|kind| kind == "CLIENT_CREDENTIALS")
    };
    let authenticates = || {
        row.token_endpoint_auth_method
            .as_deref()
            .is_some_and(|method| method != "NONE")
    };
    row.protocol.as_deref() == Some("OPENID_CONNECT")
        && !row.is_system()
        && (machine || client_credentials() || authenticates())
}

#[cfg(test)]
mod tests;
