//! The Kubernetes part against a small API server of our own.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test may end where it stands"
)]

mod election;
mod events;
pub(crate) mod fake;
mod parts;
mod secret;
mod setup;

use std::future::Future;
use std::time::Duration;

use baton_ping_one::k8s::{Client, PodInfo};

/// Everything here is over long before this; it only keeps a broken test from hanging.
async fn soon<T>(what: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_mins(2), what)
        .await
        .expect("it did not happen")
}

fn client(fake: &fake::Fake) -> Client {
    let home = PodInfo {
        namespace: Some("here".into()),
        pod: Some("pod-a".into()),
        pod_uid: Some("uid-a".into()),
        deployment: Some("baton-ping-one".into()),
    };
    Client::with_config(kube::Config::new(fake.uri()), home).expect("a client")
}
