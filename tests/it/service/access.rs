//! What C1 asks of machines and of roles over scopes, through the session to the real provisioner (access-model.md §4, §6, §11
//! points 133 and 134).

use baton_ping_one::model::binding_id;
use prost::Message as _;
use sandbox::c1::proto::baton::task::{self as kinds, TaskType};
use sandbox::c1::proto::connector as cv2;

use super::accounts::Accounts;
use super::rig::{Rig, Setup, bounded};
use super::script::{clean, failure, only_finish, resource, response, success};

const BINDING: &str = "type.googleapis.com/c1.connector.v2.ScopeBindingTrait";

async fn rig(accounts: &Accounts) -> Rig {
    Rig::started(Setup {
        provisioner: Some(accounts.provisioner()),
        ..Setup::default()
    })
    .await
}

/// Whether a secret was issued is not known after a failure, so none is tried again.
#[tokio::test(start_paused = true)]
async fn an_issue_of_a_credential_is_refused_for_good_and_asks_nothing() {
    bounded(async {
        let accounts = Accounts::start().await;
        let rig = rig(&accounts).await;
        let task = kinds::IssueCredentialTask {
            identity_id: resource("application", "0a6c3f1e-9d50-4a34-9a1b-c0ffee001001").id,
            credential_options: Some(cv2::CredentialIssueOptions::default()),
            encryption_configs: vec![cv2::EncryptionConfig::default()],
            ..Default::default()
        };
        let id = rig.server.queue(TaskType::IssueCredential(task));
        let finish = only_finish(&rig, &id).await?;
        let (code, message, non_retryable) = failure(&finish)?;
        assert_eq!((code, non_retryable), (12, true), "{finish:?}");
        assert!(message.contains("Rotate it in PingOne."), "{message}");
        assert_eq!(accounts.asked(), 0);
        clean(&rig)
    })
    .await
    .unwrap();
}

/// With the trait, without it, and with an id of another form: the answer carries the whole binding.
#[tokio::test(start_paused = true)]
async fn a_binding_that_no_sync_had_is_granted_and_answered_whole() {
    bounded(async {
        let accounts = Accounts::start().await;
        let rig = rig(&accounts).await;
        let (role, staff) = (accounts.role("Identity Data Read Only"), accounts.id("staff"));
        let composed = binding_id(role, staff);
        for (user, has_trait, binding) in [
            ("ann", true, composed.as_str()),
            ("bob", false, composed.as_str()),
            ("eve", true, "of-another-form"),
        ] {
            let joined = cv2::ScopeBindingTrait {
                role_id: resource("role", &role.to_string()).id,
                scope_resource_id: resource("population", &staff.to_string()).id,
            };
            let mut of = resource("role_assignment", binding);
            of.annotations.extend(has_trait.then(|| prost_types::Any {
                type_url: BINDING.to_owned(),
                value: joined.encode_to_vec(),
            }));
            let task = kinds::GrantTask {
                entitlement: Some(cv2::Entitlement {
                    id: format!("role_assignment:{binding}:assigned"),
                    slug: "assigned".to_owned(),
                    resource: Some(of),
                    ..Default::default()
                }),
                principal: Some(resource("user", &accounts.id(user).to_string())),
                ..Default::default()
            };
            let finish = only_finish(&rig, &rig.server.queue(TaskType::Grant(task))).await?;
            let name = "GrantManagerServiceGrantResponse";
            let answer: cv2::GrantManagerServiceGrantResponse = response(success(&finish)?, name)?;
            assert!(accounts.holds(user, role, staff), "{user}");
            let told = answer.grants[0].entitlement.clone().unwrap().resource.unwrap();
            assert_eq!(told.id.unwrap().resource, composed, "{user}");
            assert_eq!(told.parent_resource_id, joined.scope_resource_id, "{user}");
            let told = told.annotations.iter().find(|any| any.type_url == BINDING).unwrap();
            assert_eq!(cv2::ScopeBindingTrait::decode(told.value.as_slice())?, joined, "{user}");
        }
        clean(&rig)
    })
    .await
    .unwrap();
}
