//! What the activities touch (pingone-api.md §6.11). Pure. Whoever did it and whether it succeeded does not matter: what is
//! touched is read again, which is never wrong.

use std::collections::HashMap;

use uuid::Uuid;

use super::record::Seconds;
use pingone::types::{Activity, ActivityResource, Holder};

/// Ids that are kept apart; beyond them the activities say too much to be of use.
const IDS_MOST: usize = 2_000_000;

/// When what was touched last.
#[derive(Debug, Clone, Default)]
pub(crate) struct Touched {
    /// Users and groups whose role assignments may be others, and objects that assignments name.
    roles: HashMap<Uuid, Seconds>,
    /// Groups whose members or nested groups may be others.
    contents: HashMap<Uuid, Seconds>,
    /// Users that may have left groups.
    left: HashMap<Uuid, Seconds>,
    /// Users whose attributes may be others: by them a filter decides who belongs to a dynamic group.
    changed: HashMap<Uuid, Seconds>,
    /// Everybody's attributes.
    all_changed: Option<Seconds>,
    /// Everybody's role assignments.
    all_roles: Option<Seconds>,
    /// What every group holds.
    all_contents: Option<Seconds>,
    /// When a group's assignments changed.
    group_roles: Vec<Seconds>,
}

/// Types that say nothing of who holds roles or belongs to groups.
fn is_harmless(object: &str, verb: &str) -> bool {
    match object {
        "USER" => matches!(verb, "ACCESS_ALLOWED" | "ACCESS_DENIED" | "LOCKED" | "UNLOCKED"),
        "PASSWORD" | "SESSION" | "DEVICE" | "FLOW" | "ACCOUNT" | "AUTHENTICATION" => true,
        _ => false,
    }
}

impl Touched {
    /// Takes an activity in that was recorded `at`.
    pub(crate) fn note(&mut self, activity: &Activity, at: Seconds) {
        let action = activity.action_type.as_deref().unwrap_or_default().to_ascii_uppercase();
        let (object, verb) = action.split_once('.').unwrap_or((action.as_str(), ""));
        if is_harmless(object, verb) {
            return;
        }
        self.attributes(activity, (object, verb), at);
        match object {
            "MEMBER_OF_GROUP" => self.membership(activity, at),
            "ROLE_ASSIGNMENT" => self.assignment(activity, at),
            "USER" => {
                for id in self.ids_or_all(activity, "USER", at) {
                    later(&mut self.roles, id, at);
                    if !matches!(verb, "CREATED" | "UPDATED") {
                        later(&mut self.left, id, at);
                    }
                }
            }
            _ => self.other(activity, object, at),
        }
    }

    /// Takes in that we wrote to an object ourselves, of which activities may not tell yet.
    pub(crate) fn wrote(&mut self, id: Uuid, at: Seconds) {
        for map in [&mut self.roles, &mut self.contents, &mut self.left, &mut self.changed] {
            later(map, id, at);
        }
        self.group_roles.push(at);
    }

    /// Too many ids for it to be of use.
    pub(crate) fn is_too_much(&self) -> bool {
        self.roles.len() + self.contents.len() + self.left.len() + self.changed.len() > IDS_MOST
    }

    fn membership(&mut self, activity: &Activity, at: Seconds) {
        let of_membership = |resource: &&ActivityResource| is_of(resource, "MEMBER_OF_GROUP");
        let meant = activity.resources.iter().filter(of_membership).count();
        let mut found = 0;
        for (holder, group) in activity.resources.iter().filter_map(ActivityResource::membership) {
            found += 1;
            later(&mut self.contents, group, at);
            if let Holder::Group(child) = holder {
                // What it holds is inherited from there.
                later(&mut self.roles, child, at);
                self.group_roles.push(at);
            }
        }
        if found < meant.max(1) {
            self.all_contents = self.all_contents.max(Some(at));
        }
    }

    fn assignment(&mut self, activity: &Activity, at: Seconds) {
        // An application beside others may be what the role is for.
        let of_applications = activity.resources.iter().all(|resource| is_of(resource, "APPLICATION"));
        let (mut named, mut of_group) = (false, false);
        for resource in &activity.resources {
            let is_holder = of_applications || is_of(resource, "USER") || is_of(resource, "GROUP");
            if let Some(id) = id_of(resource).filter(|_| is_holder) {
                named = true;
                of_group |= is_of(resource, "GROUP");
                later(&mut self.roles, id, at);
            }
        }
        if !named {
            self.all_roles = self.all_roles.max(Some(at));
        }
        if !named || of_group {
            self.group_roles.push(at);
        }
    }

    /// Whose attributes an activity may be about: everybody's, where it speaks of users and names none.
    fn attributes(&mut self, activity: &Activity, (object, verb): (&str, &str), at: Seconds) {
        let of_others = matches!(object, "MEMBER_OF_GROUP" | "ROLE_ASSIGNMENT" | "GROUP" | "ROLE")
            || object == "POPULATION" && matches!(verb, "CREATED" | "UPDATED");
        if of_others {
            return;
        }
        let mut names_user = false;
        for resource in &activity.resources {
            if let Some(id) = id_of(resource) {
                names_user |= is_of(resource, "USER");
                later(&mut self.changed, id, at);
            }
        }
        let of_users = [
            "USER",
            "POPULATION",
            "IMPORT",
            "SYNC",
            "SCHEMA",
            "ATTRIBUTE",
            "GATEWAY",
            "IDENTITY",
        ];
        if !names_user && (object.is_empty() || of_users.iter().any(|word| object.contains(word))) {
            self.all_changed = self.all_changed.max(Some(at));
        }
    }

    /// The ids of an activity about users; without any everybody is touched.
    fn ids_or_all(&mut self, activity: &Activity, kind: &str, at: Seconds) -> Vec<Uuid> {
        let of_kind = activity.resources.iter().filter(|resource| is_of(resource, kind));
        let ids: Vec<Uuid> = of_kind.filter_map(id_of).collect();
        if ids.is_empty() {
            self.all_roles = self.all_roles.max(Some(at));
            self.all_contents = self.all_contents.max(Some(at));
        }
        ids
    }

    /// Groups, and whatever a role or its scope may be. PingOne's list of types is open: a new one touches what it names, and
    /// everything of the kind that its own name speaks of unless it names a user, a group or the very role or population that
    /// it is about. The id of a job or of a gateway says nothing of whom it changed.
    fn other(&mut self, activity: &Activity, object: &str, at: Seconds) {
        let mut named = false;
        for resource in &activity.resources {
            if let Some(id) = id_of(resource) {
                let is_object = matches!(object, "ROLE" | "POPULATION") && is_of(resource, object);
                named |= is_object || is_of(resource, "USER") || is_of(resource, "GROUP");
                later(&mut self.roles, id, at);
                later(&mut self.contents, id, at);
                later(&mut self.left, id, at);
            }
            if let Some((_, group)) = resource.membership() {
                later(&mut self.contents, group, at);
            }
        }
        if object.contains("ROLE") {
            self.group_roles.push(at);
        }
        if named {
            return;
        }
        let speaks_of = |words: &[&str]| words.iter().any(|word| object.contains(word));
        if object.is_empty() || speaks_of(&["ROLE", "USER", "GROUP", "POPULATION", "IMPORT", "SYNC"]) {
            self.all_roles = self.all_roles.max(Some(at));
        }
        if object.is_empty() || speaks_of(&["MEMBER", "USER", "GROUP", "POPULATION", "IMPORT", "SYNC"]) {
            self.all_contents = self.all_contents.max(Some(at));
        }
    }

    /// Whether the role assignments of `holder`, or an object that they name, were touched at `since` or later.
    pub(crate) fn roles_since<'a>(&self, ids: impl IntoIterator<Item = &'a Uuid>, since: Seconds) -> bool {
        let mut ids = ids.into_iter();
        self.all_roles.is_some_and(|at| at >= since) || ids.any(|id| is_since(&self.roles, id, since))
    }

    /// Whether what the group holds was touched.
    pub(crate) fn contents_since(&self, group: &Uuid, since: Seconds) -> bool {
        self.all_contents.is_some_and(|at| at >= since) || is_since(&self.contents, group, since)
    }

    /// Whether somebody may have left.
    pub(crate) fn left_since(&self, user: &Uuid, since: Seconds) -> bool {
        !self.left.is_empty() && is_since(&self.left, user, since)
    }

    /// Whether attributes of users may have changed whom nobody named.
    pub(crate) fn everybody_changed_since(&self, since: Seconds) -> bool {
        self.all_changed.is_some_and(|at| at >= since)
    }

    /// Whether attributes of a user may have changed.
    pub(crate) fn changed_since(&self, user: &Uuid, since: Seconds) -> bool {
        is_since(&self.changed, user, since)
    }

    /// Everybody whose attributes may have changed.
    pub(crate) fn all_changed_since(&self, since: Seconds) -> impl Iterator<Item = Uuid> {
        let changed = self.changed.iter().filter(move |(_, at)| **at >= since);
        changed.map(|(id, _)| *id)
    }

    /// Whether anybody's attributes changed at any time.
    pub(crate) fn has_changed(&self) -> bool {
        self.all_changed.is_some() || !self.changed.is_empty()
    }

    /// Whether a group's assignments changed in this time, both ends included.
    pub(crate) fn group_roles_within(&self, from: Seconds, until: Seconds) -> bool {
        self.group_roles.iter().any(|at| (from..=until).contains(at))
    }
}

fn is_of(resource: &ActivityResource, kind: &str) -> bool {
    let found = resource.resource_type.as_deref();
    found.is_some_and(|found| found.eq_ignore_ascii_case(kind))
}

fn id_of(resource: &ActivityResource) -> Option<Uuid> {
    Uuid::try_parse(resource.id.as_deref()?).ok()
}

fn later(map: &mut HashMap<Uuid, Seconds>, id: Uuid, at: Seconds) {
    let known = map.entry(id).or_insert(at);
    *known = at.max(*known);
}

fn is_since(map: &HashMap<Uuid, Seconds>, id: &Uuid, since: Seconds) -> bool {
    map.get(id).is_some_and(|at| *at >= since)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    const ID: Uuid = Uuid::from_u128(0xa);
    const OTHER: Uuid = Uuid::from_u128(0xb);

    fn touched(action: &str, resources: &Value) -> Touched {
        let activity = json!({"action": {"type": action}, "resources": resources, "result": {"status": "FAILED"}});
        let mut touched = Touched::default();
        touched.note(&serde_json::from_value(activity).unwrap(), 100);
        touched
    }

    /// Roles of `ID`, of another, contents of `ID`, of another.
    fn marks(action: &str, resources: &Value) -> [bool; 4] {
        let touched = touched(action, resources);
        let later = [touched.roles_since([&ID], 101), touched.contents_since(&ID, 101)];
        assert_eq!(later, [false, false], "{action}");
        [
            touched.roles_since([&ID], 100),
            touched.roles_since([&OTHER], 100),
            touched.contents_since(&ID, 100),
            touched.contents_since(&OTHER, 100),
        ]
    }

    #[test]
    fn each_type_touches_whom_it_names_and_all_of_its_kind_where_it_names_nobody() {
        let (yes, no) = (true, false);
        let user = json!([{"type": "USER", "id": ID}]);
        let group = json!([{"type": "GROUP", "id": ID}]);
        let member = json!([{"type": "MEMBER_OF_GROUP", "id": OTHER, "href": format!("https://x/users/{OTHER}/memberOfGroups/{ID}")}]);
        let nested = json!([{"href": format!("https://x/groups/{ID}/memberOfGroups/{OTHER}")}]);
        let nobody = json!([{"type": "USER", "name": "mara"}]);
        let role = json!([{"type": "ROLE", "id": ID}]);
        let application = json!([{"type": "APPLICATION", "id": ID}]);
        let application_of_nobody = json!([{"type": "APPLICATION", "id": ID}, {"type": "USER", "name": "mara"}]);
        let href = |group: Uuid| format!("https://x/users/{OTHER}/memberOfGroups/{group}");
        let two =
            json!([{"type": "MEMBER_OF_GROUP", "href": href(ID)}, {"type": "MEMBER_OF_GROUP", "href": href(OTHER)}]);
        let one_unread =
            json!([{"type": "MEMBER_OF_GROUP", "href": href(ID)}, {"type": "MEMBER_OF_GROUP", "href": "x"}]);
        for (action, resources, expected) in [
            ("USER.ACCESS_ALLOWED", &user, [no, no, no, no]),
            ("PASSWORD.RESET", &user, [no, no, no, no]),
            ("USER.UPDATED", &user, [yes, no, no, no]),
            ("user.moved", &user, [yes, no, no, no]),
            ("USER.NEW_WORD", &nobody, [yes, yes, yes, yes]),
            ("ROLE_ASSIGNMENT.CREATED", &user, [yes, no, no, no]),
            ("ROLE_ASSIGNMENT.DELETED", &group, [yes, no, no, no]),
            ("ROLE_ASSIGNMENT.DELETED", &nobody, [yes, yes, no, no]),
            ("MEMBER_OF_GROUP.CREATED", &member, [no, no, yes, no]),
            ("MEMBER_OF_GROUP.DELETED", &nested, [yes, no, no, yes]),
            ("MEMBER_OF_GROUP.DELETED", &user, [no, no, yes, yes]),
            ("GROUP.UPDATED", &group, [yes, no, yes, no]),
            (
                "POPULATION.DELETED",
                &json!([{"type": "POPULATION", "id": ID}]),
                [yes, no, yes, no],
            ),
            ("ROLE_ASSIGNMENT.CREATED", &application, [yes, no, no, no]),
            ("ROLE_ASSIGNMENT.CREATED", &application_of_nobody, [yes, yes, no, no]),
            ("MEMBER_OF_GROUP.CREATED", &two, [no, no, yes, yes]),
            ("MEMBER_OF_GROUP.CREATED", &one_unread, [no, no, yes, yes]),
            ("ROLE_GRANT.CREATED", &role, [yes, yes, yes, no]),
            ("ROLE.UPDATED", &role, [yes, no, yes, no]),
            ("USERS_IMPORT.DONE", &json!([{"type": "JOB", "id": ID}]), [yes; 4]),
            ("GROUP_SYNC.DONE", &json!([{"type": "GATEWAY", "id": ID}]), [yes; 4]),
            (
                "USERS_IMPORT.DONE",
                &json!([{"type": "POPULATION", "id": ID}]),
                [yes; 4],
            ),
            ("USERS_IMPORT.DONE", &user, [yes, no, yes, no]),
            ("FORM.UPDATED", &json!([]), [no, no, no, no]),
            ("ROLE.DELETED", &json!([]), [yes, yes, no, no]),
            ("USERS_IMPORT.DONE", &json!([]), [yes, yes, yes, yes]),
            ("", &json!([]), [yes, yes, yes, yes]),
        ] {
            assert_eq!(marks(action, resources), expected, "{action} {resources}");
        }
    }

    #[test]
    fn a_change_of_a_groups_roles_is_remembered_by_its_time() {
        let group = json!([{"type": "GROUP", "id": ID}]);
        let touched = touched("ROLE_ASSIGNMENT.CREATED", &group);
        assert!(touched.group_roles_within(90, 100) && !touched.group_roles_within(90, 99));
        assert!(!super::Touched::default().left_since(&ID, 0));
    }
}
