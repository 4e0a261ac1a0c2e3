//! Accepts streams, speaks TLS, and sends each request by its content type to the service or to the token endpoint
//! (c1-protocol.md §20).

use std::collections::{BTreeMap, HashMap};
use std::convert::Infallible;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderValue, Method, Request, Response, StatusCode, Version, header};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use tokio::io::{AsyncRead, AsyncWrite, DuplexStream};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tonic::codegen::Service as _;

use super::link::Link;
use super::log::Received;
use super::proto::baton::baton_service_server::BatonServiceServer;
use super::script::Rpc;
use super::service::BatonService;
use super::state::State;
use super::token;

/// Before the name of a method (c1-protocol.md §5.2).
const SERVICE: &str = "/c1.connectorapi.baton.v1.BatonService/";

/// The standard health check, which C1 is not known to serve (c1-protocol.md §5.3). It is answered `UNIMPLEMENTED` and
/// is no violation: any answer proves a silent connection alive (docs/adr/0011).
const HEALTH: &str = "/grpc.health.v1.Health/Check";

/// The connection that a request came on.
#[derive(Debug, Clone)]
pub(super) struct Connection {
    pub(super) id: u64,
    pub(super) end: CancellationToken,
}

/// The open connections.
#[derive(Debug, Default)]
pub(super) struct Connections {
    counter: AtomicU64,
    open: Mutex<HashMap<u64, CancellationToken>>,
}

impl Connections {
    fn open(&self) -> Connection {
        let connection = Connection {
            id: self.counter.fetch_add(1, Ordering::Relaxed).saturating_add(1),
            end: CancellationToken::new(),
        };
        self.lock().insert(connection.id, connection.end.clone());
        connection
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<u64, CancellationToken>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn closed(&self, id: u64) {
        self.lock().remove(&id);
    }

    pub(super) fn count(&self) -> usize {
        self.lock().len()
    }

    pub(super) fn end_all(&self) {
        for end in self.lock().values() {
            end.cancel();
        }
    }
}

#[derive(Clone)]
struct Routes {
    grpc: Router,
    token: Router,
}

/// Serves until it is dropped. While `down`, new streams are closed at once.
pub(super) async fn serve(
    state: Arc<State>,
    acceptor: TlsAcceptor,
    listener: Option<TcpListener>,
    mut streams: mpsc::UnboundedReceiver<DuplexStream>,
    (connections, link): (Arc<Connections>, Link),
    down: tokio::sync::watch::Receiver<bool>,
) {
    let service = BatonServiceServer::new(BatonService(Arc::clone(&state)));
    let routes = Routes {
        grpc: tonic::service::Routes::new(service).into_axum_router(),
        token: token::router(Arc::clone(&state)),
    };
    let mut tasks = JoinSet::new();
    loop {
        let accept = async {
            match &listener {
                Some(listener) => listener.accept().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            Some(_) = tasks.join_next() => {}
            Ok((stream, _)) = accept => {
                if !*down.borrow() {
                    drop(stream.set_nodelay(true));
                    let connection = connections.open();
                    let open = (Arc::clone(&connections), connection.id);
                    let serving = serve_stream(Arc::clone(&state), acceptor.clone(), link.over(stream), routes.clone(), connection);
                    tasks.spawn(until_closed(open, serving));
                }
            }
            Some(stream) = streams.recv() => {
                if !*down.borrow() {
                    let connection = connections.open();
                    let open = (Arc::clone(&connections), connection.id);
                    let serving = serve_stream(Arc::clone(&state), acceptor.clone(), link.over(stream), routes.clone(), connection);
                    tasks.spawn(until_closed(open, serving));
                }
            }
        }
    }
}

/// Serves a connection, and notes when it has ended.
async fn until_closed((connections, id): (Arc<Connections>, u64), serving: impl Future<Output = ()>) {
    serving.await;
    connections.closed(id);
}

async fn serve_stream<S>(state: Arc<State>, acceptor: TlsAcceptor, stream: S, routes: Routes, connection: Connection)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let Ok(stream) = acceptor.accept(stream).await else {
        return;
    };
    let alpn = stream
        .get_ref()
        .1
        .alpn_protocol()
        .map(|name| String::from_utf8_lossy(name).into_owned());
    state.record(
        connection.id,
        &BTreeMap::new(),
        Received::Connection(alpn.unwrap_or_default()),
    );
    let end = connection.end.clone();
    let service = service_fn(move |request| dispatch(request, routes.clone(), connection.clone(), Arc::clone(&state)));
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder.http2().timer(TokioTimer::new());
    let serving = builder.serve_connection(TokioIo::new(stream), service);
    tokio::select! {
        ended = serving => drop(ended),
        () = end.cancelled() => {}
    }
}

async fn dispatch(
    mut request: Request<Incoming>,
    routes: Routes,
    connection: Connection,
    state: Arc<State>,
) -> Result<Response<Body>, Infallible> {
    request.extensions_mut().insert(connection);
    let kind = request
        .headers()
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok());
    let is_grpc = kind.is_some_and(|kind| kind.starts_with("application/grpc"));
    let checked = if is_grpc {
        grpc(&request)
    } else {
        token_request(&request)
    };
    let refused = checked.err().map(|(status, reason)| {
        let place = format!("{} {}", request.method(), request.uri().path());
        state.violation(format!("{place}: {reason}"));
        status
    });
    // Without a status the service or the endpoint says no by itself.
    if let Some(Some(status)) = refused {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = status;
        return Ok(response);
    }
    let mut target = if is_grpc { routes.grpc } else { routes.token };
    target.call(request.map(Body::new)).await
}

/// What is wrong with a request, and its answer where the one behind the routes would not refuse it.
type Checked = Result<(), (Option<StatusCode>, String)>;

/// What a call of the service looks like from outside (c1-protocol.md §5.1, §5.2).
fn grpc(request: &Request<Incoming>) -> Checked {
    if request.version() != Version::HTTP_2 {
        let status = StatusCode::HTTP_VERSION_NOT_SUPPORTED;
        return Err((Some(status), format!("gRPC over {:?}", request.version())));
    }
    let kind = request.headers().get(header::CONTENT_TYPE).map(HeaderValue::as_bytes);
    if !matches!(kind, Some(b"application/grpc" | b"application/grpc+proto")) {
        return Err((Some(StatusCode::UNSUPPORTED_MEDIA_TYPE), "content type".to_owned()));
    }
    if request.method() != Method::POST {
        return Err((Some(StatusCode::METHOD_NOT_ALLOWED), "gRPC is POST".to_owned()));
    }
    let encoding = request.headers().get("grpc-encoding");
    if encoding.is_some_and(|value| value != "identity") {
        return Err((None, "requests are not compressed".to_owned()));
    }
    let method = request.uri().path().strip_prefix(SERVICE);
    // The service answers and notes a StartDebugging by itself.
    if method.is_some_and(|name| Rpc::from_name(name).is_some() || name == "StartDebugging") {
        return Ok(());
    }
    if request.uri().path() == HEALTH {
        return Ok(());
    }
    Err((None, "no such gRPC method".to_owned()))
}

/// Everything else is for the token endpoint (c1-protocol.md §3.6, §20).
fn token_request(request: &Request<Incoming>) -> Checked {
    // Whoever looks whether the host is there asks nothing of it.
    if request.method() == Method::HEAD && request.uri().path() == "/" {
        return Ok(());
    }
    if request.uri().path() != token::PATH {
        return Err((None, "no such path".to_owned()));
    }
    if request.method() != Method::POST {
        return Err((None, "tokens are asked for with POST".to_owned()));
    }
    Ok(())
}
