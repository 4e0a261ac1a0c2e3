//! Paths: which endpoint a path names, its shape for the counts, its methods, its rate group, the right it needs. A path that
//! is not here is unknown to the gateway (pingone-api.md §3.5).

use super::limits::Bucket;
use super::rolebook::Right;
use http::Method;
use std::fmt::Write as _;
use uuid::Uuid;

/// Whose memberships or assignments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Principal {
    User,
    Group,
    Application,
    Gateway,
}

/// Parts of a user with a path of their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    Enabled,
    Population,
    MfaEnabled,
    IdentityProvider,
    Password,
    VerifyStatus,
}

/// Endpoints of pingone-api.md §6.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    Environments,
    Environment,
    Capabilities,
    Organizations,
    Organization(Uuid),
    Licenses(Uuid),
    License(Uuid, Uuid),
    Populations,
    Population(Uuid),
    Users,
    User(Uuid),
    UserPart(Uuid, Part),
    Sessions(Uuid),
    Session(Uuid, Uuid),
    Devices(Uuid),
    Device(Uuid, Uuid),
    LinkedAccounts(Uuid),
    Memberships(Principal, Uuid),
    Membership(Principal, Uuid, Uuid),
    Groups,
    Group(Uuid),
    Assignments(Principal, Uuid),
    Assignment(Principal, Uuid, Uuid),
    PlatformRoles,
    PlatformRole(Uuid),
    Roles,
    Role(Uuid),
    Applications,
    Application(Uuid),
    Secret(Uuid),
    Gateways,
    Gateway(Uuid),
    GatewayCredentials(Uuid),
    Keys,
    Key(Uuid),
    Activities,
    Activity(Uuid),
    PasswordPolicies,
    PasswordPolicy(Uuid),
    Schemas,
    Schema(Uuid),
    SchemaAttributes(Uuid),
    IdentityProviders,
    IdentityProvider(Uuid),
}

/// A path that was understood.
#[derive(Clone, Debug)]
pub(crate) struct Route {
    pub(crate) target: Target,
    pub(crate) shape: &'static str,
    pub(crate) environment: Option<Uuid>,
    /// An identifier in the path is no UUID.
    pub(crate) malformed: bool,
}

struct Reader {
    malformed: bool,
}

impl Reader {
    fn id(&mut self, text: &str) -> Uuid {
        match Uuid::try_parse(text) {
            Ok(id) if text.len() == 36 => id,
            _ => {
                self.malformed = true;
                Uuid::nil()
            }
        }
    }
}

/// Understands a path below `/v1`; `None`: unknown.
pub(crate) fn route(path: &str) -> Option<Route> {
    let mut parts = [""; 8];
    let mut count = 0;
    for part in path.strip_prefix('/')?.split('/') {
        *parts.get_mut(count)? = part;
        count += 1;
    }
    let mut read = Reader { malformed: false };
    let (environment, target, shape) = match parts.get(..count)? {
        ["environments"] => (None, Target::Environments, "/environments"),
        ["environments", environment] => (Some(read.id(environment)), Target::Environment, "/environments/{id}"),
        ["environments", environment, rest @ ..] => {
            let environment = read.id(environment);
            let (target, shape) = inner(rest, &mut read)?;
            (Some(environment), target, shape)
        }
        ["organizations"] => (None, Target::Organizations, "/organizations"),
        ["organizations", id] => (None, Target::Organization(read.id(id)), "/organizations/{id}"),
        ["organizations", id, "licenses"] => (None, Target::Licenses(read.id(id)), "/organizations/{id}/licenses"),
        ["organizations", id, "licenses", license] => (
            None,
            Target::License(read.id(id), read.id(license)),
            "/organizations/{id}/licenses/{id}",
        ),
        ["roles"] => (None, Target::PlatformRoles, "/roles"),
        ["roles", id] => (None, Target::PlatformRole(read.id(id)), "/roles/{id}"),
        _ => return None,
    };
    Some(Route {
        target,
        shape,
        environment,
        malformed: read.malformed,
    })
}

fn inner(rest: &[&str], read: &mut Reader) -> Option<(Target, &'static str)> {
    Some(match rest {
        ["users", id, tail @ ..] => return of_user(id, tail, read),
        ["groups", id, tail @ ..] => return of_group(id, tail, read),
        ["capabilities"] => (Target::Capabilities, "/environments/{id}/capabilities"),
        ["populations"] => (Target::Populations, "/environments/{id}/populations"),
        ["populations", id] => (Target::Population(read.id(id)), "/environments/{id}/populations/{id}"),
        ["users"] => (Target::Users, "/environments/{id}/users"),
        ["groups"] => (Target::Groups, "/environments/{id}/groups"),
        ["roles"] => (Target::Roles, "/environments/{id}/roles"),
        ["roles", id] => (Target::Role(read.id(id)), "/environments/{id}/roles/{id}"),
        ["applications"] => (Target::Applications, "/environments/{id}/applications"),
        ["applications", id] => (Target::Application(read.id(id)), "/environments/{id}/applications/{id}"),
        ["applications", id, "roleAssignments"] => (
            Target::Assignments(Principal::Application, read.id(id)),
            "/environments/{id}/applications/{id}/roleAssignments",
        ),
        ["applications", id, "roleAssignments", assignment] => (
            Target::Assignment(Principal::Application, read.id(id), read.id(assignment)),
            "/environments/{id}/applications/{id}/roleAssignments/{id}",
        ),
        ["applications", id, "secret"] => (
            Target::Secret(read.id(id)),
            "/environments/{id}/applications/{id}/secret",
        ),
        ["gateways"] => (Target::Gateways, "/environments/{id}/gateways"),
        ["gateways", id] => (Target::Gateway(read.id(id)), "/environments/{id}/gateways/{id}"),
        ["gateways", id, "credentials"] => (
            Target::GatewayCredentials(read.id(id)),
            "/environments/{id}/gateways/{id}/credentials",
        ),
        ["gateways", id, "roleAssignments"] => (
            Target::Assignments(Principal::Gateway, read.id(id)),
            "/environments/{id}/gateways/{id}/roleAssignments",
        ),
        ["keys"] => (Target::Keys, "/environments/{id}/keys"),
        ["keys", id] => (Target::Key(read.id(id)), "/environments/{id}/keys/{id}"),
        ["activities"] => (Target::Activities, "/environments/{id}/activities"),
        ["activities", id] => (Target::Activity(read.id(id)), "/environments/{id}/activities/{id}"),
        ["passwordPolicies"] => (Target::PasswordPolicies, "/environments/{id}/passwordPolicies"),
        ["passwordPolicies", id] => (
            Target::PasswordPolicy(read.id(id)),
            "/environments/{id}/passwordPolicies/{id}",
        ),
        ["schemas"] => (Target::Schemas, "/environments/{id}/schemas"),
        ["schemas", id] => (Target::Schema(read.id(id)), "/environments/{id}/schemas/{id}"),
        ["schemas", id, "attributes"] => (
            Target::SchemaAttributes(read.id(id)),
            "/environments/{id}/schemas/{id}/attributes",
        ),
        ["identityProviders"] => (Target::IdentityProviders, "/environments/{id}/identityProviders"),
        ["identityProviders", id] => (
            Target::IdentityProvider(read.id(id)),
            "/environments/{id}/identityProviders/{id}",
        ),
        _ => return None,
    })
}

fn of_user(id: &str, tail: &[&str], read: &mut Reader) -> Option<(Target, &'static str)> {
    let id = read.id(id);
    Some(match tail {
        [] => (Target::User(id), "/environments/{id}/users/{id}"),
        ["roleAssignments"] => (
            Target::Assignments(Principal::User, id),
            "/environments/{id}/users/{id}/roleAssignments",
        ),
        ["roleAssignments", assignment] => (
            Target::Assignment(Principal::User, id, read.id(assignment)),
            "/environments/{id}/users/{id}/roleAssignments/{id}",
        ),
        ["memberOfGroups"] => (
            Target::Memberships(Principal::User, id),
            "/environments/{id}/users/{id}/memberOfGroups",
        ),
        ["memberOfGroups", group] => (
            Target::Membership(Principal::User, id, read.id(group)),
            "/environments/{id}/users/{id}/memberOfGroups/{id}",
        ),
        ["enabled"] => (
            Target::UserPart(id, Part::Enabled),
            "/environments/{id}/users/{id}/enabled",
        ),
        ["population"] => (
            Target::UserPart(id, Part::Population),
            "/environments/{id}/users/{id}/population",
        ),
        ["mfaEnabled"] => (
            Target::UserPart(id, Part::MfaEnabled),
            "/environments/{id}/users/{id}/mfaEnabled",
        ),
        ["password"] => (
            Target::UserPart(id, Part::Password),
            "/environments/{id}/users/{id}/password",
        ),
        ["verifyStatus"] => (
            Target::UserPart(id, Part::VerifyStatus),
            "/environments/{id}/users/{id}/verifyStatus",
        ),
        ["identityProvider"] => (
            Target::UserPart(id, Part::IdentityProvider),
            "/environments/{id}/users/{id}/identityProvider",
        ),
        ["sessions"] => (Target::Sessions(id), "/environments/{id}/users/{id}/sessions"),
        ["sessions", session] => (
            Target::Session(id, read.id(session)),
            "/environments/{id}/users/{id}/sessions/{id}",
        ),
        ["devices"] => (Target::Devices(id), "/environments/{id}/users/{id}/devices"),
        ["devices", device] => (
            Target::Device(id, read.id(device)),
            "/environments/{id}/users/{id}/devices/{id}",
        ),
        ["linkedAccounts"] => (
            Target::LinkedAccounts(id),
            "/environments/{id}/users/{id}/linkedAccounts",
        ),
        _ => return None,
    })
}

fn of_group(id: &str, tail: &[&str], read: &mut Reader) -> Option<(Target, &'static str)> {
    let id = read.id(id);
    Some(match tail {
        [] => (Target::Group(id), "/environments/{id}/groups/{id}"),
        ["roleAssignments"] => (
            Target::Assignments(Principal::Group, id),
            "/environments/{id}/groups/{id}/roleAssignments",
        ),
        ["roleAssignments", assignment] => (
            Target::Assignment(Principal::Group, id, read.id(assignment)),
            "/environments/{id}/groups/{id}/roleAssignments/{id}",
        ),
        ["memberOfGroups"] => (
            Target::Memberships(Principal::Group, id),
            "/environments/{id}/groups/{id}/memberOfGroups",
        ),
        ["memberOfGroups", parent] => (
            Target::Membership(Principal::Group, id, read.id(parent)),
            "/environments/{id}/groups/{id}/memberOfGroups/{id}",
        ),
        _ => return None,
    })
}

impl Target {
    /// Whether the method exists on this endpoint.
    pub(crate) fn takes(self, method: &Method) -> bool {
        let others: &[Method] = match self {
            Target::Populations | Target::Users | Target::Groups | Target::Activities | Target::Memberships(..) => {
                &[Method::POST]
            }
            Target::Assignments(Principal::Gateway, _) => &[],
            Target::Assignments(..) => &[Method::POST],
            Target::Membership(..) | Target::Assignment(..) | Target::Session(..) | Target::Device(..) => {
                &[Method::DELETE]
            }
            Target::User(_) => &[Method::POST, Method::PUT, Method::PATCH, Method::DELETE],
            Target::Group(_) | Target::Population(_) => &[Method::PUT, Method::DELETE],
            Target::Secret(_) => &[Method::POST, Method::DELETE],
            Target::UserPart(_, Part::Password) => &[Method::POST, Method::PUT],
            Target::UserPart(..) | Target::Application(_) => &[Method::PUT],
            _ => &[],
        };
        *method == Method::GET || others.contains(method)
    }

    /// The right that the call needs; `None` where any worker with some role will do.
    pub(crate) fn right(self, method: &Method) -> Option<Right> {
        let reads = *method == Method::GET;
        let either = |read, write| Some(if reads { read } else { write });
        match self {
            Target::Environments | Target::Environment | Target::Capabilities => Some(Right::ReadEnvironment),
            Target::Organizations | Target::Organization(_) | Target::Licenses(_) | Target::License(..) => {
                Some(Right::ReadOrganization)
            }
            Target::Populations | Target::Population(_) => either(Right::ReadPopulations, Right::WriteUsers),
            Target::UserPart(_, Part::MfaEnabled) => either(Right::ReadUsers, Right::WriteMfa),
            Target::Users | Target::User(_) | Target::UserPart(..) | Target::LinkedAccounts(_) => {
                either(Right::ReadUsers, Right::WriteUsers)
            }
            Target::Sessions(_) | Target::Session(..) => either(Right::ReadUsers, Right::WriteUsers),
            Target::Memberships(..) | Target::Membership(..) | Target::Groups | Target::Group(_) => {
                either(Right::ReadGroups, Right::WriteGroups)
            }
            Target::Devices(_) | Target::Device(..) => Some(Right::ReadDevices),
            Target::Assignments(kind, _) | Target::Assignment(kind, ..) => match kind {
                Principal::User => either(Right::ReadUserAssignments, Right::WriteUserAssignments),
                Principal::Group => either(Right::ReadGroupAssignments, Right::WriteGroupAssignments),
                Principal::Application => either(Right::ReadApplicationAssignments, Right::WriteApplicationAssignments),
                Principal::Gateway => Some(Right::ReadGateways),
            },
            Target::PlatformRoles | Target::PlatformRole(_) => None,
            Target::Roles | Target::Role(_) => Some(Right::ReadRoles),
            Target::Applications | Target::Application(_) => either(Right::ReadApplications, Right::WriteApplications),
            Target::Secret(_) => either(Right::ReadSecrets, Right::WriteApplications),
            Target::Gateways | Target::Gateway(_) | Target::GatewayCredentials(_) => Some(Right::ReadGateways),
            Target::Keys | Target::Key(_) => Some(Right::ReadKeys),
            Target::Activities | Target::Activity(_) => Some(Right::ReadActivities),
            _ => Some(Right::ReadConfiguration),
        }
    }

    /// The rate group (pingone-api.md §5; which endpoints are in which group is G).
    pub(crate) fn bucket(self, method: &Method, assignments_in_config: bool) -> Bucket {
        let reads = *method == Method::GET;
        match self {
            Target::Activities | Target::Activity(_) => Bucket::Audit,
            Target::UserPart(_, Part::MfaEnabled) | Target::Devices(_) | Target::Device(..) => Bucket::Mfa,
            Target::Assignments(..) | Target::Assignment(..) if assignments_in_config => Bucket::Config,
            Target::Assignments(..) | Target::Assignment(..) => Bucket::Assignments,
            Target::Users | Target::Groups if reads => Bucket::DirBulk,
            Target::Users
            | Target::User(_)
            | Target::UserPart(..)
            | Target::Groups
            | Target::Group(_)
            | Target::Memberships(..)
            | Target::Membership(..) => {
                if reads {
                    Bucket::DirAccess
                } else {
                    Bucket::DirWrite
                }
            }
            Target::Sessions(_) | Target::Session(..) | Target::LinkedAccounts(_) => Bucket::Other,
            _ => Bucket::Config,
        }
    }
}

/// Shape of a path that is not known, identifiers replaced, at most 80 characters.
pub(crate) fn unknown_shape(path: &str) -> String {
    let mut shape = String::new();
    for part in path.split('/').skip(1) {
        let part = if Uuid::try_parse(part).is_ok() { "{id}" } else { part };
        if shape.len() + part.len() < 80 {
            write!(shape, "/{}", part.escape_default()).unwrap_or_default();
        }
    }
    shape
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn point_53_there_is_no_listing_of_assignments_by_role() {
        let id = Uuid::from_u128(7);
        assert!(route(&format!("/roles/{id}/roleAssignments")).is_none());
        assert!(route(&format!("/environments/{id}/roles/{id}/roleAssignments")).is_none());
        assert!(route(&format!("/environments/{id}/groups/{id}/members")).is_none());
        assert!(route(&format!("/environments/{id}/users/")).is_some_and(|route| route.malformed));
    }

    #[test]
    fn paths_lead_to_their_endpoints() {
        let (a, b, c) = (Uuid::from_u128(1), Uuid::from_u128(2), Uuid::from_u128(3));
        let found = route(&format!("/environments/{a}/users/{b}/memberOfGroups/{c}")).unwrap();
        assert_eq!(found.target, Target::Membership(Principal::User, b, c));
        assert_eq!((found.environment, found.malformed), (Some(a), false));
        assert_eq!(found.shape, "/environments/{id}/users/{id}/memberOfGroups/{id}");
        assert!(route(&format!("/environments/{a}/users/x")).unwrap().malformed);
        assert_eq!(
            unknown_shape(&format!("/environments/{a}/widgets")),
            "/environments/{id}/widgets"
        );
    }
}
