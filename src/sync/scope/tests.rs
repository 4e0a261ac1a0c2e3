use baton::model::Value;

use super::*;
use crate::model::{GROUP, USER, immutable};

const ENVIRONMENT: Uuid = Uuid::from_u128(0xe);
const ORGANIZATION: Uuid = Uuid::from_u128(0x0f);
const POPULATION_A: Uuid = Uuid::from_u128(0xa);
const POPULATION_B: Uuid = Uuid::from_u128(0xb);
const ROLE: RoleId = RoleId(Uuid::from_u128(0x1));

fn around(policy: RolePopulationEntitlements) -> Surroundings {
    Surroundings {
        with_users: true,
        own_application: None,
        bound: false,
        writable: WritableScopes::default(),
        environment: EnvironmentId(ENVIRONMENT),
        environment_name: "Workforce".to_owned(),
        organization: Some(OrganizationId(ORGANIZATION)),
        names: BTreeMap::from([
            (Scope::new("organization", ORGANIZATION), "Example".to_owned()),
            (Scope::new("population", POPULATION_A), "Staff".to_owned()),
        ]),
        populations: BTreeSet::from([POPULATION_A, POPULATION_B]),
        policy,
    }
}

fn role(applicable_to: &[&str]) -> RoleInfo {
    RoleInfo {
        id: ROLE,
        name: "Identity Data Admin".to_owned(),
        applicable_to: applicable_to.iter().map(|kind| (*kind).to_owned()).collect(),
    }
}

fn hold(holdings: &mut Holdings, scope: (&str, Uuid), principal: u128, assignment: u128, read_only: bool) {
    let scope = holdings.scope(scope.0, scope.1);
    holdings.push(Holding {
        principal_type: USER,
        principal: Uuid::from_u128(principal),
        role: ROLE,
        scope,
        assignment: Uuid::from_u128(assignment),
        read_only,
        inherited: false,
    });
}

fn slugs(entitlements: &[Entitlement]) -> Vec<String> {
    entitlements
        .iter()
        .map(|entitlement| entitlement.id.slug.to_string())
        .collect()
}

#[test]
fn a_role_offers_what_it_applies_to_in_order_of_scope_type_and_id() {
    let cases: [(&[&str], Vec<String>); 4] = [
        (&["ENVIRONMENT"], vec!["assigned".to_owned()]),
        (&["ORGANIZATION"], vec![format!("assigned-organization-{ORGANIZATION}")]),
        (
            &["ENVIRONMENT", "POPULATION", "ORGANIZATION"],
            vec![
                "assigned".to_owned(),
                format!("assigned-organization-{ORGANIZATION}"),
                format!("assigned-population-{POPULATION_A}"),
                format!("assigned-population-{POPULATION_B}"),
            ],
        ),
        (&[], vec![]),
    ];
    for (applicable_to, expected) in cases {
        let found = entitlements(
            &[role(applicable_to)],
            &around(RolePopulationEntitlements::All),
            &Holdings::default(),
        );
        assert_eq!(slugs(&found), expected, "{applicable_to:?}");
    }
}

#[test]
fn only_assigned_populations_when_asked_for() {
    let mut holdings = Holdings::default();
    hold(&mut holdings, ("POPULATION", POPULATION_B), 7, 1, false);
    let found = entitlements(
        &[role(&["POPULATION"])],
        &around(RolePopulationEntitlements::Assigned),
        &holdings,
    );
    assert_eq!(slugs(&found), [format!("assigned-population-{POPULATION_B}")]);
}

#[test]
fn a_foreign_or_unknown_scope_gets_its_entitlement_and_is_not_writable() {
    let foreign = Uuid::from_u128(0xff);
    for kind in ["ENVIRONMENT", "GALAXY"] {
        let mut holdings = Holdings::default();
        hold(&mut holdings, (kind, foreign), 7, 1, false);
        let around = around(RolePopulationEntitlements::All);
        let found = entitlements(&[role(&[])], &around, &holdings);
        let kind = kind.to_lowercase();
        assert_eq!(slugs(&found), [format!("assigned-{kind}-{foreign}")]);
        assert_eq!(found[0].immutable, Some(immutable::SCOPE_NOT_WRITABLE));
        assert_eq!(found[0].display_name, format!("Identity Data Admin Role on {foreign}"));
        assert_eq!(around.unnamed(holdings.scopes()).len(), 1);
    }
}

#[test]
fn a_listed_scope_is_offered_to_roles_that_can_have_it_and_a_wildcard_adds_none() {
    let (listed, seen) = (Uuid::from_u128(0x11), Uuid::from_u128(0x22));
    let mut around = around(RolePopulationEntitlements::Assigned);
    around.writable = WritableScopes::new([
        ("application".to_owned(), Some(listed)),
        ("group".to_owned(), None),
        ("organization".to_owned(), Some(listed)),
    ]);
    let mut holdings = Holdings::default();
    hold(&mut holdings, ("GROUP", seen), 7, 1, false);
    hold(&mut holdings, ("ORGANIZATION", listed), 7, 2, false);
    for (applicable_to, offered) in [(&["APPLICATION"][..], true), (&["POPULATION"], false)] {
        let found = entitlements(&[role(applicable_to)], &around, &holdings);
        let locked = |slug: String| {
            let entitlement = found.iter().find(|entitlement| entitlement.id.slug == slug);
            entitlement.map(|entitlement| entitlement.immutable.is_some())
        };
        assert_eq!(
            locked(format!("assigned-application-{listed}")),
            offered.then_some(false)
        );
        assert_eq!(locked(format!("assigned-group-{seen}")), Some(false));
        assert_eq!(locked(format!("assigned-organization-{listed}")), Some(true));
        assert_eq!(found.len(), 2 + usize::from(offered));
    }
}

#[test]
fn the_configured_environment_is_always_assigned_whatever_its_case() {
    let mut holdings = Holdings::default();
    hold(&mut holdings, ("environment", ENVIRONMENT), 7, 1, false);
    let around = around(RolePopulationEntitlements::All);
    let found = entitlements(&[role(&[])], &around, &holdings);
    assert_eq!(slugs(&found), ["assigned"]);
    assert_eq!(found[0].display_name, "Identity Data Admin Role");
    assert_eq!(
        found[0].description,
        "Holds Identity Data Admin in environment Workforce"
    );
    assert_eq!(found[0].immutable, None);
    assert!(around.unnamed(holdings.scopes()).is_empty());
    let grants: Vec<_> = RoleGrants::new(holdings, around).iter().collect();
    assert_eq!(grants[0].entitlement, found[0].id);
    assert_eq!(text(&grants[0], "scope_name"), "Workforce");
}

#[test]
fn of_equal_assignments_the_smallest_id_stays_and_read_only_needs_all() {
    for (second_read_only, expected) in [(true, true), (false, false)] {
        let mut holdings = Holdings::default();
        hold(&mut holdings, ("POPULATION", POPULATION_A), 7, 2, true);
        hold(&mut holdings, ("population", POPULATION_A), 7, 1, second_read_only);
        let grants: Vec<_> = RoleGrants::new(holdings, around(RolePopulationEntitlements::All))
            .iter()
            .collect();
        assert_eq!(grants.len(), 1);
        assert_eq!(text(&grants[0], "assignment_id"), Uuid::from_u128(1).to_string());
        assert_eq!(metadata(&grants[0], "read_only"), Some(&Value::Bool(expected)));
        assert_eq!(grants[0].immutable.is_some(), expected);
        assert_eq!(text(&grants[0], "scope_name"), "Staff");
    }
}

#[test]
fn a_group_holder_hands_the_role_to_its_members() {
    let mut holdings = Holdings::default();
    let scope = holdings.scope("ENVIRONMENT", ENVIRONMENT);
    let group = Uuid::from_u128(0x9);
    holdings.push(Holding {
        principal_type: GROUP,
        principal: group,
        role: ROLE,
        scope,
        assignment: Uuid::from_u128(1),
        read_only: false,
        inherited: false,
    });
    let grants: Vec<_> = RoleGrants::new(holdings, around(RolePopulationEntitlements::All))
        .iter()
        .collect();
    assert_eq!(
        grants[0].expandable.as_ref().unwrap().entitlement_ids,
        [EntitlementId::member(GROUP, group)]
    );
    assert_eq!(grants[0].immutable, None);
}

fn metadata<'a>(grant: &'a Grant, key: &str) -> Option<&'a Value> {
    grant.metadata.as_ref().and_then(|metadata| metadata.get(key))
}

fn text<'a>(grant: &'a Grant, key: &str) -> &'a str {
    match metadata(grant, key) {
        Some(Value::String(text)) => text,
        other => panic!("{key} is {other:?}"),
    }
}
