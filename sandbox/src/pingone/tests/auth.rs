//! Points 1 to 12.

use super::*;
use serde_json::json;

async fn ask(server: &Server, path: &str, basic: Option<(&str, &str)>, form: &[(&str, &str)]) -> Said {
    let request = client().post(format!("{}{path}", server.auth_url())).form(form);
    let request = if let Some((id, secret)) = basic {
        request.basic_auth(id, Some(secret))
    } else {
        request
    };
    said(request.send().await.unwrap()).await
}

const GRANT: (&str, &str) = ("grant_type", "client_credentials");

async fn fake(change: impl FnOnce(&mut Options)) -> (Server, String, String, String) {
    let mut options = Options {
        custom: Some(small().build()),
        ..Options::default()
    };
    change(&mut options);
    let server = start(options).await.unwrap();
    let (id, secret) = (server.client_id().to_string(), server.client_secret());
    let path = format!("/{}/as/token", server.environment_id());
    (server, id, secret, path)
}

#[tokio::test(start_paused = true)]
async fn point_01_tokens_come_from_their_own_listener() {
    let (server, id, secret, path) = fake(|_| {}).await;
    let (status, body) = ask(&server, &path, Some((&id, &secret)), &[GRANT]).await;
    assert_eq!(
        (status, body["token_type"].as_str(), body["expires_in"].as_u64()),
        (200, Some("Bearer"), Some(3600))
    );
    assert_eq!(body["access_token"].as_str().unwrap().split('.').count(), 3);
    assert!(body.get("scope").is_none());
    let other = client()
        .post(format!("{}{path}", server.api_url()))
        .basic_auth(&id, Some(&secret))
        .form(&[GRANT]);
    assert_eq!(
        other.send().await.unwrap().status(),
        403,
        "the API listener has no such path"
    );
    let json = client()
        .post(format!("{}{path}", server.auth_url()))
        .basic_auth(&id, Some(&secret))
        .body("{}");
    assert_eq!(said(json.send().await.unwrap()).await.1["error"], "invalid_request");
    for (form, error) in [
        (vec![], "invalid_request"),
        (vec![("grant_type", "password")], "unsupported_grant_type"),
    ] {
        let (status, body) = ask(&server, &path, Some((&id, &secret)), &form).await;
        assert_eq!((status, body["error"].as_str().unwrap()), (400, error));
    }
    let (status, body) = ask(
        &server,
        &path,
        Some((&id, &secret)),
        &[GRANT, ("scope", "p1:read:user")],
    )
    .await;
    assert_eq!((status, body["error"].as_str().unwrap()), (400, "invalid_scope"));
}

#[tokio::test(start_paused = true)]
async fn point_02_only_the_configured_method_is_taken() {
    for (method, basic_works) in [(AuthMethod::Basic, true), (AuthMethod::Post, false)] {
        let (server, id, secret, path) = fake(|options| options.auth.auth_method = method).await;
        let by_basic = ask(&server, &path, Some((&id, &secret)), &[GRANT]).await;
        let in_body = [GRANT, ("client_id", id.as_str()), ("client_secret", secret.as_str())];
        let by_body = ask(&server, &path, None, &in_body).await;
        let (good, bad) = if basic_works {
            (by_basic, by_body)
        } else {
            (by_body, by_basic)
        };
        assert_eq!((good.0, bad.0), (200, 401));
        assert_eq!(bad.1["error"], "invalid_client");
        assert!(
            bad.1["error_description"]
                .as_str()
                .unwrap()
                .contains("Unsupported authentication method")
        );
    }
    for status in [400, 401] {
        let (server, id, secret, path) = fake(|options| options.auth.both_credentials_status = status).await;
        let in_body = [GRANT, ("client_id", id.as_str()), ("client_secret", secret.as_str())];
        assert_eq!(ask(&server, &path, Some((&id, &secret)), &in_body).await.0, status);
    }
}

#[tokio::test(start_paused = true)]
async fn point_03_wrong_secret_and_disabled_application_answer_in_the_oauth_form() {
    let (server, id, secret, path) = fake(|_| {}).await;
    let wrong = ask(&server, &path, Some((&id, "nonsense")), &[GRANT]).await;
    assert_eq!(
        (wrong.0, wrong.1["error"].as_str(), wrong.1.get("code")),
        (401, Some("invalid_client"), None)
    );
    assert_eq!(ask(&server, &path, Some(("nobody", &secret)), &[GRANT]).await.0, 401);
    let nowhere = "/00000000-0000-4000-8000-000000000000/as/token";
    assert_eq!(
        error(&ask(&server, nowhere, Some((&id, &secret)), &[GRANT]).await).1,
        "NOT_FOUND"
    );
    let (server, id, secret, path) = fake(|options| options.auth.client_disabled = true).await;
    let disabled = ask(&server, &path, Some((&id, &secret)), &[GRANT]).await;
    assert_eq!(
        (disabled.0, disabled.1["error"].as_str()),
        (401, Some("invalid_client"))
    );
}

#[tokio::test(start_paused = true)]
async fn point_03_percent_escapes_in_basic_are_raw_or_decoded() {
    for (decode, expected) in [(false, 401), (true, 200)] {
        let (server, id, secret, path) = fake(|options| options.auth.basic_percent_decoding = decode).await;
        let escaped = secret.replace('~', "%7E");
        assert_eq!(ask(&server, &path, Some((&id, &escaped)), &[GRANT]).await.0, expected);
    }
}

#[tokio::test(start_paused = true)]
async fn point_04_a_token_expires() {
    let bench = Bench::new(small().build(), |options| options.auth.token_seconds = 5).await;
    assert_eq!(bench.get("/users").await.0, 200);
    pass(Duration::from_secs(6)).await;
    assert_eq!(
        error(&bench.get("/users").await),
        (401, "ACCESS_FAILED", "INVALID_TOKEN", "")
    );
    let bare = client().get(bench.env("/users")).send().await.unwrap();
    assert_eq!(bare.status(), 401);
    bench.server.expire_tokens();
    assert_eq!(bench.get("/groups").await.0, 401);
}

#[tokio::test(start_paused = true)]
async fn point_05_a_foreign_worker_works_if_its_roles_cover_the_environment() {
    for (role, expected) in [(None, 403), (Some("Identity Data Read Only@ENVIRONMENT"), 200)] {
        let mut bench = Bench::new(small().build(), |options| {
            options.access.foreign_worker_role = role.into_iter().map(str::to_owned).collect();
        })
        .await;
        let (id, secret) = bench.server.foreign_client();
        let path = format!("/{}/as/token", bench.server.other_environment_id());
        let answer = ask(&bench.server, &path, Some((&id.to_string(), &secret)), &[GRANT]).await;
        bench.token = answer.1["access_token"].as_str().unwrap().to_owned();
        assert_eq!(bench.get("/users").await.0, expected);
    }
}

#[tokio::test(start_paused = true)]
async fn point_06_a_custom_domain_needs_no_environment_in_the_path() {
    for (domain, expected) in [(Some("127.0.0.1"), 200), (None, 404), (Some("login.example.com"), 404)] {
        let (server, id, secret, _) = fake(|options| options.auth.custom_domain = domain.map(str::to_owned)).await;
        assert_eq!(
            ask(&server, "/as/token", Some((&id, &secret)), &[GRANT]).await.0,
            expected,
            "{domain:?}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn point_07_every_call_is_decided_by_the_roles() {
    let bench = Bench::new(small().build(), |options| options.access.no_worker_role = true).await;
    for tail in [
        "",
        "/users",
        "/groups",
        "/populations",
        "/roles",
        "/applications",
        "/capabilities",
    ] {
        assert_eq!(
            error(&bench.get(tail).await),
            (403, "ACCESS_FAILED", "INSUFFICIENT_PERMISSIONS", ""),
            "{tail}"
        );
    }
    let roles = format!("{}/v1/roles", bench.server.api_url());
    assert_eq!(bench.url(&roles).await.0, 403);
    bench.server.grant_worker_role("Identity Data Admin").unwrap();
    assert_eq!(bench.get("/users").await.0, 200);
    bench.server.revoke_worker_roles();
    assert_eq!(bench.get("/users").await.0, 403);
}

#[tokio::test(start_paused = true)]
async fn point_07_refusals_come_with_401_or_403_with_or_without_detail() {
    let bench = Bench::new(small().build(), |options| {
        options.access.no_worker_role = true;
        options.access.denied_status = 401;
        options.access.denied_without_detail = true;
    })
    .await;
    assert_eq!(error(&bench.get("/users").await), (401, "ACCESS_FAILED", "", ""));
}

#[tokio::test(start_paused = true)]
async fn point_07_who_reads_roles_group_assignments_and_capabilities_is_a_knob() {
    let roles = |bench: &Bench| format!("{}/v1/roles", bench.server.api_url());
    for (readers, expected) in [
        (Readers::Any, 200),
        (Readers::OrganizationAdmin, 403),
        (Readers::Nobody, 403),
    ] {
        let bench = Bench::new(small().build(), |options| {
            options.access.platform_role_readers = readers;
        })
        .await;
        assert_eq!(bench.url(&roles(&bench)).await.0, expected);
    }
    for (hidden, expected) in [(false, 200), (true, 403)] {
        let bench = Bench::new(small().build(), |options| {
            options.access.worker_role = vec!["Identity Data Read Only".to_owned()];
            options.access.group_assignments_hidden = hidden;
            options.access.capabilities_hidden = hidden;
        })
        .await;
        let tail = format!("/groups/{}/roleAssignments", id("low"));
        assert_eq!(bench.get(&tail).await.0, expected);
        assert_eq!(bench.get("/capabilities").await.0, expected);
    }
    for (hidden, expected) in [(false, 200), (true, 403)] {
        let bench = Bench::new(small().build(), |options| options.access.organization_hidden = hidden).await;
        let url = format!(
            "{}/v1/organizations/{}",
            bench.server.api_url(),
            bench.server.organization_id()
        );
        assert_eq!(bench.url(&url).await.0, expected);
        assert_eq!(bench.url(&format!("{url}/licenses")).await.0, expected);
    }
}

#[tokio::test(start_paused = true)]
async fn point_07_a_service_that_is_not_licensed_says_so() {
    let bench = Bench::new(small().build(), |options| {
        options.access.mfa_off = true;
        options.access.audit_off = true;
    })
    .await;
    for tail in [format!("/users/{}/devices", id("mara")), "/activities".to_owned()] {
        let (status, body) = bench.get(&tail).await;
        assert_eq!(status, 403);
        assert!(
            body["message"]
                .as_str()
                .unwrap()
                .ends_with("not licensed to make this request.")
        );
    }
}

#[tokio::test(start_paused = true)]
async fn point_08_read_only_reads_and_does_not_write() {
    let bench = Bench::new(small().build(), |options| {
        options.access.worker_role = vec!["Identity Data Read Only".to_owned()];
    })
    .await;
    assert_eq!(bench.get("/users").await.0, 200);
    let body = json!({"username": "new", "population": {"id": id("staff")}});
    assert_eq!(bench.json("POST", "/users", &body).await.0, 403);
    let group = format!("/users/{}/memberOfGroups", id("mara"));
    assert_eq!(bench.json("POST", &group, &json!({"id": id("mid")})).await.0, 403);
}

#[tokio::test(start_paused = true)]
async fn point_09_a_population_scoped_worker_sees_its_population_only() {
    for (all_groups, groups) in [(false, 1), (true, 9)] {
        let bench = Bench::new(small().build(), |options| {
            options.access.worker_role = vec!["Identity Data Admin@POPULATION:1".to_owned()];
            options.access.scoped_worker_sees_all_groups = all_groups;
        })
        .await;
        assert_eq!(bench.users("enabled eq true").await, ["lena"]);
        assert_eq!(names(&bench.get("/users").await.1, "users", "username"), ["lena"]);
        assert_eq!(bench.get(&format!("/users/{}", id("mara"))).await.0, 404);
        assert_eq!(
            names(&bench.get("/populations").await.1, "populations", "name"),
            ["guests"]
        );
        assert_eq!(bench.get("/groups").await.1["count"], groups);
    }
}

#[tokio::test(start_paused = true)]
async fn point_09_a_user_name_conflict_with_a_hidden_user_is_seen() {
    let bench = Bench::new(small().build(), |options| {
        options.access.worker_role = vec!["Identity Data Admin@POPULATION:1".to_owned()];
    })
    .await;
    let body = json!({"username": "MARA", "email": "x@example.com", "population": {"id": id("guests")}});
    let said = bench.json("POST", "/users", &body).await;
    assert_eq!(error(&said), (400, "INVALID_DATA", "UNIQUENESS_VIOLATION", "username"));
}

#[tokio::test(start_paused = true)]
async fn point_10_a_new_role_takes_effect_late() {
    let bench = Bench::new(small().build(), |options| {
        options.access.no_worker_role = true;
        options.access.rights_delay_ms = 5000;
    })
    .await;
    bench.server.grant_worker_role("Identity Data Read Only").unwrap();
    assert_eq!(bench.get("/users").await.0, 403);
    pass(Duration::from_secs(6)).await;
    assert_eq!(bench.get("/users").await.0, 200);
}

#[tokio::test(start_paused = true)]
async fn point_11_an_unknown_environment_is_404_itself_and_refused_below() {
    for status in [403, 401, 400] {
        let bench = Bench::new(small().build(), |options| {
            options.access.unknown_environment_status = status;
        })
        .await;
        let url = format!(
            "{}/v1/environments/00000000-0000-4000-8000-000000000000",
            bench.server.api_url()
        );
        assert_eq!(error(&bench.url(&url).await).1, "NOT_FOUND");
        assert_eq!(bench.url(&format!("{url}/users")).await.0, status);
    }
}

#[tokio::test(start_paused = true)]
async fn point_12_an_unknown_path_is_refused_by_the_gateway() {
    for (text, start) in [
        (GatewayText::KeyValue, "Invalid key=value pair"),
        (GatewayText::MissingToken, "Missing Auth"),
    ] {
        let bench = Bench::new(small().build(), |options| options.access.gateway_text = text).await;
        let group = format!("/groups/{}/members", id("top"));
        for url in [
            bench.env("/widgets"),
            bench.env(&group),
            format!("{}/nothing", bench.server.api_url()),
        ] {
            let (status, body) = bench.url(&url).await;
            assert_eq!((status, body.get("code"), body.get("id")), (403, None, None));
            assert!(body["message"].as_str().unwrap().starts_with(start));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn paths_with_bad_identifiers_and_methods_are_told_apart() {
    let bench = Bench::new(small().build(), |_| {}).await;
    assert_eq!(
        error(&bench.get("/users/mara").await),
        (400, "INVALID_REQUEST", "INVALID_PARAMETER", "id")
    );
    assert_eq!(error(&bench.json("DELETE", "/users", &Value::Null).await).0, 405);
    assert_eq!(
        error(&bench.get("/users/00000000-0000-4000-8000-000000000000").await).1,
        "NOT_FOUND"
    );
}

#[tokio::test(start_paused = true)]
async fn point_01_scope_may_be_empty_and_the_size_of_a_token_is_a_knob() {
    let (server, id, secret, path) = fake(|options| {
        options.auth.empty_scope = true;
        options.auth.token_bytes = 2000;
    })
    .await;
    let body = ask(&server, &path, Some((&id, &secret)), &[GRANT]).await.1;
    assert_eq!(body["scope"], "");
    assert!((1990..2010).contains(&body["access_token"].as_str().unwrap().len()));
}

#[tokio::test(start_paused = true)]
async fn a_replaced_secret_goes_on_until_it_is_retired_and_its_tokens_with_it() {
    let bench = Bench::new(small().build(), |_| {}).await;
    let (id, old) = (bench.server.client_id().to_string(), bench.server.client_secret());
    let path = format!("/{}/as/token", bench.server.environment_id());
    let token = async |secret: &str| {
        let said = ask(&bench.server, &path, Some((&id, secret)), &[GRANT]).await;
        said.1["access_token"].as_str().map(str::to_owned)
    };
    let users = async |token: &str| {
        let request = bench.http.get(bench.env("/users")).bearer_auth(token);
        request.send().await.unwrap().status().as_u16()
    };
    let new = bench.server.replace_secret(true);
    assert_ne!(new, old);
    let (by_old, by_new) = (token(&old).await.unwrap(), token(&new).await.unwrap());
    for token in [&bench.token, &by_old, &by_new] {
        assert_eq!(users(token).await, 200);
    }
    assert_eq!(bench.server.requests().by_secret, [(0, 2), (1, 1)].into());
    bench.server.retire_secrets();
    assert_eq!(token(&old).await, None);
    assert_eq!(
        (users(&bench.token).await, users(&by_old).await, users(&by_new).await),
        (401, 401, 200)
    );
    bench.server.replace_secret(false);
    assert_eq!((token(&new).await, users(&by_new).await), (None, 401));
}

#[tokio::test(start_paused = true)]
async fn a_request_that_came_with_a_good_token_ends_well_however_slow_it_is() {
    let bench = Bench::new(small().build(), |_| {}).await;
    let fault = json!([{"method": "GET", "path": "*/users", "times": 0, "action": {"slow": 300}}]);
    bench.server.set_faults(serde_json::from_value(fault).unwrap());
    let slow = bench.get("/users");
    let replaced = async {
        while bench.server.requests().by_secret.is_empty() {
            tokio::task::yield_now().await;
        }
        bench.server.replace_secret(false);
    };
    let (said, ()) = tokio::join!(slow, replaced);
    assert_eq!(said.0, 200);
    assert_eq!(bench.get("/users").await.0, 401);
}

const KIND: (&str, &str) = (
    "client_assertion_type",
    "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
);

/// An assertion of this header and these claims, signed with the key.
fn signed(header: &serde_json::Value, claims: &serde_json::Value, pem: &str) -> String {
    use aws_lc_rs::signature::{RSA_PKCS1_SHA256, RsaKeyPair};
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    use rustls::pki_types::PrivatePkcs8KeyDer;
    use rustls::pki_types::pem::PemObject as _;
    let part = |value: &serde_json::Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let text = format!("{}.{}", part(header), part(claims));
    let der = PrivatePkcs8KeyDer::from_pem_slice(pem.as_bytes()).unwrap();
    let key = RsaKeyPair::from_pkcs8(der.secret_pkcs8_der()).unwrap();
    let mut signature = vec![0; key.public_modulus_len()];
    let random = aws_lc_rs::rand::SystemRandom::new();
    key.sign(&RSA_PKCS1_SHA256, &random, text.as_bytes(), &mut signature)
        .unwrap();
    format!("{text}.{}", URL_SAFE_NO_PAD.encode(signature))
}

/// By the real clock, which its times are of.
#[tokio::test]
async fn a_signed_assertion_is_taken_once_and_only_where_all_of_it_is_right() {
    let (server, id, key, path) = fake(|options| options.auth.auth_method = AuthMethod::PrivateKeyJwt).await;
    let endpoint = format!("{}{path}", server.auth_url());
    let now = jiff::Timestamp::now().as_second();
    let header = json!({"alg": "RS256", "typ": "JWT", "kid": server.key_id()});
    let good = json!({"iss": id, "sub": id, "aud": endpoint, "exp": now + 300, "iat": now, "jti": "1"});
    let ask_with = async |header: &serde_json::Value, change: serde_json::Value, key: &str| {
        let mut claims = good.clone();
        for (name, value) in change.as_object().unwrap() {
            claims[name] = value.clone();
        }
        let text = signed(header, &claims, key);
        ask(&server, &path, None, &[GRANT, KIND, ("client_assertion", &text)]).await
    };
    assert_eq!(ask_with(&header, json!({}), &key).await.0, 200);
    let issuer = endpoint.trim_end_matches("/token");
    let plain = json!({"alg": "RS256"});
    assert_eq!(ask_with(&plain, json!({"jti": "2", "aud": issuer}), &key).await.0, 200);
    let other = crate::pingone::private_key();
    let refused = [
        (&header, json!({}), &key, "used before"),
        (&header, json!({"jti": ""}), &key, "jti"),
        (&header, json!({"jti": "3", "aud": server.auth_url()}), &key, "aud"),
        (&header, json!({"jti": "3", "exp": now}), &key, "exp"),
        (&header, json!({"jti": "3", "exp": now + 3700}), &key, "exp"),
        (&header, json!({"jti": "3", "nbf": now + 60}), &key, "nbf"),
        (&header, json!({"jti": "3", "iss": "another"}), &key, "iss"),
        (
            &header,
            json!({"jti": "3", "sub": "x", "iss": "x"}),
            &key,
            "Invalid client",
        ),
        (&header, json!({"jti": "3"}), &other, "Invalid client"),
    ];
    for (header, change, key, why) in refused {
        let said = ask_with(header, change, key).await;
        let text = said.1["error_description"].as_str().unwrap();
        assert!(said.0 == 401 && text.contains(why), "{why}: {text}");
    }
    for header in [
        json!({"alg": "none"}),
        json!({"alg": "HS256"}),
        json!({"alg": "RS256", "kid": "key-9"}),
    ] {
        assert_eq!(ask_with(&header, json!({"jti": "3"}), &key).await.0, 401, "{header}");
    }
    let secret = [GRANT, ("client_id", id.as_str()), ("client_secret", "x")];
    assert_eq!(ask(&server, &path, None, &secret).await.0, 401);
    let text = signed(&header, &good, &key);
    let both = [GRANT, KIND, ("client_assertion", &text), ("client_secret", "x")];
    assert_eq!(ask(&server, &path, None, &both).await.0, 400);
    // A new key beside the old one; then the old one is gone.
    let next = server.replace_secret(true);
    for (jti, key) in [("4", &key), ("5", &next)] {
        assert_eq!(ask_with(&plain, json!({"jti": jti}), key).await.0, 200);
    }
    server.retire_secrets();
    assert_eq!(ask_with(&plain, json!({"jti": "6"}), &key).await.0, 401);
}
