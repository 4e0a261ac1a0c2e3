use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;
use std::time::Instant;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::super::{AdminConfig, Endpoint, HealthCheck, HealthCheckError, Unhealthy};
use super::*;
use process::runtime::liveness::Liveness;
use process::runtime::readiness::{Condition, Readiness};
use process::telemetry::{LogControl, Metrics};

struct Fixture {
    port: u16,
    liveness: Liveness,
    readiness: Readiness,
    token: CancellationToken,
    tasks: JoinSet<()>,
}

fn admin_state(validation: Result<(), &'static str>) -> AdminState {
    AdminState {
        liveness: Liveness::new(),
        readiness: Readiness::new(),
        metrics: Arc::new(Metrics::new(crate::BUILD, &[]).unwrap()),
        validate: Arc::new(move || {
            Box::pin(async move { validation.map_err(|text| Unhealthy::Invalid(text.to_owned())) })
        }),
        log: LogControl::inert(),
        build: crate::BUILD,
        facts: Arc::new(|| Map::from_iter([("region".to_owned(), "eu".into())])),
    }
}

async fn start(validation: Result<(), &'static str>) -> Fixture {
    let config = AdminConfig {
        address: IpAddr::V4(Ipv4Addr::LOCALHOST),
        port: 0,
        required: true,
    };
    serving(config.bind().await.unwrap().unwrap(), validation)
}

fn serving(listener: TcpListener, validation: Result<(), &'static str>) -> Fixture {
    let state = admin_state(validation);
    let (liveness, readiness) = (state.liveness.clone(), state.readiness.clone());
    let port = listener.local_addr().unwrap().port();
    let token = CancellationToken::new();
    let mut tasks = JoinSet::new();
    tasks.spawn(serve(listener, state, token.clone()));
    Fixture {
        port,
        liveness,
        readiness,
        token,
        tasks,
    }
}

impl Fixture {
    async fn request(&self, method: &str, path: &str, body: &str) -> (u16, String, String) {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).await.unwrap();
        let length = body.len();
        let head =
            format!("{method} {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n");
        stream.write_all(format!("{head}{body}").as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        (status, head.to_lowercase(), body.to_owned())
    }

    async fn get(&self, path: &str) -> (u16, serde_json::Value) {
        let (status, head, body) = self.request("GET", path, "").await;
        assert!(head.contains("content-type: application/json"), "{head}");
        assert!(body.ends_with('\n'), "{body}");
        (status, serde_json::from_str(&body).unwrap())
    }

    async fn check(&self, endpoint: Endpoint) -> Result<(), HealthCheckError> {
        let check = HealthCheck {
            address: "127.0.0.1".to_owned(),
            port: self.port,
            endpoint,
            timeout: Duration::from_mins(1),
        };
        check.run().await
    }

    fn make_ready(&self) {
        for condition in [Condition::Configuration, Condition::Credentials, Condition::Session] {
            self.readiness.meet(condition);
        }
    }
}

#[tokio::test]
async fn health_paths_answer_with_the_payloads_of_the_sdk() {
    let fixture = start(Ok(())).await;
    fixture.make_ready();
    for (path, word) in [("/health", "healthy"), ("/ready", "ready"), ("/live", "alive")] {
        let (status, body) = fixture.get(path).await;
        assert_eq!((status, body["status"].as_str()), (200, Some(word)));
        assert!(body.get("details").is_none());
        let timestamp = body["timestamp"].as_str().unwrap();
        assert_eq!((timestamp.len(), timestamp.ends_with('Z')), (20, true), "{timestamp}");
    }
}

#[tokio::test]
async fn an_unhealthy_connector_and_an_unready_process_answer_503_with_details() {
    let fixture = start(Err("the worker application lacks a role")).await;
    let (status, body) = fixture.get("/health").await;
    assert_eq!((status, body["status"].as_str()), (503, Some("unhealthy")));
    assert_eq!(body["details"]["error"], "connector validation failed");
    assert_eq!(
        body["details"]["validation_error"],
        "the worker application lacks a role"
    );
    for path in ["/ready", "/readyz"] {
        let (status, body) = fixture.get(path).await;
        assert_eq!((status, body["status"].as_str()), (503, Some("not_ready")));
        assert_eq!(body["details"]["error"], "failed to get connector client");
        assert_eq!(body["details"]["session"], "not checked yet");
    }
}

#[tokio::test]
async fn readiness_ends_when_draining_starts() {
    let fixture = start(Ok(())).await;
    fixture.make_ready();
    assert_eq!(fixture.get("/readyz").await.0, 200);
    fixture.readiness.drain();
    let (status, body) = fixture.get("/readyz").await;
    assert_eq!((status, body["details"]["draining"].is_string()), (503, true));
    assert_eq!(fixture.get("/livez").await.0, 200, "draining is not being wedged");
}

#[tokio::test(start_paused = true)]
async fn a_wedged_loop_fails_liveness_and_names_itself() {
    let fixture = start(Ok(())).await;
    let moving = fixture.liveness.register("lease", Duration::from_mins(1));
    let stuck = fixture.liveness.register("poll", Duration::from_mins(1));
    let (status, body) = fixture.get("/livez").await;
    assert_eq!((status, body["details"]["poll"].as_str()), (200, Some("ok")));
    tokio::time::advance(Duration::from_secs(100)).await;
    moving.due_within(Duration::ZERO);
    let (status, body) = fixture.get("/livez").await;
    assert_eq!((status, body["details"]["lease"].as_str()), (503, Some("ok")));
    assert_eq!(body["details"]["poll"], "late by 10 s");
    drop(stuck);
}

#[tokio::test]
async fn metrics_status_and_unknown_paths() {
    let fixture = start(Ok(())).await;
    let (status, head, body) = fixture.request("GET", "/metrics", "").await;
    assert!(status == 200 && head.contains("version=0.0.4") && body.contains("baton_ping_one_build_info{"));
    let (status, head, body) = fixture.request("GET", "/", "").await;
    assert!(status == 200 && body.contains("<dt>region</dt><dd>eu</dd>"), "{body}");
    assert!(head.contains("content-security-policy: default-src 'none';"), "{head}");
    let (status, body) = fixture.get("/status.json").await;
    assert_eq!(
        (status, body["region"].as_str(), body["ready"].as_bool()),
        (200, Some("eu"), Some(false))
    );
    assert!(body["waits_for"].is_object(), "{body}");
    fixture.make_ready();
    let (_, body) = fixture.get("/status.json").await;
    assert_eq!((body["ready"].as_bool(), body.get("waits_for")), (Some(true), None));
    assert_eq!(fixture.request("GET", "/secrets", "").await.0, 404);
    assert_eq!(fixture.request("POST", "/live", "").await.0, 200, "any method");
}

#[tokio::test]
async fn the_log_level_takes_only_the_four_names() {
    let fixture = start(Ok(())).await;
    assert_eq!(fixture.request("PUT", "/log-level", "debug").await.0, 200);
    for bad in ["trace", "h2=trace", "", &"x".repeat(1000)] {
        assert!((400..500).contains(&fixture.request("PUT", "/log-level", bad).await.0));
    }
}

#[tokio::test]
async fn the_health_check_command_tells_refused_from_unhealthy_and_from_slow() {
    let fixture = start(Err("no")).await;
    assert_eq!(
        fixture.check(Endpoint::Live).await.map_err(|error| error.exit_code()),
        Ok(())
    );
    for endpoint in [Endpoint::Health, Endpoint::Ready] {
        assert_eq!(fixture.check(endpoint).await.map_err(|error| error.exit_code()), Err(2));
    }
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let check = |port, timeout| HealthCheck {
        address: "127.0.0.1".to_owned(),
        port,
        endpoint: Endpoint::Health,
        timeout,
    };
    let slow = check(silent.local_addr().unwrap().port(), Duration::from_millis(50));
    assert_eq!(slow.run().await.map_err(|error| error.exit_code()), Err(4));
    // Nobody is given this port, as another test may be given one that was closed.
    let refused = check(1, Duration::from_mins(1));
    assert_eq!(refused.run().await.map_err(|error| error.exit_code()), Err(14));
    assert_eq!(Endpoint::parse("bad").map_err(|error| error.exit_code()), Err(2));
}

#[tokio::test]
async fn a_taken_port_ends_the_start_only_when_the_server_was_asked_for() {
    let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut config = AdminConfig {
        address: IpAddr::V4(Ipv4Addr::LOCALHOST),
        port: taken.local_addr().unwrap().port(),
        required: true,
    };
    assert!(
        config
            .bind()
            .await
            .unwrap_err()
            .to_string()
            .contains("--health-check-port")
    );
    config.required = false;
    assert!(config.bind().await.unwrap().is_none());
}

#[tokio::test]
async fn every_address_is_served_with_and_without_ipv6() {
    let every = IpAddr::from(Ipv6Addr::UNSPECIFIED);
    let config = AdminConfig {
        address: every,
        port: 0,
        required: true,
    };
    let listener = config.bind().await.unwrap().unwrap();
    let fixture = serving(listener, Ok(()));
    assert_eq!(
        fixture.get("/live").await.0,
        200,
        "a server of `::` is asked at 127.0.0.1"
    );
    // A family that the kernel lacks (EAFNOSUPPORT), then failures that IPv4 would not cure.
    let lacking = std::io::Error::from_raw_os_error(97);
    assert_eq!(
        super::super::without_ipv6(every, &lacking),
        Some(IpAddr::from(Ipv4Addr::UNSPECIFIED))
    );
    assert_eq!(
        super::super::without_ipv6(IpAddr::from(Ipv4Addr::LOCALHOST), &lacking),
        None
    );
    assert_eq!(
        super::super::without_ipv6(every, &std::io::ErrorKind::AddrInUse.into()),
        None
    );
}

#[tokio::test]
async fn the_health_check_reaches_a_server_of_either_family() {
    for listening in ["[::]:0", "0.0.0.0:0"] {
        let Ok(listener) = TcpListener::bind(listening).await else {
            continue;
        };
        let port = listener.local_addr().unwrap().port();
        let check = HealthCheck {
            address: "::".to_owned(),
            port,
            endpoint: Endpoint::Live,
            timeout: Duration::from_mins(1),
        };
        let answer = async {
            let (mut stream, _) = listener.accept().await.unwrap();
            stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.unwrap();
            stream
        };
        let (checked, _stream) = tokio::join!(check.run(), answer);
        checked.unwrap();
    }
}

#[tokio::test]
async fn the_server_ends_with_its_token_even_with_an_idle_connection() {
    let mut fixture = start(Ok(())).await;
    let idle = TcpStream::connect(("127.0.0.1", fixture.port)).await.unwrap();
    assert_eq!(fixture.get("/live").await.0, 200);
    let started = Instant::now();
    fixture.token.cancel();
    fixture.tasks.join_next().await.unwrap().unwrap();
    assert!(started.elapsed() < Duration::from_secs(30));
    drop(idle);
}

/// Neither clients that say nothing nor clients that ask and never read keep a probe out: no time passes until it is
/// answered.
#[tokio::test(start_paused = true)]
async fn clients_that_are_idle_or_do_not_read_keep_no_probe_out() {
    let fixture = start(Ok(())).await;
    let mut held = Vec::new();
    let many = "GET /metrics HTTP/1.1\r\nhost: x\r\n\r\n".repeat(2000);
    for number in 0..200 {
        let mut stream = TcpStream::connect(("127.0.0.1", fixture.port)).await.unwrap();
        if number >= 196 {
            // As much as the server takes while nobody reads its answers.
            drop(timeout(Duration::from_millis(20), stream.write_all(many.as_bytes())).await);
        }
        held.push(stream);
    }
    for path in ["/livez", "/readyz", "/livez"] {
        let started = tokio::time::Instant::now();
        let (status, ..) = fixture.request("GET", path, "").await;
        assert!(status == 200 || path == "/readyz");
        assert_eq!(started.elapsed(), Duration::ZERO, "the probe was kept out");
    }
}

#[tokio::test(start_paused = true)]
async fn a_connection_ends_when_its_time_is_up() {
    let fixture = start(Ok(())).await;
    let mut stream = TcpStream::connect(("127.0.0.1", fixture.port)).await.unwrap();
    let started = tokio::time::Instant::now();
    loop {
        // Never idle for as long as the head of a request may take.
        if stream
            .write_all(b"GET /live HTTP/1.1\r\nhost: x\r\n\r\n")
            .await
            .is_err()
        {
            break;
        }
        let mut answer = [0; 512];
        match stream.read(&mut answer).await {
            Ok(0) | Err(_) => break,
            Ok(_) => tokio::time::sleep(Duration::from_secs(5)).await,
        }
        assert!(started.elapsed() < Duration::from_mins(2), "it is open for ever");
    }
    assert!(started.elapsed() >= CONNECTION_LIMIT.saturating_sub(Duration::from_secs(6)));
}

#[tokio::test]
async fn the_level_is_changed_from_this_machine_only() {
    let fixture = start(Ok(())).await;
    assert_eq!(fixture.request("PUT", "/log-level", "debug").await.0, 200);
    assert_eq!(fixture.request("PUT", "/log-level", "loud").await.0, 400);
    let routes = Routes::new(admin_state(Ok(())));
    for (peer, status) in [
        ("127.0.0.1:9", StatusCode::OK),
        ("[::1]:9", StatusCode::OK),
        ("[::ffff:127.0.0.1]:9", StatusCode::OK),
        ("10.0.0.7:9", StatusCode::FORBIDDEN),
        ("[fe80::1]:9", StatusCode::FORBIDDEN),
    ] {
        let service = TowerToHyperService::new(routes.of(peer.parse().unwrap()).clone());
        let request = axum::http::Request::put("/log-level").body(axum::body::Body::from("debug"));
        let answer = hyper::service::Service::call(&service, request.unwrap()).await.unwrap();
        assert_eq!(answer.status(), status, "{peer}");
    }
}
