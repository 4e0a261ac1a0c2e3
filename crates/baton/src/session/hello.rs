//! Hello: at the start until C1 answers, and for Hello tasks (c1-protocol.md §6.2, §6.3).

use std::path::Path;

use prost::Message as _;

use super::client::{SHORT_LIMIT, SUSPICION_LIMIT};
use super::error::{RpcError, SessionError};
use super::inner::Inner;
use super::retry_delay;
use crate::proto::c1::connector::v2::ConnectorMetadata;
use crate::proto::c1::connectorapi::baton::v1 as pb;
use process::runtime::liveness::Pulse;
use process::runtime::readiness::Condition;
use process::runtime::shutdown::Term;

impl Inner {
    /// One Hello. `task_id` is empty at the start.
    pub(super) async fn hello(&self, task_id: &str) -> Result<(), RpcError> {
        let metadata = (self.metadata)().await.map_err(|error| RpcError::Status {
            method: "GetMetadata",
            code: tonic::Code::from_i32(error.code.number()),
            message: error.message,
            details: Vec::new(),
        })?;
        let metadata = ConnectorMetadata::decode(metadata.as_slice()).map_err(|_| RpcError::Build {
            what: "the connector's metadata",
        })?;
        let request = pb::BatonServiceHelloRequest {
            host_id: self.client.host_id.to_string(),
            task_id: task_id.to_owned(),
            build_info: Some(pb::baton_service_hello_request::BuildInfo {
                lang_version: format!("rust{}", self.build.rustc),
                package: self.build.package.to_owned(),
                package_version: self.build.version.to_owned(),
            }),
            os_info: Some(super::os_info::read(Path::new("/"))),
            connector_metadata: Some(metadata),
            annotations: Vec::new(),
        };
        self.client.hello(request).await
    }

    /// Hello until C1 answers. `Ok(false)`: the term ended first.
    pub(super) async fn greet(&self, term: &Term, pulse: &Pulse) -> Result<bool, SessionError> {
        let mut failures = 0u32;
        loop {
            pulse.due_within(SHORT_LIMIT + SUSPICION_LIMIT);
            let said = tokio::select! {
                biased;
                () = term.stopping().cancelled() => return Ok(false),
                said = self.hello("") => said,
            };
            let error = match said {
                Ok(()) => {
                    self.tell_reached(None);
                    tracing::info!(attempt = failures.saturating_add(1), "session opened");
                    self.readiness.meet(Condition::Session);
                    return Ok(true);
                }
                Err(error) => error,
            };
            self.tell_reached(Some(&error));
            self.readiness.miss(Condition::Session, error.chain());
            if error.is_final_at_start() {
                return Err(SessionError::Refused(error));
            }
            failures = failures.saturating_add(1);
            let pause = retry_delay::hello_pause(failures, retry_delay::chance());
            tracing::warn!(
                attempt = failures,
                retry_in_ms = pause.as_millis(),
                error_class = error.class().as_str(),
                error = error.chain(),
                "hello failed"
            );
            pulse.due_within(pause);
            tokio::select! {
                biased;
                () = term.stopping().cancelled() => return Ok(false),
                () = tokio::time::sleep(pause) => {}
            }
        }
    }
}
