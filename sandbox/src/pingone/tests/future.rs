//! Point 37: unknown members and links in every object and list.

use super::*;
use serde_json::json;

/// The objects and lists of an answer that lack the unknown member or the unknown link.
fn lacking(body: &Value, place: &str, out: &mut Vec<String>) {
    if body.get("futureMember").is_none() || body["_links"]["somethingNew"]["href"].is_null() {
        out.push(place.to_owned());
    }
    for (name, inside) in body["_embedded"].as_object().into_iter().flatten() {
        match inside {
            Value::Array(rows) => {
                assert!(!rows.is_empty(), "{place}: nothing in {name}");
                for row in rows {
                    lacking(row, &format!("{place} {name}[]"), out);
                }
            }
            one => lacking(one, &format!("{place} {name}"), out),
        }
    }
}

#[tokio::test(start_paused = true)]
#[expect(clippy::too_many_lines, reason = "a list of cases")]
async fn point_37_every_object_and_list_has_members_and_links_that_nobody_knows() {
    let directory = || {
        small()
            .user("dana", "staff", json!({"sessions": 1, "devices": 1}))
            .member("top", "dana")
            .assignment(
                Holder::User("dana".into()),
                "Identity Data Read Only",
                ScopeOf::Environment,
            )
            .build()
    };
    let bench = Bench::new(directory(), |options| options.users.forward_compatibility = true).await;
    let dana = format!("/users/{}", directory().id("dana").unwrap());
    let low = format!("/groups/{}", id("low"));
    let (mut out, mut lists) = (Vec::new(), Vec::new());
    let since = "recordedAt%20gt%20%222020-01-01T00%3A00%3A00Z%22";
    let made = bench.json("PATCH", &dana, &json!({"title": "x"})).await;
    lacking(&made.1, "PATCH", &mut out);
    for list in [
        "/users",
        "/users?expand=population",
        "/groups",
        "/populations",
        "/roles",
        "/applications",
        "/passwordPolicies",
        "/schemas",
        "/identityProviders",
        &format!("/activities?filter={since}"),
        &format!("{dana}/memberOfGroups?expand=group"),
        &format!("{dana}/roleAssignments?expand=role"),
        &format!("{dana}/sessions"),
        &format!("{dana}/devices"),
        &format!("{low}/memberOfGroups"),
        &format!("{low}/roleAssignments"),
        &format!("/applications/{}/roleAssignments", bench.server.client_id()),
    ] {
        let (status, body) = bench.get(list).await;
        assert_eq!(status, 200, "{list} {body}");
        lacking(&body, list, &mut out);
        let rows = body["_embedded"].as_object().unwrap().values().next().unwrap();
        let href = rows[0]["_links"]["self"]["href"].as_str().map(str::to_owned);
        lists.extend(href.filter(|_| !list.contains('?')));
    }
    assert!(lists.len() > 8, "{lists:?}");
    let root = bench.server.api_url();
    for path in ["environments", "organizations", "roles"] {
        let url = format!("{root}/v1/{path}");
        let (status, body) = bench.url(&url).await;
        assert_eq!(status, 200, "{url}");
        lacking(&body, &url, &mut out);
    }
    for url in lists.iter().cloned().chain([bench.env(""), bench.env("/capabilities")]) {
        let (status, body) = bench.url(&url).await;
        assert_eq!(status, 200, "{url}");
        lacking(&body, &url, &mut out);
    }
    for part in ["enabled", "mfaEnabled", "population", "identityProvider", "password"] {
        lacking(&bench.get(&format!("{dana}/{part}")).await.1, part, &mut out);
    }
    for (method, tail, body) in [
        ("PUT", format!("{dana}/enabled"), json!({"enabled": false})),
        ("POST", format!("{dana}/memberOfGroups"), json!({"id": id("mid")})),
        ("POST", "/groups".to_owned(), json!({"name": "g"})),
        ("POST", "/populations".to_owned(), json!({"name": "p"})),
        (
            "POST",
            format!("{dana}/roleAssignments"),
            json!({"role": {"id": "0bd9c966-7664-4ac1-b059-0ff9293908e2"},
                "scope": {"id": bench.server.environment_id(), "type": "ENVIRONMENT"}}),
        ),
    ] {
        let (status, body) = bench.json(method, &tail, &body).await;
        assert!((200..300).contains(&status), "{tail} {body}");
        lacking(&body, &tail, &mut out);
    }
    assert_eq!(out, [""; 0]);
    let refused = bench.get("/users/x").await.1;
    assert!(refused.get("futureMember").is_none(), "a refusal is not an object");
}
