use std::sync::Mutex;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::*;

/// Answers every request with one body that serves as a token and as an environment, under a further header; keeps the heads
/// of the requests.
async fn heads(listener: TcpListener, header: &str, kept: Arc<Mutex<Vec<String>>>) {
    let body = r#"{"access_token":"marker-token","expires_in":"3600","id":"5f0c6a52-6a1e-4f0b-9a43-2f9a1c0d7e11"}"#;
    let answer = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close\r\n{header}\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    while let Ok((mut stream, _)) = listener.accept().await {
        let mut head = Vec::new();
        while !head.windows(4).any(|window| window == b"\r\n\r\n") {
            let mut part = [0; 4_096];
            match stream.read(&mut part).await {
                Ok(0) | Err(_) => break,
                Ok(count) => head.extend_from_slice(&part[..count]),
            }
        }
        kept.lock().unwrap().push(String::from_utf8_lossy(&head).to_lowercase());
        stream.write_all(answer.as_bytes()).await.unwrap();
    }
}

#[tokio::test]
async fn a_call_names_program_run_and_transaction_and_asks_for_gzip() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let environment = Uuid::from_u128(0x5f0c_6a52_6a1e_4f0b_9a43_2f9a_1c0d_7e11);
    let config = ClientConfig {
        region: Region::Com,
        api_url: Some(format!("{url}/v1/")),
        auth_url: Some(url),
        environment_id: environment,
        auth_environment_id: environment,
        rate_limit: 0,
        max_in_flight: 1,
        insecure: false,
        timeout: Duration::from_mins(1),
    };
    let (_, receiver) = watch::channel(credentials(&"client", "marker-secret"));
    let client = Client::new(&config, receiver, None).unwrap();
    assert!(!format!("{client:?}").contains("marker"));
    let kept = Arc::default();
    let calls = async {
        client.environment().await.unwrap();
        client.with_transaction("sync 42é").environment().await.unwrap();
    };
    tokio::select! {
        () = heads(listener, "age: 0", Arc::clone(&kept)) => {}
        () = calls => {}
    }
    let kept = kept.lock().unwrap();
    let line = |head: &str, name: &str| {
        let found = head.lines().find_map(|line| line.strip_prefix(&format!("{name}: ")));
        found.map(str::to_owned)
    };
    let [token, first, second] = kept.as_slice() else {
        panic!("{kept:?}");
    };
    assert!(token.starts_with(&format!("post /{environment}/as/token ")), "{token}");
    assert!(token.contains("authorization: basic "), "{token}");
    for head in [first, second] {
        assert!(
            head.starts_with(&format!("get /v1/environments/{environment} ")),
            "{head}"
        );
        assert_eq!(line(head, "authorization").as_deref(), Some("bearer marker-token"));
        assert_eq!(line(head, "accept-encoding").as_deref(), Some("gzip"));
        assert!(line(head, "user-agent").unwrap().starts_with("baton-ping-one/"));
        assert!(line(head, "x-ping-external-session-id").is_some());
    }
    assert_eq!(line(first, "x-ping-external-transaction-id"), None);
    assert_eq!(
        line(second, "x-ping-external-transaction-id").as_deref(),
        Some("sync_42_")
    );
}

#[tokio::test(start_paused = true)]
async fn what_a_cache_kept_is_no_answer_and_none_is_asked_for() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let environment = Uuid::from_u128(0x5f0c_6a52_6a1e_4f0b_9a43_2f9a_1c0d_7e11);
    let config = ClientConfig {
        region: Region::Com,
        api_url: Some(url.clone()),
        auth_url: Some(url),
        environment_id: environment,
        auth_environment_id: environment,
        rate_limit: 0,
        max_in_flight: 1,
        insecure: false,
        timeout: Duration::from_mins(1),
    };
    let (_, receiver) = watch::channel(credentials(&"client", "marker-secret"));
    let client = Client::new(&config, receiver, None).unwrap();
    let kept = Arc::default();
    let error = tokio::select! {
        () = heads(listener, "age: 7", Arc::clone(&kept)) => unreachable!(),
        answer = client.environment() => answer.unwrap_err().to_string(),
    };
    assert!(error.contains("a cache between here and PingOne answered"), "{error}");
    let kept = kept.lock().unwrap();
    let reads: Vec<_> = kept.iter().filter(|head| head.starts_with("get ")).collect();
    assert_eq!(reads.len(), 4, "asked again before it is an error");
    assert!(
        reads.iter().all(|head| head.contains("cache-control: no-cache")),
        "{reads:?}"
    );
}
