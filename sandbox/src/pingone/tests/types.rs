//! Members with another JSON type than theirs.

use super::*;
use serde_json::json;

const IMPORT: &str = "application/vnd.pingidentity.user.import+json";
const SET: &str = "application/vnd.pingidentity.password.set+json";

#[tokio::test(start_paused = true)]
#[expect(clippy::too_many_lines, reason = "a list of cases")]
async fn a_member_of_another_type_is_an_invalid_value() {
    let bench = Bench::new(small().build(), |_| {}).await;
    let before = bench.server.snapshot();
    let user = format!("/users/{}", id("mara"));
    let (staff, role) = (id("staff"), "0bd9c966-7664-4ac1-b059-0ff9293908e2");
    let json = "application/json";
    let strong = "correct-Horse-7-battery";
    let named = |more: Value| {
        let mut body = json!({"username": "new", "population": {"id": staff}});
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        body
    };
    let cases = [
        (
            "POST",
            "/users",
            json,
            named(json!({"population": staff})),
            "population",
        ),
        (
            "POST",
            "/users",
            json,
            named(json!({"population": {"id": 1}})),
            "population.id",
        ),
        (
            "POST",
            "/users",
            json,
            named(json!({"identityProvider": "x"})),
            "identityProvider",
        ),
        (
            "POST",
            "/users",
            json,
            named(json!({"mfaEnabled": "true"})),
            "mfaEnabled",
        ),
        (
            "POST",
            "/users",
            IMPORT,
            named(json!({"lifecycle": "ACCOUNT_OK"})),
            "lifecycle",
        ),
        (
            "POST",
            "/users",
            IMPORT,
            named(json!({"lifecycle": {"status": true}})),
            "lifecycle.status",
        ),
        ("POST", "/users", IMPORT, named(json!({"password": strong})), "password"),
        (
            "POST",
            "/users",
            IMPORT,
            named(json!({"password": {"value": strong, "forceChange": "true"}})),
            "password.forceChange",
        ),
        (
            "PUT",
            &format!("{user}/enabled"),
            json,
            json!({"enabled": 0}),
            "enabled",
        ),
        (
            "PUT",
            &format!("{user}/population"),
            json,
            json!({"id": {"id": staff}}),
            "id",
        ),
        ("PUT", &format!("{user}/identityProvider"), json, json!({"id": 7}), "id"),
        (
            "PUT",
            &format!("{user}/password"),
            SET,
            json!({"value": strong, "bypassPolicy": "true"}),
            "bypassPolicy",
        ),
        (
            "PUT",
            &format!("{user}/password"),
            SET,
            json!({"value": strong, "forceChange": 1}),
            "forceChange",
        ),
        (
            "PUT",
            &format!("{user}/password"),
            SET,
            json!({"value": 12_345_678}),
            "value",
        ),
        (
            "POST",
            &format!("{user}/memberOfGroups"),
            json,
            json!({"id": [id("top")]}),
            "id",
        ),
        (
            "POST",
            &format!("{user}/roleAssignments"),
            json,
            json!({"role": role, "scope": {"id": staff, "type": "POPULATION"}}),
            "role",
        ),
        ("POST", "/groups", json, json!({"name": 1}), "name"),
        (
            "POST",
            "/groups",
            json,
            json!({"name": "g", "population": staff}),
            "population",
        ),
        (
            "POST",
            "/groups",
            json,
            json!({"name": "g", "userFilter": {}}),
            "userFilter",
        ),
        (
            "POST",
            "/groups",
            json,
            json!({"name": "g", "description": ["x"]}),
            "description",
        ),
        (
            "POST",
            "/groups",
            json,
            json!({"name": "g", "customData": "x"}),
            "customData",
        ),
        (
            "POST",
            "/populations",
            json,
            json!({"name": "p", "description": 1}),
            "description",
        ),
        (
            "POST",
            "/populations",
            json,
            json!({"name": "p", "passwordPolicy": "x"}),
            "passwordPolicy",
        ),
        (
            "POST",
            "/populations",
            json,
            json!({"name": "p", "alternativeIdentifiers": "x"}),
            "alternativeIdentifiers",
        ),
    ];
    for (method, tail, media, body, target) in &cases {
        assert_eq!(
            error(&bench.send(method, tail, media, body).await),
            (400, "INVALID_DATA", "INVALID_VALUE", *target),
            "{method} {tail} {body}"
        );
    }
    assert_eq!(bench.server.snapshot(), before, "a refused write changes nothing");
    let nulls = named(json!({"identityProvider": null, "mfaEnabled": null, "lifecycle": null, "password": null}));
    assert_eq!(
        bench.send("POST", "/users", IMPORT, &nulls).await.0,
        201,
        "null is absent"
    );
}
