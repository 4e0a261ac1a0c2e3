//! `update_user`, `update_profile`.

use baton::task::Code;
use baton_ping_one::provision::ProvisionOptions;
use sandbox::pingone::{Fault, FaultAction};
use serde_json::{Value, json};

use super::rig::Rig;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_push_rule_changes_what_differs_and_names_it() {
    let rig = Rig::new().await;
    let profile = json!({
        "title": "Auditor", "given_name": "Maja", "nickname": "", "employeeNumber": "7", "externalId": "E-7",
        "name": {"family": "Lindqvist"}
    });
    let args = json!({ "user_profile": profile.to_string() });
    let state = rig.complete("update_user", "mara", args.clone()).await;
    assert_eq!(
        state.response["updated_fields"],
        "employeeNumber,externalId,given_name,title"
    );
    assert_eq!(state.response.len(), 2);
    let body = rig.user("mara").body;
    assert_eq!(
        (&body["title"], &body["employeeNumber"], &body["externalId"]),
        (&json!("Auditor"), &json!("7"), &json!("E-7"))
    );
    assert_eq!(
        body["name"],
        json!({"given": "Maja", "family": "Lindqvist", "middle": "E"})
    );
    let again = rig.complete("update_user", "mara", args).await;
    assert_eq!(again.response["updated_fields"], "");
    assert_eq!(rig.writes(), 1);
    let audited = rig.audited();
    assert_eq!(audited[0][3], "employeeNumber,externalId,given_name,title");
    assert!(
        !format!("{audited:?}").contains("Maja"),
        "values stay out of audit lines"
    );
}

/// Users may be moved by more than `set_population`.
async fn moving() -> Rig {
    let options = ProvisionOptions {
        population_provisioning: true,
        ..ProvisionOptions::default()
    };
    Rig::with(|_| {}, options).await
}

/// Nobody is moved by a profile without `population-provisioning`, and by nothing to where `population-filter` does not look.
#[tokio::test(start_paused = true)]
async fn a_move_that_is_switched_off_or_out_of_sight_is_refused() {
    let rig = Rig::new().await;
    let profile = json!({"user_profile": {"title": "Auditor", "population": "guests"}});
    let error = rig.invoke("update_user", "mara", profile.clone()).await.unwrap_err();
    assert_eq!(error.code, Code::FailedPrecondition);
    assert!(error.message.contains("set_population"), "{error}");
    // Where the user is already is no move.
    let same = json!({"user_profile": {"title": "Auditor", "population": "staff"}});
    rig.complete("update_user", "mara", same).await;

    let options = ProvisionOptions {
        population_provisioning: true,
        population_filter: vec!["staff".to_owned()],
        ..ProvisionOptions::default()
    };
    let rig = Rig::with(|_| {}, options).await;
    let to_guests = json!({"population_id": rig.id("guests").to_string()});
    for (action, args) in [("update_user", profile), ("set_population", to_guests)] {
        let error = rig.invoke(action, "mara", args).await.unwrap_err();
        assert!(error.message.contains("outside population-filter"), "{action}: {error}");
    }
    assert_eq!(rig.writes(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_profile_given_as_an_object_moves_and_switches_as_well() {
    let rig = moving().await;
    let guests = rig.id("guests");
    let profile = json!({"population": "guests", "mfa_enabled": "true", "title": "Auditor"});
    let state = rig
        .complete("update_user", "mara", json!({ "user_profile": profile }))
        .await;
    assert_eq!(state.response["updated_fields"], "title,population,mfa_enabled");
    let user = rig.user("mara");
    assert_eq!(
        (user.population, &user.body["mfaEnabled"]),
        (Some(guests), &json!(true))
    );
    let state = rig
        .complete("update_user", "mara", json!({ "user_profile": profile }))
        .await;
    assert_eq!((&state.response["updated_fields"], rig.writes()), (&json!(""), 3));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_identity_provider_is_looked_up_before_it_is_set() {
    let rig = Rig::new().await;
    let unknown = json!({"user_profile": {"identity_provider_id": "7c2e1d94-55a0-4a34-9a1b-c0ffee001001"}});
    let error = rig.invoke("update_user", "mara", unknown).await.unwrap_err();
    assert_eq!((error.code, rig.writes()), (Code::InvalidArgument, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_typed_form_clears_with_an_empty_text_and_returns_the_user() {
    let rig = Rig::new().await;
    let args = json!({
        "title": "", "given_name": "Maja", "family_name": null,
        "additional_attributes": {"department": "Sales", "badges": "[\"a\",\"b\"]", "employeeNumber": ""}
    });
    let state = rig.complete("update_profile", "mara", args).await;
    let id = rig.id("mara").to_string();
    let user = json!({"resourceId": {"resourceTypeId": "user", "resourceId": id}, "displayName": "Maja Lindqvist"});
    assert_eq!(state.response["updated_user"], user);
    let body = rig.user("mara").body;
    assert_eq!(
        (&body["department"], &body["badges"]),
        (&json!("Sales"), &json!(["a", "b"]))
    );
    assert_eq!((body.get("title"), body.get("employeeNumber")), (None, None));
    assert_eq!(
        body["name"],
        json!({"given": "Maja", "family": "Lindqvist", "middle": "E"})
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bad_profiles_are_refused_before_any_write() {
    let rig = Rig::new().await;
    let before = rig.snapshot();
    let long = "x".repeat(1_000_000);
    for (profile, part) in [
        (json!("not json"), "must hold a JSON object"),
        (json!("[]"), "must hold a JSON object"),
        (json!(7), "must be a JSON object"),
        (json!({}), "no attribute is named"),
        (json!({"EmployeeNumber": "x"}), "case sensitive"),
        (
            json!({"departement": "x"}),
            "nor an attribute of this environment's schema",
        ),
        (json!({"title": 7}), "must be a text"),
        (json!({"employeeNumber": {"a": 1}}), "must be a text"),
        (json!({"username": "x".repeat(300)}), "longer than 128"),
        (json!({"enabled": false}), "disable_user"),
        (json!({"population": "nowhere"}), "no population"),
        (json!({ "nickname": long }), "larger than 256 KiB"),
        (json!({ "title": "x".repeat(1_000) }), "longer than 256"),
    ] {
        let error = rig
            .invoke("update_user", "mara", json!({ "user_profile": profile }))
            .await
            .unwrap_err();
        assert_eq!(error.code, Code::InvalidArgument, "{error}");
        assert!(error.message.contains(part), "{part}: {error}");
        assert!(error.message.len() < 1_024);
    }
    let error = rig
        .invoke(
            "update_profile",
            "mara",
            json!({"additional_attributes": {"title": "x"}}),
        )
        .await
        .unwrap_err();
    assert!(error.message.contains("a key of its own"), "{error}");
    assert_eq!((rig.writes(), rig.snapshot()), (0, before));
}

/// Names with quotes and emoji are data, nothing else.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn odd_names_arrive_as_they_are() {
    let rig = Rig::new().await;
    let name = "O\"Hara \\ 🦊 ' %00 </x>";
    rig.complete(
        "update_user",
        "bare",
        json!({"user_profile": {"given_name": name, "nickname": name}}),
    )
    .await;
    let body = rig.user("bare").body;
    assert_eq!(
        (&body["name"]["given"], &body["nickname"]),
        (&json!(name), &json!(name))
    );
}

/// PingOne ignores what it does not know: what came back is compared with what was asked.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_attribute_that_pingone_left_alone_is_a_failure() {
    let rig = Rig::new().await;
    let unchanged = rig.user("mara").body;
    let fault = FaultAction::BeforeEffect(Box::new(FaultAction::Body(unchanged.to_string())));
    rig.fault(Fault::on("PATCH", "/environments/{id}/users/{id}", fault));
    let error = rig
        .invoke("update_user", "mara", json!({"user_profile": {"title": "Auditor"}}))
        .await
        .unwrap_err();
    assert_eq!(error.code, Code::Unknown);
    assert!(error.message.contains("did not change title"), "{error}");
}

/// Two calls of one update, the second refused: the failure names what changed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_update_that_stops_half_way_says_what_changed() {
    let rig = moving().await;
    let refuse = FaultAction::Refuse {
        status: 403,
        code: "ACCESS_FAILED".to_owned(),
        detail: Some("INSUFFICIENT_PERMISSIONS".to_owned()),
        target: None,
        message: "no".to_owned(),
    };
    rig.fault(Fault::on("PUT", "/environments/{id}/users/{id}/population", refuse).times(0));
    let profile = json!({"title": "Auditor", "population": "guests"});
    let message = rig
        .failure("update_user", "mara", json!({ "user_profile": profile }))
        .await;
    assert!(message.contains("title changed, population not"), "{message}");
    assert_eq!(rig.user("mara").body["title"], "Auditor");
    assert_eq!(rig.user("mara").population, Some(rig.id("staff")));
}

/// A username that another user has is PingOne's to refuse, and nothing else changes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_username_that_is_taken_is_refused() {
    let rig = Rig::new().await;
    let before = rig.snapshot();
    let args: Value = json!({"user_profile": {"username": "OFF", "title": "x"}});
    let error = rig.invoke("update_user", "mara", args).await.unwrap_err();
    assert_eq!(error.code, Code::Unknown, "{error}");
    assert!(error.message.contains("unique"), "{error}");
    assert_eq!(rig.snapshot(), before);
}

/// Usual spellings are understood, and an attribute of the environment keeps its own name.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn names_may_be_written_as_people_do() {
    let rig = Rig::new().await;
    let id = rig.id("mara").to_string();
    let profile = json!({"firstName": "Maria", "jobTitle": "Head", "nothing": null});
    let args = json!({"userId": id, "userProfile": profile});
    let state = rig.call("update_user", None, args).await.unwrap();
    assert_eq!(state.response["updated_fields"], "given_name,title");
    let body = &rig.user("mara").body;
    assert_eq!(
        (&body["name"]["given"], &body["title"]),
        (&json!("Maria"), &json!("Head"))
    );
    let args = json!({"user": id, "populationId": rig.id("guests").to_string()});
    rig.call("set_population", Some("user"), args).await.unwrap();
    assert_eq!(rig.user("mara").body["population"]["id"], rig.id("guests").to_string());
    let args = json!({"user_id": id, "user_profile": {"titel": "x"}});
    let error = rig.call("update_user", None, args).await.unwrap_err();
    assert!(error.message.contains("the nearest is title"), "{error}");
}

/// The write had no effect and somebody else changed the attribute meanwhile: that is not what was asked for.
#[tokio::test(start_paused = true)]
async fn a_third_value_after_a_foreign_answer_is_no_success() {
    let path = "/environments/{id}/users/{id}";
    for action in ["update_user", "update_profile"] {
        let rig = Rig::new().await;
        let mut third = rig.user("mara").body;
        third["title"] = json!("Clerk");
        let third = third.to_string();
        rig.server.set_faults(vec![
            Fault::on("PATCH", path, FaultAction::Html.before_effect()).times(0),
            Fault::on("GET", path, FaultAction::Body(third)).nth(2).times(0),
        ]);
        let args = if action == "update_user" {
            json!({"user_profile": {"title": "Auditor"}})
        } else {
            json!({"title": "Auditor"})
        };
        let message = rig.failure(action, "mara", args).await;
        assert!(message.contains("not known"), "{message}");
        let lines = rig.audited();
        assert!(
            !lines.is_empty() && lines.iter().all(|line| line[4] == "unknown"),
            "{lines:?}"
        );
        assert!(
            lines.iter().all(|line| line[2] == "other values" && line[3] == "title"),
            "{lines:?}"
        );
    }
}

/// What the first read shows as so already is not sent; it must be so afterwards as well.
#[tokio::test(start_paused = true)]
async fn what_was_not_sent_is_looked_at_again() {
    let path = "/environments/{id}/users/{id}";
    let rig = Rig::new().await;
    let mut behind = rig.user("mara").body;
    behind["nickname"] = json!("Nick");
    rig.fault(Fault::on("GET", path, FaultAction::Body(behind.to_string())));
    let profile = json!({"user_profile": {"title": "Auditor", "nickname": "Nick"}});
    let message = rig.failure("update_user", "mara", profile.clone()).await;
    assert!(message.contains("nickname was so when it was first read"), "{message}");
    rig.complete("update_user", "mara", profile).await;
    assert_eq!(rig.user("mara").body["nickname"], "Nick");
}
