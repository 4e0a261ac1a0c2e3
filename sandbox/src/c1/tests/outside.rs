//! What a request looks like from outside: paths, methods, content types, versions, metadata.

use super::*;

#[tokio::test(start_paused = true)]
async fn requests_that_go_nowhere_are_violations() {
    let mut bench = Bench::greeted().await;
    for (method, path, status, broken) in [
        ("POST", "/auth/v1/tokens", 404, "no such path"),
        ("GET", "/", 404, "no such path"),
        ("GET", "/auth/v1/token", 405, "with POST"),
        ("PUT", "/auth/v1/token", 405, "with POST"),
    ] {
        let request = Request::builder()
            .method(method)
            .uri(format!("https://acme.example:443{path}"))
            .body(Full::new(Bytes::new()))
            .unwrap();
        assert_eq!(bench.send(request).await.unwrap().status, status, "{method} {path}");
        bench.broke(broken);
    }
    let head = Request::head("https://acme.example:443/");
    let head = head.body(Full::new(Bytes::new())).unwrap();
    assert_eq!(
        bench.send(head).await.unwrap().status,
        404,
        "somebody looks whether the host is there"
    );
    bench.clean();
    assert_eq!(bench.call("Goodbye", &get_task(HOST)).await.code, 12);
    bench.broke("no such gRPC method");
    let mut health = bench.request("", frames(&[get_task(HOST)]));
    *health.uri_mut() = "https://acme.example:443/grpc.health.v1.Health/Check".parse().unwrap();
    assert_eq!(bench.send(health).await.unwrap().code, 12);
    bench.clean();
    let mut request = bench.request("GetTask", frames(&[get_task(HOST)]));
    *request.method_mut() = hyper::Method::PUT;
    assert_eq!(bench.send(request).await.unwrap().status, 405);
    bench.broke("gRPC is POST");
    assert_eq!(bench.server.count("GetTask"), 0);
}

#[tokio::test(start_paused = true)]
async fn calls_are_grpc_of_protobuf() {
    let mut bench = Bench::greeted().await;
    for (kind, status, is_good) in [
        ("application/grpc", 200, true),
        ("application/grpc+proto", 200, true),
        ("application/grpc+json", 415, false),
        ("application/grpc-web", 415, false),
        ("application/grpc; charset=utf-8", 415, false),
    ] {
        let mut request = bench.request("GetTask", frames(&[get_task(HOST)]));
        request.headers_mut().insert("content-type", kind.parse().unwrap());
        assert_eq!(bench.send(request).await.unwrap().status, status, "{kind}");
        if is_good {
            bench.clean();
        } else {
            bench.broke("content type");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn calls_come_over_http_2() {
    let mut bench = Bench::greeted().await;
    let stream = TokioIo::new(encrypted(&bench.server, b"http/1.1").await);
    let (mut http, connection) = http1::handshake(stream).await.unwrap();
    bench.tasks.spawn(async move { drop(connection.await) });
    let mut request = bench.request("GetTask", frames(&[get_task(HOST)]));
    *request.version_mut() = Version::HTTP_11;
    let answer = said(http.send_request(request).await.unwrap()).await.unwrap();
    assert_eq!(answer.status, 505);
    bench.broke("gRPC over HTTP/1.1");
}

#[tokio::test(start_paused = true)]
async fn metadata_is_the_protocols_alone() {
    let mut bench = Bench::greeted().await;
    for (name, value) in [
        ("grpc-timeout", "30S"),
        ("grpc-accept-encoding", "gzip"),
        ("grpc-encoding", "identity"),
    ] {
        let mut request = bench.request("GetTask", frames(&[get_task(HOST)]));
        request.headers_mut().insert(name, value.parse().unwrap());
        assert_eq!(bench.send(request).await.unwrap().code, 0, "{name}");
        bench.clean();
    }
    for (name, value, code, broken) in [
        ("x-request-id", "1", 3, "metadata x-request-id"),
        ("tracestate", "a=b", 3, "metadata tracestate"),
        ("grpc-encoding", "gzip", 12, "not compressed"),
        ("user-agent", "", 3, "no user agent"),
    ] {
        let mut request = bench.request("GetTask", frames(&[get_task(HOST)]));
        request.headers_mut().insert(name, value.parse().unwrap());
        assert_eq!(bench.send(request).await.unwrap().code, code, "{name}");
        bench.broke(broken);
    }
    let mut request = bench.request("GetTask", frames(&[get_task(HOST)]));
    request.headers_mut().remove("te");
    assert_eq!(bench.send(request).await.unwrap().code, 3);
    bench.broke("te is not trailers");
}
