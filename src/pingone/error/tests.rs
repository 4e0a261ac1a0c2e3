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
fn every_row_of_the_table_has_its_code_and_says_whether_to_retry() {
    use GrpcCode::{
        AlreadyExists, DeadlineExceeded, Internal, InvalidArgument, NotFound, PermissionDenied, ResourceExhausted,
        Unauthenticated, Unavailable, Unimplemented,
    };
    let cases = [
        (api(400, "INVALID_DATA", Some("INVALID_VALUE")), InvalidArgument, false),
        (api(400, "INVALID_DATA", Some("REQUIRED_VALUE")), InvalidArgument, false),
        (
            api(400, "INVALID_DATA", Some("UNIQUENESS_VIOLATION")),
            AlreadyExists,
            false,
        ),
        (
            api(409, "INVALID_DATA", Some("UNIQUENESS_VIOLATION")),
            AlreadyExists,
            false,
        ),
        (api(400, "INVALID_REQUEST", None), InvalidArgument, false),
        (api(401, "ACCESS_FAILED", Some("INVALID_TOKEN")), Unauthenticated, false),
        (api(401, "INVALID_TOKEN", None), Unauthenticated, false),
        (
            api(401, "ACCESS_FAILED", Some("INSUFFICIENT_PERMISSIONS")),
            PermissionDenied,
            false,
        ),
        (
            api(403, "ACCESS_FAILED", Some("INSUFFICIENT_PERMISSIONS")),
            PermissionDenied,
            false,
        ),
        (api(403, "ACCESS_FAILED", None), PermissionDenied, false),
        (
            api(403, "ACCESS_FAILED", Some("LICENSE_EXCEEDED")),
            ResourceExhausted,
            false,
        ),
        (api(404, "NOT_FOUND", None), NotFound, false),
        (api(400, "NOT_FOUND", None), NotFound, false),
        (api(408, "REQUEST_TIMEOUT", None), DeadlineExceeded, true),
        (api(409, "CONFLICT", None), AlreadyExists, false),
        (api(415, "INVALID_REQUEST", None), InvalidArgument, false),
        (api(429, "REQUEST_LIMITED", Some("LIMIT_EXCEEDED")), Unavailable, true),
        (api(501, "UNEXPECTED_ERROR", None), Unimplemented, false),
        (api(500, "UNEXPECTED_ERROR", None), Unavailable, true),
        (api(400, "UNEXPECTED_ERROR", None), Unavailable, true),
        (api(503, "SERVICE_UNAVAILABLE", None), Unavailable, true),
        (foreign(500), Unavailable, true),
        (foreign(501), Unimplemented, false),
        (foreign(502), Unavailable, true),
        (foreign(403), PermissionDenied, false),
        (foreign(418), InvalidArgument, false),
        (foreign(200), Internal, false),
        (
            PingOneError {
                reason: Reason::Network { what: "reset" },
                ..foreign(0)
            },
            Unavailable,
            true,
        ),
        (
            PingOneError {
                reason: Reason::Certificate,
                ..foreign(0)
            },
            Unavailable,
            false,
        ),
        (
            PingOneError {
                reason: Reason::Corrupt { what: "x".to_owned() },
                ..foreign(0)
            },
            Internal,
            false,
        ),
        (
            PingOneError {
                reason: Reason::EnvironmentMissing,
                ..foreign(0)
            },
            PermissionDenied,
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
            Unauthenticated,
            false,
        ),
    ];
    for (error, code, retried) in cases {
        assert_eq!(error.grpc_code(), code, "{:?}", error.reason);
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
}
