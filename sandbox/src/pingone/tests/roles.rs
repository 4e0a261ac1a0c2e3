//! Points 47, 48, 53 and the estate.

use super::*;

#[tokio::test(start_paused = true)]
async fn point_47_roles_have_the_api_spelling_and_custom_ones_live_in_the_environment() {
    let bench = Bench::new(small().build(), |_| {}).await;
    let all = bench
        .url(&format!("{}/v1/roles?limit=1", bench.server.api_url()))
        .await
        .1;
    let listed = names(&all, "roles", "name");
    assert_eq!(all["size"], 12, "the limit is ignored");
    assert!(listed.contains(&"Identity Data Read Only".to_owned()) && !listed.contains(&"Desk".to_owned()));
    let custom = bench.filtered("/roles", "type eq \"CUSTOM\"").await.1;
    assert_eq!(names(&custom, "roles", "name"), ["Desk"]);
    assert_eq!(bench.filtered("/roles", "type eq \"PLATFORM\"").await.1["size"], 12);
    assert_eq!(bench.get("/roles").await.1["size"], 13);
    assert_eq!(bench.filtered("/roles", "type eq \"OTHER\"").await.0, 400);
    assert_eq!(bench.filtered("/roles", "name eq \"Desk\"").await.0, 400);
    let one = format!(
        "{}/v1/roles/0bd9c966-7664-4ac1-b059-0ff9293908e2",
        bench.server.api_url()
    );
    assert_eq!(bench.url(&one).await.1["name"], "Identity Data Admin");
    assert_eq!(bench.get(&format!("/roles/{}", id("Desk"))).await.1["type"], "CUSTOM");
}

#[tokio::test(start_paused = true)]
async fn point_47_types_and_permission_ids_may_be_absent() {
    for absent in [false, true] {
        let bench = Bench::new(small().build(), |options| {
            options.roles.no_role_type = absent;
            options.roles.no_permission_ids = absent;
        })
        .await;
        let all = bench.url(&format!("{}/v1/roles", bench.server.api_url())).await.1;
        let role = all["_embedded"]["roles"]
            .as_array()
            .unwrap()
            .iter()
            .find(|role| role["name"] == "Identity Data Admin")
            .unwrap();
        assert_eq!(role.get("type").is_none(), absent);
        assert_eq!(role["permissions"][0].get("id").is_none(), absent);
        assert!(role["permissions"][0]["classifier"].is_string());
    }
}

#[tokio::test(start_paused = true)]
async fn point_48_one_role_on_two_scopes_is_two_items() {
    for lower in [false, true] {
        let bench = Bench::new(small().build(), |options| {
            options.roles.lower_case_scopes = lower;
            options.roles.no_inherited = true;
        })
        .await;
        let body = bench.get(&format!("/users/{}/roleAssignments", id("mara"))).await.1;
        let rows = body["_embedded"]["roleAssignments"].as_array().unwrap();
        let scopes: Vec<&str> = rows.iter().map(|row| row["scope"]["type"].as_str().unwrap()).collect();
        assert_eq!(
            scopes,
            if lower {
                ["environment", "population"]
            } else {
                ["ENVIRONMENT", "POPULATION"]
            }
        );
        assert!(
            rows.iter()
                .all(|row| row["role"].get("name").is_none() && row["readOnly"] == false)
        );
        assert_eq!(rows[0]["environment"]["id"], bench.server.environment_id().to_string());
        let one = bench
            .get(&format!(
                "/users/{}/roleAssignments/{}",
                id("mara"),
                rows[1]["id"].as_str().unwrap()
            ))
            .await;
        assert_eq!((one.0, &one.1["id"]), (200, &rows[1]["id"]));
    }
}

#[tokio::test(start_paused = true)]
async fn point_48_inherited_assignments_stand_in_a_users_list_marked_or_not() {
    let answers = [
        (false, false, false),
        (false, true, false),
        (true, false, false),
        (false, false, true),
    ];
    for (hidden, unmarked, own_id) in answers {
        let bench = Bench::new(small().build(), |options| {
            options.roles.no_inherited = hidden;
            options.roles.inherited_unmarked = unmarked;
            options.roles.inherited_own_ids = own_id;
        })
        .await;
        let body = bench.get(&format!("/users/{}/roleAssignments", id("lena"))).await.1;
        let rows = body["_embedded"]["roleAssignments"].as_array().unwrap();
        assert_eq!(rows.len(), usize::from(!hidden));
        if let Some(row) = rows.first() {
            assert_eq!(row.get("group").is_none(), unmarked);
            let group = bench.get(&format!("/groups/{}/roleAssignments", id("low"))).await.1;
            let of_group = &group["_embedded"]["roleAssignments"][0]["id"];
            assert_eq!(row["id"] == *of_group, !own_id, "the same assignment");
        }
        assert_eq!(
            bench.get(&format!("/users/{}/roleAssignments", id("ivo"))).await.1["size"],
            0
        );
    }
}

#[tokio::test(start_paused = true)]
async fn the_worker_reads_its_own_assignments_and_the_applications() {
    let bench = Bench::new(small().build(), |_| {}).await;
    let own = bench
        .get(&format!("/applications/{}/roleAssignments", bench.server.client_id()))
        .await
        .1;
    assert_eq!(own["size"], 2);
    let applications = bench.get("/applications").await.1;
    assert_eq!(
        names(&applications, "applications", "type"),
        [
            "PING_ONE_ADMIN_CONSOLE",
            "PING_ONE_PORTAL",
            "PING_ONE_SELF_SERVICE",
            "WEB_APP",
            "WORKER",
            "WORKER"
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn the_estate_is_served() {
    let bench = Bench::new(small().build(), |options| {
        options.access.environment_status = "DELETE_PENDING".to_owned();
    })
    .await;
    let environment = bench.get("").await.1;
    assert_eq!(
        (environment["region"].as_str(), environment["status"].as_str()),
        (Some("EU"), Some("DELETE_PENDING"))
    );
    let root = format!("{}/v1", bench.server.api_url());
    assert_eq!(bench.url(&format!("{root}/environments")).await.1["size"], 1);
    assert_eq!(bench.url(&format!("{root}/organizations")).await.1["size"], 1);
    let license = environment["license"]["id"].as_str().unwrap();
    let url = format!(
        "{root}/organizations/{}/licenses/{license}",
        bench.server.organization_id()
    );
    assert_eq!(bench.url(&url).await.1["status"], "ACTIVE");
    assert_eq!(bench.get("/capabilities").await.1["canAssignUsersRoles"], true);
}

#[tokio::test(start_paused = true)]
async fn point_61_policies_schema_and_identity_providers_are_served() {
    let bench = Bench::new(small().build(), |options| {
        options.users.unique_attribute = vec!["email".to_owned()];
    })
    .await;
    let policies = bench.get("/passwordPolicies").await.1;
    let default = &policies["_embedded"]["passwordPolicies"][0];
    assert_eq!(
        (default["default"].as_bool(), default["length"]["min"].as_u64()),
        (Some(true), Some(8))
    );
    let schemas = bench.get("/schemas").await.1;
    let schema = schemas["_embedded"]["schemas"][0]["id"].as_str().unwrap();
    let attributes = bench.get(&format!("/schemas/{schema}/attributes")).await.1;
    let find = |name: &str| {
        attributes["_embedded"]["attributes"]
            .as_array()
            .unwrap()
            .iter()
            .find(|found| found["name"] == name)
            .unwrap()
            .clone()
    };
    assert_eq!(
        (find("email")["unique"].as_bool(), find("title")["unique"].as_bool()),
        (Some(true), Some(false))
    );
    assert_eq!(
        (
            find("department")["schemaType"].as_str(),
            find("preferences")["type"].as_str()
        ),
        (Some("CUSTOM"), Some("JSON"))
    );
    let providers = bench.get("/identityProviders").await.1;
    assert_eq!(
        names(&providers, "identityProviders", "type"),
        ["OPENID_CONNECT", "SAML"]
    );
}
