use reqwest::header::{HeaderName, HeaderValue};

use super::*;

#[test]
fn an_answer_without_a_code_is_not_pingones() {
    let gateway = br#"{"message":"Missing Authentication Token"}"#;
    assert_eq!(
        refusal(403, Some("application/json".to_owned()), gateway).0,
        Reason::Foreign {
            status: 403,
            media_type: "application/json".to_owned(),
            length: gateway.len()
        }
    );
    assert!(matches!(
        refusal(502, None, b"<html>").0,
        Reason::Foreign { status: 502, .. }
    ));
}

#[test]
fn the_first_detail_counts_and_its_inner_error_is_kept() {
    let body = br#"{"id":"1","code":"INVALID_DATA","message":"m","details":[{"code":"UNIQUENESS_VIOLATION","target":"username",
        "message":"d","innerError":{"existingId":"7c2e","quotaLimit":"35","allowedPattern":["x"]}},{"code":"OTHER"}]}"#;
    let (reason, id) = refusal(400, None, body);
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
