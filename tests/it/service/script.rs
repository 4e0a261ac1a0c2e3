//! The scripts of c1-protocol.md §20. That each of them catches a connector which breaks its rule is shown by
//! `make mutants` (tests/mutants.toml).

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use baton::task::{Annotation, Code};
use process::runtime::supervisor::Ending;
use prost::Message as _;
use sandbox::c1::proto::baton as pb;
use sandbox::c1::proto::baton::baton_service_finish_task_request::{Error, FinalState, Success};
use sandbox::c1::proto::baton::task::{self as kinds, TaskType};
use sandbox::c1::proto::connector as cv2;
use sandbox::c1::{Entry, Received, Rpc, Step, TokenStep, ksuid};

use super::accounts::{Accounts, PrivateKeys};
use super::fake::{BrokenFeed, FakeSyncs, SyncPlan, WritePlan};
use super::rig::{GRACE, Rig, Setup, bounded, close, gaps};

pub(super) type Finish = pb::BatonServiceFinishTaskRequest;

macro_rules! scripts {
    ($($name:ident;)+) => {$(
        #[tokio::test(start_paused = true)]
        async fn $name() {
            bounded(plot::$name()).await.unwrap();
        }
    )+};
}

scripts! {
    s01_token_comes_first_with_a_valid_assertion;
    s02_hello_says_everything_and_every_call_is_authorized;
    s03_hello_is_repeated_after_1_2_4_seconds;
    s04_a_refused_hello_ends_the_process;
    s05_a_short_token_is_renewed_shortly_before_it_expires;
    s06_next_poll_is_obeyed_and_clamped;
    s07_failed_polls_back_off_by_squares;
    s08_a_task_is_asked_for_only_with_a_free_slot;
    s09_a_hello_task_is_answered_by_hello_alone;
    s10_grant_outcomes;
    s11_grant_with_provisioning_off;
    s12_grant_without_principal;
    s13_create_account_carries_the_encrypted_password;
    s14_an_encrypted_password_reaches_the_provisioner;
    s15_actions_fast_failing_and_slow;
    s16_a_sync_heartbeats_uploads_and_finishes;
    s17_a_sync_that_c1_cancels_ends;
    s18_a_sync_without_heartbeats_ends;
    s19_an_upload_that_fails_twice_starts_again;
    s20_every_field_of_a_sync_task_arrives;
    s21_an_empty_file_is_uploaded_and_succeeds;
    s22_unknown_kinds_are_unsupported;
    s23_batched_polls_name_what_is_known;
    s24_sigterm_cancels_a_sync_and_reports_it;
    s25_a_failed_event_feed_is_reported;
}

pub(super) fn success(finish: &Finish) -> anyhow::Result<&Success> {
    match &finish.final_state {
        Some(FinalState::Success(success)) if finish.status.is_none() => Ok(success),
        other => anyhow::bail!("no success: {other:?} {:?}", finish.status),
    }
}

pub(super) fn failure(finish: &Finish) -> anyhow::Result<(i32, &str, bool)> {
    match (&finish.final_state, &finish.status) {
        (
            Some(FinalState::Error(Error {
                non_retryable,
                response: None,
                ..
            })),
            Some(status),
        ) => Ok((status.code, status.message.as_str(), *non_retryable)),
        other => anyhow::bail!("no error: {other:?}"),
    }
}

pub(super) fn response<M: prost::Message + Default>(success: &Success, name: &str) -> anyhow::Result<M> {
    let any = success.response.as_ref().context("no response")?;
    ensure!(
        any.type_url == format!("type.googleapis.com/c1.connector.v2.{name}"),
        "{}",
        any.type_url
    );
    Ok(M::decode(any.value.as_slice())?)
}

pub(super) fn clean(rig: &Rig) -> anyhow::Result<()> {
    ensure!(rig.server.violations().is_empty(), "{:?}", rig.server.violations());
    ensure!(rig.syncs.files() == 0, "files were left behind");
    Ok(())
}

pub(super) async fn only_finish(rig: &Rig, id: &str) -> anyhow::Result<Finish> {
    let finish = rig.server.finished(id).await.context("no FinishTask")?;
    ensure!(rig.server.finishes(id).len() == 1, "finished twice");
    Ok(finish)
}

pub fn resource(kind: &str, id: &str) -> cv2::Resource {
    cv2::Resource {
        id: Some(cv2::ResourceId {
            resource_type: kind.to_owned(),
            resource: id.to_owned(),
            baton_resource: false,
        }),
        ..Default::default()
    }
}

pub fn grant() -> TaskType {
    TaskType::Grant(kinds::GrantTask {
        entitlement: Some(cv2::Entitlement {
            id: "group:g:member".to_owned(),
            slug: "member".to_owned(),
            resource: Some(resource("group", "g")),
            ..Default::default()
        }),
        principal: Some(resource("user", "u")),
        ..Default::default()
    })
}

pub fn sync() -> TaskType {
    TaskType::SyncFull(kinds::SyncFullTask::default())
}

mod plot {
    use super::*;

    pub async fn s01_token_comes_first_with_a_valid_assertion() -> anyhow::Result<()> {
        let rig = Rig::started(Setup::default()).await;
        rig.server.wait_for("Hello", 1).await;
        clean(&rig)?;
        let names: Vec<_> = rig.server.log().iter().map(|entry| entry.received.name()).collect();
        ensure!(
            names.starts_with(&["Connection", "Token", "Connection", "Hello"]),
            "{names:?}"
        );
        let log = rig.server.log();
        let Received::Token(request) = &log[1].received else {
            anyhow::bail!("no token request")
        };
        ensure!(
            request.claims.contains(r#""aud":"acme.conductor.one""#),
            "{}",
            request.claims
        );
        ensure!(!request.user_agent.is_empty());
        Ok(())
    }

    pub async fn s02_hello_says_everything_and_every_call_is_authorized() -> anyhow::Result<()> {
        let rig = Rig::started(Setup::default()).await;
        rig.server.wait_for("GetTask", 2).await;
        clean(&rig)?;
        let calls = |entry: &Entry| !matches!(entry.received.name(), "Connection" | "Token");
        for entry in rig.server.log().iter().filter(|entry| calls(entry)) {
            let value = entry.metadata.get("authorization").context("no authorization")?;
            ensure!(value.starts_with("Bearer sandbox-token-"), "{value}");
            ensure!(entry.metadata["content-type"] == "application/grpc" && entry.metadata["te"] == "trailers");
        }
        let log = rig.server.log();
        let hello = log.iter().find_map(|entry| match &entry.received {
            Received::Hello(hello) => Some(hello),
            _ => None,
        });
        let hello = hello.context("no Hello")?;
        ensure!(hello.host_id == "pod-1" && hello.task_id.is_empty());
        ensure!(hello.connector_metadata.as_ref().context("no metadata")?.display_name == "PingOne");
        let build = hello.build_info.as_ref().context("no build info")?;
        ensure!(build.lang_version.starts_with("rust1.") && build.package == "baton-ping-one");
        let os = hello.os_info.as_ref().context("no os info")?;
        let fields = [
            &os.hostname,
            &os.os,
            &os.platform,
            &os.platform_version,
            &os.platform_family,
            &os.kernel_version,
            &os.kernel_arch,
            &os.virtualization_system,
        ];
        ensure!(fields.iter().all(|field| !field.is_empty()), "{fields:?}");
        Ok(())
    }

    pub async fn s03_hello_is_repeated_after_1_2_4_seconds() -> anyhow::Result<()> {
        let mut rig = Rig::new(Setup::default()).await;
        rig.server.plan(Rpc::Hello, vec![Step::Status(14); 3]);
        rig.start();
        rig.server.wait_for("GetTask", 1).await;
        let gaps = gaps(&rig.server.times("Hello"));
        ensure!(gaps.len() == 3 && close(&gaps, &[1., 2., 4.]), "{gaps:?}");
        clean(&rig)
    }

    pub async fn s04_a_refused_hello_ends_the_process() -> anyhow::Result<()> {
        let mut rig = Rig::new(Setup::default()).await;
        rig.server.plan(Rpc::Hello, vec![Step::Status(16); 2]);
        rig.start();
        let ending = rig.ending().await;
        ensure!(ending.exit_code() == 1, "{ending:?}");
        ensure!(
            rig.server.count("Hello") == 2 && rig.server.count("Token") == 2,
            "once more with a fresh token"
        );
        ensure!(rig.server.count("GetTask") == 0);
        clean(&rig)
    }

    pub async fn s05_a_short_token_is_renewed_shortly_before_it_expires() -> anyhow::Result<()> {
        let rig = Rig::started(Setup {
            token_lifetime: 12,
            ..Setup::default()
        })
        .await;
        rig.server.wait_for("GetTask", 10).await;
        let times = rig.server.times("Token");
        ensure!((4..=6).contains(&times.len()), "{times:?}");
        ensure!(gaps(&times).iter().all(|gap| (2.0..=3.2).contains(gap)), "{times:?}");
        clean(&rig)
    }

    pub async fn s06_next_poll_is_obeyed_and_clamped() -> anyhow::Result<()> {
        let mut rig = Rig::new(Setup::default()).await;
        rig.server.plan(
            Rpc::GetTask,
            [Step::NextPoll(2), Step::NextPoll(-1), Step::NextPoll(3600)],
        );
        rig.start();
        rig.server.wait_for("GetTask", 4).await;
        let gaps = gaps(&rig.server.times("GetTask"));
        ensure!(close(&gaps, &[2., 1., 300.]), "{gaps:?}");
        clean(&rig)
    }

    pub async fn s07_failed_polls_back_off_by_squares() -> anyhow::Result<()> {
        let mut rig = Rig::new(Setup::default()).await;
        rig.server.plan(Rpc::GetTask, vec![Step::Status(14); 9]);
        rig.server.plan(Rpc::GetTask, [Step::Normal, Step::Status(14)]);
        rig.start();
        rig.server.wait_for("GetTask", 12).await;
        let gaps = gaps(&rig.server.times("GetTask"));
        ensure!(
            close(&gaps, &[1., 4., 9., 16., 25., 36., 49., 60., 60., 1., 1.]),
            "{gaps:?}"
        );
        clean(&rig)
    }

    pub async fn s08_a_task_is_asked_for_only_with_a_free_slot() -> anyhow::Result<()> {
        let rig = Rig::started(Setup::default()).await;
        rig.writes.plan(WritePlan::Slow(Duration::from_mins(1)));
        let ids: Vec<_> = (0..4).map(|_| rig.server.queue(grant())).collect();
        for id in &ids {
            only_finish(&rig, id).await?;
        }
        clean(&rig)?;
        let first_finish = rig.server.times("FinishTask")[0];
        let before = rig.server.log().into_iter();
        let polls = before
            .skip_while(|entry| entry.received.name() != "GetTask")
            .filter(|entry| {
                entry.received.name() == "GetTask" && entry.at < first_finish && entry.at > Duration::from_secs(2)
            });
        ensure!(polls.count() == 0, "asked while all slots were busy");
        Ok(())
    }

    pub async fn s09_a_hello_task_is_answered_by_hello_alone() -> anyhow::Result<()> {
        let rig = Rig::started(Setup::default()).await;
        let id = rig.server.queue(TaskType::Hello(kinds::HelloTask::default()));
        rig.server.wait_for("Hello", 2).await;
        tokio::time::sleep(Duration::from_mins(1)).await;
        let hellos = rig.server.log().into_iter().filter_map(|entry| match entry.received {
            Received::Hello(hello) => Some(hello.task_id),
            _ => None,
        });
        ensure!(hellos.collect::<Vec<_>>() == [String::new(), id]);
        ensure!(rig.server.count("FinishTask") == 0);
        clean(&rig)
    }

    pub async fn s10_grant_outcomes() -> anyhow::Result<()> {
        let rig = Rig::started(Setup::default()).await;
        let name = "GrantManagerServiceGrantResponse";
        let finish = only_finish(&rig, &rig.server.queue(grant())).await?;
        let granted: cv2::GrantManagerServiceGrantResponse = response(success(&finish)?, name)?;
        ensure!(granted.annotations.is_empty());

        rig.writes.plan(WritePlan::Good(vec![Annotation::GrantAlreadyExists]));
        let finish = only_finish(&rig, &rig.server.queue(grant())).await?;
        let already: cv2::GrantManagerServiceGrantResponse = response(success(&finish)?, name)?;
        let annotation = already.annotations.first().context("no annotation in the response")?;
        ensure!(annotation.type_url == "type.googleapis.com/c1.connector.v2.GrantAlreadyExists");
        ensure!(success(&finish)?.annotations == already.annotations, "and beside it");

        rig.writes.plan(WritePlan::Declined);
        let finish = only_finish(&rig, &rig.server.queue(grant())).await?;
        ensure!(failure(&finish)? == (9, "not now", true));
        let status = finish.status.as_ref().context("no status")?;
        let detail = status.details.first().context("no detail")?;
        ensure!(detail.type_url == "type.googleapis.com/google.rpc.ErrorInfo");
        let info = sandbox::c1::proto::google::rpc::ErrorInfo::decode(detail.value.as_slice())?;
        ensure!(info.reason == "grant_cancelled" && info.domain == "github.com/conductorone/baton-sdk");

        rig.writes.plan(WritePlan::Fail(Code::PermissionDenied));
        let finish = only_finish(&rig, &rig.server.queue(grant())).await?;
        ensure!(failure(&finish)? == (7, "planned", true));
        clean(&rig)
    }

    pub async fn s11_grant_with_provisioning_off() -> anyhow::Result<()> {
        let rig = Rig::started(Setup {
            provisioning: false,
            ..Setup::default()
        })
        .await;
        let invoke = |name: &str| {
            TaskType::ActionInvoke(kinds::ActionInvokeTask {
                name: name.to_owned(),
                ..Default::default()
            })
        };
        for kind in [
            grant(),
            TaskType::Grant(kinds::GrantTask::default()),
            TaskType::Revoke(kinds::RevokeTask::default()),
            TaskType::CreateAccount(kinds::CreateAccountTask::default()),
            TaskType::CreateResource(kinds::CreateResourceTask::default()),
            TaskType::DeleteResource(kinds::DeleteResourceTask::default()),
            TaskType::RotateCredentials(kinds::RotateCredentialsTask::default()),
            TaskType::IssueCredential(kinds::IssueCredentialTask::default()),
            invoke("enable_user"),
            invoke(""),
        ] {
            let finish = only_finish(&rig, &rig.server.queue(kind)).await?;
            let (code, message, non_retryable) = failure(&finish)?;
            ensure!((code, non_retryable) == (9, true), "{finish:?}");
            ensure!(
                message
                    == "provisioning is not enabled: start the connector with --provisioning \
                        (BATON_PROVISIONING=true)"
            );
        }
        ensure!(rig.writes.calls() == 0);
        clean(&rig)
    }

    pub async fn s12_grant_without_principal() -> anyhow::Result<()> {
        let rig = Rig::started(Setup::default()).await;
        let TaskType::Grant(mut task) = grant() else {
            anyhow::bail!("no grant")
        };
        task.principal = None;
        let finish = only_finish(&rig, &rig.server.queue(TaskType::Grant(task))).await?;
        let (code, _, non_retryable) = failure(&finish)?;
        ensure!((code, non_retryable, rig.writes.calls()) == (2, true, 0));
        clean(&rig)
    }

    fn create_account(username: &str, options: cv2::credential_options::Options) -> kinds::CreateAccountTask {
        kinds::CreateAccountTask {
            account_info: Some(cv2::AccountInfo {
                login: username.to_owned(),
                ..Default::default()
            }),
            credential_options: Some(cv2::CredentialOptions {
                options: Some(options),
                force_change_at_next_login: true,
            }),
            encryption_configs: Vec::new(),
            resource_type_id: String::new(),
        }
    }

    /// The real provisioner over a stand-in for PingOne; every key type decrypts to the password that the account has.
    pub async fn s13_create_account_carries_the_encrypted_password() -> anyhow::Result<()> {
        use cv2::credential_options::{Options, RandomPassword};
        let accounts = Accounts::start().await;
        let rig = Rig::started(Setup {
            provisioner: Some(accounts.provisioner()),
            ..Setup::default()
        })
        .await;
        let keys = PrivateKeys::new();
        let random = Options::RandomPassword(RandomPassword {
            length: 20,
            constraints: Vec::new(),
        });
        let mut task = create_account("nils", random);
        task.encryption_configs = keys.configs();
        let finish = only_finish(&rig, &rig.server.queue(TaskType::CreateAccount(task))).await?;
        let account: cv2::CreateAccountResponse = response(success(&finish)?, "CreateAccountResponse")?;
        let Some(cv2::create_account_response::Result::Success(made)) = account.result else {
            anyhow::bail!("{:?}", account.result)
        };
        let (id, password) = accounts.user("nils").context("no account")?;
        let resource = made.resource.context("no resource")?.id.context("no id")?;
        ensure!(made.is_create_account_result && resource.resource == id && resource.resource_type == "user");
        ensure!(account.encrypted_data.len() == 4);
        for (at, data) in account.encrypted_data.iter().enumerate() {
            #[expect(deprecated, reason = "older readers look at it")]
            let old_id = data.key_id.as_str();
            let jwk = at < 3;
            let provider = if jwk { "baton/jwk/v1" } else { "baton/age/v1" };
            ensure!(data.provider == provider && data.name == "password" && data.schema.is_empty());
            ensure!(data.key_ids == [keys.id(at)], "{at}: {:?}", data.key_ids);
            ensure!(old_id == if jwk { keys.id(at) } else { String::new() });
            ensure!(keys.open(at, &data.encrypted_bytes)? == password.as_deref().unwrap_or_default());
        }
        clean(&rig)
    }

    pub async fn s14_an_encrypted_password_reaches_the_provisioner() -> anyhow::Result<()> {
        use cv2::credential_options::{EncryptedPassword, Options};
        const PASSWORD: &str = "Correct-Horse-7-battery";
        let accounts = Accounts::start().await;
        let rig = Rig::started(Setup {
            provisioner: Some(accounts.provisioner()),
            ..Setup::default()
        })
        .await;
        let sealed = accounts.sealed(PASSWORD, accounts.key_id());
        let encrypted = |passwords| {
            Options::EncryptedPassword(EncryptedPassword {
                encrypted_passwords: passwords,
            })
        };
        let good = create_account("nils", encrypted(vec![sealed.clone()]));
        let finish = only_finish(&rig, &rig.server.queue(TaskType::CreateAccount(good))).await?;
        let account: cv2::CreateAccountResponse = response(success(&finish)?, "CreateAccountResponse")?;
        ensure!(account.encrypted_data.is_empty());
        let (_, password) = accounts.user("nils").context("no account")?;
        ensure!(password.as_deref() == Some(PASSWORD));

        let empty = create_account("other", encrypted(Vec::new()));
        let finish = only_finish(&rig, &rig.server.queue(TaskType::CreateAccount(empty))).await?;
        ensure!(matches!(failure(&finish)?, (3, _, true)));
        let mut both = create_account("other", encrypted(vec![sealed]));
        both.encryption_configs = PrivateKeys::new().configs();
        let finish = only_finish(&rig, &rig.server.queue(TaskType::CreateAccount(both))).await?;
        let text = "encryption configs should never be supplied for encrypted passwords";
        ensure!(failure(&finish)? == (3, text, true));
        ensure!(accounts.user("other").is_none());
        clean(&rig)
    }

    pub async fn s15_actions_fast_failing_and_slow() -> anyhow::Result<()> {
        let rig = Rig::started(Setup::default()).await;
        let invoke = || {
            TaskType::ActionInvoke(kinds::ActionInvokeTask {
                name: "enable_user".to_owned(),
                ..Default::default()
            })
        };
        let finish = only_finish(&rig, &rig.server.queue(invoke())).await?;
        let fast: cv2::InvokeActionResponse = response(success(&finish)?, "InvokeActionResponse")?;
        ensure!(fast.status == i32::from(cv2::BatonActionStatus::Complete) && fast.name == "enable_user");

        *rig.writes.action.lock().unwrap() = (Duration::ZERO, false);
        let finish = only_finish(&rig, &rig.server.queue(invoke())).await?;
        ensure!(failure(&finish)? == (2, "the user is gone", false));

        *rig.writes.action.lock().unwrap() = (Duration::from_secs(90), true);
        let finish = only_finish(&rig, &rig.server.queue(invoke())).await?;
        let started: cv2::InvokeActionResponse = response(success(&finish)?, "InvokeActionResponse")?;
        ensure!(started.status == i32::from(cv2::BatonActionStatus::Running) && started.id.len() == 27);
        tokio::time::sleep(Duration::from_secs(100)).await;
        let status = |id: &str| {
            TaskType::ActionStatus(kinds::ActionStatusTask {
                id: id.to_owned(),
                ..Default::default()
            })
        };
        let finish = only_finish(&rig, &rig.server.queue(status(&started.id))).await?;
        let state: cv2::GetActionStatusResponse = response(success(&finish)?, "GetActionStatusResponse")?;
        ensure!(state.status == i32::from(cv2::BatonActionStatus::Complete) && state.id == started.id);
        let finish = only_finish(&rig, &rig.server.queue(status("nobody"))).await?;
        ensure!(failure(&finish)? == (5, "action id nobody not found", false));
        clean(&rig)
    }

    pub async fn s16_a_sync_heartbeats_uploads_and_finishes() -> anyhow::Result<()> {
        let rig = Rig::started(Setup::default()).await;
        let id = rig.server.queue(sync());
        let finish = only_finish(&rig, &id).await?;
        let done = success(&finish)?;
        ensure!(done.response.is_none() && done.annotations.is_empty());
        let names: Vec<_> = rig.server.log().iter().map(|entry| entry.received.name()).collect();
        let after_poll: Vec<_> = names
            .into_iter()
            .filter(|name| matches!(*name, "Heartbeat" | "UploadAsset" | "FinishTask"))
            .collect();
        ensure!(
            after_poll == ["Heartbeat", "UploadAsset", "FinishTask"],
            "{after_poll:?}"
        );
        let uploads = rig.server.uploads(&id);
        let [upload] = uploads.as_slice() else {
            anyhow::bail!("one upload")
        };
        ensure!(upload.chunks == [524_288, 524_288, 151_424], "{:?}", upload.chunks);
        let file = upload.file.as_ref().context("no file")?;
        ensure!(std::fs::read(file)? == FakeSyncs::bytes(1_200_000));
        ensure!(upload.host_id == "pod-1");
        clean(&rig)
    }

    pub async fn s17_a_sync_that_c1_cancels_ends() -> anyhow::Result<()> {
        let rig = Rig::started(Setup::default()).await;
        rig.syncs.plan(SyncPlan::UntilCancelled);
        rig.server.plan(
            Rpc::Heartbeat,
            [Step::NextHeartbeat(1), Step::NextHeartbeat(1), Step::Cancelled],
        );
        let id = rig.server.queue(sync());
        let finish = only_finish(&rig, &id).await?;
        ensure!(matches!(failure(&finish)?, (1, _, false)));
        tokio::time::sleep(Duration::from_mins(10)).await;
        let beats = rig.server.times("Heartbeat");
        ensure!(close(&gaps(&beats), &[1., 1.]) && beats.len() == 3, "{beats:?}");
        ensure!(rig.server.uploads(&id).is_empty());
        clean(&rig)
    }

    pub async fn s18_a_sync_without_heartbeats_ends() -> anyhow::Result<()> {
        let rig = Rig::started(Setup::default()).await;
        rig.syncs.plan(SyncPlan::UntilCancelled);
        rig.server.plan(Rpc::Heartbeat, [Step::NextHeartbeat(1)]);
        rig.server.plan(Rpc::Heartbeat, vec![Step::Status(14); 9]);
        let id = rig.server.queue(sync());
        let finish = only_finish(&rig, &id).await?;
        ensure!(matches!(failure(&finish)?, (1, _, false)));
        ensure!(rig.server.count("Heartbeat") == 10);
        ensure!(rig.server.uploads(&id).is_empty());
        ensure!(rig.metric("baton_ping_one_heartbeat_failures_total 9"));
        clean(&rig)
    }

    pub async fn s19_an_upload_that_fails_twice_starts_again() -> anyhow::Result<()> {
        let rig = Rig::started(Setup::default()).await;
        rig.server
            .plan(Rpc::UploadAsset, [Step::CutAfter(1, 14), Step::CutAfter(2, 13)]);
        let id = rig.server.queue(sync());
        let finish = only_finish(&rig, &id).await?;
        success(&finish)?;
        let uploads = rig.server.uploads(&id);
        ensure!(uploads.len() == 3 && uploads[..2].iter().all(|upload| upload.file.is_none()));
        let last = &uploads[2];
        ensure!(last.chunks.iter().sum::<usize>() == 1_200_000, "from byte 0");
        ensure!(std::fs::read(last.file.as_ref().context("no file")?)? == FakeSyncs::bytes(1_200_000));
        clean(&rig)
    }

    pub async fn s20_every_field_of_a_sync_task_arrives() -> anyhow::Result<()> {
        use baton::c1z::StorageEngine;
        use baton::task::{SyncRequest, SyncTarget};
        let rig = Rig::started(Setup::default()).await;
        let task = kinds::SyncFullTask {
            annotations: Vec::new(),
            skip_expand_grants: true,
            skip_entitlements_and_grants: true,
            targeted_sync_resources: vec![resource("user", "u"), resource("user", "u")],
            sync_resource_type_ids: vec!["user".to_owned()],
            skip_grants: true,
            storage_engine: "pebble".to_owned(),
        };
        let finish = only_finish(&rig, &rig.server.queue(TaskType::SyncFull(task))).await?;
        success(&finish)?;
        let wanted = SyncRequest {
            skip_expand_grants: true,
            skip_entitlements_and_grants: true,
            skip_grants: true,
            targets: vec![SyncTarget {
                resource_type: "user".to_owned(),
                id: "u".to_owned(),
                parent: None,
            }],
            resource_type_ids: vec!["user".to_owned()],
            storage_engine: Some(StorageEngine::Pebble),
            special: false,
        };
        ensure!(*rig.syncs.requests.lock().unwrap() == [wanted]);
        clean(&rig)
    }

    pub async fn s21_an_empty_file_is_uploaded_and_succeeds() -> anyhow::Result<()> {
        let rig = Rig::started(Setup::default()).await;
        rig.syncs.plan(SyncPlan::File(Duration::ZERO, 0));
        let id = rig.server.queue(sync());
        success(&only_finish(&rig, &id).await?)?;
        let uploads = rig.server.uploads(&id);
        ensure!(uploads.len() == 1 && uploads[0].chunks.is_empty() && uploads[0].file.is_some());
        clean(&rig)
    }

    pub async fn s22_unknown_kinds_are_unsupported() -> anyhow::Result<()> {
        let rig = Rig::started(Setup::default()).await;
        let unset = pb::Task {
            id: ksuid(),
            ..Default::default()
        };
        rig.server.queue_task(unset.clone());
        let feed = rig.server.queue(TaskType::EventFeed(kinds::EventFeedTask::default()));
        let diff = rig
            .server
            .queue(TaskType::CreateSyncDiff(kinds::CreateSyncDiffTask::default()));
        let compact = rig.server.queue(TaskType::CompactSyncs(kinds::CompactSyncs::default()));
        for id in [unset.id, feed, diff, compact] {
            let finish = only_finish(&rig, &id).await?;
            ensure!(failure(&finish)? == (2, "unsupported task type", false), "{finish:?}");
        }
        let ticket = rig.server.queue(TaskType::GetTicket(kinds::GetTicketTask::default()));
        ensure!(matches!(failure(&only_finish(&rig, &ticket).await?)?, (12, _, false)));
        clean(&rig)
    }

    pub async fn s23_batched_polls_name_what_is_known() -> anyhow::Result<()> {
        let mut rig = Rig::new(Setup {
            batched: true,
            ..Setup::default()
        })
        .await;
        rig.writes.plan(WritePlan::Slow(Duration::from_secs(30)));
        let ids = [rig.server.queue(grant()), rig.server.queue(grant())];
        rig.start();
        rig.server.wait_for("GetTasks", 2).await;
        let asked = |rig: &Rig| {
            let log = rig.server.log().into_iter();
            log.filter_map(|entry| match entry.received {
                Received::GetTasks(request) => Some(request),
                _ => None,
            })
            .collect::<Vec<_>>()
        };
        let polls = asked(&rig);
        ensure!(polls[0].page_size == 6 && polls[0].known_task_ids.is_empty());
        let mut known = polls[1].known_task_ids.clone();
        known.sort();
        ensure!(polls[1].page_size == 4 && known == ids, "{polls:?}");
        // Three known: no call until one has ended.
        rig.server.queue(grant());
        tokio::time::sleep(Duration::from_secs(10)).await;
        let before = asked(&rig).len();
        tokio::time::sleep(Duration::from_secs(15)).await;
        ensure!(asked(&rig).len() == before, "asked though three are known");
        rig.server.wait_for("FinishTask", 3).await;
        ensure!(rig.server.count("GetTask") == 0);
        clean(&rig)
    }

    pub async fn s24_sigterm_cancels_a_sync_and_reports_it() -> anyhow::Result<()> {
        let mut rig = Rig::started(Setup::default()).await;
        rig.syncs.plan(SyncPlan::UntilCancelled);
        let id = rig.server.queue(sync());
        rig.server.wait_for("Heartbeat", 1).await;
        let started = tokio::time::Instant::now();
        let ending = rig.stop().await;
        ensure!(ending == Ending::Clean, "{ending:?}");
        ensure!(started.elapsed() < GRACE);
        let finishes = rig.server.finishes(&id);
        ensure!(finishes.len() == 1 && matches!(failure(&finishes[0])?, (1, _, false)));
        ensure!(rig.server.uploads(&id).is_empty());
        clean(&rig)
    }

    pub async fn s25_a_failed_event_feed_is_reported() -> anyhow::Result<()> {
        let rig = Rig::started(Setup {
            events: Arc::new(BrokenFeed),
            ..Setup::default()
        })
        .await;
        let id = rig.server.queue(TaskType::ListEvents(kinds::ListEventsTask::default()));
        let finish = only_finish(&rig, &id).await?;
        ensure!(failure(&finish)? == (14, "planned", false));
        clean(&rig)
    }
}

#[tokio::test(start_paused = true)]
async fn the_event_feed_is_off_by_default_with_an_empty_list() {
    let rig = Rig::started(Setup::default()).await;
    let finish = only_finish(
        &rig,
        &rig.server
            .queue(TaskType::ListEventFeeds(kinds::ListEventFeedsTask::default())),
    )
    .await;
    let finish = finish.unwrap();
    let feeds: cv2::ListEventFeedsResponse = response(success(&finish).unwrap(), "ListEventFeedsResponse").unwrap();
    assert!(feeds.list.is_empty());
    let events = TaskType::ListEvents(kinds::ListEventsTask::default());
    let finish = only_finish(&rig, &rig.server.queue(events)).await.unwrap();
    assert!(matches!(failure(&finish).unwrap(), (5, _, false)));
}

#[tokio::test(start_paused = true)]
async fn action_schemas_are_served_with_provisioning_off() {
    let rig = Rig::started(Setup {
        provisioning: false,
        ..Setup::default()
    })
    .await;
    let list = |kind: &str| {
        TaskType::ActionListSchemas(kinds::ActionListSchemasTask {
            resource_type_id: kind.to_owned(),
            ..Default::default()
        })
    };
    for (kind, wanted) in [
        ("", vec!["enable_user", "lock_user"]),
        ("user", vec!["lock_user"]),
        ("group", vec![]),
    ] {
        let finish = only_finish(&rig, &rig.server.queue(list(kind))).await.unwrap();
        let listed: cv2::ListActionSchemasResponse =
            response(success(&finish).unwrap(), "ListActionSchemasResponse").unwrap();
        assert_eq!(
            listed
                .schemas
                .iter()
                .map(|schema| schema.name.as_str())
                .collect::<Vec<_>>(),
            wanted
        );
    }
    let get = |name: &str| {
        TaskType::ActionGetSchema(kinds::ActionGetSchemaTask {
            name: name.to_owned(),
            ..Default::default()
        })
    };
    let finish = only_finish(&rig, &rig.server.queue(get("enable_user"))).await.unwrap();
    let schema: cv2::GetActionSchemaResponse = response(success(&finish).unwrap(), "GetActionSchemaResponse").unwrap();
    assert_eq!(schema.schema.unwrap().name, "enable_user");
    for (name, code) in [("lock_user", 5), ("", 2)] {
        let finish = only_finish(&rig, &rig.server.queue(get(name))).await.unwrap();
        let (got, _, non_retryable) = failure(&finish).unwrap();
        assert_eq!((got, non_retryable), (code, false), "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_slow_token_endpoint_delays_the_start_and_nothing_else() {
    let mut rig = Rig::new(Setup::default()).await;
    rig.server.plan_tokens([TokenStep::Delay(Duration::from_secs(20))]);
    rig.start();
    rig.server.wait_for("Hello", 1).await;
    assert_eq!(rig.server.count("Token"), 1);
    assert!(rig.server.times("Hello")[0] >= Duration::from_secs(20));
}
