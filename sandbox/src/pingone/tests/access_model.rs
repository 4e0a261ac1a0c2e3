//! Points 101 to 132: applications, machine identities, roles over other scopes.

#![expect(clippy::too_many_lines, reason = "a point is told in one piece")]

use super::*;
use serde_json::json;
use std::collections::BTreeSet;

fn with_applications(change: impl FnOnce(&mut Options)) -> Options {
    let mut options = Options::default();
    options.directory.applications = Some(120);
    options.directory.group_conditions = Some(48);
    options.directory.workers = Some(24);
    options.directory.gateways = Some(14);
    change(&mut options);
    options
}

async fn rows(bench: &Bench, list: &str) -> Vec<Value> {
    let body = bench.get(&format!("/{list}")).await.1;
    body["_embedded"][list].as_array().unwrap().clone()
}

fn texts<'a>(rows: &'a [Value], pointer: &str) -> BTreeSet<&'a str> {
    rows.iter().filter_map(|row| row.pointer(pointer)?.as_str()).collect()
}

fn find<'a>(rows: &'a [Value], kind: &str) -> &'a Value {
    rows.iter().find(|row| row["type"] == kind).unwrap()
}

#[tokio::test(start_paused = true)]
async fn point_101_the_list_is_one_page_without_a_count_or_several_with_one() {
    let bench = Bench::with(with_applications(|_| {})).await;
    let page = bench.get("/applications?limit=100").await.1;
    assert_eq!(
        (&page["size"], page.get("count"), page["_links"].get("next")),
        (&json!(126), None, None)
    );
    let bench = Bench::with(with_applications(|options| {
        options.access_model.application_pages = true;
    }))
    .await;
    let page = bench.get("/applications?limit=100").await.1;
    assert_eq!((&page["size"], &page["count"]), (&json!(100), &json!(126)));
    let (all, pages) = bench.chain("/applications?limit=50", "applications").await;
    assert_eq!((all.len(), pages), (126, 3));
}

#[tokio::test(start_paused = true)]
async fn points_102_and_103_system_applications_and_workers_have_their_links_and_conditions() {
    let bench = Bench::with(Options::default()).await;
    let rows = rows(&bench, "applications").await;
    let console = find(&rows, "PING_ONE_ADMIN_CONSOLE");
    assert_eq!(console["accessControl"], json!({"role": {"type": "ADMIN_USERS_ONLY"}}));
    for kind in ["PING_ONE_ADMIN_CONSOLE", "PING_ONE_PORTAL", "PING_ONE_SELF_SERVICE"] {
        let row = find(&rows, kind);
        assert_eq!(
            (row["_links"].get("roleAssignments"), row["_links"].get("secret")),
            (None, None)
        );
    }
    let worker = find(&rows, "WORKER");
    for link in ["grants", "attributes", "secret", "roleAssignments"] {
        assert!(worker["_links"][link]["href"].is_string(), "{link}");
    }
    assert_eq!(worker["accessControl"]["role"]["type"], "ADMIN_USERS_ONLY");
}

#[tokio::test(start_paused = true)]
async fn points_104_to_106_every_form_of_a_row_occurs() {
    let bench = Bench::with(with_applications(|_| {})).await;
    let rows = rows(&bench, "applications").await;
    let protocols = texts(&rows, "/protocol");
    for protocol in ["OPENID_CONNECT", "SAML", "WS_FED", "EXTERNAL_LINK", "TELEPATHY"] {
        assert!(protocols.contains(protocol), "{protocol}");
    }
    assert!(texts(&rows, "/type").is_superset(&BTreeSet::from([
        "NATIVE_APP",
        "SERVICE",
        "AI_AGENT",
        "PORTAL_LINK_APP"
    ])));
    let kinds = texts(&rows, "/accessControl/group/type");
    assert_eq!(kinds, BTreeSet::from(["ALL_GROUPS", "ANY_GROUP", "MOST_GROUPS"]));
    assert!(texts(&rows, "/accessControl/role/type").contains("ANY_ADMIN_ON_TUESDAYS"));
    let lists = rows.iter().filter_map(|row| {
        let group = row.pointer("/accessControl/group")?;
        Some((group["type"].as_str()?, group["groups"].as_array()?.clone()))
    });
    let lists: Vec<(&str, Vec<Value>)> = lists.collect();
    for (kind, size) in [
        ("ANY_GROUP", 0),
        ("ANY_GROUP", 1),
        ("ANY_GROUP", 3),
        ("ALL_GROUPS", 1),
        ("ALL_GROUPS", 3),
    ] {
        assert!(
            lists.iter().any(|(known, list)| *known == kind && list.len() == size),
            "{kind} {size}"
        );
    }
    let pairs: Vec<_> = lists
        .iter()
        .filter(|(kind, list)| *kind == "ALL_GROUPS" && list.len() == 2)
        .collect();
    assert!(
        pairs
            .iter()
            .any(|one| pairs.iter().filter(|other| *other == one).count() > 1),
        "a set twice"
    );
    assert!(
        lists.iter().any(|(_, list)| list.len() == 3 && list[0] == list[2]),
        "a group twice"
    );
    let groups: BTreeSet<String> = bench
        .server
        .directory()
        .groups()
        .iter()
        .map(ToString::to_string)
        .collect();
    let named = lists
        .iter()
        .flat_map(|(_, list)| list)
        .filter_map(|group| group["id"].as_str());
    assert!(named.into_iter().any(|id| !groups.contains(id)), "a deleted group");
    for missing in ["name", "enabled", "protocol", "createdAt", "_links", "accessControl"] {
        assert!(rows.iter().any(|row| row.get(missing).is_none()), "{missing}");
    }
    assert!(rows.iter().any(|row| row["accessControl"] == json!({})));
    assert!(
        rows.iter().any(|row| row["hiddenFromAppPortal"] == true) && rows.iter().any(|row| row["enabled"] == false)
    );
    assert!(rows.iter().all(|row| row["id"].is_string()));
    let bench = Bench::with(with_applications(|options| {
        options.access_model.applications_without_id = true;
    }))
    .await;
    assert!(
        self::rows(&bench, "applications")
            .await
            .iter()
            .any(|row| row.get("id").is_none())
    );
}

#[tokio::test(start_paused = true)]
async fn points_107_and_123_who_reads_applications_gateways_and_keys() {
    for (role, expected) in [
        ("Identity Data Admin", [403, 403, 403]),
        ("Identity Data Read Only", [403, 403, 403]),
        ("Configuration Read Only", [200, 200, 200]),
        ("Client Application Developer", [200, 403, 200]),
        ("Environment Admin", [200, 200, 200]),
    ] {
        let bench = Bench::with(with_applications(|options| {
            options.access.worker_role = vec![role.to_owned()];
        }))
        .await;
        for (list, status) in ["applications", "gateways", "keys"].into_iter().zip(expected) {
            assert_eq!(bench.get(&format!("/{list}")).await.0, status, "{role} {list}");
        }
    }
    for (hidden, list) in [
        (Hidden::Applications, "/applications"),
        (Hidden::Gateways, "/gateways"),
        (Hidden::Keys, "/keys"),
    ] {
        let bench = Bench::with(with_applications(|options| options.access_model.hidden = vec![hidden])).await;
        for known in ["/applications", "/gateways", "/keys"] {
            assert_eq!(
                bench.get(known).await.0,
                if known == list { 403 } else { 200 },
                "{hidden:?}"
            );
        }
    }
}

#[tokio::test(start_paused = true)]
async fn points_109_and_110_one_application_is_read_and_replaced_whole() {
    let bench = Bench::with(with_applications(|_| {})).await;
    let listed = rows(&bench, "applications").await;
    assert!(!texts(&listed, "/type").contains("PINGFEDERATE_SSO"));
    let sso = bench.server.hidden_application_id();
    assert_eq!(
        bench.get(&format!("/applications/{sso}")).await.1["type"],
        "PINGFEDERATE_SSO"
    );
    assert_eq!(bench.get("/applications/x").await.0, 400);
    assert_eq!(bench.get(&format!("/applications/{}", id("mara"))).await.0, 404);
    let app = listed
        .iter()
        .find(|row| row["protocol"] == "SAML" && row["name"].is_string())
        .unwrap();
    let tail = format!("/applications/{}", app["id"].as_str().unwrap());
    assert_eq!(bench.json("PATCH", &tail, &json!({})).await.0, 405);
    assert_eq!(bench.json("PUT", &tail, &json!({"name": "x"})).await.0, 400);
    let whole = json!({"name": "x", "type": app["type"], "protocol": "SAML"});
    let moved = json!({"name": "x", "type": "WORKER", "protocol": "SAML"});
    assert_eq!(bench.json("PUT", &tail, &moved).await.0, 400);
    let replaced = bench.json("PUT", &tail, &whole).await;
    assert_eq!(
        (replaced.0, &replaced.1["enabled"], replaced.1.get("futureMember")),
        (200, &json!(false), None)
    );
}

#[tokio::test(start_paused = true)]
async fn point_111_several_groups_at_once() {
    let both = format!(
        "memberOfGroups[id eq \"{}\"] and memberOfGroups[id eq \"{}\"]",
        id("top"),
        id("filtered")
    );
    for (knob, status) in [
        (Intersections::Answer, 200),
        (Intersections::Refuse, 400),
        (Intersections::Fail, 500),
    ] {
        let bench = Bench::new(small().build(), |options| options.access_model.intersections = knob).await;
        let said = bench.filtered("/users", &both).await;
        assert_eq!(said.0, status, "{knob:?}");
        if status == 200 {
            assert_eq!(names(&said.1, "users", "username"), ["lena", "mara"]);
        }
        assert_eq!(
            bench
                .filtered("/users", &format!("memberOfGroups[id eq \"{}\"]", id("top")))
                .await
                .0,
            200
        );
    }
}

#[tokio::test(start_paused = true)]
async fn point_112_a_poisoned_row_spoils_the_list_and_nothing_else() {
    let bench = Bench::with(with_applications(|options| {
        options.access_model.poisoned_applications = true;
        options.timing.poisoned_user = vec![1];
    }))
    .await;
    assert_eq!(bench.get("/applications").await.0, 500);
    assert_eq!(
        bench
            .get(&format!("/applications/{}", bench.server.client_id()))
            .await
            .0,
        200
    );
}

#[tokio::test(start_paused = true)]
async fn points_113_to_115_secrets_are_served_counted_and_replaced() {
    let bench = Bench::with(with_applications(|_| {})).await;
    let all = rows(&bench, "applications").await;
    let own = bench.server.client_id().to_string();
    let portal = all.iter().find(|row| row["name"] == "Staff portal").unwrap();
    let id = portal["id"].as_str().unwrap();
    let tail = format!("/applications/{id}/secret");
    let first = bench.get(&tail).await.1["secret"].as_str().unwrap().to_owned();
    assert_eq!(bench.server.requests().secret_reads, 1);
    assert_eq!(
        bench.get(&format!("/applications/{own}/secret")).await.0,
        403,
        "its own"
    );
    let locked = bench.server.snapshot();
    let locked = locked
        .assignments
        .iter()
        .find(|item| item.holder_type == "application" && item.read_only);
    assert_eq!(
        bench
            .get(&format!("/applications/{}/secret", locked.unwrap().holder))
            .await
            .0,
        403
    );
    let at = |seconds: i64| {
        jiff::Timestamp::now()
            .checked_add(jiff::SignedDuration::from_secs(seconds))
            .unwrap()
            .to_string()
    };
    for seconds in [5, 31 * 86_400] {
        let body = json!({"previous": {"expiresAt": at(seconds)}});
        assert_eq!(bench.json("POST", &tail, &body).await.0, 400, "{seconds}");
    }
    let second = bench
        .json("POST", &tail, &json!({"previous": {"expiresAt": at(3600)}}))
        .await
        .1;
    assert_eq!(second["previous"]["secret"], first);
    let takes = async |secret: &str| {
        let url = format!("{}/{}/as/token", bench.server.auth_url(), bench.server.environment_id());
        let request = bench.http.post(url).form(&[("grant_type", "client_credentials")]);
        request
            .basic_auth(id, Some(secret))
            .send()
            .await
            .unwrap()
            .status()
            .as_u16()
    };
    assert_eq!(
        (takes(&first).await, takes(second["secret"].as_str().unwrap()).await),
        (200, 200)
    );
    pass(Duration::from_secs(3700)).await;
    assert_eq!(takes(&first).await, 401);
    let mut bench = bench;
    bench.token = bench.fetch_token().await;
    let third = bench.json("POST", &tail, &json!({})).await.1;
    assert_eq!(third.get("previous"), None);
    let before = bench.server.requests().secret_reads;
    assert_eq!(bench.json("DELETE", &tail, &json!({})).await.0, 204);
    assert_eq!(bench.server.requests().secret_reads, before + 1, "deleting counts, too");
    let keys = rows(&bench, "keys").await;
    let key = format!("/keys/{}", keys[0]["id"].as_str().unwrap());
    let before = bench.server.requests().secret_reads;
    bench.get(&key).await;
    let store = bench.http.get(bench.env(&key)).bearer_auth(&bench.token);
    store.header("accept", "application/x-pkcs12").send().await.unwrap();
    assert_eq!(bench.server.requests().secret_reads, before + 1);
    bench.server.reset_requests();
    assert_eq!(bench.server.requests().secret_reads, 0);
}

#[tokio::test(start_paused = true)]
async fn point_116_keys_have_every_use_and_state_and_no_private_part() {
    let bench = Bench::with(Options::default()).await;
    let keys = rows(&bench, "keys").await;
    assert_eq!(
        (texts(&keys, "/usageType").len(), texts(&keys, "/status").len()),
        (5, 5)
    );
    assert!(
        keys.iter()
            .all(|key| key["serialNumber"].as_u64().is_none() && !key.to_string().contains("rivate"))
    );
}

#[tokio::test(start_paused = true)]
async fn points_117_to_119_roles_of_applications() {
    for status in [403, 404, 200] {
        let bench = Bench::with(with_applications(|options| {
            options.access_model.no_roles_status = status;
        }))
        .await;
        let all = rows(&bench, "applications").await;
        let portal = find(&all, "PING_ONE_PORTAL")["id"].as_str().unwrap();
        assert_eq!(
            bench.get(&format!("/applications/{portal}/roleAssignments")).await.0,
            status
        );
    }
    let bench = Bench::with(with_applications(|_| {})).await;
    let state = bench.server.snapshot();
    let held: Vec<_> = state
        .assignments
        .iter()
        .filter(|item| item.holder_type == "application")
        .collect();
    let scopes: BTreeSet<&str> = held.iter().map(|item| item.scope_type.as_str()).collect();
    assert_eq!(
        scopes,
        BTreeSet::from(["APPLICATION", "ENVIRONMENT", "ORGANIZATION", "POPULATION"])
    );
    assert!(
        held.iter()
            .any(|item| item.scope == bench.server.other_environment_id())
    );
    let path = |item: &AssignmentState| format!("/applications/{}/roleAssignments/{}", item.holder, item.id);
    let delete = async |item: &AssignmentState| {
        let tail = path(item);
        bench.send("DELETE", &tail, "", &Value::Null).await
    };
    let beyond = held
        .iter()
        .find(|item| item.scope_type == "ORGANIZATION" && !item.read_only)
        .unwrap();
    let said = delete(beyond).await;
    assert!(
        said.0 == 403 && said.1.to_string().contains("broader scope"),
        "{said:?}"
    );
    let reader = bench.server.directory().roles();
    let reader = reader
        .iter()
        .find(|(_, name, _)| name == "Identity Data Read Only")
        .unwrap()
        .0;
    let mine = |item: &&&AssignmentState| item.role == reader && item.scope == bench.server.environment_id();
    let locked = held.iter().find(|item| mine(item) && item.read_only).unwrap();
    assert_eq!(delete(locked).await.0, 403);
    let free = held.iter().find(|item| mine(item) && !item.read_only).unwrap();
    assert_eq!((delete(free).await.0, delete(free).await.0), (204, 404));
}

#[tokio::test(start_paused = true)]
async fn points_120_to_122_gateways_their_credentials_and_the_canary() {
    for apart in [false, true] {
        let bench = Bench::with(with_applications(|options| {
            options.access_model.gateway_credentials_apart = apart;
        }))
        .await;
        let all = rows(&bench, "gateways").await;
        assert_eq!(texts(&all, "/type").len(), 7);
        assert_eq!(all.iter().any(|row| row.get("credentials").is_some()), !apart);
        let row = find(&all, "LDAP");
        let tail = format!("/gateways/{}", row["id"].as_str().unwrap());
        let listed = bench.get(&format!("{tail}/credentials")).await.1;
        assert_eq!(listed["_embedded"]["credentials"].as_array().unwrap().len(), 1);
        assert_eq!(bench.get(&tail).await.1["id"], row["id"]);
        assert!(find(&all, "RADIUS").to_string().contains(CANARY));
        assert_eq!(all.iter().filter(|row| row.to_string().contains(CANARY)).count(), 2);
        let federate = find(&all, "PING_FEDERATE")["id"].as_str().unwrap();
        let held = bench.get(&format!("/gateways/{federate}/roleAssignments")).await.1;
        let held = held["_embedded"]["roleAssignments"].as_array().unwrap();
        assert_eq!((held.len(), &held[0]["gateway"]["id"]), (2, &json!(federate)));
        assert!(
            held.iter().any(|item| item["readOnly"] == true),
            "inherited from who made it"
        );
        assert_eq!(
            bench
                .json("POST", &format!("/gateways/{federate}/roleAssignments"), &json!({}))
                .await
                .0,
            405
        );
    }
}

#[tokio::test(start_paused = true)]
async fn points_124_and_125_scopes_elsewhere() {
    for hidden in [false, true] {
        let bench = Bench::with(with_applications(|options| {
            options.access_model.other_environment_hidden = hidden;
            options.access.worker_role = [
                "Client Application Developer@ORGANIZATION",
                "Identity Data Admin",
                "Environment Admin",
            ]
            .map(str::to_owned)
            .to_vec();
        }))
        .await;
        let other = bench.server.other_environment_id();
        let url = format!("{}/v1/environments/{other}", bench.server.api_url());
        assert_eq!(bench.url(&url).await.0, if hidden { 403 } else { 200 });
        let roles = bench.server.directory().roles();
        let role = |wanted: &str| roles.iter().find(|(_, name, _)| name == wanted).unwrap().0;
        let user = bench.server.directory().users()[0];
        let post = async |name: &str| {
            let body = json!({"role": {"id": role(name)}, "scope": {"id": other, "type": "ENVIRONMENT"}});
            bench
                .json("POST", &format!("/users/{user}/roleAssignments"), &body)
                .await
        };
        assert_eq!(post("Client Application Developer").await.0, 201);
        let refused = post("Identity Data Admin").await;
        assert!(
            refused.0 == 403 && refused.1.to_string().contains("broader scope"),
            "{refused:?}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn point_126_narrow_assignments_are_limited() {
    let mut options = Options::default();
    options.directory.populations = Some(251);
    let bench = Bench::with(options).await;
    let role = bench.server.directory().roles();
    let role = role
        .iter()
        .find(|(_, name, _)| name == "Identity Data Admin")
        .unwrap()
        .0;
    let user = bench.server.directory().users()[1];
    let tail = format!("/users/{user}/roleAssignments");
    let mut last = 0;
    for (population, _) in bench.server.directory().populations() {
        let body = json!({"role": {"id": role}, "scope": {"id": population, "type": "POPULATION"}});
        last = bench.json("POST", &tail, &body).await.0;
    }
    assert_eq!(last, 400, "the 251st");
}

#[tokio::test(start_paused = true)]
async fn points_127_and_128_default_populations_and_a_move() {
    for defaults in [0, 1, 2] {
        let mut options = Options::default();
        options.access_model.default_populations = defaults;
        let bench = Bench::with(options).await;
        let all = rows(&bench, "populations").await;
        let named = all.iter().filter(|row| row["default"] == true).count();
        assert_eq!(named, usize::try_from(defaults).unwrap());
    }
    let bench = Bench::new(small().build(), |_| {}).await;
    let tail = format!("/users/{}/population", id("lena"));
    assert_eq!(
        bench.json("PUT", &tail, &json!({"id": id("guests")})).await.0,
        200,
        "the same one"
    );
    assert_eq!(bench.json("PUT", &tail, &json!({"id": id("top")})).await.0, 400);
}

#[tokio::test(start_paused = true)]
async fn point_129_a_group_that_an_application_names() {
    for keep in [false, true] {
        let bench = Bench::with(with_applications(|options| {
            options.access_model.keep_named_groups = keep;
        }))
        .await;
        let all = rows(&bench, "applications").await;
        let living: BTreeSet<String> = bench
            .server
            .directory()
            .groups()
            .iter()
            .map(ToString::to_string)
            .collect();
        let named = all
            .iter()
            .filter_map(|row| row.pointer("/accessControl/group/groups/0/id")?.as_str());
        let named = named.into_iter().find(|id| living.contains(*id)).unwrap();
        let said = bench
            .send("DELETE", &format!("/groups/{named}"), "", &Value::Null)
            .await;
        assert_eq!(said.0, if keep { 400 } else { 204 });
        assert!(
            rows(&bench, "applications")
                .await
                .iter()
                .any(|row| row.to_string().contains(named))
        );
    }
}

#[tokio::test(start_paused = true)]
async fn point_131_a_sign_on_names_its_application() {
    let bench = Bench::with(with_applications(|_| {})).await;
    let url = format!("{}/sandbox/sign-ons", bench.server.api_url());
    assert_eq!(
        bench
            .http
            .post(url)
            .body(r#"{"count":3}"#)
            .send()
            .await
            .unwrap()
            .status(),
        204
    );
    let since = "recordedAt gt \"2020-01-01T00:00:00Z\"";
    let events = bench.filtered("/activities", since).await.1;
    let events = events["_embedded"]["activities"].as_array().unwrap();
    let known = rows(&bench, "applications").await;
    let known = texts(&known, "/id");
    assert_eq!(events.len(), 3);
    for event in events {
        assert_eq!(event["action"]["type"], "USER.ACCESS_ALLOWED");
        assert!(known.contains(event["actors"]["client"]["id"].as_str().unwrap()));
        assert!(
            event["resources"]
                .as_array()
                .unwrap()
                .iter()
                .any(|item| item["type"] == "USER")
        );
    }
}

#[tokio::test(start_paused = true)]
async fn point_132_a_thousand_applications_are_a_preset() {
    let options = || {
        let mut options = Options::default();
        options.directory.preset = Preset::Apps1k;
        options
    };
    let (one, two) = (Bench::with(options()).await, Bench::with(options()).await);
    let (first, second) = (rows(&one, "applications").await, rows(&two, "applications").await);
    let made_up: Vec<&Value> = first.iter().filter(|row| row.get("futureMember").is_some()).collect();
    let workers = first
        .iter()
        .filter(|row| row["name"].as_str().is_some_and(|name| name.starts_with("Machine")));
    assert_eq!((made_up.len(), workers.count()), (960, 40));
    let limited = made_up
        .iter()
        .filter(|row| row.pointer("/accessControl/group").is_some())
        .count();
    assert_eq!(limited, 300);
    assert_eq!(texts(&first, "/id"), texts(&second, "/id"));
}
