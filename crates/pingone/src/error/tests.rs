#![expect(clippy::too_many_lines, reason = "the table of the contract stays in one piece")]

use super::*;

fn api(status: u16, code: &str, detail: Option<&str>) -> PingOneError {
    PingOneError {
        operation: Operation::ListUsers,
        object: "5f0c6a52-6a1e-4f0b-9a43-2f9a1c0d7e11".to_owned(),
        request_id: Some("9d2c".to_owned()),
        reason: Reason::Api {
            status,
            code: code.to_owned(),
            detail: detail.map(str::to_owned),
            target: None,
            message: "The request could not be completed.".to_owned(),
            more: Box::default(),
        },
        retry_after: None,
        told_limit: None,
        page: None,
        advice: None,
    }
}

fn foreign(status: u16) -> PingOneError {
    let reason = Reason::Foreign {
        status,
        media_type: "text/html".to_owned(),
        length: 12,
    };
    PingOneError {
        reason,
        ..api(status, "", None)
    }
}

#[test]
fn every_row_of_the_table_has_its_class_and_says_whether_to_retry() {
    let throttled = ErrorClass::Throttled { retry_after: None };
    let transient = ErrorClass::Transient { retry_after: None };
    let no_connection = |cause| PingOneError {
        reason: Reason::NoConnection {
            peer: "api.pingone.eu:443".to_owned(),
            cause,
        },
        ..foreign(0)
    };
    let cases = [
        (
            api(400, "INVALID_DATA", Some("INVALID_VALUE")),
            ErrorClass::Rejected,
            false,
        ),
        (
            api(400, "INVALID_DATA", Some("REQUIRED_VALUE")),
            ErrorClass::Rejected,
            false,
        ),
        (
            api(400, "INVALID_DATA", Some("UNIQUENESS_VIOLATION")),
            ErrorClass::AlreadyExists,
            false,
        ),
        (
            api(409, "INVALID_DATA", Some("UNIQUENESS_VIOLATION")),
            ErrorClass::AlreadyExists,
            false,
        ),
        (api(400, "INVALID_REQUEST", None), ErrorClass::Rejected, false),
        (
            api(401, "ACCESS_FAILED", Some("INVALID_TOKEN")),
            ErrorClass::Auth,
            false,
        ),
        (api(401, "INVALID_TOKEN", None), ErrorClass::Auth, false),
        (
            api(403, "ACCESS_FAILED", Some("INVALID_TOKEN")),
            ErrorClass::Auth,
            false,
        ),
        (api(401, "ACCESS_FAILED", None), ErrorClass::Forbidden, false),
        (
            api(401, "ACCESS_FAILED", Some("INSUFFICIENT_PERMISSIONS")),
            ErrorClass::Forbidden,
            false,
        ),
        (
            api(403, "ACCESS_FAILED", Some("INSUFFICIENT_PERMISSIONS")),
            ErrorClass::Forbidden,
            false,
        ),
        (api(403, "ACCESS_FAILED", None), ErrorClass::Forbidden, false),
        (
            api(403, "ACCESS_FAILED", Some("LICENSE_EXCEEDED")),
            ErrorClass::Forbidden,
            false,
        ),
        (api(404, "NOT_FOUND", None), ErrorClass::NotFound, false),
        (api(400, "NOT_FOUND", None), ErrorClass::NotFound, false),
        (api(408, "REQUEST_TIMEOUT", None), transient, true),
        (api(409, "CONFLICT", None), ErrorClass::AlreadyExists, false),
        (api(415, "INVALID_REQUEST", None), ErrorClass::Rejected, false),
        (api(429, "REQUEST_LIMITED", Some("LIMIT_EXCEEDED")), throttled, true),
        (api(501, "UNEXPECTED_ERROR", None), ErrorClass::Unsupported, false),
        (api(500, "UNEXPECTED_ERROR", None), transient, true),
        (api(400, "UNEXPECTED_ERROR", None), transient, true),
        (api(503, "SERVICE_UNAVAILABLE", None), transient, true),
        (foreign(500), transient, true),
        (foreign(501), ErrorClass::Unsupported, false),
        (foreign(502), transient, true),
        (foreign(403), ErrorClass::Forbidden, false),
        (foreign(418), ErrorClass::Rejected, false),
        (foreign(200), ErrorClass::Corrupt, false),
        (
            PingOneError {
                reason: Reason::Network { what: "reset" },
                ..foreign(0)
            },
            transient,
            true,
        ),
        (no_connection(NoConnection::Certificate), ErrorClass::Local, false),
        (no_connection(NoConnection::Name), ErrorClass::Local, false),
        (no_connection(NoConnection::Refused), transient, true),
        (no_connection(NoConnection::Dns), transient, true),
        (
            PingOneError {
                reason: Reason::Corrupt { what: "x".to_owned() },
                ..foreign(0)
            },
            ErrorClass::Corrupt,
            false,
        ),
        (
            PingOneError {
                reason: Reason::EnvironmentMissing,
                ..foreign(0)
            },
            ErrorClass::Forbidden,
            false,
        ),
        (
            PingOneError {
                reason: Reason::Token {
                    status: 401,
                    error: "invalid_client".to_owned(),
                },
                ..foreign(0)
            },
            ErrorClass::Auth,
            false,
        ),
    ];
    for (error, class, retried) in cases {
        assert_eq!(error.class(), class, "{:?}", error.reason);
        assert_eq!(error.class().is_retryable(), retried, "{:?}", error.reason);
    }
}

#[test]
fn a_text_is_one_line_of_at_most_a_kilobyte_with_request_id_and_remedy() {
    let mut error = api(403, "ACCESS_FAILED", None);
    assert_eq!(
        error.to_string(),
        "list the users of environment 5f0c6a52-6a1e-4f0b-9a43-2f9a1c0d7e11: The request could not be completed \
         (403 ACCESS_FAILED, request 9d2c). Give the application Identity Data Read Only or Identity Data Admin for \
         this environment; it must be of type Worker."
    );
    if let Reason::Api { message, .. } = &mut error.reason {
        *message = "line\nbreak ".repeat(300);
    }
    let text = error.to_string();
    assert!(
        text.len() <= 1024 && !text.contains('\n') && text.ends_with("of type Worker."),
        "{text}"
    );
}

#[test]
fn a_gateway_answer_blames_the_path_before_the_role() {
    assert!(
        foreign(403)
            .to_string()
            .contains("check pingone-base-url and pingone-region; otherwise")
    );
}

#[test]
fn a_refused_filter_and_a_rejected_cursor_are_told_apart() {
    assert!(api(400, "INVALID_REQUEST", Some("INVALID_FILTER")).is_filter_refused());
    assert!(api(400, "REQUEST_FAILED", None).is_filter_refused());
    assert!(!api(400, "INVALID_REQUEST", Some("INVALID_PARAMETER")).is_filter_refused());
    assert!(api(400, "INVALID_REQUEST", Some("INVALID_PARAMETER")).is_cursor_rejected());
    assert!(!api(404, "NOT_FOUND", None).is_cursor_rejected());
    // On a later page it is the cursor that is refused.
    for (page, refused) in [(1, true), (2, false)] {
        let error = PingOneError {
            page: Some(page),
            ..api(400, "INVALID_REQUEST", None)
        };
        assert_eq!(error.is_filter_refused(), refused);
    }
}

#[test]
fn a_failed_connection_names_host_and_cause_and_a_remedy_that_fits() {
    let cases = [
        (NoConnection::Dns, "name could not be resolved", "pingone-region"),
        (NoConnection::Name, "the host name is not valid", "pingone-base-url"),
        (NoConnection::Refused, "connection refused", "firewall"),
        (NoConnection::Reset, "reset", "firewall"),
        (NoConnection::TimedOut, "in time", "firewall"),
        (NoConnection::Proxy, "the proxy on the way", "HTTPS_PROXY"),
        (NoConnection::Certificate, "not trusted", "SSL_CERT_FILE"),
    ];
    for (cause, said, remedy) in cases {
        let reason = Reason::NoConnection {
            peer: "api.pingone.eu:443".to_owned(),
            cause,
        };
        let text = PingOneError::new(Operation::ListUsers, "x", reason).to_string();
        assert!(
            text.contains("no connection to api.pingone.eu:443: ") && text.contains(said) && text.contains(remedy),
            "{text}"
        );
    }
}

#[test]
fn advice_of_the_caller_takes_the_place_of_the_remedy_and_a_page_is_named() {
    let error = PingOneError {
        page: Some(3),
        ..api(400, "INVALID_DATA", None)
    };
    let text = error.clone().advising("Check user-filter.").to_string();
    assert!(
        text.contains(", page 3: ") && text.ends_with("Check user-filter."),
        "{text}"
    );
    assert!(!error.to_string().contains("user-filter"));
}

/// A gateway's 502 with PingOne's body, or a redirect with one, says nothing of what PingOne did.
#[test]
fn a_code_that_refuses_counts_only_under_a_status_that_refuses() {
    let transient = ErrorClass::Transient { retry_after: None };
    for (status, class) in [(302, ErrorClass::Corrupt), (502, transient), (504, transient)] {
        for (code, detail) in [
            ("NOT_FOUND", None),
            ("ACCESS_FAILED", None),
            ("ACCESS_FAILED", Some("INSUFFICIENT_PERMISSIONS")),
            ("INVALID_DATA", Some("UNIQUENESS_VIOLATION")),
            ("REQUEST_LIMITED", None),
        ] {
            let error = api(status, code, detail);
            let case = format!("{status} {code} {detail:?}");
            assert_eq!(error.class(), class, "{case}");
            assert!(!error.is_gone() && !error.is_right_missing(), "{case}");
            let write = PingOneError {
                operation: Operation::SetEnabled,
                ..error
            };
            assert!(write.outcome_unknown(), "{case}");
        }
    }
    let mut read_only = api(502, "ACCESS_FAILED", None);
    if let Reason::Api { message, .. } = &mut read_only.reason {
        "Role assignment x cannot be deleted as it is read only".clone_into(message);
    }
    assert!(!read_only.is_read_only_assignment());
}

#[test]
fn a_time_that_is_over_is_no_limit() {
    let error = PingOneError {
        reason: Reason::no_turn(Duration::ZERO),
        ..foreign(0)
    };
    let text = error.to_string();
    assert!(text.contains("no time is left") && !text.contains("429"), "{text}");
}
