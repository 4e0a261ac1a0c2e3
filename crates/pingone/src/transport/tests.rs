use reqwest::header::{HeaderName, HeaderValue};

use super::*;

#[test]
fn an_answer_without_a_code_or_an_id_or_as_another_media_type_is_not_pingones() {
    let whole = r#"{"id":"1","code":"NOT_FOUND","message":"m"}"#;
    for (media_type, body) in [
        ("application/json", r#"{"message":"Missing Authentication Token"}"#),
        ("application/json", r#"{"code":"NOT_FOUND","message":"m"}"#),
        ("application/json", r#"{"id":"","code":"NOT_FOUND"}"#),
        ("application/json", r#"{"id":"1","code":""}"#),
        ("application/json", r#"[{"id":"1","code":"NOT_FOUND"}]"#),
        ("text/html", whole),
        ("none", whole),
        ("none", "<html>"),
    ] {
        let told = Some(media_type).filter(|told| *told != "none").map(str::to_owned);
        let foreign = Reason::Foreign {
            status: 404,
            media_type: media_type.to_owned(),
            length: body.len(),
        };
        assert_eq!(
            refusal(404, told, body.as_bytes(), str::to_owned),
            (foreign, None),
            "{media_type} {body}"
        );
    }
    for media_type in ["application/json", "application/hal+json"] {
        let (reason, id) = refusal(404, Some(media_type.to_owned()), whole.as_bytes(), str::to_owned);
        assert!(matches!(reason, Reason::Api { status: 404, .. }), "{media_type}");
        assert_eq!(id.as_deref(), Some("1"));
    }
}

#[test]
fn the_first_detail_counts_and_its_inner_error_is_kept() {
    let body = br#"{"id":"1","code":"INVALID_DATA","message":"m","details":[{"code":"UNIQUENESS_VIOLATION","target":"username",
        "message":"d","innerError":{"existingId":"7c2e","quotaLimit":"35","allowedPattern":["x"]}},{"code":"OTHER"}]}"#;
    let (reason, id) = refusal(400, Some("application/hal+json".to_owned()), body, str::to_owned);
    let Reason::Api {
        detail,
        target,
        message,
        more,
        ..
    } = reason
    else {
        panic!("{reason:?}");
    };
    assert_eq!(
        (detail.as_deref(), target.as_deref()),
        (Some("UNIQUENESS_VIOLATION"), Some("username"))
    );
    assert_eq!((message.as_str(), id.as_deref()), ("m d", Some("1")));
    assert_eq!(
        (more.existing_id.as_deref(), more.quota_limit),
        (Some("7c2e"), Some(35))
    );
}

#[test]
fn rate_limit_headers_are_read_in_every_spelling() {
    let of = |pairs: &[(&'static str, &'static str)]| {
        let headers: HeaderMap = pairs
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)))
            .collect();
        rate_limit(&headers).map(|limit| (limit.limit, limit.remaining, limit.reset_after.as_secs()))
    };
    let cases: [(&[(&str, &str)], _); 5] = [
        (
            &[
                ("ratelimit-limit", "35"),
                ("ratelimit-remaining", "3"),
                ("ratelimit-reset", "7"),
            ],
            Some((35, 3, 7)),
        ),
        (
            &[("x-ratelimit-limit", "35, 35;w=1"), ("x-ratelimit-remaining", "0")],
            Some((35, 0, 0)),
        ),
        (
            &[
                ("x-rate-limit-limit", "9"),
                ("x-rate-limit-remaining", "8"),
                ("x-rate-limit-reset", "soon"),
            ],
            Some((9, 8, 0)),
        ),
        (&[("x-ratelimit-limit", "35")], None),
        (&[], None),
    ];
    for (headers, expected) in cases {
        assert_eq!(of(headers), expected, "{headers:?}");
    }
}
