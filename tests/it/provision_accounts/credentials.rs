//! Passwords of new accounts: generated or chosen by C1, in keeping with the policy, encrypted to everybody.

use baton::task::{
    AccountInfo, Code, CreateAccountRequest, CredentialOptions, EncryptedSecret, EncryptionTarget, Password,
    PasswordRule, Provisioner as _,
};
use baton_ping_one::provision::PingOneProvisioner;
use baton_ping_one::provision::ProvisionOptions;
use sandbox::pingone::{Directory, Fault, FaultAction};
use serde_json::json;

use super::rig::{Rig, open, option, random, refuse, refused, sealed, success, to_us};

const POLICIES: &str = "/environments/{id}/passwordPolicies";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_generated_password_is_the_accounts_and_comes_back_encrypted() {
    let rig = Rig::new().await;
    let created = rig
        .create_with(json!({"username": "nils"}), random(), to_us())
        .await
        .unwrap();
    success(&created);
    let [secret] = created.secrets.as_slice() else {
        panic!("one secret")
    };
    let password = open(secret);
    let state = rig.named("nils").unwrap().1;
    assert_eq!(state.password.as_deref(), Some(password.as_str()));
    assert_eq!(
        (password.chars().count(), state.password_status),
        (16, "MUST_CHANGE_PASSWORD")
    );
    assert_eq!(rig.writes(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_recipient_gets_it_and_without_one_it_is_dropped() {
    let rig = Rig::new().await;
    let mut targets = to_us();
    targets.extend(to_us());
    let created = rig
        .create_with(json!({"username": "a"}), random(), targets)
        .await
        .unwrap();
    let opened: Vec<String> = created.secrets.iter().map(open).collect();
    assert!(opened.len() == 2 && opened[0] == opened[1]);
    let created = rig
        .create_with(json!({"username": "b"}), random(), Vec::new())
        .await
        .unwrap();
    assert!(success(&created).id.id.len() == 36 && created.secrets.is_empty());
    assert!(rig.named("b").unwrap().1.password.is_some());
}

/// An encryption that cannot work must not leave an account behind.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bad_recipient_is_refused_before_anything_is_asked() {
    let rig = Rig::new().await;
    let jwk = |text: &str| EncryptionTarget {
        jwk: Some(text.into()),
        ..EncryptionTarget::default()
    };
    for (bad, part) in [
        (
            EncryptionTarget {
                provider: "acme/v9".into(),
                ..to_us().remove(0)
            },
            "encryption provider not registered (acme/v9)",
        ),
        (jwk("{}"), "jwk: failed to unmarshal jwk"),
        (jwk(r#"{"kty":"oct","k":"AA"}"#), "jwk: unsupported key type"),
        (EncryptionTarget::default(), "holds no key"),
    ] {
        let mut targets = to_us();
        targets.push(bad);
        let outcome = rig
            .create_with(json!({"username": "n"}), random(), targets.clone())
            .await;
        refused(outcome, Code::InvalidArgument, part);
        let id = rig.id("mara").to_string();
        refused(rig.rotate(&id, random(), targets).await, Code::InvalidArgument, part);
    }
    assert_eq!(rig.server.requests().total, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_populations_policy_outranks_the_default() {
    // Ids are the same in every sandbox of one seed.
    let probe = Rig::new().await;
    let strict = probe.client.password_policies().await.unwrap().remove(1);
    assert_eq!(strict.length.as_ref().unwrap().min, Some(20));
    let rig = Rig::bent(|options| {
        let own = json!({"passwordPolicy": {"id": strict.id}});
        let directory = Directory::builder()
            .population("staff", json!({}))
            .population("strict", own);
        options.custom = Some(directory.build());
    })
    .await;
    for (name, population, length) in [("a", "staff", 16), ("b", "strict", 20)] {
        let profile = json!({"username": name, "population": population});
        let created = rig.create_with(profile, random(), to_us()).await.unwrap();
        assert_eq!(open(&created.secrets[0]).chars().count(), length, "{population}");
    }
    // Rotation asks for the policy of the user that is there.
    let id = rig.named("b").unwrap().0.to_string();
    let rotated = rig.rotate(&id, random(), to_us()).await.unwrap();
    assert_eq!(open(&rotated.secrets[0]).chars().count(), 20);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_empty_or_hidden_policy_makes_a_long_password_of_every_kind() {
    let rig = Rig::new().await;
    let body = json!({"_embedded": {"passwordPolicies": []}, "count": 0, "size": 0}).to_string();
    let bare = json!({"_embedded": {"passwordPolicies": [{"id": "7c2e1d94-55a0-4a34-9a1b-c0ffee001001", "default": true}]}, "count": 1}).to_string();
    for (name, fault, length) in [
        (
            "a",
            refuse(
                "GET",
                POLICIES,
                403,
                "ACCESS_FAILED",
                Some("INSUFFICIENT_PERMISSIONS"),
                "no",
            ),
            20,
        ),
        ("b", Fault::on("GET", POLICIES, FaultAction::Body(body)), 20),
        ("c", Fault::on("GET", POLICIES, FaultAction::Body(bare)), 16),
    ] {
        rig.fault(fault);
        let created = rig
            .create_with(json!({"username": name}), random(), to_us())
            .await
            .unwrap();
        let password = open(&created.secrets[0]);
        assert_eq!(password.chars().count(), length, "{name}");
        let kinds: [fn(char) -> bool; 4] = [
            |c| c.is_ascii_uppercase(),
            |c| c.is_ascii_lowercase(),
            |c| c.is_ascii_digit(),
            |c| c.is_ascii_punctuation(),
        ];
        assert!(kinds.iter().all(|kind| password.chars().any(kind)), "{name}");
    }
    // A policy that cannot be read for another reason is no missing policy.
    rig.fault(refuse("GET", POLICIES, 400, "INVALID_REQUEST", None, "no"));
    refused(
        rig.create_with(json!({"username": "d"}), random(), to_us()).await,
        Code::InvalidArgument,
        "password policies",
    );
    assert!(rig.named("d").is_none());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn constraints_of_the_request_are_kept_with_the_policys() {
    let rig = Rig::new().await;
    let rule = |char_set: &str, min_count| PasswordRule {
        char_set: char_set.into(),
        min_count,
    };
    let wish = |length, rules| option(Password::Random { length, rules });
    let good = wish(20, vec![rule("αβγδε", 3)]);
    let created = rig.create_with(json!({"username": "a"}), good, to_us()).await.unwrap();
    let password = open(&created.secrets[0]);
    assert!(password.chars().filter(|c| "αβγδε".contains(*c)).count() >= 3);
    assert_eq!(rig.named("a").unwrap().1.password_status, "OK");
    for (length, rules, code, part) in [
        (8, vec![rule("ab", 60)], Code::InvalidArgument, "constraints ask for 60"),
        (8, vec![rule("", 1)], Code::InvalidArgument, "empty char_set"),
        (12, vec![rule("a", 12)], Code::FailedPrecondition, "password policy"),
    ] {
        let outcome = rig
            .create_with(json!({"username": "b"}), wish(length, rules), to_us())
            .await;
        refused(outcome, code, part);
    }
    assert_eq!(rig.writes(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_password_of_c1s_is_opened_and_used_as_it_is() {
    let rig = Rig::new().await;
    let password = "Correct-Horse 7 \"bättery\" 🔋";
    let created = rig
        .create_with(json!({"username": "nils"}), sealed(password), Vec::new())
        .await
        .unwrap();
    success(&created);
    assert!(created.secrets.is_empty());
    let state = rig.named("nils").unwrap().1;
    assert_eq!(
        (state.password.as_deref(), state.password_status),
        (Some(password), "OK")
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_password_of_c1s_that_is_not_for_us_is_refused_before_anything_is_asked() {
    let rig = Rig::new().await;
    let garbage = option(Password::Encrypted(vec![EncryptedSecret {
        bytes: b"bm90IGFuIGFnZSBmaWxl".to_vec(),
        key_ids: vec![super::rig::client_key().id().into()],
        ..EncryptedSecret::default()
    }]));
    let foreign = option(Password::Encrypted(vec![EncryptedSecret {
        key_ids: vec!["other".into()],
        ..EncryptedSecret::default()
    }]));
    let id = rig.id("mara").to_string();
    for (credentials, targets, code, part) in [
        (
            sealed("Secret-Word-77"),
            to_us(),
            Code::InvalidArgument,
            "should never be supplied",
        ),
        (
            foreign,
            vec![],
            Code::InvalidArgument,
            "no encrypted password matched client secret key id",
        ),
        (garbage, vec![], Code::Internal, "could not be decrypted"),
        (sealed(""), vec![], Code::InvalidArgument, "is empty"),
    ] {
        let outcome = rig
            .create_with(json!({"username": "n"}), credentials.clone(), targets.clone())
            .await;
        refused(outcome, code, part);
        refused(rig.rotate(&id, credentials, targets).await, code, part);
    }
    let keyless = PingOneProvisioner::new(ProvisionOptions::default(), rig.client.clone());
    let request = CreateAccountRequest {
        account: AccountInfo {
            login: "n".into(),
            ..AccountInfo::default()
        },
        credentials: sealed("Secret-Word-77"),
        encryption: Vec::new(),
        resource_type_id: "user".into(),
    };
    let outcome = keyless.create_account(request, rig.context()).await;
    refused(outcome, Code::InvalidArgument, "client-secret is required");
    assert_eq!(rig.server.requests().total, 0);
}

/// A chosen password that breaks the policy: PingOne's refusal, no account, and no word of the password.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_weak_password_of_c1s_is_pingones_to_refuse() {
    let rig = Rig::new().await;
    let outcome = rig
        .create_with(json!({"username": "n"}), sealed("weak"), Vec::new())
        .await;
    refused(outcome, Code::InvalidArgument, "400 INVALID_DATA");
    assert!(rig.named("n").is_none() && rig.audited().is_empty());
}

/// Forced change goes with a password; without one there is nothing to change.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_forced_change_without_a_password_is_ignored() {
    let rig = Rig::new().await;
    let none = Some(CredentialOptions {
        password: Password::None,
        force_change_at_next_login: true,
    });
    success(
        &rig.create_with(json!({"username": "n"}), none, Vec::new())
            .await
            .unwrap(),
    );
    assert_eq!(rig.named("n").unwrap().1.password_status, "NO_PASSWORD");
    assert_eq!(rig.writes(), 1);
}

/// C1 asks again where our answer did not reach it: the account is there, and nobody has its password.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_password_that_nobody_may_have_received_is_told_and_not_plainly_already_there() {
    let rig = Rig::new().await;
    let profile = json!({"username": "n", "email": "n@example.com"});
    rig.create_with(profile.clone(), random(), to_us()).await.unwrap();
    let again = rig.create_with(profile.clone(), random(), to_us()).await.unwrap();
    let (resource, message) = super::rig::action_required(&again);
    assert_eq!(resource.unwrap().id.id, rig.named("n").unwrap().0.to_string());
    assert!(message.contains("may never have been received"), "{message}");
    assert!(again.secrets.is_empty());
    // Without a password to receive it is plainly there, and so it is once another one was set.
    super::rig::already_exists(&rig.create(profile.clone()).await.unwrap());
    let id = rig.named("n").unwrap().0.to_string();
    rig.rotate(&id, random(), to_us()).await.unwrap();
    super::rig::already_exists(&rig.create_with(profile, random(), to_us()).await.unwrap());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rotation_whose_password_nobody_would_be_told_is_refused() {
    let rig = Rig::new().await;
    let before = rig.server.snapshot();
    let id = rig.id("mara").to_string();
    refused(
        rig.rotate(&id, random(), Vec::new()).await,
        Code::InvalidArgument,
        "no encryption config says whom to tell it",
    );
    assert_eq!(rig.server.snapshot(), before);
}
