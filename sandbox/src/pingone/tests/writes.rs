//! Points 24 to 36, 38, 39 to 44, 46, 49 to 52, 59, 61: writing.

use super::*;
use serde_json::json;

const IMPORT: &str = "application/vnd.pingidentity.user.import+json";
const LOCK: &str = "application/vnd.pingidentity.account.lock+json";
const UNLOCK: &str = "application/vnd.pingidentity.account.unlock+json";

async fn bench() -> Bench {
    Bench::new(small().build(), |_| {}).await
}

async fn bent(change: impl FnOnce(&mut Options)) -> Bench {
    Bench::new(small().build(), change).await
}

fn user(label: &str) -> String {
    format!("/users/{}", id(label))
}

#[tokio::test(start_paused = true)]
async fn point_24_a_create_without_population_takes_the_default() {
    let body = json!({"username": "new", "email": "new@example.com"});
    let bench = bench().await;
    let (status, made) = bench.json("POST", "/users", &body).await;
    assert_eq!(
        (status, made["population"]["id"].as_str()),
        (201, Some(id("staff").as_str()))
    );
    assert_eq!(
        (made["enabled"].as_bool(), made["account"]["canAuthenticate"].as_bool()),
        (Some(true), Some(true))
    );
    let snapshot = bench.server.snapshot();
    assert_eq!(
        snapshot.user_named("NEW").unwrap().1.population.unwrap().to_string(),
        id("staff")
    );
    let none = Directory::builder().population("a", json!({"default": false})).build();
    let without = Bench::new(none, |_| {}).await;
    assert_eq!(
        error(&without.json("POST", "/users", &body).await),
        (400, "INVALID_DATA", "REQUIRED_VALUE", "population")
    );
    let strict = bent(|options| options.users.population_required = true).await;
    assert_eq!(strict.json("POST", "/users", &body).await.0, 400);
    let unknown = json!({"username": "x", "population": {"id": "00000000-0000-4000-8000-000000000000"}});
    for status in [400, 404] {
        let bench = bent(|options| options.users.unknown_population_status = status).await;
        assert_eq!(bench.json("POST", "/users", &unknown).await.0, status);
    }
}

#[tokio::test(start_paused = true)]
async fn point_24_location_email_mfa_and_licence_are_knobs() {
    for on in [false, true] {
        let bench = bent(|options| {
            options.users.location_header = on;
            options.users.email_required = on;
            options.users.mfa_by_default = on;
            options.users.licensed_users = if on { 4 } else { 0 };
        })
        .await;
        let request = bench
            .http
            .post(bench.env("/users"))
            .bearer_auth(&bench.token)
            .header("content-type", "application/json");
        let answer = request
            .body(json!({"username": "n1", "email": "n1@example.com"}).to_string())
            .send()
            .await
            .unwrap();
        assert_eq!(answer.headers().get("location").is_some(), on);
        assert_eq!(said(answer).await.1["mfaEnabled"], on);
        let bare = bench.json("POST", "/users", &json!({"username": "n2"})).await;
        assert_eq!(bare.0, if on { 400 } else { 201 });
        let full = bench
            .json("POST", "/users", &json!({"username": "n3", "email": "n3@example.com"}))
            .await;
        assert_eq!(
            error(&full),
            if on {
                (403, "ACCESS_FAILED", "LICENSE_EXCEEDED", "")
            } else {
                (201, "", "", "")
            }
        );
    }
}

#[tokio::test(start_paused = true)]
async fn point_25_user_names_are_unique_without_case() {
    let bench = bench().await;
    let before = bench.server.snapshot();
    let body = json!({"username": "Mara", "population": {"id": id("guests")}});
    assert_eq!(
        error(&bench.json("POST", "/users", &body).await),
        (400, "INVALID_DATA", "UNIQUENESS_VIOLATION", "username")
    );
    let rename = bench.json("PATCH", &user("ivo"), &json!({"username": "LENA"})).await;
    assert_eq!(error(&rename).2, "UNIQUENESS_VIOLATION");
    assert_eq!(bench.server.snapshot(), before, "a refused write changes nothing");
    assert_eq!(
        bench.json("PATCH", &user("ivo"), &json!({"username": "IVO"})).await.0,
        200
    );
    assert_eq!(bench.users("username eq \"ivo\"").await, ["IVO"]);
}

#[tokio::test(start_paused = true)]
async fn point_25_the_holder_of_a_taken_name_may_be_told() {
    for told in [false, true] {
        let bench = bent(|options| options.users.existing_id = told).await;
        let expected = told.then(|| json!({"existingId": id("mara")}));
        for said in [
            bench.json("POST", "/users", &json!({"username": "MARA"})).await,
            bench.json("PATCH", &user("ivo"), &json!({"username": "mara"})).await,
        ] {
            assert_eq!(error(&said).2, "UNIQUENESS_VIOLATION");
            assert_eq!(said.1["details"][0].get("innerError"), expected.as_ref());
        }
    }
}

#[tokio::test(start_paused = true)]
async fn point_26_e_mails_repeat_unless_the_schema_says_unique() {
    let body = json!({"username": "two", "email": "mara@example.com"});
    for (unique, expected) in [
        (false, (201, "", "", "")),
        (true, (400, "INVALID_DATA", "UNIQUENESS_VIOLATION", "email")),
    ] {
        let bench =
            bent(|options| options.users.unique_attribute = unique.then(|| "email".to_owned()).into_iter().collect())
                .await;
        assert_eq!(error(&bench.json("POST", "/users", &body).await), expected);
    }
}

#[tokio::test(start_paused = true)]
async fn point_27_unknown_names_and_wrong_case_are_ignored() {
    let bench = bench().await;
    let body =
        json!({"username": "n", "Nickname": "x", "shoeSize": 9, "nickname": "y", "department": "D-7", "badges": ["a"]});
    let made = bench.json("POST", "/users", &body).await.1;
    assert_eq!(
        (made["nickname"].as_str(), made["department"].as_str()),
        (Some("y"), Some("D-7"))
    );
    assert!(made.get("Nickname").is_none() && made.get("shoeSize").is_none());
    assert_eq!(made["badges"], json!(["a"]));
}

#[tokio::test(start_paused = true)]
async fn point_27_bad_values_are_refused() {
    let bench = bench().await;
    let before = bench.server.snapshot();
    for (body, target) in [
        (json!({}), "username"),
        (json!({"username": ""}), "username"),
        (json!({"username": 7}), "username"),
        (json!({"username": "x".repeat(129)}), "username"),
        (json!({"username": "n", "email": "nobody"}), "email"),
        (json!({"username": "n", "timezone": "UTC"}), "timezone"),
        (json!({"username": "n", "title": "x".repeat(257)}), "title"),
        (json!({"username": "n", "mobilePhone": "1".repeat(33)}), "mobilePhone"),
        (
            json!({"username": "n", "address": {"countryCode": "se"}}),
            "address.countryCode",
        ),
        (json!({"username": "n", "name": "Mara"}), "name"),
        (json!({"username": "n", "name": {"given": 7}}), "name.given"),
        (json!({"username": "n", "badges": "a"}), "badges"),
        (json!({"username": "n", "mfaEnabled": "yes"}), "mfaEnabled"),
        (json!({"username": "n", "emailVerified": true}), "emailVerified"),
        (
            json!({"username": "n", "identityProvider": {"id": "00000000-0000-4000-8000-000000000000"}}),
            "identityProvider.id",
        ),
    ] {
        let said = bench.json("POST", "/users", &body).await;
        assert_eq!((said.0, error(&said).3), (400, target), "{body}");
    }
    let malformed = bench.send("POST", "/users", "application/json", &json!([1])).await;
    assert_eq!(error(&malformed).1, "INVALID_REQUEST");
    assert_eq!(bench.server.snapshot(), before);
}

#[tokio::test(start_paused = true)]
async fn point_28_a_password_comes_with_the_import_type_only() {
    let body =
        |name: &str| json!({"username": name, "password": {"value": "correct-Horse-7-battery", "forceChange": true}});
    for (treatment, expected) in [(Treatment::Ignore, 201), (Treatment::Refuse, 400)] {
        let bench = bent(|options| options.users.json_password = treatment).await;
        let made = bench.json("POST", "/users", &body("n")).await;
        assert_eq!(made.0, expected);
        if expected == 201 {
            assert_eq!(
                bench.server.snapshot().user_named("n").unwrap().1.password_status,
                "NO_PASSWORD"
            );
        }
    }
    let bench = bench().await;
    let mut import = body("n");
    assert_eq!(
        error(&bench.send("POST", "/users", IMPORT, &import).await).3,
        "population",
        "import names its population"
    );
    import["population"] = json!({"id": id("staff")});
    import["emailVerified"] = json!(true);
    import["lifecycle"] = json!({"status": "VERIFICATION_REQUIRED"});
    let (status, made) = bench.send("POST", "/users", IMPORT, &import).await;
    assert_eq!(
        (status, made.get("password"), made["lifecycle"]["status"].as_str()),
        (201, None, Some("VERIFICATION_REQUIRED"))
    );
    let state = bench.server.snapshot();
    let state = state.user_named("n").unwrap().1;
    assert_eq!(
        (state.password_status, state.password.as_deref()),
        ("MUST_CHANGE_PASSWORD", Some("correct-Horse-7-battery"))
    );
    let whole = format!(
        "{}{}",
        made,
        bench
            .get(&format!("/users/{}/password", made["id"].as_str().unwrap()))
            .await
            .1
    );
    assert!(!whole.contains("battery"), "never returned");
}

#[tokio::test(start_paused = true)]
async fn point_29_a_wrong_content_type_is_415() {
    let bench = bench().await;
    for (method, tail) in [
        ("POST", "/users".to_owned()),
        ("PATCH", user("mara")),
        ("POST", user("mara")),
        ("PUT", format!("{}/enabled", user("mara"))),
        ("PUT", format!("{}/password", user("mara"))),
        ("POST", format!("{}/password", user("mara"))),
        ("POST", format!("{}/memberOfGroups", user("mara"))),
        ("POST", format!("{}/roleAssignments", user("mara"))),
        ("POST", "/groups".to_owned()),
        ("POST", "/populations".to_owned()),
    ] {
        let said = bench.send(method, &tail, "text/plain", &json!({"id": "x"})).await;
        assert_eq!(error(&said), (415, "INVALID_REQUEST", "", ""), "{tail}");
    }
}

#[tokio::test(start_paused = true)]
async fn point_30_patch_merges_and_put_replaces() {
    let bench = bench().await;
    let mara = user("mara");
    let patched = bench
        .json(
            "PATCH",
            &mara,
            &json!({"nickname": "M", "title": null, "name": {"middle": "Q"}}),
        )
        .await
        .1;
    assert_eq!((patched["nickname"].as_str(), patched.get("title")), (Some("M"), None));
    assert_eq!(
        (patched["name"]["middle"].as_str(), patched["name"]["given"].as_str()),
        (Some("Q"), Some("mara"))
    );
    let put = bench
        .json("PUT", &mara, &json!({"username": "mara", "locale": "sv-SE"}))
        .await
        .1;
    for gone in ["nickname", "name", "email", "department"] {
        assert!(put.get(gone).is_none(), "{gone}");
    }
    for kept in ["enabled", "mfaEnabled", "population", "account", "createdAt", "id"] {
        assert!(put.get(kept).is_some(), "{kept}");
    }
    assert_eq!(
        bench
            .users(&format!("memberOfGroups[id eq \"{}\"]", id("filtered")))
            .await,
        ["lena"],
        "filters follow"
    );
}

#[tokio::test(start_paused = true)]
async fn point_32_enabled_has_its_own_path() {
    let bench = bench().await;
    let tail = format!("{}/enabled", user("mara"));
    let (status, body) = bench.json("PUT", &tail, &json!({"enabled": false})).await;
    assert_eq!((status, body["enabled"].as_bool()), (200, Some(false)));
    let shown = bench.get(&user("mara")).await.1;
    assert_eq!(
        (
            shown["enabled"].as_bool(),
            shown["account"]["canAuthenticate"].as_bool()
        ),
        (Some(false), Some(false))
    );
    assert_eq!(
        error(&bench.json("PUT", &tail, &json!({"enabled": "no"})).await).2,
        "INVALID_VALUE"
    );
    assert_eq!(error(&bench.json("PUT", &tail, &json!({})).await).2, "REQUIRED_VALUE");
    assert_eq!(bench.get(&tail).await.1["enabled"], false);
}

#[tokio::test(start_paused = true)]
async fn point_32_disabling_may_end_sessions() {
    for ends in [false, true] {
        let mut options = Options::default();
        options.users.disable_ends_sessions = ends;
        let bench = Bench::with(options).await;
        let (id, _) = bench
            .server
            .snapshot()
            .users
            .into_iter()
            .find(|(_, state)| state.sessions.len() == 2)
            .unwrap();
        assert_eq!(bench.get(&format!("/users/{id}/sessions")).await.1["size"], 2);
        bench
            .json("PUT", &format!("/users/{id}/enabled"), &json!({"enabled": false}))
            .await;
        assert_eq!(bench.server.snapshot().users[&id].sessions.is_empty(), ends);
    }
}

#[tokio::test(start_paused = true)]
async fn point_33_lock_and_unlock_go_by_media_type() {
    let bench = bench().await;
    let mara = user("mara");
    let locked = bench
        .send("POST", &mara, LOCK, &json!({"unlockAt": "2099-04-01T00:00:00Z"}))
        .await
        .1;
    assert_eq!(
        (
            locked["account"]["status"].as_str(),
            locked["account"]["canAuthenticate"].as_bool()
        ),
        (Some("LOCKED"), Some(false))
    );
    assert!(locked["account"]["secondsUntilUnlock"].as_u64().unwrap() > 1000);
    let open = bench.send("POST", &mara, UNLOCK, &Value::Null).await.1;
    assert_eq!(
        (
            open["account"]["status"].as_str(),
            open["account"]["canAuthenticate"].as_bool()
        ),
        (Some("OK"), Some(true))
    );
    let events = bench
        .filtered("/activities", "recordedAt gt \"2020-01-01T00:00:00Z\"")
        .await
        .1;
    let kinds: Vec<&str> = events["_embedded"]["activities"]
        .as_array()
        .unwrap()
        .iter()
        .map(|e| e["action"]["type"].as_str().unwrap())
        .collect();
    assert_eq!(kinds, ["USER.LOCKED", "USER.UNLOCKED"]);
}

#[tokio::test(start_paused = true)]
async fn point_33_an_expired_lock_is_none() {
    let bench = bench().await;
    let past = json!({"unlockAt": "2020-01-01T00:00:00Z"});
    assert_eq!(
        bench.send("POST", &user("mara"), LOCK, &past).await.1["account"]["status"],
        "OK"
    );
}

#[tokio::test(start_paused = true)]
async fn point_33_lock_has_its_quirks() {
    let bench = bent(|options| options.users.open_lock_ignored = true).await;
    assert_eq!(
        bench.send("POST", &user("mara"), LOCK, &Value::Null).await.1["account"]["status"],
        "OK"
    );
    let bench = bent(|options| {
        options.users.lock_415_after_enabling = true;
        options.users.lock_415_when_disabled = true;
    })
    .await;
    let mara = user("mara");
    let enable = async |on: bool| {
        bench
            .json("PUT", &format!("{mara}/enabled"), &json!({"enabled": on}))
            .await
    };
    enable(false).await;
    assert_eq!(bench.send("POST", &mara, UNLOCK, &Value::Null).await.0, 415);
    enable(true).await;
    assert_eq!(bench.send("POST", &mara, UNLOCK, &Value::Null).await.0, 415);
    assert_eq!(bench.send("POST", &mara, UNLOCK, &Value::Null).await.0, 200, "once");
}

#[tokio::test(start_paused = true)]
async fn point_34_moving_drops_the_groups_of_the_old_population() {
    let bench = bench().await;
    let lena = user("lena");
    let group = json!({"id": id("guests-only")});
    assert_eq!(
        bench.json("POST", &format!("{lena}/memberOfGroups"), &group).await.0,
        201
    );
    let moved = bench
        .json("PUT", &format!("{lena}/population"), &json!({"id": id("staff")}))
        .await;
    assert_eq!((moved.0, moved.1["id"].as_str()), (200, Some(id("staff").as_str())));
    assert_eq!(
        bench
            .get(&format!("{lena}/memberOfGroups/{}", id("guests-only")))
            .await
            .0,
        404
    );
    assert_eq!(bench.get(&format!("{lena}/memberOfGroups/{}", id("low"))).await.0, 200);
    assert_eq!(
        bench.users(&format!("population.id eq \"{}\"", id("guests"))).await,
        Vec::<String>::new()
    );
    let nowhere = json!({"id": "00000000-0000-4000-8000-000000000000"});
    assert_eq!(bench.json("PUT", &format!("{lena}/population"), &nowhere).await.0, 400);
}

#[tokio::test(start_paused = true)]
async fn point_35_state_is_not_changed_by_patch() {
    for (treatment, expected) in [(Treatment::Ignore, 200), (Treatment::Refuse, 400)] {
        let bench = bent(|options| options.users.state_in_patch = treatment).await;
        let mara = user("mara");
        assert_eq!(
            bench
                .json("PATCH", &mara, &json!({"mfaEnabled": true, "enabled": false}))
                .await
                .0,
            expected
        );
        let shown = bench.get(&mara).await.1;
        assert_eq!(
            (shown["mfaEnabled"].as_bool(), shown["enabled"].as_bool()),
            (Some(false), Some(true))
        );
        let put = bench
            .json("PUT", &format!("{mara}/mfaEnabled"), &json!({"mfaEnabled": true}))
            .await;
        assert_eq!((put.0, put.1["mfaEnabled"].as_bool()), (200, Some(true)));
    }
}

#[tokio::test(start_paused = true)]
async fn point_36_delete_takes_memberships_and_assignments() {
    let bench = bench().await;
    let mara = user("mara");
    assert_eq!(bench.json("DELETE", &mara, &Value::Null).await.0, 204);
    assert_eq!(error(&bench.json("DELETE", &mara, &Value::Null).await).1, "NOT_FOUND");
    assert_eq!(bench.get(&mara).await.0, 404);
    let after = bench.server.snapshot();
    let id: uuid::Uuid = id("mara").parse().unwrap();
    assert!(after.memberships.keys().all(|(user, _)| *user != id));
    assert!(after.assignments.iter().all(|item| item.holder != id));
    assert_eq!(
        names(&bench.get("/users").await.1, "users", "username"),
        ["ivo", "lena"]
    );
    assert_eq!(
        bench.json("POST", "/users", &json!({"username": "mara"})).await.0,
        201,
        "the name is free again"
    );
    let generated = Bench::with(Options::default()).await;
    let first = generated.server.directory().users()[0];
    assert_eq!(
        generated
            .json("DELETE", &format!("/users/{first}"), &Value::Null)
            .await
            .0,
        204
    );
    assert_eq!(generated.get("/users").await.1["count"], 239);
}

#[tokio::test(start_paused = true)]
async fn point_38_what_is_created_is_seen_late_and_what_is_deleted_lists_on() {
    let bench = bent(|options| {
        options.timing.create_delay_ms = 3000;
        options.timing.delete_delay_ms = 3000;
    })
    .await;
    let made = bench.json("POST", "/users", &json!({"username": "late"})).await.1;
    let tail = format!("/users/{}", made["id"].as_str().unwrap());
    assert_eq!(bench.get(&tail).await.0, 404);
    assert_eq!(bench.get("/users").await.1["count"], 3);
    let again = bench.json("POST", "/users", &json!({"username": "late"})).await;
    assert_eq!(error(&again).2, "UNIQUENESS_VIOLATION", "it is there all the same");
    pass(Duration::from_secs(4)).await;
    assert_eq!(bench.get(&tail).await.0, 200);
    assert_eq!(bench.json("DELETE", &tail, &Value::Null).await.0, 204);
    assert_eq!(bench.get(&tail).await.0, 404);
    assert_eq!(bench.get("/users").await.1["count"], 4, "still listed");
    pass(Duration::from_secs(4)).await;
    assert_eq!(bench.get("/users").await.1["count"], 3);
}

#[tokio::test(start_paused = true)]
async fn point_39_adding_to_a_dynamic_group_by_hand_works_or_is_refused() {
    for (refuse, expected) in [(false, 201), (true, 400)] {
        let bench = bent(|options| options.groups.refuse_dynamic_add = refuse).await;
        let tail = format!("{}/memberOfGroups", user("ivo"));
        assert_eq!(
            bench.json("POST", &tail, &json!({"id": id("filtered")})).await.0,
            expected
        );
        let row = bench.get(&format!("{tail}/{}", id("filtered"))).await;
        assert_eq!(row.0, if refuse { 404 } else { 200 });
        assert_eq!(row.1["type"].as_str(), (!refuse).then_some("DIRECT"));
    }
}

#[tokio::test(start_paused = true)]
async fn point_41_nesting_is_bounded_and_one_way_between_levels() {
    let bench = bent(|options| options.groups.max_nested = 3).await;
    let nest = async |child: &str, parent: &str| {
        let tail = format!("/groups/{}/memberOfGroups", id(child));
        bench.json("POST", &tail, &json!({"id": id(parent)})).await
    };
    assert_eq!(error(&nest("low", "guests-only").await).2, "CONSTRAINT_VIOLATION");
    assert_eq!(error(&nest("mid", "top").await).2, "UNIQUENESS_VIOLATION");
    assert_eq!(nest("guests-only", "top").await.0, 201);
    assert_eq!(
        error(&nest("filtered", "top").await).2,
        "CONSTRAINT_VIOLATION",
        "three are nested already"
    );
    assert_eq!(nest("top", "filtered").await.0, 400);
    let tail = format!("/groups/{}/memberOfGroups/{}", id("mid"), id("top"));
    assert_eq!(bench.json("DELETE", &tail, &Value::Null).await.0, 204);
    assert_eq!(bench.json("DELETE", &tail, &Value::Null).await.0, 404);
    assert_eq!(
        bench.users(&format!("memberOfGroups[id eq \"{}\"]", id("top"))).await,
        ["mara"]
    );
}

#[tokio::test(start_paused = true)]
async fn point_42_adding_a_member_is_checked() {
    for status in [201, 204] {
        let bench = bent(|options| options.groups.add_status = status).await;
        let add = async |label: &str, group: &str| {
            bench
                .json(
                    "POST",
                    &format!("{}/memberOfGroups", user(label)),
                    &json!({"id": group}),
                )
                .await
        };
        let made = add("ivo", &id("top")).await;
        assert_eq!(
            (made.0, made.1["type"].as_str()),
            (status, (status == 201).then_some("DIRECT"))
        );
        assert_eq!(
            error(&add("mara", &id("guests-only")).await),
            (400, "INVALID_DATA", "INVALID_VALUE", "population")
        );
        assert_eq!(error(&add("mara", &id("outside")).await).2, "CONSTRAINT_VIOLATION");
        assert_eq!(
            error(&add("mara", "00000000-0000-4000-8000-000000000000").await).2,
            "INVALID_VALUE"
        );
        let empty = bench
            .json("POST", &format!("{}/memberOfGroups", user("mara")), &json!({}))
            .await;
        assert_eq!(error(&empty), (400, "INVALID_DATA", "REQUIRED_VALUE", "id"));
    }
    for (ok, expected) in [
        (false, (400, "INVALID_DATA", "UNIQUENESS_VIOLATION", "id")),
        (true, (201, "", "", "")),
    ] {
        let bench = bent(|options| options.groups.duplicate_member_ok = ok).await;
        let tail = format!("{}/memberOfGroups", user("mara"));
        assert_eq!(
            error(&bench.json("POST", &tail, &json!({"id": id("top")})).await),
            expected
        );
    }
}

#[tokio::test(start_paused = true)]
async fn point_42_the_status_of_a_refused_member_is_a_knob() {
    for (status, kept) in [(400, true), (403, true), (404, false), (409, true)] {
        let bench = bent(|options| {
            options.groups.refused_member_status = status;
            options.groups.refuse_dynamic_add = true;
        })
        .await;
        let before = bench.server.snapshot();
        for (group, detail) in [
            ("outside", "CONSTRAINT_VIOLATION"),
            ("filtered", "CONSTRAINT_VIOLATION"),
            ("guests-only", "INVALID_VALUE"),
            ("top", "UNIQUENESS_VIOLATION"),
        ] {
            let tail = format!("{}/memberOfGroups", user("mara"));
            let said = bench.json("POST", &tail, &json!({"id": id(group)})).await;
            let (code, detail) = if kept {
                ("INVALID_DATA", detail)
            } else {
                ("NOT_FOUND", "")
            };
            let told = error(&said);
            assert_eq!((told.0, told.1, told.2), (status, code, detail), "{group}");
        }
        assert_eq!(bench.server.snapshot(), before);
    }
}

#[tokio::test(start_paused = true)]
async fn point_43_an_indirect_membership_cannot_be_removed() {
    for status in [400, 404] {
        let bench = bent(|options| options.groups.remove_indirect_status = status).await;
        let tail = format!("{}/memberOfGroups/{}", user("lena"), id("top"));
        let before = bench.server.snapshot();
        assert_eq!(bench.json("DELETE", &tail, &Value::Null).await.0, status);
        assert_eq!(bench.server.snapshot(), before);
        let never = format!("{}/memberOfGroups/{}", user("lena"), id("ring-a"));
        assert_eq!(bench.json("DELETE", &never, &Value::Null).await.0, 404);
    }
    for (works, expected) in [(false, 400), (true, 204)] {
        let bench = bent(|options| options.groups.external_remove = works).await;
        let tail = format!("{}/memberOfGroups/{}", user("ivo"), id("outside"));
        assert_eq!(bench.json("DELETE", &tail, &Value::Null).await.0, expected);
    }
}

#[tokio::test(start_paused = true)]
async fn point_44_who_is_direct_and_indirect_stays_after_the_direct_removal() {
    let bench = bench().await;
    let tail = format!("{}/memberOfGroups/{}", user("mara"), id("top"));
    assert_eq!(bench.json("DELETE", &tail, &Value::Null).await.0, 204);
    assert_eq!(bench.get(&tail).await.1["type"], "INDIRECT");
}

#[tokio::test(start_paused = true)]
async fn point_46_group_names_are_checked_by_level() {
    let bench = bench().await;
    let create = async |body: Value| bench.json("POST", "/groups", &body).await;
    assert_eq!(
        error(&create(json!({"name": "TOP"})).await),
        (400, "INVALID_DATA", "UNIQUENESS_VIOLATION", "name")
    );
    assert_eq!(
        create(json!({"name": "guests-only", "population": {"id": id("staff")}}))
            .await
            .0,
        201
    );
    assert_eq!(error(&create(json!({"name": "guests-only"})).await).3, "name");
    assert_eq!(
        error(&create(json!({"name": "x", "description": "a > b"})).await).3,
        "description"
    );
    assert_eq!(
        error(&create(json!({"name": "x", "userFilter": "nonsense"})).await).3,
        "userFilter"
    );
    let made = create(json!({"name": "second", "userFilter": "department eq \"D-2\""}))
        .await
        .1;
    let made_id = made["id"].as_str().unwrap();
    assert_eq!(
        bench.users(&format!("memberOfGroups[id eq \"{made_id}\"]")).await,
        ["ivo"]
    );
    let put = bench
        .json("PUT", &format!("/groups/{made_id}"), &json!({"name": "renamed"}))
        .await
        .1;
    assert_eq!((put["name"].as_str(), put.get("userFilter")), (Some("renamed"), None));
    assert_eq!(
        bench
            .json("DELETE", &format!("/groups/{made_id}"), &Value::Null)
            .await
            .0,
        204
    );
    assert_eq!(bench.get(&format!("/groups/{made_id}")).await.0, 404);
    bench
        .json("DELETE", &format!("/groups/{}", id("low")), &Value::Null)
        .await;
    assert_eq!(
        bench.users(&format!("memberOfGroups[id eq \"{}\"]", id("top"))).await,
        ["ivo", "mara"]
    );
}

#[tokio::test(start_paused = true)]
async fn populations_are_created_renamed_and_deleted_when_empty() {
    let bench = bench().await;
    assert_eq!(
        error(&bench.json("POST", "/populations", &json!({"name": "staff"})).await).2,
        "UNIQUENESS_VIOLATION"
    );
    let made = bench.json("POST", "/populations", &json!({"name": "third"})).await;
    let tail = format!("/populations/{}", made.1["id"].as_str().unwrap());
    assert_eq!(
        bench
            .json("PUT", &tail, &json!({"name": "fourth", "description": "d"}))
            .await
            .1["description"],
        "d"
    );
    assert_eq!(bench.get("/populations").await.1["count"], 3);
    assert_eq!(bench.json("DELETE", &tail, &Value::Null).await.0, 204);
    assert_eq!(bench.get("/populations").await.1["count"], 2);
    let full = bench
        .json("DELETE", &format!("/populations/{}", id("staff")), &Value::Null)
        .await;
    assert_eq!(error(&full).2, "CONSTRAINT_VIOLATION");
}

const READ_ONLY_ROLE: &str = "ce00e15f-f845-4df1-abf3-fdc4ff4e176c";
const ORGANIZATION_ADMIN: &str = "1813bc13-8d13-4e88-a825-d40bfe82777b";
const ENVIRONMENT_ADMIN: &str = "29ddce68-cd7f-4b2a-b6fc-f7a19553b496";

fn wanted(role: &str, kind: &str, scope: &str) -> Value {
    json!({"role": {"id": role}, "scope": {"id": scope, "type": kind}})
}

#[tokio::test(start_paused = true)]
async fn point_49_role_and_scope_must_fit() {
    let bench = bench().await;
    let environment = bench.server.environment_id().to_string();
    let tail = format!("{}/roleAssignments", user("ivo"));
    for body in [
        wanted(ORGANIZATION_ADMIN, "ENVIRONMENT", &environment),
        wanted(
            READ_ONLY_ROLE,
            "ORGANIZATION",
            &bench.server.organization_id().to_string(),
        ),
        wanted(READ_ONLY_ROLE, "POPULATION", &environment),
        wanted(READ_ONLY_ROLE, "GALAXY", &environment),
    ] {
        assert_eq!(
            error(&bench.json("POST", &tail, &body).await),
            (400, "INVALID_DATA", "INVALID_VALUE", "scope"),
            "{body}"
        );
    }
    let unknown = bench
        .json(
            "POST",
            &tail,
            &wanted("00000000-0000-4000-8000-000000000000", "ENVIRONMENT", &environment),
        )
        .await;
    assert_eq!(error(&unknown).3, "role");
    let made = bench
        .json("POST", &tail, &wanted(READ_ONLY_ROLE, "environment", &environment))
        .await;
    assert_eq!(
        (made.0, made.1["scope"]["type"].as_str(), made.1["readOnly"].as_bool()),
        (201, Some("ENVIRONMENT"), Some(false))
    );
    let role = READ_ONLY_ROLE.parse().unwrap();
    assert!(
        bench
            .server
            .snapshot()
            .has_role(id("ivo").parse().unwrap(), role, bench.server.environment_id())
    );
}

#[tokio::test(start_paused = true)]
async fn point_48_a_duplicate_is_refused_or_made_again() {
    for (ok, expected) in [(false, 400), (true, 201)] {
        let bench = bent(|options| options.roles.duplicate_assignment_ok = ok).await;
        let tail = format!("{}/roleAssignments", user("mara"));
        let body = wanted(
            READ_ONLY_ROLE,
            "ENVIRONMENT",
            &bench.server.environment_id().to_string(),
        );
        assert_eq!(bench.json("POST", &tail, &body).await.0, expected);
    }
}

#[tokio::test(start_paused = true)]
async fn point_50_nobody_assigns_beyond_its_own_scope() {
    for (status, code) in [(403, "ACCESS_FAILED"), (400, "INVALID_DATA")] {
        let bench = bent(|options| {
            options.access.worker_role = vec!["Identity Data Admin".to_owned()];
            options.roles.beyond_scope_status = status;
        })
        .await;
        let environment = bench.server.environment_id().to_string();
        let tail = format!("{}/roleAssignments", user("ivo"));
        let refused = bench
            .json("POST", &tail, &wanted(ENVIRONMENT_ADMIN, "ENVIRONMENT", &environment))
            .await;
        assert_eq!(error(&refused).1, code);
        assert!(
            refused.1["details"][0]["message"]
                .as_str()
                .unwrap()
                .starts_with("Must have role at the same or broader scope")
        );
        assert_eq!(
            bench
                .json("POST", &tail, &wanted(READ_ONLY_ROLE, "ENVIRONMENT", &environment))
                .await
                .0,
            201
        );
        assert_eq!(
            bench
                .json("POST", &tail, &wanted(READ_ONLY_ROLE, "POPULATION", &id("guests")))
                .await
                .0,
            201,
            "narrower"
        );
        let other = bench.server.other_environment_id().to_string();
        assert_eq!(
            bench
                .json("POST", &tail, &wanted(READ_ONLY_ROLE, "ENVIRONMENT", &other))
                .await
                .0,
            status
        );
    }
}

#[tokio::test(start_paused = true)]
async fn point_51_a_read_only_assignment_is_not_deleted() {
    let kept = small().read_only_assignment(Holder::User("ivo".into()), "Help Desk Admin", ScopeOf::Environment);
    let bench = Bench::new(kept.build(), |_| {}).await;
    let tail = format!("{}/roleAssignments", user("ivo"));
    let listed = bench.get(&tail).await.1;
    let row = &listed["_embedded"]["roleAssignments"][0];
    assert_eq!(row["readOnly"], true);
    let refused = bench
        .json(
            "DELETE",
            &format!("{tail}/{}", row["id"].as_str().unwrap()),
            &Value::Null,
        )
        .await;
    assert!(
        refused.0 == 403
            && refused.1["message"]
                .as_str()
                .unwrap()
                .ends_with("cannot be deleted as it is read only")
    );
    let inherited = bench.get(&format!("{}/roleAssignments", user("lena"))).await.1;
    let id = inherited["_embedded"]["roleAssignments"][0]["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let tail = format!("{}/roleAssignments/{id}", user("lena"));
    assert_eq!(bench.json("DELETE", &tail, &Value::Null).await.0, 403, "inherited");
}

#[tokio::test(start_paused = true)]
async fn point_51_a_fresh_assignment_may_be_read_only_for_seconds() {
    for seconds in [0, 5] {
        let bench = bent(|options| options.roles.read_only_seconds = seconds).await;
        let tail = format!("{}/roleAssignments", user("ivo"));
        let body = wanted(
            READ_ONLY_ROLE,
            "ENVIRONMENT",
            &bench.server.environment_id().to_string(),
        );
        let made = bench.json("POST", &tail, &body).await.1;
        let one = format!("{tail}/{}", made["id"].as_str().unwrap());
        assert_eq!(
            bench.json("DELETE", &one, &Value::Null).await.0,
            if seconds == 0 { 204 } else { 403 }
        );
        pass(Duration::from_secs(6)).await;
        assert_eq!(
            bench.json("DELETE", &one, &Value::Null).await.0,
            if seconds == 0 { 404 } else { 204 }
        );
    }
}

#[tokio::test(start_paused = true)]
async fn point_52_roles_go_to_static_groups_only() {
    let bench = bench().await;
    let body = wanted(
        READ_ONLY_ROLE,
        "ENVIRONMENT",
        &bench.server.environment_id().to_string(),
    );
    let post = async |group: &str| {
        bench
            .json("POST", &format!("/groups/{}/roleAssignments", id(group)), &body)
            .await
    };
    assert_eq!(error(&post("filtered").await).2, "CONSTRAINT_VIOLATION");
    assert_eq!(error(&post("outside").await).2, "CONSTRAINT_VIOLATION");
    assert_eq!(post("top").await.0, 201);
    let filter = bench
        .json(
            "PUT",
            &format!("/groups/{}", id("top")),
            &json!({"name": "top", "userFilter": "enabled eq true"}),
        )
        .await;
    assert_eq!(error(&filter).3, "userFilter");
    let inherited = bench.get(&format!("{}/roleAssignments", user("ivo"))).await.1;
    assert_eq!(inherited["size"], 1, "through mid, which is nested in top");
}

#[tokio::test(start_paused = true)]
async fn point_55_a_write_takes_effect_although_its_answer_is_lost() {
    for lost in [Lost::Reset, Lost::Hang, Lost::Status(504)] {
        let bench = bench().await;
        bench
            .server
            .set_faults(vec![Fault::on("POST", "*/users", FaultAction::AnswerLost(lost))]);
        let request = bench
            .http
            .post(bench.env("/users"))
            .bearer_auth(&bench.token)
            .header("content-type", "application/json");
        let answer = request
            .body(json!({"username": "once"}).to_string())
            .timeout(Duration::from_millis(200))
            .send()
            .await;
        assert_eq!(
            answer.ok().map(|answer| answer.status().as_u16()),
            matches!(lost, Lost::Status(_)).then_some(504)
        );
        assert!(bench.server.snapshot().user_named("once").is_some());
        bench
            .server
            .set_faults(vec![Fault::on("POST", "*/users", FaultAction::status(504))]);
        bench.json("POST", "/users", &json!({"username": "never"})).await;
        assert!(
            bench.server.snapshot().user_named("never").is_none(),
            "a plain fault comes before the write"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn point_59_events_need_a_bound_and_come_late() {
    let bench = bent(|options| options.audit.activity_delay_ms = 5000).await;
    bench.json("POST", "/users", &json!({"username": "n"})).await;
    bench
        .json(
            "POST",
            &format!("{}/memberOfGroups", user("mara")),
            &json!({"id": id("mid")}),
        )
        .await;
    let since = "recordedAt gt \"2020-01-01T00:00:00Z\"";
    assert_eq!(bench.filtered("/activities", since).await.1["count"], 0);
    pass(Duration::from_secs(6)).await;
    let body = bench.filtered("/activities", since).await.1;
    let rows = body["_embedded"]["activities"].as_array().unwrap();
    assert_eq!(rows[0]["actors"]["client"]["id"], bench.server.client_id().to_string());
    assert_eq!(rows[1]["resources"][0]["name"], "mid");
    assert!(rows[1]["resources"][0]["href"].as_str().unwrap().contains(&id("mara")));
    let only = bench
        .filtered("/activities", &format!("{since} and action.type eq \"USER.CREATED\""))
        .await
        .1;
    assert_eq!(only["count"], 1);
    let search = bench.json("POST", "/activities", &json!({"filter": since})).await;
    assert_eq!(search.1["count"], 2);
    for bad in [
        "action.type eq \"USER.CREATED\"",
        "recordedAt gt \"x\"",
        "recordedAt eq \"2020-01-01T00:00:00Z\"",
    ] {
        assert_eq!(bench.filtered("/activities", bad).await.0, 400, "{bad}");
    }
    assert_eq!(bench.get("/activities").await.0, 400);
    pass(Duration::from_hours(15 * 24)).await;
    let mut bench = bench;
    bench.token = bench.fetch_token().await;
    assert_eq!(
        bench.filtered("/activities", since).await.1["count"],
        0,
        "kept for 14 days"
    );
}

#[tokio::test(start_paused = true)]
async fn point_61_the_password_policy_is_enforced() {
    let bench = bench().await;
    let tail = format!("{}/password", user("mara"));
    let media = "application/vnd.pingidentity.password.set+json";
    let set = async |body: Value| bench.send("PUT", &tail, media, &body).await;
    for bad in [
        "short1A",
        "alllowercase1!",
        "NoDigits!!",
        "NoSpecial123",
        "aaaBBB111!!!!",
        "Xmara-2345-Y",
        "Password1!",
    ] {
        assert_eq!(
            error(&set(json!({"value": bad})).await),
            (400, "INVALID_DATA", "INVALID_VALUE", "value"),
            "{bad}"
        );
    }
    assert_eq!(
        set(json!({"value": "weak", "bypassPolicy": true})).await.1["status"],
        "OK"
    );
    assert_eq!(
        set(json!({"value": "Tr0ub4dor&3x", "forceChange": true})).await.1["status"],
        "MUST_CHANGE_PASSWORD"
    );
    assert_eq!(
        set(json!({"value": "Tr0ub4dor&3x"})).await.0,
        400,
        "like the current one"
    );
}

#[tokio::test(start_paused = true)]
async fn point_61_reset_force_and_recovery_go_by_media_type() {
    let bench = bench().await;
    let tail = format!("{}/password", user("mara"));
    let media = "application/vnd.pingidentity.password.set+json";
    let set = async |body: Value| bench.send("PUT", &tail, media, &body).await;
    assert_eq!(set(json!({"value": "Tr0ub4dor&3x"})).await.1["status"], "OK");
    let reset = bench
        .send(
            "PUT",
            &tail,
            "application/vnd.pingidentity.password.reset+json",
            &json!({"newPassword": "x"}),
        )
        .await;
    assert_eq!(reset.1["status"], "MUST_CHANGE_PASSWORD");
    let force = bench
        .send(
            "POST",
            &tail,
            "application/vnd.pingidentity.password.forceChange",
            &Value::Null,
        )
        .await;
    assert_eq!(force.0, 200);
    let none = bench
        .send(
            "POST",
            &format!("{}/password", user("ivo")),
            "application/vnd.pingidentity.password.sendRecoveryCode+json",
            &Value::Null,
        )
        .await;
    assert_eq!(error(&none), (400, "REQUEST_FAILED", "NO_PASSWORD", ""));
    let providers = bench.get("/identityProviders").await.1;
    let provider = providers["_embedded"]["identityProviders"][0]["id"].clone();
    let put = bench
        .json(
            "PUT",
            &format!("{}/identityProvider", user("mara")),
            &json!({"id": provider}),
        )
        .await;
    assert_eq!(put.1["type"], "SAML");
    assert_eq!(error(&set(json!({"value": "Tr0ub4dor&4y"})).await).1, "REQUEST_FAILED");
}

#[tokio::test(start_paused = true)]
async fn point_61_sessions_and_devices_are_listed_and_deleted() {
    let bench = Bench::with(Options::default()).await;
    let snapshot = bench.server.snapshot();
    let (id, state) = snapshot
        .users
        .iter()
        .find(|(_, state)| !state.devices.is_empty() && !state.sessions.is_empty())
        .unwrap();
    for (tail, list, one) in [
        ("devices", "devices", state.devices[0]),
        ("sessions", "sessions", state.sessions[0]),
    ] {
        let root = format!("/users/{id}/{tail}");
        assert!(
            bench.get(&root).await.1["_embedded"][list]
                .as_array()
                .unwrap()
                .iter()
                .any(|row| row["id"] == one.to_string())
        );
        assert_eq!(bench.get(&format!("{root}/{one}")).await.0, 200);
        assert_eq!(
            bench.json("DELETE", &format!("{root}/{one}"), &Value::Null).await.0,
            204
        );
        assert_eq!(
            bench.json("DELETE", &format!("{root}/{one}"), &Value::Null).await.0,
            404
        );
    }
}

#[tokio::test(start_paused = true)]
async fn verification_goes_by_media_type() {
    let bench = bench().await;
    for (media, status) in [
        (
            "application/vnd.pingidentity.user.sendVerificationCode+json",
            "VERIFICATION_REQUIRED",
        ),
        ("application/vnd.pingidentity.user.verify+json", "ACCOUNT_OK"),
    ] {
        assert_eq!(
            bench.send("POST", &user("mara"), media, &json!({})).await.1["lifecycle"]["status"],
            status
        );
    }
}
