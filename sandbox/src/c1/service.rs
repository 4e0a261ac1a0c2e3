//! `BatonService` (c1-protocol.md §5.2): each method's rules, its scripted step, its answer.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep};
use tonic::{Code, Request, Response, Status, Streaming};

use super::listener::Connection;
use super::log::Received;
use super::proto::baton as pb;
use super::proto::baton::baton_service_server::BatonService as Service;
use super::proto::baton::task::TaskType;
use super::script::{Rpc, Step};
use super::state::State;
use super::{upload, validate};

/// The metadata that calls may have (c1-protocol.md §5.1). `grpc-timeout` carries the deadline of a call that has one,
/// and `content-length` is HTTP's own.
const METADATA: [&str; 8] = [
    "authorization",
    "user-agent",
    "content-type",
    "te",
    "grpc-accept-encoding",
    "grpc-encoding",
    "grpc-timeout",
    "content-length",
];
const FOREVER: Duration = Duration::from_hours(168);

#[derive(Clone)]
pub(super) struct BatonService(pub(super) Arc<State>);

/// What every call goes through first.
pub(super) struct Call {
    pub(super) connection: Connection,
    pub(super) metadata: BTreeMap<String, String>,
}

impl BatonService {
    /// Connection and metadata of a call. Records nothing yet.
    pub(super) fn open<T>(&self, rpc: Rpc, request: &Request<T>) -> Result<Call, Status> {
        let connection = request
            .extensions()
            .get::<Connection>()
            .cloned()
            .ok_or_else(|| Status::internal("no connection"))?;
        let headers = request.metadata().clone().into_headers();
        let metadata: BTreeMap<_, _> = headers
            .iter()
            .map(|(name, value)| (name.to_string(), value.to_str().unwrap_or_default().to_owned()))
            .collect();
        if let Some(name) = metadata.keys().find(|name| !METADATA.contains(&name.as_str())) {
            return Err(self
                .0
                .refuse(rpc, format!("metadata {name} does not belong to the protocol")));
        }
        if metadata.get("user-agent").is_none_or(String::is_empty) {
            return Err(self.0.refuse(rpc, "no user agent"));
        }
        if metadata.get("te").is_none_or(|value| value != "trailers") {
            return Err(self.0.refuse(rpc, "te is not trailers"));
        }
        Ok(Call { connection, metadata })
    }

    /// Checks the token (c1-protocol.md §3.5); the call has been recorded before.
    pub(super) fn authorize(&self, rpc: Rpc, call: &Call) -> Result<(), Status> {
        let Some(value) = call.metadata.get("authorization") else {
            self.0.violation(format!("{}: no authorization", rpc.as_str()));
            return Err(Status::unauthenticated("no authorization"));
        };
        let token = value.strip_prefix("Bearer ").unwrap_or_default();
        let live = self
            .0
            .lock()
            .tokens
            .get(token)
            .is_some_and(|live| live.expires > Instant::now());
        if live {
            Ok(())
        } else {
            Err(Status::unauthenticated("the token is not known or has expired"))
        }
    }

    fn check(&self, rpc: Rpc, checked: Result<(), String>) -> Result<(), Status> {
        checked.map_err(|reason| self.0.refuse(rpc, reason))
    }

    /// The parts of a step that all methods share and that come before the effect.
    pub(super) async fn before(&self, step: &Step, call: &Call) -> Result<(), Status> {
        match step {
            Step::Status(code) => return Err(Status::new(Code::from_i32(*code), "by script")),
            Step::Hang => sleep(FOREVER).await,
            Step::Delay(delay) => sleep(*delay).await,
            Step::Disconnect => {
                call.connection.end.cancel();
                sleep(FOREVER).await;
            }
            _ => {}
        }
        Ok(())
    }

    /// Those that come after it.
    pub(super) async fn after(&self, step: &Step) -> Result<(), Status> {
        match step {
            Step::EffectThenStatus(code) => Err(Status::new(Code::from_i32(*code), "by script")),
            Step::EffectThenHang => {
                sleep(FOREVER).await;
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// Holds a call against the session that it belongs to.
    pub(super) fn of_session(&self, rpc: Rpc, call: &Call, host_id: &str) -> Result<(), Status> {
        self.check(rpc, self.0.check_host(call.connection.id, host_id))
    }
}

fn seconds(duration: Duration) -> prost_types::Duration {
    prost_types::Duration {
        seconds: i64::try_from(duration.as_secs()).unwrap_or(i64::MAX),
        nanos: i32::try_from(duration.subsec_nanos()).unwrap_or(0),
    }
}

#[tonic::async_trait]
impl Service for BatonService {
    /// Answered with nothing (c1-protocol.md §6.2).
    async fn hello(
        &self,
        request: Request<pb::BatonServiceHelloRequest>,
    ) -> Result<Response<pb::BatonServiceHelloResponse>, Status> {
        let call = self.open(Rpc::Hello, &request)?;
        let request = request.into_inner();
        let received = Received::Hello(Box::new(request.clone()));
        self.0.record(call.connection.id, &call.metadata, received);
        self.authorize(Rpc::Hello, &call)?;
        self.check(Rpc::Hello, validate::hello(&request))?;
        self.check(Rpc::Hello, self.0.may_greet(&request.task_id))?;
        let step = self.0.next_step(Rpc::Hello);
        self.before(&step, &call).await?;
        {
            self.0.greet(call.connection.id, &request.host_id);
            let mut inside = self.0.lock();
            if let Some(out) = inside.out.get_mut(&request.task_id) {
                out.finished = Some(Vec::new());
            }
        }
        self.after(&step).await?;
        Ok(Response::new(pb::BatonServiceHelloResponse::default()))
    }

    /// A task or none, and `next_poll` (c1-protocol.md §7.2).
    async fn get_task(
        &self,
        request: Request<pb::BatonServiceGetTaskRequest>,
    ) -> Result<Response<pb::BatonServiceGetTaskResponse>, Status> {
        let call = self.open(Rpc::GetTask, &request)?;
        let request = request.into_inner();
        self.0
            .record(call.connection.id, &call.metadata, Received::GetTask(request.clone()));
        self.authorize(Rpc::GetTask, &call)?;
        self.check(Rpc::GetTask, validate::host_id(&request.host_id))?;
        self.of_session(Rpc::GetTask, &call, &request.host_id)?;
        let step = self.0.next_step(Rpc::GetTask);
        self.before(&step, &call).await?;
        if let Step::NextPoll(wait) = step {
            return Ok(Response::new(pb::BatonServiceGetTaskResponse {
                next_poll: Some(prost_types::Duration {
                    seconds: wait,
                    nanos: 0,
                }),
                ..Default::default()
            }));
        }
        if self.0.open_tasks() >= self.0.options.slots {
            return Err(self.0.refuse(Rpc::GetTask, "asked without a free slot"));
        }
        let task = self.0.hand_out(1).pop();
        self.after(&step).await?;
        let idle = if task.is_none() {
            self.0.options.idle_poll
        } else {
            Duration::ZERO
        };
        Ok(Response::new(pb::BatonServiceGetTaskResponse {
            task,
            next_poll: Some(seconds(idle)),
            ..Default::default()
        }))
    }

    /// At most `page_size` tasks, and `next_poll` (c1-protocol.md §7.3).
    async fn get_tasks(
        &self,
        request: Request<pb::BatonServiceGetTasksRequest>,
    ) -> Result<Response<pb::BatonServiceGetTasksResponse>, Status> {
        let call = self.open(Rpc::GetTasks, &request)?;
        let request = request.into_inner();
        self.0
            .record(call.connection.id, &call.metadata, Received::GetTasks(request.clone()));
        self.authorize(Rpc::GetTasks, &call)?;
        self.check(Rpc::GetTasks, validate::get_tasks(&request))?;
        self.of_session(Rpc::GetTasks, &call, &request.host_id)?;
        self.check(Rpc::GetTasks, self.0.check_known(&request.known_task_ids))?;
        let step = self.0.next_step(Rpc::GetTasks);
        self.before(&step, &call).await?;
        if let Step::NextPoll(wait) = step {
            return Ok(Response::new(pb::BatonServiceGetTasksResponse {
                next_poll: Some(prost_types::Duration {
                    seconds: wait,
                    nanos: 0,
                }),
                ..Default::default()
            }));
        }
        let tasks = self.0.hand_out(usize::try_from(request.page_size).unwrap_or(1));
        self.after(&step).await?;
        let idle = if tasks.is_empty() {
            self.0.options.idle_poll
        } else {
            Duration::ZERO
        };
        Ok(Response::new(pb::BatonServiceGetTasksResponse {
            tasks,
            next_poll: Some(seconds(idle)),
            ..Default::default()
        }))
    }

    /// `next_heartbeat` and whether the task is cancelled (c1-protocol.md §7.5).
    async fn heartbeat(
        &self,
        request: Request<pb::BatonServiceHeartbeatRequest>,
    ) -> Result<Response<pb::BatonServiceHeartbeatResponse>, Status> {
        let call = self.open(Rpc::Heartbeat, &request)?;
        let request = request.into_inner();
        self.0
            .record(call.connection.id, &call.metadata, Received::Heartbeat(request.clone()));
        self.authorize(Rpc::Heartbeat, &call)?;
        self.check(Rpc::Heartbeat, validate::heartbeat(&request))?;
        self.of_session(Rpc::Heartbeat, &call, &request.host_id)?;
        let step = self.0.next_step(Rpc::Heartbeat);
        self.before(&step, &call).await?;
        let mut answer = pb::BatonServiceHeartbeatResponse {
            next_heartbeat: Some(seconds(self.0.options.heartbeat)),
            ..Default::default()
        };
        match step {
            Step::NextHeartbeat(wait) => {
                answer.next_heartbeat = Some(prost_types::Duration {
                    seconds: wait,
                    nanos: 0,
                });
            }
            Step::Cancelled => answer.cancelled = true,
            Step::CancelledIds => answer.cancelled_task_ids = vec![request.task_id.clone()],
            _ => {}
        }
        let broken = {
            let mut inside = self.0.lock();
            match inside.out.get_mut(&request.task_id) {
                None => Some("the task was not handed out"),
                Some(out) if !matches!(out.task.task_type, Some(TaskType::SyncFull(_))) => Some("only syncs heartbeat"),
                Some(out) if out.is_just_finished() => return Err(Status::not_found("the task is finished")),
                Some(out) if out.finished.is_some() => Some("the task is finished"),
                Some(out) if out.cancelled => Some("the task was cancelled before"),
                Some(out) => {
                    out.cancelled = matches!(step, Step::Cancelled | Step::CancelledIds);
                    out.heartbeats = out.heartbeats.saturating_add(1);
                    None
                }
            }
        };
        if let Some(reason) = broken {
            return Err(self.0.refuse(Rpc::Heartbeat, reason));
        }
        self.after(&step).await?;
        Ok(Response::new(answer))
    }

    /// Answered with nothing (c1-protocol.md §8).
    async fn finish_task(
        &self,
        request: Request<pb::BatonServiceFinishTaskRequest>,
    ) -> Result<Response<pb::BatonServiceFinishTaskResponse>, Status> {
        let call = self.open(Rpc::FinishTask, &request)?;
        let request = request.into_inner();
        self.0
            .record(call.connection.id, &call.metadata, Received::Finish(request.clone()));
        self.authorize(Rpc::FinishTask, &call)?;
        self.check(Rpc::FinishTask, validate::finish(&request))?;
        self.of_session(Rpc::FinishTask, &call, &request.host_id)?;
        let step = self.0.next_step(Rpc::FinishTask);
        self.before(&step, &call).await?;
        self.check(Rpc::FinishTask, self.0.finish(&request))?;
        self.after(&step).await?;
        Ok(Response::new(pb::BatonServiceFinishTaskResponse::default()))
    }

    /// Answered with nothing (c1-protocol.md §9.5).
    async fn upload_asset(
        &self,
        request: Request<Streaming<pb::BatonServiceUploadAssetRequest>>,
    ) -> Result<Response<pb::BatonServiceUploadAssetResponse>, Status> {
        upload::receive(self, request).await
    }

    /// Never called (c1-protocol.md §5.2).
    async fn start_debugging(
        &self,
        _: Request<pb::StartDebuggingRequest>,
    ) -> Result<Response<pb::StartDebuggingResponse>, Status> {
        self.0.violation("StartDebugging is never called");
        Err(Status::unimplemented("StartDebugging"))
    }
}
