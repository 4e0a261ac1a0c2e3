//! Writes: each operation with every answer that could come back, before and after its effect, and with reads that lag.

use std::collections::BTreeSet;
use std::collections::btree_map::{BTreeMap, Entry};

use baton::task::{AccountResult, ActionState, ActionStatus, Code, TaskError};
use baton_ping_one::provision::ProvisionOptions;
use sandbox::pingone::{
    DirectoryBuilder, Fault, FaultAction, FaultBody, Holder, Lost, ScopeOf, Server, Snapshot, Spec,
};
use serde_json::json;
use uuid::Uuid;

use super::answers::answers as answers_of;
use super::reads::{Ended, Findings};
use super::table::{Row, TABLE, turn};
use crate::provision::rig::{READ_ONLY, Setup, entitlement, resource, role_entitlement};
use crate::{provision, provision_accounts as accounts, provision_actions as actions};

/// What PingOne, or something in its place, may answer to a write.
pub fn answers() -> Vec<FaultAction> {
    let refuse = |status, code: &str, detail: Option<&str>| FaultAction::Refuse {
        status,
        code: code.to_owned(),
        detail: detail.map(str::to_owned),
        target: None,
        message: "no".to_owned(),
    };
    let twice = |action: FaultAction| [action.clone().before_effect(), action.after_effect()];
    let either_way = [
        FaultAction::foreign(200, FaultBody::Html),
        FaultAction::foreign(200, FaultBody::GatewayOk),
        FaultAction::foreign(200, FaultBody::Empty),
        FaultAction::foreign(201, FaultBody::GatewayOk),
        FaultAction::Answer {
            status: 201,
            content_type: "application/hal+json".to_owned(),
            body: "{}".to_owned(),
        },
        FaultAction::foreign(202, FaultBody::Empty),
        FaultAction::foreign(302, FaultBody::Html),
        FaultAction::foreign(403, FaultBody::Html),
        FaultAction::foreign(404, FaultBody::Html),
        FaultAction::foreign(502, FaultBody::Html),
        FaultAction::status(500),
        FaultAction::Html,
        FaultAction::ContentType("text/html".to_owned()),
        FaultAction::Body("{}".to_owned()),
        FaultAction::Body("[]".to_owned()),
        FaultAction::OtherObject,
        FaultAction::OtherEnvironment,
        FaultAction::Truncated(50),
        FaultAction::ResetMidBody(50),
        FaultAction::AnswerLost(Lost::Reset),
        FaultAction::AnswerLost(Lost::Hang),
        FaultAction::AnswerLost(Lost::Status(502)),
    ];
    let mut all: Vec<FaultAction> = either_way.into_iter().flat_map(twice).collect();
    // PingOne's own word that it did nothing, and what cannot be told from its word that it did.
    all.extend([
        FaultAction::status(404),
        FaultAction::too_many(Some(1)),
        FaultAction::ExpiredToken,
        FaultAction::Gateway,
        refuse(401, "ACCESS_FAILED", None),
        refuse(403, "ACCESS_FAILED", Some("INSUFFICIENT_PERMISSIONS")),
        FaultAction::Reset,
        FaultAction::Hang,
        FaultAction::Slow(70_000),
        FaultAction::AsIs,
        FaultAction::Bare.after_effect(),
        FaultAction::NullList.after_effect(),
        FaultAction::foreign(204, FaultBody::Empty).after_effect(),
    ]);
    all
}

/// A 204 has no body that could be bent: whether it is PingOne's cannot be seen.
fn tells(method: &str, answer: &FaultAction) -> bool {
    let FaultAction::BeforeEffect(inner) = answer else {
        return true;
    };
    let bends = matches!(
        **inner,
        FaultAction::Html
            | FaultAction::ContentType(_)
            | FaultAction::Body(_)
            | FaultAction::OtherEnvironment
            | FaultAction::Truncated(_)
            | FaultAction::ResetMidBody(_)
    );
    method != "DELETE" || !bends
}

/// What is done, each with the write that it consists of.
macro_rules! operations {
    ($($name:ident: $method:literal $path:literal,)* ; $($odd:ident,)*) => {
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        enum Operation {
            $($name,)*
            $($odd,)*
        }

        use Operation::{$($name,)* $($odd,)*};

        impl Operation {
            const ALL: &[Self] = &[$($name),*];
            /// What PingOne may refuse, or has happened before: only knobs are tried on these.
            const ODD: &[Self] = &[$($odd),*];

            fn write(self) -> (&'static str, &'static str) {
                match self {
                    $($name => ($method, $path),)*
                    _ => ("", ""),
                }
            }
        }
    };
}

operations! {
    Join: "POST" "*/memberOfGroups",
    Leave: "DELETE" "*/memberOfGroups/*",
    Assign: "POST" "*/roleAssignments",
    Unassign: "DELETE" "*/roleAssignments/*",
    AssignOver: "POST" "*/roleAssignments",
    UnassignOver: "DELETE" "*/roleAssignments/*",
    AssignGroup: "POST" "*/groups/*/roleAssignments",
    UnassignGroup: "DELETE" "*/groups/*/roleAssignments/*",
    Settle: "PUT" "*/population",
    Unsettle: "PUT" "*/population",
    CreateAccount: "POST" "/environments/{id}/users",
    DeleteAccount: "DELETE" "/environments/{id}/users/{id}",
    Rotate: "PUT" "*/password",
    Disable: "PUT" "*/enabled",
    Enable: "PUT" "*/enabled",
    Update: "PATCH" "/environments/{id}/users/{id}",
    Lock: "POST" "/environments/{id}/users/{id}",
    Unlock: "POST" "/environments/{id}/users/{id}",
    Move: "PUT" "*/population",
    ResetPassword: "POST" "*/password",
    ResetMfa: "DELETE" "*/devices/*",
    SignOut: "DELETE" "*/sessions/*",
    CreateGroup: "POST" "/environments/{id}/groups",
    ChangeGroup: "PUT" "/environments/{id}/groups/{id}",
    DeleteGroup: "DELETE" "/environments/{id}/groups/{id}",
    ;
    JoinAgain,
    JoinFiltered,
    LeaveOutside,
    LeaveIndirect,
    AssignAgain,
    AssignBeyond,
    CreateTaken,
    CreateSameEmail,
    CreateBare,
    CreateNowhere,
    LockDisabled,
    LockEnabled,
    SignOutDisabled,
    DeleteNamed,
}

/// What was said, and what is so.
struct Outcome {
    said: Result<bool, TaskError>,
    audited: Vec<String>,
    before: Snapshot,
    after: Snapshot,
    /// Whether the wish is so now
    is_so: bool,
    /// How many calls may be called done: as many objects as are gone, or any number if the wish is so.
    effects: usize,
    /// How often each fault hit a request.
    hits: Vec<u64>,
    /// What PingOne answered.
    answers: BTreeSet<String>,
}

impl Outcome {
    fn judge(self) -> Ended {
        let changed = self.before != self.after;
        let definite = |code: Code| {
            matches!(
                code,
                Code::InvalidArgument
                    | Code::NotFound
                    | Code::AlreadyExists
                    | Code::PermissionDenied
                    | Code::FailedPrecondition
                    | Code::Unimplemented
            )
        };
        let is_sure = |line: &&String| *line == "done" || *line == "confirmed_by_read";
        let sure = self.audited.iter().filter(is_sure).count();
        match &self.said {
            Ok(true) if !self.is_so => Ended::Wrong("it is said to be done and is not".to_owned()),
            Err(error) if definite(error.code) && changed => {
                Ended::Wrong(format!("it is said to be refused and was done: {error}"))
            }
            _ if sure > self.effects => Ended::Wrong(format!("the audit says {:?}, and it is not so", self.audited)),
            _ if changed && self.audited.is_empty() => Ended::Wrong("it was done without an audit line".to_owned()),
            Ok(_) => Ended::Equal,
            Err(error) => Ended::Failed(error.to_string()),
        }
    }
}

async fn perform(operation: Operation, faults: Vec<Fault>, flags: &str) -> Outcome {
    match operation {
        CreateAccount | DeleteAccount | Rotate | CreateTaken | CreateSameEmail | CreateBare | CreateNowhere => {
            perform_on_account(operation, faults, flags).await
        }
        Join | Leave | Assign | Unassign | AssignOver | UnassignOver | AssignGroup | UnassignGroup | Settle
        | Unsettle | JoinAgain | JoinFiltered | LeaveOutside | LeaveIndirect | AssignAgain | AssignBeyond => {
            perform_grant(operation, faults, flags).await
        }
        _ => perform_action(operation, faults, flags).await,
    }
}

/// From here on faults hit and answers are kept; how it is now.
fn begin(server: &Server, faults: Vec<Fault>) -> Snapshot {
    server.set_faults(faults);
    server.record();
    server.snapshot()
}

/// Reads that do not show what happened a moment ago, as many as decide whether a write is needed.
fn blind() -> Vec<Fault> {
    vec![Fault::on("GET", "*", FaultAction::Stale(30_000)).times(4)]
}

#[expect(clippy::too_many_lines, reason = "a table of cases")]
async fn perform_grant(operation: Operation, faults: Vec<Fault>, flags: &str) -> Outcome {
    let staff = || ScopeOf::Population("staff".into());
    let directory = provision::rig::builder()
        .population("home", json!({"default": true}))
        .assignment(Holder::User("ada".into()), READ_ONLY, staff())
        .assignment(Holder::Group("top".into()), READ_ONLY, ScopeOf::Environment);
    let mut setup = Setup::default();
    turn(&mut setup.sandbox, flags);
    setup.sandbox.custom = Some(directory.build());
    setup.options.population_provisioning = true;
    let rig = provision::rig::Rig::with(setup).await;
    let mut before = begin(&rig.server, faults);
    let read_only = |slug: &str| role_entitlement(rig.role(READ_ONLY), slug);
    let over_staff = format!("assigned-population-{}", rig.id("staff"));
    let guests = || entitlement("population", rig.id("guests"), "member");
    let said = match operation {
        Join => rig.join("team", "ann").await.map(|_| true),
        JoinAgain => {
            rig.server
                .set_faults(vec![Fault::on("GET", "nowhere", FaultAction::Stale(30_000))]);
            drop(rig.join("team", "ann").await);
            before = rig.server.snapshot();
            rig.server.set_faults(blind());
            rig.join("team", "ann").await.map(|_| true)
        }
        AssignAgain => {
            rig.server
                .set_faults(vec![Fault::on("GET", "nowhere", FaultAction::Stale(30_000))]);
            drop(rig.assign(READ_ONLY, "ann").await);
            before = rig.server.snapshot();
            rig.server.set_faults(blind());
            rig.assign(READ_ONLY, "ann").await.map(|_| true)
        }
        AssignBeyond => {
            let slug = format!("assigned-organization-{}", rig.server.organization_id());
            let beyond = role_entitlement(rig.role("Organization Admin"), &slug);
            let said = rig.grant(beyond, resource("user", rig.id("ann")));
            said.await.map(|_| true)
        }
        JoinFiltered => rig.join("filtered", "ann").await.map(|_| true),
        LeaveOutside => rig.leave("outside", "eve").await.map(|_| true),
        LeaveIndirect => rig.leave("top", "ivy").await.map(|_| true),
        Leave => rig.leave("team", "bob").await.map(|_| true),
        Assign => rig.assign(READ_ONLY, "ann").await.map(|_| true),
        Unassign => rig.unassign(READ_ONLY, "bob").await.map(|_| true),
        AssignOver => {
            let said = rig.grant(read_only(&over_staff), resource("user", rig.id("ann")));
            said.await.map(|_| true)
        }
        UnassignOver => {
            let said = rig.revoke(read_only(&over_staff), resource("user", rig.id("ada")));
            said.await.map(|_| true)
        }
        AssignGroup => {
            let said = rig.grant(read_only("assigned"), resource("group", rig.id("team")));
            said.await.map(|_| true)
        }
        UnassignGroup => {
            let said = rig.revoke(read_only("assigned"), resource("group", rig.id("top")));
            said.await.map(|_| true)
        }
        Settle => {
            let said = rig.grant(guests(), resource("user", rig.id("ann")));
            said.await.map(|_| true)
        }
        _ => {
            let said = rig.revoke(guests(), resource("user", rig.id("gus")));
            said.await.map(|_| true)
        }
    };
    let after = rig.server.snapshot();
    let environment = rig.server.environment_id();
    let is_so = match operation {
        Join | JoinAgain => rig.is_direct("team", "ann"),
        JoinFiltered => rig.is_direct("filtered", "ann"),
        LeaveOutside => !after.memberships.contains_key(&(rig.id("eve"), rig.id("outside"))),
        LeaveIndirect => !after.memberships.contains_key(&(rig.id("ivy"), rig.id("top"))),
        AssignAgain => rig.held("ann", READ_ONLY, environment) > 0,
        AssignBeyond => rig.held("ann", "Organization Admin", rig.server.organization_id()) == 1,
        Leave => !rig.is_direct("team", "bob"),
        Assign => rig.held("ann", READ_ONLY, environment) == 1,
        Unassign => rig.held("bob", READ_ONLY, environment) == 0,
        AssignOver => rig.held("ann", READ_ONLY, rig.id("staff")) == 1,
        UnassignOver => rig.held("ada", READ_ONLY, rig.id("staff")) == 0,
        AssignGroup => rig.held("team", READ_ONLY, environment) == 1,
        UnassignGroup => rig.held("top", READ_ONLY, environment) == 0,
        Settle => after.users[&rig.id("ann")].population == Some(rig.id("guests")),
        _ => after.users[&rig.id("gus")].population == Some(rig.id("home")),
    };
    Outcome {
        said,
        audited: rig
            .outcomes()
            .iter()
            .map(|(_, outcome)| outcome.as_str().to_owned())
            .collect(),
        before,
        after,
        is_so,
        effects: if is_so { usize::MAX } else { 0 },
        hits: rig.server.fault_hits(),
        answers: answers_of(&rig.server),
    }
}

#[expect(clippy::too_many_lines, reason = "a table of cases")]
async fn perform_on_account(operation: Operation, faults: Vec<Fault>, flags: &str) -> Outcome {
    let rig = accounts::rig::Rig::bent(|options| turn(options, flags)).await;
    let before = begin(&rig.server, faults);
    let mut password = None;
    let said = match operation {
        CreateAccount | CreateTaken | CreateSameEmail | CreateBare | CreateNowhere => {
            let staff = rig.id("staff");
            let profile = match operation {
                CreateTaken => {
                    let unseen = Fault::on("GET", "*/users", FaultAction::FilterMatchesNobody);
                    rig.server.set_faults(vec![unseen.query("filter")]);
                    json!({"username": "mara", "email": "new.one@example.com", "populationId": staff})
                }
                CreateSameEmail => json!({"username": "new.one", "email": "mara@example.com", "populationId": staff}),
                CreateBare => json!({"username": "new.one"}),
                CreateNowhere => json!({"username": "new.one", "email": "new.one@example.com",
                    "populationId": Uuid::from_u128(7)}),
                _ => json!({"username": "new.one", "email": "new.one@example.com", "populationId": staff}),
            };
            let created = rig.create(profile).await;
            created.map(|created| {
                matches!(
                    created.result,
                    AccountResult::Success { .. } | AccountResult::AlreadyExists { .. }
                )
            })
        }
        DeleteAccount => rig.delete("user", &rig.id("gus").to_string()).await.map(|_| true),
        _ => {
            let rotated = rig
                .rotate(
                    &rig.id("mara").to_string(),
                    accounts::rig::random(),
                    accounts::rig::to_us(),
                )
                .await;
            rotated.map(|rotated| {
                password = rotated.secrets.first().map(accounts::rig::open);
                true
            })
        }
    };
    let after = rig.server.snapshot();
    let is_so = match operation {
        CreateTaken => after.user_named("mara").is_some(),
        CreateAccount | CreateSameEmail | CreateBare | CreateNowhere => after.user_named("new.one").is_some(),
        DeleteAccount => !after.users.contains_key(&rig.id("gus")),
        _ => {
            let now = &after.users[&rig.id("mara")].password;
            now.is_some() && (said.is_err() || *now == password)
        }
    };
    Outcome {
        said,
        audited: rig.audited().iter().map(|line| ending(line)).collect(),
        before,
        after,
        is_so,
        effects: if is_so { usize::MAX } else { 0 },
        hits: rig.server.fault_hits(),
        answers: answers_of(&rig.server),
    }
}

/// The outcome at the end of an audit line, without its brackets.
fn ending(line: &str) -> String {
    line.rsplit('(').next().unwrap().trim_end_matches(')').to_owned()
}

#[expect(clippy::too_many_lines, reason = "a table of cases")]
async fn perform_action(operation: Operation, faults: Vec<Fault>, flags: &str) -> Outcome {
    // Applications that are limited to one of the groups or another.
    let limited = u32::from(operation == DeleteNamed) * 20;
    let estate = DirectoryBuilder::on(Spec {
        populations: 0,
        applications: limited,
        group_conditions: limited,
        ..Spec::empty(1)
    });
    let directory = actions::rig::directory_on(estate).group("empty", json!({})).build();
    let empty = directory.id("empty").unwrap();
    let set = |options: &mut _| {
        turn(options, flags);
        options.custom = Some(directory);
    };
    let options = ProvisionOptions {
        applications: operation != DeleteNamed,
        ..ProvisionOptions::default()
    };
    let rig = actions::rig::Rig::with(set, options).await;
    let mut before = begin(&rig.server, faults);
    let group = json!({"resource_type_id": "group", "resource_id": empty});
    let outcome = match operation {
        CreateGroup => rig.call("create", Some("group"), json!({"name": "Auditors"})).await,
        ChangeGroup => {
            let args = json!({"group_id": group, "description": "Who looks"});
            rig.call("modify_group", Some("group"), args).await
        }
        DeleteGroup | DeleteNamed => {
            let args = json!({"group_id": group, "confirm_name": "empty"});
            rig.call("delete_group", Some("group"), args).await
        }
        _ => {
            match operation {
                LockEnabled => drop(rig.invoke("enable_user", "off", json!({})).await),
                SignOutDisabled => drop(rig.invoke("disable_user", "mara", json!({})).await),
                _ => {}
            }
            before = rig.snapshot();
            let (name, user, more) = action(operation, rig.id("guests"));
            rig.invoke(name, user, more).await
        }
    };
    let outcome = match outcome {
        Ok(state) if state.status == ActionStatus::Running => Ok(rig.settled(&state).await),
        outcome => outcome,
    };
    let said = outcome.and_then(|state| finished(&state));
    let after = rig.snapshot();
    let body = |id: Uuid| &after.users[&id].body;
    let is_so = match operation {
        Disable => body(rig.id("mara"))["enabled"] == false,
        Enable => body(rig.id("off"))["enabled"] == true,
        Lock => body(rig.id("mara"))["account"]["status"] == "LOCKED",
        Unlock => body(rig.id("locked"))["account"]["status"] == "OK",
        Move => body(rig.id("mara"))["population"]["id"] == rig.id("guests").to_string(),
        ResetPassword => after.users[&rig.id("mara")].password_status == "MUST_CHANGE_PASSWORD",
        ResetMfa => after.users[&rig.id("mara")].devices.is_empty(),
        LockDisabled | LockEnabled => body(rig.id("off"))["account"]["status"] == "LOCKED",
        SignOut | SignOutDisabled => after.users[&rig.id("mara")].sessions.is_empty(),
        CreateGroup => after.groups.values().any(|group| group["name"] == "Auditors"),
        ChangeGroup => after.groups[&empty]["description"] == "Who looks",
        DeleteGroup | DeleteNamed => !after.groups.contains_key(&empty),
        _ => body(rig.id("mara"))["title"] == "Auditor",
    };
    let mara = [&before, &after].map(|snapshot| &snapshot.users[&rig.id("mara")]);
    let effects = match operation {
        ResetMfa => mara[0].devices.len() - mara[1].devices.len(),
        SignOut => mara[0].sessions.len() - mara[1].sessions.len(),
        _ if is_so => usize::MAX,
        _ => 0,
    };
    Outcome {
        said,
        audited: rig.audited().into_iter().map(|[.., outcome]| outcome).collect(),
        before,
        after,
        is_so,
        effects,
        hits: rig.server.fault_hits(),
        answers: answers_of(&rig.server),
    }
}

/// The name of an action on a user, on whom, and with what.
fn action(operation: Operation, guests: Uuid) -> (&'static str, &'static str, serde_json::Value) {
    match operation {
        Disable => ("disable_user", "mara", json!({})),
        Enable => ("enable_user", "off", json!({})),
        Lock => ("lock_user", "mara", json!({})),
        LockDisabled | LockEnabled => ("lock_user", "off", json!({})),
        Unlock => ("unlock_user", "locked", json!({})),
        Move => {
            let guests = json!({"resource_type_id": "population", "resource_id": guests});
            ("set_population", "mara", json!({"population_id": guests}))
        }
        ResetPassword => ("reset_password", "mara", json!({"send_recovery": false})),
        ResetMfa => ("reset_mfa", "mara", json!({})),
        SignOut | SignOutDisabled => ("sign_out_user", "mara", json!({})),
        _ => ("update_user", "mara", json!({"user_profile": {"title": "Auditor"}})),
    }
}

/// An action that failed has no code of its own.
fn finished(state: &ActionState) -> Result<bool, TaskError> {
    match state.status {
        ActionStatus::Complete => Ok(true),
        _ => Err(TaskError::new(Code::Unknown, format!("{:?}", state.response))),
    }
}

#[tokio::test(start_paused = true)]
async fn whatever_answers_a_write_what_is_said_is_so() {
    let mut findings = Findings::default();
    for operation in Operation::ALL.iter().copied() {
        let (method, path) = operation.write();
        findings.note(
            &format!("{operation:?}"),
            perform(operation, Vec::new(), "").await.judge(),
        );
        for (number, answer) in answers().into_iter().filter(|answer| tells(method, answer)).enumerate() {
            for lag in [None, Some(30_000)] {
                let times = u64::from((number + usize::from(lag.is_some())).is_multiple_of(2));
                let mut faults = vec![Fault::on(method, path, answer.clone()).times(times)];
                faults.extend(lag.map(|ms| Fault::on("GET", "*", FaultAction::Stale(ms)).times(0)));
                let case = format!("{operation:?}: {answer:?} x{times}, reads {} behind", lag.unwrap_or(0));
                let outcome = perform(operation, faults, "").await;
                assert!(outcome.hits[0] > 0, "{case}: the write never came");
                findings.note(&case, outcome.judge());
            }
        }
    }
    assert!(findings.equal > 100, "{} said to be done", findings.equal);
    findings.judge();
}

/// What may be read in place of the state that decides a write.
fn decisions() -> Vec<FaultAction> {
    let refuse = |status| FaultAction::Refuse {
        status,
        code: "NOT_FOUND".to_owned(),
        detail: None,
        target: None,
        message: "no".to_owned(),
    };
    let gateway_404 = r#"{"code":"NOT_FOUND","message":"no route"}"#;
    vec![
        FaultAction::OtherObject,
        FaultAction::OtherEnvironment,
        FaultAction::Body("{}".to_owned()),
        FaultAction::Body(r#"{"message":"maintenance"}"#.to_owned()),
        FaultAction::Body(r#"{"status":"UP"}"#.to_owned()),
        FaultAction::foreign(200, FaultBody::GatewayOk),
        FaultAction::foreign(404, FaultBody::Html),
        FaultAction::Answer {
            status: 404,
            content_type: "application/json".to_owned(),
            body: gateway_404.to_owned(),
        },
        FaultAction::status(404),
        refuse(502),
        refuse(302),
        FaultAction::Bare,
        FaultAction::NullList,
        FaultAction::Stale(30_000),
    ]
}

/// The reads before a write, between it and its proof, or all of them; the write is made, lost without effect, or both.
#[tokio::test(start_paused = true)]
async fn whatever_is_read_in_place_of_the_state_what_is_said_is_so() {
    let mut findings = Findings::default();
    for operation in Operation::ALL.iter().copied() {
        let (method, path) = operation.write();
        for read in decisions() {
            for (first, times) in [(1, 1), (2, 1), (1, 3), (1, 0)] {
                for is_made in [true, false] {
                    let mut faults = vec![Fault::on("GET", "*", read.clone()).nth(first).times(times)];
                    if !is_made {
                        faults.push(Fault::on(method, path, FaultAction::Html.before_effect()).times(0));
                    }
                    // A 204 cannot be bent: whether it is PingOne's cannot be seen.
                    if !is_made && method == "DELETE" {
                        continue;
                    }
                    let case = format!("{operation:?}: reads {first} x{times} {read:?}, made: {is_made}");
                    let outcome = perform(operation, faults, "").await;
                    // Some do not read so often.
                    if outcome.hits[0] > 0 {
                        findings.note(&case, outcome.judge());
                    }
                }
            }
        }
    }
    assert!(findings.equal > 100, "{} said to be done", findings.equal);
    findings.judge();
}

#[tokio::test(start_paused = true)]
async fn every_knob_of_a_write_turns_something_and_leaves_what_is_said_so() {
    let mut findings = Findings::default();
    let mut plain: BTreeMap<(Operation, &str), BTreeSet<String>> = BTreeMap::new();
    for row in TABLE {
        let Row::Write(flags) = row else { continue };
        let mut turns = false;
        for operation in Operation::ALL.iter().chain(Operation::ODD).copied() {
            let outcome = perform(operation, Vec::new(), flags).await;
            let without = match plain.entry((operation, row.without())) {
                Entry::Occupied(known) => known.into_mut(),
                Entry::Vacant(new) => new.insert(perform(operation, Vec::new(), row.without()).await.answers),
            };
            turns |= outcome.answers != *without;
            findings.note(&format!("{flags}: {operation:?}"), outcome.judge());
        }
        findings.turns(row.knob(), turns);
    }
    findings.judge();
}
