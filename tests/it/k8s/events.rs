use baton_ping_one::k8s::events::{Event, Events};
use process::error::ErrorClass;
use process::runtime::spawn::spawn;
use tokio_util::sync::CancellationToken;

use super::fake::Fake;
use super::{client, soon};

fn failed(class: ErrorClass) -> Event {
    Event::SyncFailed {
        class,
        task_id: Some("t1".into()),
    }
}

#[tokio::test]
async fn an_event_is_written_on_the_pod_and_on_its_deployment() {
    let fake = Fake::start().await;
    let (events, writer) = Events::new(&client(&fake));
    let _run = spawn(writer.run(CancellationToken::new()));
    events.tell(failed(ErrorClass::Auth));
    events.tell(failed(ErrorClass::Auth));
    events.tell(Event::LeaderElected { term: 3 });
    soon(fake.until(|data| data.events.len() == 4)).await;
    let data = fake.data();
    let about: Vec<_> = data
        .events
        .iter()
        .map(|event| {
            let regarding = &event["regarding"];
            assert_eq!(event["reportingController"], "baton-ping-one");
            assert_eq!(event["reportingInstance"], "pod-a");
            assert!(event["eventTime"].is_string() && event["metadata"]["namespace"] == "here");
            (
                event["reason"].as_str().unwrap(),
                regarding["kind"].as_str().unwrap(),
                regarding["uid"].as_str().unwrap(),
            )
        })
        .collect();
    assert_eq!(
        about,
        [
            ("SyncFailed", "Pod", "uid-a"),
            ("SyncFailed", "Deployment", "uid-d"),
            ("LeaderElected", "Pod", "uid-a"),
            ("LeaderElected", "Deployment", "uid-d"),
        ]
    );
}

#[tokio::test]
async fn without_the_right_to_read_the_deployment_the_pod_gets_its_events() {
    let fake = Fake::start().await;
    fake.data().forbidden.insert("get deployments");
    let (events, writer) = Events::new(&client(&fake));
    let _run = spawn(writer.run(CancellationToken::new()));
    events.tell(Event::LeaderElected { term: 1 });
    events.tell(Event::LeaderElected { term: 2 });
    soon(fake.until(|data| data.events.len() == 2)).await;
    assert_eq!(fake.count("get "), 1);
}

#[tokio::test]
async fn without_the_right_to_write_events_are_off() {
    let fake = Fake::start().await;
    fake.data().forbidden.insert("create events");
    let (events, writer) = Events::new(&client(&fake));
    let stop = CancellationToken::new();
    let run = spawn(writer.run(stop.clone()));
    for term in 0..100 {
        events.tell(Event::LeaderElected { term });
    }
    soon(fake.until(|data| data.requests.iter().any(|request| request.starts_with("create ")))).await;
    stop.cancel();
    soon(run).await;
    assert_eq!(fake.count("create "), 1);
}

#[tokio::test]
async fn what_was_told_before_the_stop_is_written() {
    let fake = Fake::start().await;
    let (events, writer) = Events::new(&client(&fake));
    let stop = CancellationToken::new();
    events.tell(Event::LeaderElected { term: 1 });
    stop.cancel();
    soon(writer.run(stop)).await;
    assert_eq!(fake.data().events.len(), 2);
}
