//! Which entitlements a role offers, and which grants the assignments make (connector-model.md §5.3, §6.1). Pure:
//! every read was done before.

use crate::model::{
    APPLICATION, Assignment, GATEWAY, GROUP, ROLE, ROLE_ASSIGNMENT, Slug, USER, WritableScopes, binding_id, immutable,
    scope_resource_type,
};
use pingone::id::{EnvironmentId, OrganizationId, RoleId};
use std::collections::{BTreeMap, BTreeSet, HashSet};

use uuid::Uuid;

use super::options::RolePopulationEntitlements;
use baton::model::{
    DESCRIPTION_MAX_BYTES, DISPLAY_NAME_MAX_BYTES, Entitlement, EntitlementId, Expandable, Grant, GrantImmutable,
    ResourceId, ResourceType, cut,
};

/// A scope: its type in lower case (an open set) and its id. The order is the order of emission.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Scope {
    /// `environment`, `organization`, `population`, `application`, `group`, or anything new.
    pub(crate) kind: String,
    /// The id of that object.
    pub(crate) id: Uuid,
}

impl Scope {
    /// A scope as PingOne writes it; the type's case is not significant.
    pub(crate) fn new(kind: &str, id: Uuid) -> Self {
        Self {
            kind: kind.to_lowercase(),
            id,
        }
    }

    /// The type of its resource, where scopes are resources.
    pub(crate) fn resource_type(&self) -> ResourceType {
        scope_resource_type(&self.kind)
    }

    /// The same with its id.
    pub(crate) fn resource_id(&self) -> ResourceId {
        ResourceId::new(self.resource_type(), self.id)
    }
}

/// One assignment that is a principal's own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Holding {
    /// User, group, application or gateway.
    pub(crate) principal_type: ResourceType,
    /// Its id.
    pub(crate) principal: Uuid,
    /// The role.
    pub(crate) role: RoleId,
    /// Index into the scopes that were seen.
    pub(crate) scope: u32,
    /// PingOne's id of the assignment.
    pub(crate) assignment: Uuid,
    /// Our client may not delete it.
    pub(crate) read_only: bool,
    /// It comes through a group, and others may hold it as well.
    pub(crate) inherited: bool,
}

/// Every assignment that the scan found, with each scope stored once.
#[derive(Debug, Default)]
pub(crate) struct Holdings {
    list: Vec<Holding>,
    scopes: Vec<(Scope, String)>,
    positions: BTreeMap<Scope, u32>,
    /// By group, the users who hold through it what it hands on to its members.
    pub(crate) members: BTreeMap<Uuid, HashSet<Uuid>>,
    /// Groups that assignments are inherited from and no list shows.
    pub(crate) unlisted: BTreeSet<Uuid>,
    /// Assignments that users hold through a group, and that the group's own list did not show: role and scope of each.
    pub(crate) through: BTreeMap<Uuid, BTreeMap<Uuid, (Uuid, Scope)>>,
}

impl Holdings {
    /// The position of a scope, for a [`Holding`]. `verbatim` is the type as PingOne wrote it.
    pub(crate) fn scope(&mut self, verbatim: &str, id: Uuid) -> u32 {
        let scope = Scope::new(verbatim, id);
        if let Some(position) = self.positions.get(&scope).copied() {
            // Of several spellings the smallest stays, so that the file does not depend on the order of answers.
            let stored = usize::try_from(position)
                .ok()
                .and_then(|position| self.scopes.get_mut(position));
            if let Some((_, spelling)) = stored
                && verbatim < spelling.as_str()
            {
                verbatim.clone_into(spelling);
            }
            return position;
        }
        let position = u32::try_from(self.scopes.len()).unwrap_or(u32::MAX);
        self.scopes.push((scope.clone(), verbatim.to_owned()));
        self.positions.insert(scope, position);
        position
    }

    pub(crate) fn push(&mut self, holding: Holding) {
        self.list.push(holding);
    }

    /// Every scope that occurs.
    pub(crate) fn scopes(&self) -> impl Iterator<Item = &Scope> {
        self.scopes.iter().map(|(scope, _)| scope)
    }

    /// Every role that occurs.
    pub(crate) fn roles(&self) -> BTreeSet<RoleId> {
        self.list.iter().map(|holding| holding.role).collect()
    }

    /// Leaves out the holdings for which `keep` says no, answering how many went.
    pub(crate) fn retain(&mut self, keep: impl Fn(&Holding) -> bool) -> usize {
        let before = self.list.len();
        self.list.retain(keep);
        before - self.list.len()
    }

    /// Two who hold one assignment as their own, and its id; `explained` says that one hands it on to the other.
    pub(crate) fn shared(&mut self, explained: impl Fn(&Holding, &Holding) -> bool) -> Option<(Holding, Holding)> {
        let key = |holding: &Holding| (holding.assignment, holding.principal);
        self.list.sort_unstable_by_key(key);
        let own = || self.list.iter().filter(|holding| !holding.inherited);
        let mut pairs = own().zip(own().skip(1));
        let found = pairs.find(|(one, other)| {
            one.assignment == other.assignment && one.principal != other.principal && !explained(one, other)
        });
        found.map(|(one, other)| (one.clone(), other.clone()))
    }

    /// The scopes over which somebody holds something, each with its type as PingOne writes it.
    pub(crate) fn held(&self) -> BTreeMap<Scope, String> {
        self.list
            .iter()
            .filter_map(|holding| self.scope_of(holding))
            .cloned()
            .collect()
    }

    /// Leaves out all but what is held of these roles over these scopes.
    pub(crate) fn keep_pairs(&mut self, pairs: &BTreeSet<(Uuid, Uuid)>) {
        let scopes = &self.scopes;
        self.list.retain(|holding| {
            let scope = usize::try_from(holding.scope)
                .ok()
                .and_then(|position| scopes.get(position));
            scope.is_some_and(|(scope, _)| pairs.contains(&(holding.role.0, scope.id)))
        });
    }

    /// Takes scopes of several types with one id for one, of the type with the smallest name; a binding's id has no type.
    /// Answers the ids.
    pub(crate) fn unify(&mut self) -> BTreeSet<Uuid> {
        let (mut smallest, mut met) = (BTreeMap::<Uuid, u32>::new(), BTreeSet::new());
        for (scope, position) in &self.positions {
            if *smallest.entry(scope.id).or_insert(*position) != *position {
                met.insert(scope.id);
            }
        }
        if met.is_empty() {
            return met;
        }
        let ids: Vec<Uuid> = self.scopes.iter().map(|(scope, _)| scope.id).collect();
        for holding in &mut self.list {
            let id = usize::try_from(holding.scope)
                .ok()
                .and_then(|position| ids.get(position));
            if let Some(position) = id.and_then(|id| smallest.get(id)) {
                holding.scope = *position;
            }
        }
        met
    }

    fn scope_of(&self, holding: &Holding) -> Option<&(Scope, String)> {
        self.scopes.get(usize::try_from(holding.scope).ok()?)
    }

    /// Of equal assignments (principal, role, scope) one stays: the smallest id, read-only only if all are.
    fn merge(&mut self) {
        let key = |h: &Holding| (h.role, h.scope, h.principal_type, h.principal, h.assignment);
        self.list.sort_unstable_by_key(key);
        self.list.dedup_by(|later, first| {
            let same = (first.role, first.scope, first.principal_type, first.principal)
                == (later.role, later.scope, later.principal_type, later.principal);
            first.read_only &= !same || later.read_only;
            same
        });
    }
}

/// What a role entitlement needs to know of a role.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RoleInfo {
    /// The role.
    pub(crate) id: RoleId,
    /// Its display name.
    pub(crate) name: String,
    /// Scope types it may be assigned to, as PingOne wrote them.
    pub(crate) applicable_to: Vec<String>,
}

impl RoleInfo {
    fn applies_to(&self, kind: &str) -> bool {
        self.applicable_to
            .iter()
            .any(|candidate| candidate.eq_ignore_ascii_case(kind))
    }
}

/// The surroundings of the roles: what is writable and what things are called.
#[derive(Debug, Clone)]
pub(crate) struct Surroundings {
    /// The configured environment.
    pub(crate) environment: EnvironmentId,
    /// Its name.
    pub(crate) environment_name: String,
    /// The organization, where the environment names it.
    pub(crate) organization: Option<OrganizationId>,
    /// Names of scopes: the organization, populations, and foreign scopes that could be read.
    pub(crate) names: BTreeMap<Scope, String>,
    /// The populations of the environment.
    pub(crate) populations: BTreeSet<Uuid>,
    /// Which populations get an entitlement.
    pub(crate) policy: RolePopulationEntitlements,
    /// The sync has users, so that a group's role can be expanded to its members.
    pub(crate) with_users: bool,
    /// Scopes that a setting makes writable.
    pub(crate) writable: WritableScopes,
    /// The application that we sign in as.
    pub(crate) own_application: Option<Uuid>,
    /// Each role over a scope is a resource of its own.
    pub(crate) bound: bool,
}

impl Surroundings {
    fn is_home(&self, scope: &Scope) -> bool {
        scope.kind == "environment" && scope.id == self.environment.0
    }

    /// Whether we may write assignments on this scope: the environment, its organization, its populations, and what a
    /// setting names.
    pub(crate) fn is_writable(&self, scope: &Scope) -> bool {
        self.is_home(scope)
            || (scope.kind == "organization" && self.organization.is_some_and(|id| id.0 == scope.id))
            || (scope.kind == "population" && self.populations.contains(&scope.id))
            || self.writable.allows(&scope.kind, scope.id)
    }

    /// Scopes whose name must still be read: neither the environment nor one of those whose names are known.
    pub(crate) fn unnamed<'a>(&'a self, scopes: impl Iterator<Item = &'a Scope> + 'a) -> BTreeSet<Scope> {
        scopes
            .filter(|scope| !self.is_home(scope) && !self.names.contains_key(scope))
            .cloned()
            .collect()
    }

    fn name_of(&self, scope: &Scope) -> String {
        if self.is_home(scope) {
            return self.environment_name.clone();
        }
        self.names.get(scope).cloned().unwrap_or_else(|| scope.id.to_string())
    }

    fn entitlement_id(&self, role: RoleId, scope: &Scope) -> EntitlementId {
        if self.bound {
            return EntitlementId {
                resource: ResourceId::new(ROLE_ASSIGNMENT, binding_id(role.0, scope.id)),
                slug: Slug::Assigned.into(),
            };
        }
        let slug = if self.is_home(scope) {
            Slug::Assigned
        } else {
            Slug::AssignedScope {
                scope_type: scope.kind.clone(),
                scope_id: scope.id.to_string(),
            }
        };
        EntitlementId {
            resource: ResourceId::new(ROLE, role),
            slug: slug.into(),
        }
    }

    /// The scopes that a setting names and that one of these roles applies to.
    pub(crate) fn listed<'a>(&'a self, roles: &'a [RoleInfo]) -> impl Iterator<Item = Scope> + 'a {
        self.writable
            .exact()
            .filter(|(kind, _)| roles.iter().any(|role| role.applies_to(kind)))
            .map(|(kind, id)| Scope::new(kind, id))
    }

    /// The scopes of a role by what it applies to, without those that only occur in assignments.
    fn offered(&self, role: &RoleInfo) -> BTreeSet<Scope> {
        let mut scopes = BTreeSet::new();
        if role.applies_to("ENVIRONMENT") {
            scopes.insert(Scope {
                kind: "environment".to_owned(),
                id: self.environment.0,
            });
        }
        if let Some(organization) = self.organization.filter(|_| role.applies_to("ORGANIZATION")) {
            scopes.insert(Scope {
                kind: "organization".to_owned(),
                id: organization.0,
            });
        }
        if self.policy == RolePopulationEntitlements::All && role.applies_to("POPULATION") {
            scopes.extend(self.populations.iter().map(|id| Scope {
                kind: "population".to_owned(),
                id: *id,
            }));
        }
        scopes.extend(self.listed(std::slice::from_ref(role)));
        scopes
    }

    fn entitlement(&self, role: &RoleInfo, scope: &Scope) -> Entitlement {
        let name = self.name_of(scope);
        let (display_name, description) = if self.is_home(scope) {
            (
                format!("{} Role", role.name),
                format!("Holds {} in environment {name}", role.name),
            )
        } else {
            (
                format!("{} Role on {name}", role.name),
                format!("Holds {}, limited to {} {name}", role.name, scope.kind),
            )
        };
        Entitlement {
            id: self.entitlement_id(role.id, scope),
            resource_display_name: role.name.clone(),
            display_name: cut(&display_name, DISPLAY_NAME_MAX_BYTES).into_owned(),
            description: cut(&description, DESCRIPTION_MAX_BYTES).into_owned(),
            grantable_to: &[USER, GROUP],
            immutable: (!self.is_writable(scope)).then_some(immutable::SCOPE_NOT_WRITABLE),
            immutable_metadata: None,
            exclusion: None,
        }
    }
}

/// Above this many (role, scope) pairs the log names the setting that narrows them (connector-model.md §6.1).
pub(crate) const MANY_PAIRS: usize = 2_000;

/// The entitlements of every role, by role id, then scope type, then scope id. Every (role, scope) of an assignment
/// is among them, whatever the role applies to, so that no grant dangles.
pub(crate) fn entitlements(roles: &[RoleInfo], around: &Surroundings, holdings: &Holdings) -> Vec<Entitlement> {
    let mut seen: BTreeMap<RoleId, BTreeSet<Scope>> = BTreeMap::new();
    for holding in &holdings.list {
        if let Some((scope, _)) = holdings.scope_of(holding) {
            seen.entry(holding.role).or_default().insert(scope.clone());
        }
    }
    let mut sorted: Vec<_> = roles.iter().collect();
    sorted.sort_unstable_by_key(|role| role.id);
    let mut entitlements = Vec::new();
    for role in sorted {
        let mut scopes = around.offered(role);
        scopes.extend(seen.remove(&role.id).unwrap_or_default());
        entitlements.extend(scopes.iter().map(|scope| around.entitlement(role, scope)));
    }
    entitlements
}

/// A role over a scope that somebody holds.
#[derive(Debug)]
pub(crate) struct Held<'a> {
    pub(crate) role: RoleId,
    pub(crate) scope: &'a Scope,
    /// The scope's type as PingOne writes it.
    pub(crate) verbatim: &'a str,
    pub(crate) holders: u64,
}

/// The grants of all holdings, by role, scope type, scope id, principal type, principal id. Each is made when it is
/// asked for: as messages they would be many times their size.
#[derive(Debug)]
pub(crate) struct RoleGrants {
    holdings: Holdings,
    around: Surroundings,
}

impl RoleGrants {
    pub(crate) fn new(mut holdings: Holdings, around: Surroundings) -> Self {
        holdings.merge();
        let mut list = std::mem::take(&mut holdings.list);
        let scope = |holding: &Holding| holdings.scope_of(holding).map(|(scope, _)| scope);
        list.sort_by(|x, y| {
            (x.role, scope(x), x.principal_type, x.principal).cmp(&(y.role, scope(y), y.principal_type, y.principal))
        });
        holdings.list = list;
        Self { holdings, around }
    }

    /// How many of them are of holders of one type.
    pub(crate) fn held_by(&self, kind: ResourceType) -> u64 {
        let held = self
            .holdings
            .list
            .iter()
            .filter(|holding| holding.principal_type == kind);
        u64::try_from(held.count()).unwrap_or(u64::MAX)
    }

    /// Each role over a scope with how many hold it, by role, scope type and scope id.
    pub(crate) fn pairs(&self) -> impl Iterator<Item = Held<'_>> {
        let same = |x: &Holding, y: &Holding| (x.role, x.scope) == (y.role, y.scope);
        self.holdings.list.chunk_by(same).filter_map(|holders| {
            let first = holders.first()?;
            let (scope, verbatim) = self.holdings.scope_of(first)?;
            Some(Held {
                role: first.role,
                scope,
                verbatim,
                holders: u64::try_from(holders.len()).unwrap_or(u64::MAX),
            })
        })
    }

    pub(crate) fn name_of(&self, scope: &Scope) -> String {
        self.around.name_of(scope)
    }

    pub(crate) fn is_writable(&self, scope: &Scope) -> bool {
        self.around.is_writable(scope)
    }

    pub(crate) fn entitlement_id(&self, role: RoleId, scope: &Scope) -> EntitlementId {
        self.around.entitlement_id(role, scope)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = Grant> + '_ {
        let Self { holdings, around } = self;
        let placed = |holding| Some((holdings.scope_of(holding)?, holding));
        let placed = holdings.list.iter().filter_map(placed);
        placed.map(|((scope, verbatim), holding)| role_grant(scope, verbatim, holding, around))
    }
}

fn role_grant(scope: &Scope, verbatim: &str, holding: &Holding, around: &Surroundings) -> Grant {
    let expands = holding.principal_type == GROUP && around.with_users;
    let expandable = expands.then(|| Expandable {
        entitlement_ids: vec![EntitlementId::member(GROUP, holding.principal)],
        principal_types: &[USER],
    });
    let own = holding.principal_type == APPLICATION && around.own_application == Some(holding.principal);
    let source_id = match holding.read_only {
        _ if own => Some("own-application"),
        _ if holding.principal_type == GATEWAY => Some("gateway"),
        true => Some("read-only-assignment"),
        false => None,
    };
    let immutable = source_id.map(|source_id| GrantImmutable {
        source_id,
        metadata: None,
    });
    Grant {
        entitlement: around.entitlement_id(holding.role, scope),
        principal: ResourceId::new(holding.principal_type, holding.principal),
        immutable,
        expandable,
        metadata: Some(
            Assignment {
                assignment_id: holding.assignment.to_string(),
                role_id: holding.role.to_string(),
                scope_type: verbatim.to_owned(),
                scope_id: scope.id.to_string(),
                scope_name: around.name_of(scope),
                read_only: holding.read_only,
            }
            .profile(),
        ),
    }
}

#[cfg(test)]
mod tests;
