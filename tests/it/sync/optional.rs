//! Reads that a sync can do without: whatever answers there, it gives the truth of the rest.

#![expect(clippy::unwrap_used, reason = "helpers of tests: a failure here is a failed test")]

use sandbox::pingone::{Directory, Fault, FaultAction, FaultBody, Holder, Options, ScopeOf, Server, start};
use serde_json::json;
use uuid::Uuid;

use super::refuse;
use crate::knobs::reads::{Ended, judge_with};
use crate::stand_in::{UNLIMITED, client};

const READ_ONLY: &str = "Identity Data Read Only";
/// The rate that the licence decides.
const AUTOMATIC: u32 = 0;
/// What no list of the environment shows.
const ELSEWHERE: Uuid = Uuid::from_u128(0x7c2e_1d94_55a0_4a34_9a1b_c0ff_ee00_1001);

/// Every answer that is no answer of PingOne's to what was asked, for as long as it is asked.
fn faults(path: &str) -> Vec<Fault> {
    let mut faults: Vec<Fault> = [
        FaultAction::status(500),
        FaultAction::status(404),
        FaultAction::foreign(403, FaultBody::Html),
        FaultAction::Html,
        FaultAction::Hang,
    ]
    .into_iter()
    .map(|action| Fault::on("GET", path, action).times(0))
    .collect();
    faults.push(refuse(path, None, 403, "ACCESS_FAILED", "INSUFFICIENT_PERMISSIONS").times(0));
    faults
}

/// One user holds a role over what is named.
async fn serve(scope: ScopeOf) -> Server {
    let directory = Directory::builder()
        .population("staff", json!({}))
        .user("ada", "staff", json!({}))
        .assignment(Holder::User("ada".to_owned()), READ_ONLY, scope);
    let options = Options {
        custom: Some(directory.build()),
        ..Options::default()
    };
    start(options).await.unwrap()
}

/// The sync gives the truth with each fault on what `path` names, and asks there.
async fn is_optional(server: &Server, path: &str, read: &str, rate_limit: u32) {
    let mut needed = Vec::new();
    for fault in faults(path) {
        server.reset_requests();
        server.set_faults(vec![fault.clone()]);
        match judge_with(client(server, rate_limit), server, None, |_| {}).await {
            Ended::Equal => {}
            Ended::Failed(what) | Ended::Wrong(what) => needed.push(format!("{:?}: {what}", fault.action)),
        }
        assert!(server.requests().of("GET", read) > 0, "{path}: it is asked for");
    }
    assert!(needed.is_empty(), "{path}\n{}", needed.join("\n"));
}

#[tokio::test(start_paused = true)]
async fn the_licences_limits_may_be_hidden_where_the_rate_is_automatic() {
    let server = serve(ScopeOf::Environment).await;
    let path = "/environments/{id}/capabilities";
    is_optional(&server, path, path, AUTOMATIC).await;
}

#[tokio::test(start_paused = true)]
async fn the_names_of_platform_roles_may_be_hidden() {
    is_optional(&serve(ScopeOf::Environment).await, "/roles", "/roles", UNLIMITED).await;
}

#[tokio::test(start_paused = true)]
async fn the_names_of_scopes_may_be_hidden() {
    let elsewhere = |kind: &str| ScopeOf::Other(kind.to_owned(), ELSEWHERE);
    for (scope, path, read) in [
        (
            ScopeOf::Organization,
            "*/organizations/*".to_owned(),
            "/organizations/{id}",
        ),
        (
            elsewhere("ENVIRONMENT"),
            format!("*/environments/{ELSEWHERE}"),
            "/environments/{id}",
        ),
        (
            elsewhere("POPULATION"),
            format!("*/populations/{ELSEWHERE}"),
            "/environments/{id}/populations/{id}",
        ),
        (
            elsewhere("APPLICATION"),
            format!("*/applications/{ELSEWHERE}"),
            "/environments/{id}/applications/{id}",
        ),
        (
            elsewhere("GROUP"),
            format!("*/groups/{ELSEWHERE}"),
            "/environments/{id}/groups/{id}",
        ),
    ] {
        is_optional(&serve(scope).await, &path, read, UNLIMITED).await;
    }
}
