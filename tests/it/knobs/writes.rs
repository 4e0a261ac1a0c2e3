//! Writes: each operation with every answer that could come back, before and after its effect, and with reads that lag.

use baton::task::{AccountResult, ActionState, ActionStatus, Code, TaskError};
use sandbox::pingone::{Fault, FaultAction, FaultBody, Lost, Options, Snapshot};
use serde_json::json;
use uuid::Uuid;

use super::reads::{Ended, Findings};
use super::table::{Row, TABLE};
use crate::provision::rig::READ_ONLY;
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

#[derive(Clone, Copy, Debug)]
enum Operation {
    Join,
    Leave,
    Assign,
    Unassign,
    CreateAccount,
    DeleteAccount,
    Rotate,
    Disable,
    Enable,
    Update,
    Lock,
    Unlock,
    Move,
    ResetPassword,
    ResetMfa,
    SignOut,
}

use Operation::{
    Assign, CreateAccount, DeleteAccount, Disable, Enable, Join, Leave, Lock, Move, ResetMfa, ResetPassword, Rotate,
    SignOut, Unassign, Unlock, Update,
};

impl Operation {
    const ALL: [Self; 16] = [
        Join,
        Leave,
        Assign,
        Unassign,
        CreateAccount,
        DeleteAccount,
        Rotate,
        Disable,
        Enable,
        Update,
        Lock,
        Unlock,
        Move,
        ResetPassword,
        ResetMfa,
        SignOut,
    ];

    /// The write that it consists of.
    fn write(self) -> (&'static str, &'static str) {
        match self {
            Join => ("POST", "*/memberOfGroups"),
            Leave => ("DELETE", "*/memberOfGroups/*"),
            Assign => ("POST", "*/roleAssignments"),
            Unassign => ("DELETE", "*/roleAssignments/*"),
            CreateAccount => ("POST", "/environments/{id}/users"),
            DeleteAccount => ("DELETE", "/environments/{id}/users/{id}"),
            Rotate => ("PUT", "*/password"),
            Disable | Enable => ("PUT", "*/enabled"),
            Update => ("PATCH", "/environments/{id}/users/{id}"),
            Lock | Unlock => ("POST", "/environments/{id}/users/{id}"),
            Move => ("PUT", "*/population"),
            ResetPassword => ("POST", "*/password"),
            ResetMfa => ("DELETE", "*/devices/*"),
            SignOut => ("DELETE", "*/sessions/*"),
        }
    }
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

async fn perform(operation: Operation, faults: Vec<Fault>, set: fn(&mut Options)) -> Outcome {
    match operation {
        Join | Leave | Assign | Unassign => perform_grant(operation, faults, set).await,
        CreateAccount | DeleteAccount | Rotate => perform_on_account(operation, faults, set).await,
        _ => perform_action(operation, faults, set).await,
    }
}

async fn perform_grant(operation: Operation, faults: Vec<Fault>, set: fn(&mut Options)) -> Outcome {
    let rig = provision::rig::Rig::bent(set).await;
    let before = rig.server.snapshot();
    rig.server.set_faults(faults);
    let said = match operation {
        Join => rig.join("team", "ann").await.map(|_| true),
        Leave => rig.leave("team", "bob").await.map(|_| true),
        Assign => rig.assign(READ_ONLY, "ann").await.map(|_| true),
        _ => rig.unassign(READ_ONLY, "bob").await.map(|_| true),
    };
    let environment = rig.server.environment_id();
    let is_so = match operation {
        Join => rig.is_direct("team", "ann"),
        Leave => !rig.is_direct("team", "bob"),
        Assign => rig.held("ann", READ_ONLY, environment) == 1,
        _ => rig.held("bob", READ_ONLY, environment) == 0,
    };
    Outcome {
        said,
        audited: rig
            .outcomes()
            .iter()
            .map(|(_, outcome)| outcome.as_str().to_owned())
            .collect(),
        before,
        after: rig.server.snapshot(),
        is_so,
        effects: if is_so { usize::MAX } else { 0 },
    }
}

async fn perform_on_account(operation: Operation, faults: Vec<Fault>, set: fn(&mut Options)) -> Outcome {
    let rig = accounts::rig::Rig::bent(set).await;
    let before = rig.server.snapshot();
    rig.server.set_faults(faults);
    let mut password = None;
    let said = match operation {
        CreateAccount => {
            let profile =
                json!({"username": "new.one", "email": "new.one@example.com", "populationId": rig.id("staff")});
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
        CreateAccount => after.user_named("new.one").is_some(),
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
    }
}

/// The outcome at the end of an audit line, without its brackets.
fn ending(line: &str) -> String {
    line.rsplit('(').next().unwrap().trim_end_matches(')').to_owned()
}

async fn perform_action(operation: Operation, faults: Vec<Fault>, set: fn(&mut Options)) -> Outcome {
    let rig = actions::rig::Rig::with(set, baton_ping_one::provision::ProvisionOptions::default()).await;
    let before = rig.snapshot();
    rig.server.set_faults(faults);
    let (name, user, more) = match operation {
        Disable => ("disable_user", "mara", json!({})),
        Enable => ("enable_user", "off", json!({})),
        Lock => ("lock_user", "mara", json!({})),
        Unlock => ("unlock_user", "locked", json!({})),
        Move => {
            let guests = json!({"resource_type_id": "population", "resource_id": rig.id("guests")});
            ("set_population", "mara", json!({"population_id": guests}))
        }
        ResetPassword => ("reset_password", "mara", json!({"send_recovery": false})),
        ResetMfa => ("reset_mfa", "mara", json!({})),
        SignOut => ("sign_out_user", "mara", json!({})),
        _ => ("update_user", "mara", json!({"user_profile": {"title": "Auditor"}})),
    };
    let mut outcome = rig.invoke(name, user, more).await;
    if let Ok(state) = &outcome
        && state.status == ActionStatus::Running
    {
        outcome = Ok(rig.settled(state).await);
    }
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
        SignOut => after.users[&rig.id("mara")].sessions.is_empty(),
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
    for operation in Operation::ALL {
        let (method, path) = operation.write();
        findings.note(
            &format!("{operation:?}"),
            perform(operation, Vec::new(), |_| {}).await.judge(),
        );
        for (number, answer) in answers().into_iter().filter(|answer| tells(method, answer)).enumerate() {
            for lag in [None, Some(30_000)] {
                let times = u64::from((number + usize::from(lag.is_some())).is_multiple_of(2));
                let mut faults = vec![Fault::on(method, path, answer.clone()).times(times)];
                faults.extend(lag.map(|ms| Fault::on("GET", "*", FaultAction::Stale(ms)).times(0)));
                let case = format!("{operation:?}: {answer:?} x{times}, reads {} behind", lag.unwrap_or(0));
                findings.note(&case, perform(operation, faults, |_| {}).await.judge());
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
    for operation in Operation::ALL {
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
                    findings.note(&case, perform(operation, faults, |_| {}).await.judge());
                }
            }
        }
    }
    assert!(findings.equal > 100, "{} said to be done", findings.equal);
    findings.judge();
}

#[tokio::test(start_paused = true)]
async fn every_knob_of_a_write_leaves_what_is_said_so() {
    let mut findings = Findings::default();
    for (knob, row) in TABLE {
        let Row::Write(set) = row else { continue };
        for operation in Operation::ALL {
            let case = format!("{knob}: {operation:?}");
            findings.note(&case, perform(operation, Vec::new(), *set).await.judge());
        }
    }
    findings.judge();
}
