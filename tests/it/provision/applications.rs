//! Applications in grants and revocations (access-model.md §1.8, §3.2, §4): what they hold can be taken back, nothing is given to
//! them, and access to them is not written.

use baton::task::{
    Code, EncryptionTarget, EntitlementRef, IssueCredentialRequest, Provisioner as _, ResourceRef,
    RotateCredentialsRequest,
};
use sandbox::pingone::AssignmentState;
use uuid::Uuid;

use super::rig::{READ_ONLY, Rig, entitlement, refused, resource, role_entitlement, was_revoked};

async fn rig() -> Rig {
    Rig::bent(|options| {
        options.directory.applications = Some(12);
        options.directory.workers = Some(10);
    })
    .await
}

/// What machines hold over the environment, and may lose.
fn held(rig: &Rig) -> Vec<AssignmentState> {
    let home = rig.server.environment_id();
    let all = rig.server.snapshot().assignments.into_iter();
    all.filter(|item| item.holder_type == "application" && item.scope == home && !item.read_only)
        .collect()
}

#[tokio::test(start_paused = true)]
async fn a_role_of_a_machine_can_be_taken_back() {
    let rig = rig().await;
    let own = rig.server.client_id();
    let item = held(&rig).into_iter().find(|item| item.holder != own).unwrap();
    let machine = resource("application", item.holder);
    let reply = rig
        .revoke(role_entitlement(item.role, "assigned"), machine.clone())
        .await
        .unwrap();
    assert!(!was_revoked(&reply));
    assert!(!held(&rig).contains(&item));
    assert_eq!(rig.changes().len(), 1);
    let reply = rig
        .revoke(role_entitlement(item.role, "assigned"), machine)
        .await
        .unwrap();
    assert!(was_revoked(&reply), "there is none any more");
    let gone = resource("application", Uuid::from_u128(7));
    assert!(was_revoked(
        &rig.revoke(role_entitlement(item.role, "assigned"), gone).await.unwrap()
    ));
    let mine = resource("application", own);
    let refusal = rig.revoke(role_entitlement(item.role, "assigned"), mine).await;
    refused(refusal, Code::FailedPrecondition, &["would lock itself out"]);
}

#[tokio::test(start_paused = true)]
async fn nothing_is_given_to_a_machine_and_nothing_is_asked() {
    let rig = rig().await;
    let item = held(&rig).remove(0);
    let role = role_entitlement(rig.role(READ_ONLY), "assigned");
    let refusal = rig.grant(role, resource("application", item.holder)).await;
    refused(
        refusal,
        Code::InvalidArgument,
        &["only users and groups can be granted roles"],
    );
    let access = EntitlementRef {
        binding: None,
        description: "Member of any of: Finance, Audit".to_owned(),
        ..entitlement("application", item.holder, "access")
    };
    let text = "follows from membership in any of: Finance, Audit. Grant or revoke the membership instead.";
    let user = resource("user", rig.id("bob"));
    refused(
        rig.grant(access.clone(), user.clone()).await,
        Code::FailedPrecondition,
        &[text],
    );
    let error = rig.revoke(access, user).await.unwrap_err();
    assert!(error.non_retryable && error.message.contains(text), "{error}");
    for kind in ["application", "gateway", "secret"] {
        let rotation = RotateCredentialsRequest {
            resource: resource(kind, item.holder),
            credentials: None,
            encryption: vec![EncryptionTarget::default()],
        };
        let refusal = rig.provisioner.rotate_credentials(rotation, rig.context()).await;
        refused(
            refusal,
            Code::InvalidArgument,
            &["does not issue or rotate client secrets", "Rotate it in PingOne."],
        );
    }
    let issue = IssueCredentialRequest {
        identity: resource("application", item.holder),
    };
    let error = rig.provisioner.refuse_issue(&issue);
    assert!(error.non_retryable && error.code == Code::Unimplemented, "{error}");
    assert!(error.message.contains("Rotate it in PingOne."), "{error}");
    assert_eq!(rig.calls(), Vec::<String>::new());
}

/// Some gateways stop working without their role.
#[tokio::test(start_paused = true)]
async fn what_a_gateway_holds_is_not_changed_and_nothing_is_asked() {
    let rig = rig().await;
    let item = held(&rig).remove(0);
    let gateway = ResourceRef {
        display_name: "Front door".to_owned(),
        ..resource("gateway", item.holder)
    };
    let role = role_entitlement(item.role, "assigned");
    refused(
        rig.revoke(role.clone(), gateway.clone()).await,
        Code::FailedPrecondition,
        &["the role belongs to gateway \"Front door\". Change it in PingOne under Gateways."],
    );
    refused(
        rig.grant(role.clone(), gateway).await,
        Code::InvalidArgument,
        &["only users and groups can be granted roles"],
    );
    // A type that there is not.
    for refusal in [
        rig.grant(role.clone(), resource("toaster", item.holder))
            .await
            .map(drop),
        rig.revoke(role, resource("toaster", item.holder)).await.map(drop),
    ] {
        refused(refusal, Code::InvalidArgument, &["only users and groups"]);
    }
    assert_eq!(rig.calls(), Vec::<String>::new());
}
