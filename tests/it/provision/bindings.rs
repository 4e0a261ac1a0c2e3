//! Roles over scopes as C1 composes them: bindings, also those that no sync had (access-model.md §6, §11 points 124, 125 and
//! 133).

use baton::model::ResourceTrait;
use baton::task::{Code, EntitlementRef, ResourceRef};
use baton::wire::stored::StoredBinding;
use baton_ping_one::model::{WritableScopes, binding_id};
use baton_ping_one::sync::SeenScopes;
use sandbox::pingone::{Holder, ScopeOf};
use uuid::Uuid;

use super::rig::{
    HELP_DESK, READ_ONLY, Rig, Setup, builder, entitlement, existed, refused, resource, role_entitlement, was_revoked,
};

const ADMIN: &str = "Environment Admin";
const GALAXY: Uuid = Uuid::from_u128(0x2222);

async fn rig(change: impl FnOnce(&mut Setup)) -> Rig {
    let mut setup = Setup::default();
    let worker = &mut setup.sandbox.access.worker_role;
    worker.push("Environment Admin@ORGANIZATION".to_owned());
    change(&mut setup);
    Rig::with(setup).await
}

#[allow(clippy::needless_pass_by_value, reason = "the calls read better")]
fn pair(kind: &str, id: impl ToString) -> (String, String) {
    (kind.to_owned(), id.to_string())
}

/// As C1 sends it: with the trait, and the id that it composes.
fn bound(role: Uuid, kind: &str, scope: Uuid) -> EntitlementRef {
    EntitlementRef {
        binding: Some(StoredBinding {
            role: pair("role", role),
            scope: pair(kind, scope),
        }),
        ..bare(role, scope)
    }
}

/// The same without the trait.
fn bare(role: Uuid, scope: Uuid) -> EntitlementRef {
    entitlement("role_assignment", binding_id(role, scope), "assigned")
}

fn user(rig: &Rig, label: &str) -> ResourceRef {
    resource("user", rig.id(label))
}

#[tokio::test(start_paused = true)]
async fn a_binding_that_was_never_synced_is_granted_and_answered_whole() {
    let rig = rig(|_| {}).await;
    let (staff, role, home) = (rig.id("staff"), rig.role(READ_ONLY), rig.server.environment_id());
    for (kind, scope) in [("population", staff), ("environment", home)] {
        for of in [bound(role, kind, scope), bare(role, scope)] {
            let reply = rig.grant(of.clone(), user(&rig, "ann")).await.unwrap();
            assert_eq!(rig.held("ann", READ_ONLY, scope), 1);
            let (grant, binding) = (&reply.grants[0], reply.resource.as_ref().unwrap());
            assert_eq!(
                grant.entitlement.to_string(),
                format!("role_assignment:{role}-{scope}:assigned")
            );
            assert_eq!(grant.entitlement.resource, binding.id);
            assert_eq!(binding.id.id, binding_id(role, scope));
            let ResourceTrait::Binding(joined) = &binding.resource_trait else {
                panic!("{binding:?}")
            };
            assert_eq!(
                (joined.role.resource_type.id(), &*joined.role.id),
                ("role", &*role.to_string())
            );
            assert_eq!(
                (joined.scope.resource_type.id(), &*joined.scope.id),
                (kind, &*scope.to_string())
            );
            assert_eq!(binding.parent.as_ref(), Some(&joined.scope));
            let profile = format!("{:?}", binding.profile);
            for text in ["role_name", "scope_name", READ_ONLY, &kind.to_uppercase()] {
                assert!(profile.contains(text), "{profile}");
            }
            assert!(existed(&rig.grant(of.clone(), user(&rig, "ann")).await.unwrap()));
            assert!(!was_revoked(&rig.revoke(of.clone(), user(&rig, "ann")).await.unwrap()));
            assert_eq!(rig.held("ann", READ_ONLY, scope), 0);
            assert!(was_revoked(&rig.revoke(of, user(&rig, "ann")).await.unwrap()));
        }
    }
    let admins = resource("group", rig.id("team"));
    let reply = rig.grant(bound(role, "population", staff), admins).await.unwrap();
    assert!(reply.grants[0].expandable.is_some());
}

/// The trait decides; C1's id may be of another form.
#[tokio::test(start_paused = true)]
async fn the_trait_outweighs_the_id() {
    let rig = rig(|_| {}).await;
    let (staff, guests, role) = (rig.id("staff"), rig.id("guests"), rig.role(READ_ONLY));
    for id in [
        "some-other-form".to_owned(),
        binding_id(role, guests),
        format!("{role}::{guests}"),
    ] {
        let mut of = bound(role, "population", staff);
        of.resource.id.clone_from(&id);
        of.id = format!("role_assignment:{id}:assigned");
        rig.grant(of.clone(), user(&rig, "ann")).await.unwrap();
        assert_eq!(rig.held("ann", READ_ONLY, staff), 1, "{id}");
        assert_eq!(rig.held("ann", READ_ONLY, guests), 0, "{id}");
        rig.revoke(of, user(&rig, "ann")).await.unwrap();
        assert_eq!(rig.held("ann", READ_ONLY, staff), 0, "{id}");
    }
}

#[tokio::test(start_paused = true)]
async fn ids_of_both_models_name_the_same() {
    let rig = rig(|_| {}).await;
    let (staff, role) = (rig.id("staff"), rig.role(READ_ONLY));
    let plain = role_entitlement(role, &format!("assigned-population-{staff}"));
    let binding = bound(role, "population", staff);
    for (one, other) in [(&plain, &binding), (&binding, &plain)] {
        let reply = rig.grant(one.clone(), user(&rig, "ann")).await.unwrap();
        assert_eq!(reply.resource.is_some(), one.binding.is_some());
        assert_eq!(reply.grants[0].entitlement.to_string(), one.id);
        assert!(existed(&rig.grant(other.clone(), user(&rig, "ann")).await.unwrap()));
        assert!(!was_revoked(
            &rig.revoke(other.clone(), user(&rig, "ann")).await.unwrap()
        ));
        assert_eq!(rig.held("ann", READ_ONLY, staff), 0);
    }
}

/// Service mode may strip the trait. What a scope is then comes from what is there, what is listed and what was seen.
#[tokio::test(start_paused = true)]
async fn without_a_trait_the_scope_is_looked_up() {
    let other = rig(|_| {}).await.server.other_environment_id();
    let listed = |setup: &mut Setup| {
        setup.options.writable_scopes = WritableScopes::new([("environment".to_owned(), Some(other))]);
    };
    let known = rig(listed).await;
    let admin = known.role(ADMIN);
    known.grant(bare(admin, other), user(&known, "ann")).await.unwrap();
    assert_eq!(known.held("ann", ADMIN, other), 1);
    let organization = known.server.organization_id();
    let error = known
        .grant(bare(known.role(HELP_DESK), organization), user(&known, "ann"))
        .await;
    refused(
        error.map(|_| ()),
        Code::InvalidArgument,
        &["cannot be assigned to a scope of type \"organization\""],
    );

    let any = |setup: &mut Setup| {
        setup.options.writable_scopes = WritableScopes::new([("environment".to_owned(), None)]);
    };
    let mut rig = rig(any).await;
    let text =
        format!("the request names no scope for role {admin}: select the role_assignment type in C1 and sync once.");
    refused(
        rig.grant(bare(admin, other), user(&rig, "ann")).await.map(|_| ()),
        Code::InvalidArgument,
        &[&text],
    );
    refused(
        rig.revoke(bare(admin, other), user(&rig, "ann")).await.map(|_| ()),
        Code::InvalidArgument,
        &[&text],
    );
    assert_eq!(rig.writes(), 0);
    let seen = SeenScopes::default();
    seen.learn(&[("environment".to_owned(), other)]);
    rig.provisioner = rig.provisioner.with_scopes(seen);
    rig.grant(bare(admin, other), user(&rig, "ann")).await.unwrap();
    assert_eq!(rig.held("ann", ADMIN, other), 1);
    rig.revoke(bare(admin, other), user(&rig, "ann")).await.unwrap();
    assert_eq!(rig.held("ann", ADMIN, other), 0);
}

#[tokio::test(start_paused = true)]
async fn what_is_no_binding_is_refused_before_anything_is_asked() {
    let rig = rig(|_| {}).await;
    let (staff, role) = (rig.id("staff"), rig.role(READ_ONLY));
    let joined = |role: (String, String), scope: (String, String)| EntitlementRef {
        binding: Some(StoredBinding { role, scope }),
        ..bare(Uuid::nil(), Uuid::nil())
    };
    let mut cases = vec![
        joined(pair("user", role), pair("population", staff)),
        joined(pair("role", role), pair("galaxy", staff)),
        joined(pair("role", role), pair("", staff)),
        joined(pair("role", role), pair("user", staff)),
        joined(pair("role", "x"), pair("population", staff)),
        joined(pair("role", role), pair("population", "../users")),
        joined(pair("", ""), pair("", "")),
    ];
    for id in [
        String::new(),
        role.to_string(),
        format!("{role}::{staff}"),
        format!("{role}-{staff}-x"),
        "x".repeat(73),
        "é".repeat(36),
    ] {
        cases.push(entitlement("role_assignment", id, "assigned"));
    }
    cases.push(EntitlementRef {
        slug: "member".to_owned(),
        id: String::new(),
        ..bound(role, "population", staff)
    });
    cases.push(EntitlementRef {
        id: String::new(),
        slug: String::new(),
        ..bound(role, "population", staff)
    });
    for of in cases {
        let shown = format!("{of:?}");
        let granted = rig.grant(of.clone(), user(&rig, "ann")).await.unwrap_err();
        assert_eq!(granted.code, Code::InvalidArgument, "{shown}: {granted}");
        let revoked = rig.revoke(of, user(&rig, "ann")).await.unwrap_err();
        assert_eq!(revoked.code, Code::InvalidArgument, "{shown}: {revoked}");
    }
    assert!(rig.calls().is_empty(), "{:?}", rig.calls());
}

/// The rules of access-model.md §5, of protected roles and of our own client are those of the other model.
#[tokio::test(start_paused = true)]
async fn what_may_not_be_changed_stays_so() {
    let rig = rig(|setup| setup.options.protected_roles = vec![HELP_DESK.to_owned()]).await;
    let (home, other) = (rig.server.environment_id(), rig.server.other_environment_id());
    let admin = rig.role(ADMIN);
    let listed = format!("Add environment:{other} to writable-role-scopes to allow it.");
    refused(
        rig.grant(bound(admin, "environment", other), user(&rig, "ann"))
            .await
            .map(|_| ()),
        Code::FailedPrecondition,
        &["this connector does not change roles on environment", &listed],
    );
    let help = bound(rig.role(HELP_DESK), "environment", home);
    refused(
        rig.grant(help.clone(), user(&rig, "ann")).await.map(|_| ()),
        Code::FailedPrecondition,
        &["protected"],
    );
    refused(
        rig.revoke(help, resource("group", rig.id("admins"))).await.map(|_| ()),
        Code::FailedPrecondition,
        &["protected"],
    );
    let own = resource("application", rig.server.client_id());
    refused(
        rig.revoke(bound(admin, "environment", home), own.clone())
            .await
            .map(|_| ()),
        Code::FailedPrecondition,
        &["would lock itself out"],
    );
    refused(
        rig.grant(bound(admin, "environment", home), own).await.map(|_| ()),
        Code::InvalidArgument,
        &["only users and groups can be granted roles"],
    );
    assert_eq!(rig.writes(), 0);
}

/// C1 has one type for every scope that we do not know: what is held there is not called gone.
#[tokio::test(start_paused = true)]
async fn a_scope_of_an_unknown_type_is_shown_and_not_changed() {
    let with_galaxy = |setup: &mut Setup| {
        let builder = builder().assignment(
            Holder::User("ann".into()),
            READ_ONLY,
            ScopeOf::Other("Galaxy".to_owned(), GALAXY),
        );
        setup.sandbox.custom = Some(builder.build());
    };
    let mut rig = rig(with_galaxy).await;
    let of = bound(rig.role(READ_ONLY), "other_scope", GALAXY);
    for seen in [None, Some("galaxy")] {
        if let Some(kind) = seen {
            let scopes = SeenScopes::default();
            scopes.learn(&[(kind.to_owned(), GALAXY)]);
            rig.provisioner = rig.provisioner.with_scopes(scopes);
        }
        refused(
            rig.revoke(of.clone(), user(&rig, "ann")).await.map(|_| ()),
            Code::FailedPrecondition,
            &["Change it in PingOne."],
        );
        assert!(was_revoked(&rig.revoke(of.clone(), user(&rig, "bob")).await.unwrap()));
        let error = rig.grant(of.clone(), user(&rig, "bob")).await.unwrap_err();
        assert!(!error.message.contains("writable-role-scopes"), "{error}");
    }
    assert_eq!(rig.held("ann", READ_ONLY, GALAXY), 1);
    assert_eq!(rig.writes(), 0);
}
