//! Accepts streams, speaks TLS, and sends each request by its content type to the service or to the token endpoint.

use std::collections::{BTreeMap, HashMap};
use std::convert::Infallible;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::body::Body;
use axum::http::{Request, Response, header};
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

use super::log::Received;
use super::proto::baton::baton_service_server::BatonServiceServer;
use super::service::BatonService;
use super::state::State;
use super::token;

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
    connections: Arc<Connections>,
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
                    tasks.spawn(serve_stream(Arc::clone(&state), acceptor.clone(), stream, routes.clone(), connection));
                }
            }
            Some(stream) = streams.recv() => {
                if !*down.borrow() {
                    let connection = connections.open();
                    tasks.spawn(serve_stream(Arc::clone(&state), acceptor.clone(), stream, routes.clone(), connection));
                }
            }
        }
    }
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
    let service = service_fn(move |request| dispatch(request, routes.clone(), connection.clone()));
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
) -> Result<Response<Body>, Infallible> {
    request.extensions_mut().insert(connection);
    let kind = request
        .headers()
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok());
    let is_grpc = kind.is_some_and(|kind| kind.starts_with("application/grpc"));
    let mut target = if is_grpc { routes.grpc } else { routes.token };
    target.call(request.map(Body::new)).await
}
