//! `FinishTask` against the task that it finishes.

use pb::baton_service_finish_task_request::{Error, FinalState, Success};
use prost_types::Any;

use super::*;

fn any(name: &str, message: &impl Message) -> Any {
    Any {
        type_url: format!("type.googleapis.com/c1.connector.v2.{name}"),
        value: message.encode_to_vec(),
    }
}

fn success(id: &str, response: Option<Any>, annotations: Vec<Any>) -> pb::BatonServiceFinishTaskRequest {
    pb::BatonServiceFinishTaskRequest {
        host_id: HOST.to_owned(),
        task_id: id.to_owned(),
        final_state: Some(FinalState::Success(Success { annotations, response })),
        ..Default::default()
    }
}

fn unsupported(id: &str) -> pb::BatonServiceFinishTaskRequest {
    pb::BatonServiceFinishTaskRequest {
        host_id: HOST.to_owned(),
        task_id: id.to_owned(),
        status: Some(super::super::proto::google::rpc::Status {
            code: 2,
            ..Default::default()
        }),
        final_state: Some(FinalState::Error(Error::default())),
    }
}

fn already() -> Any {
    any("GrantAlreadyExists", &cv2::GrantAlreadyExists::default())
}

fn granted() -> Any {
    let response = cv2::GrantManagerServiceGrantResponse {
        annotations: vec![already()],
        ..Default::default()
    };
    any("GrantManagerServiceGrantResponse", &response)
}

#[tokio::test(start_paused = true)]
async fn a_success_carries_the_response_of_its_kind_and_its_annotations() {
    let mut bench = Bench::greeted().await;
    let id = bench.take(grant()).await;
    let revoked = any(
        "GrantManagerServiceRevokeResponse",
        &cv2::GrantManagerServiceRevokeResponse::default(),
    );
    let garbled = Any {
        value: vec![0xff],
        ..granted()
    };
    let strange = Any {
        // Field 99, which no such message has.
        value: vec![0x98, 0x06, 0x01],
        ..granted()
    };
    for (response, annotations, broken) in [
        (None, vec![], "no response"),
        (Some(revoked), vec![], "the response is"),
        (Some(garbled), vec![], "the value is no"),
        (Some(strange), vec![], "the value has fields"),
        (Some(granted()), vec![], "not those of the response"),
        (Some(granted()), vec![already(), already()], "not those of the response"),
    ] {
        let said = bench.call("FinishTask", &success(&id, response, annotations)).await;
        assert_eq!(said.code, 3, "{broken}");
        bench.broke(broken);
    }
    let right = success(&id, Some(granted()), vec![already()]);
    assert_eq!(
        bench.call("FinishTask", &right).await.code,
        0,
        "nothing was finished before"
    );
    bench.clean();
}

#[tokio::test(start_paused = true)]
async fn actions_carry_their_response_alone() {
    let mut bench = Bench::greeted().await;
    let id = bench
        .take(TaskType::ActionInvoke(kinds::ActionInvokeTask::default()))
        .await;
    let invoked = || Some(any("InvokeActionResponse", &cv2::InvokeActionResponse::default()));
    let beside = success(&id, invoked(), vec![already()]);
    assert_eq!(bench.call("FinishTask", &beside).await.code, 3);
    bench.broke("no annotations");
    assert_eq!(bench.call("FinishTask", &success(&id, invoked(), vec![])).await.code, 0);
    bench.clean();
}

#[tokio::test(start_paused = true)]
async fn a_sync_succeeds_with_nothing() {
    let mut bench = Bench::greeted().await;
    let id = bench.take(sync()).await;
    assert_eq!(bench.call("Heartbeat", &heartbeat(&id)).await.code, 0);
    let request = bench.request("UploadAsset", upload(&id));
    assert_eq!(bench.send(request).await.unwrap().code, 0);
    assert_eq!(
        bench
            .call("FinishTask", &success(&id, Some(granted()), vec![]))
            .await
            .code,
        3
    );
    bench.broke("a sync has no response");
    assert_eq!(
        bench
            .call("FinishTask", &success(&id, None, vec![already()]))
            .await
            .code,
        3
    );
    bench.broke("no annotations");
    assert_eq!(bench.call("FinishTask", &success(&id, None, vec![])).await.code, 0);
    bench.clean();
}

#[tokio::test(start_paused = true)]
async fn unsupported_kinds_do_not_succeed_and_hello_tasks_are_not_finished() {
    let mut bench = Bench::greeted().await;
    for kind in [None, Some(TaskType::EventFeed(kinds::EventFeedTask::default()))] {
        let id = bench.take(kind).await;
        assert_eq!(
            bench
                .call("FinishTask", &success(&id, Some(granted()), vec![already()]))
                .await
                .code,
            3
        );
        bench.broke("unsupported kind");
        assert_eq!(bench.call("FinishTask", &unsupported(&id)).await.code, 0);
        bench.clean();
    }
    let id = bench.take(TaskType::Hello(kinds::HelloTask::default())).await;
    assert_eq!(bench.call("FinishTask", &unsupported(&id)).await.code, 3);
    bench.broke("a hello task is not finished");
}

#[tokio::test(start_paused = true)]
async fn the_issue_of_a_credential_fails_for_good() {
    let mut bench = Bench::greeted().await;
    let id = bench
        .take(TaskType::IssueCredential(kinds::IssueCredentialTask::default()))
        .await;
    let issued = any("IssueCredentialResponse", &cv2::IssueCredentialResponse::default());
    let said = bench.call("FinishTask", &success(&id, Some(issued), vec![])).await;
    assert_eq!(said.code, 3);
    bench.broke("unsupported kind");
    assert_eq!(bench.call("FinishTask", &unsupported(&id)).await.code, 3);
    bench.broke("may be tried again");
    let mut refused = unsupported(&id);
    refused.final_state = Some(FinalState::Error(Error {
        non_retryable: true,
        ..Error::default()
    }));
    assert_eq!(bench.call("FinishTask", &refused).await.code, 0);
    bench.clean();
}
