//! `doctor`: looks at everything that the work needs and changes nothing. One finding for each thing, with what to do; the
//! exit code is that of the worst.

mod bundle;
mod c1;
mod collector;
mod credentials;
mod disk;
mod finding;
mod kubernetes;
mod names;
mod network;
mod pingone;
mod rights;
mod settings;

use std::io::{self, Write as _};
use std::time::Duration;

use anyhow::Context as _;

use super::history::History;
use crate::admin::{self, HealthCheckError};
use crate::config::{Config, Doctor, Output};
use crate::k8s::lease::Notes;
use finding::Findings;

/// Longest time for a daemon beside us to say how it is.
const BESIDE: Duration = Duration::from_secs(3);

/// Looks, prints, and answers the exit code.
pub(super) async fn run(config: &Config, doctor: &Doctor) -> anyhow::Result<u8> {
    let bundle = doctor.bundle.as_deref().map(bundle::create).transpose()?;
    let is_json = doctor.format == Output::Json;
    let mut found = Findings::new(!is_json, &doctor.examined.hidden);
    settings::look(config, &doctor.examined, &mut found);
    disk::look(config, &mut found);
    services(config, &mut found).await;
    collector::look(config, &mut found).await;
    let beside = daemon(config, &mut found).await;
    let text = if is_json { found.json() } else { found.summary() };
    io::stdout().lock().write_all(text.as_bytes()).ok();
    if let Some(file) = bundle {
        let parts = [
            ("version.txt", format!("{}\n", version())),
            ("report.txt", found.lines() + &found.summary()),
            ("report.json", found.json()),
            ("metrics.txt", beside.metrics),
            ("status.json", beside.status),
        ];
        bundle::write(file, &parts).context("write the bundle")?;
    }
    Ok(found.exit_code())
}

/// The cluster, PingOne and C1.
async fn services(config: &Config, found: &mut Findings) {
    let kube = kubernetes::look(config, found).await;
    let secret = match &kube {
        Some(kube) => kubernetes::secret(config, kube, found).await,
        None => None,
    };
    let both = credentials::look(config, secret, found).await;
    let environment = both.pingone.as_ref().map(|values| values.environment_id);
    match (&kube, environment) {
        (Some(kube), _) => kubernetes::lease(config, kube, environment, found).await,
        (None, Some(environment)) => match History::reading(config, environment, Notes::default()) {
            Ok(history) => kubernetes::baseline(&history, found),
            Err(error) => found.fail("baseline", format!("{error:#}"), ""),
        },
        (None, None) => {}
    }
    let proxy = match super::proxy(config) {
        Ok(proxy) => proxy,
        Err(error) => return found.fail("proxy", error.to_string(), "Correct HTTPS_PROXY."),
    };
    match &both.pingone {
        Some(values) => pingone::look(config, values, &proxy, found).await,
        None => pingone::way(config, &proxy, found).await,
    }
    if let Some(values) = &both.c1 {
        c1::look(config, values, &proxy, found).await;
    }
}

/// What a daemon beside us says of itself; empty where there is none.
#[derive(Default)]
struct Beside {
    metrics: String,
    status: String,
}

/// A daemon on the same admin port, where these settings make one.
async fn daemon(config: &Config, found: &mut Findings) -> Beside {
    if !super::daemon::is_wanted(config) {
        return Beside::default();
    }
    let ask = |path| admin::fetch(config.admin.address, config.admin.port, path, BESIDE);
    match ask("/readyz").await {
        Ok((200, _)) => found.ok("daemon", format!("the one on port {} is ready", config.admin.port)),
        Ok((_, body)) => found.fail(
            "daemon",
            format!("the one on port {} is not ready: {}", config.admin.port, body.trim()),
            "The answer names each reason.",
        ),
        Err(HealthCheckError::Unreachable { .. }) => {
            found.ok(
                "daemon",
                format!("none runs on port {} of this machine", config.admin.port),
            );
            return Beside::default();
        }
        Err(error) => found.warn(
            "daemon",
            error.to_string(),
            "Something else may use the port: set health-check-port.",
        ),
    }
    let text = async |path| ask(path).await.map_or_else(|_| String::new(), |(_, body)| body);
    Beside {
        metrics: text("/metrics").await,
        status: text("/status.json").await,
    }
}

fn version() -> String {
    let build = crate::BUILD;
    format!(
        "{} {} (revision {}, rust {})",
        build.package, build.version, build.revision, build.rustc
    )
}
