//! What the daemon says of itself at `/status.json`, and the command that reads it. Nothing of it names a person.

use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::time::Duration;

use anyhow::Context as _;
use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::board;
use super::context::Context;
use super::rows::unless_pipe_is_closed;
use super::writes;
use crate::admin::{self, HealthCheckError};
use crate::config::{Config, Output};
use crate::credentials::{CredentialState, Held, Side};
use pingone::Client;

/// Longest time for an answer of the daemon.
const ANSWER: Duration = Duration::from_secs(5);

/// Everything but what the admin server knows itself.
pub(super) fn tell(config: &Config, context: &Context, credentials: &CredentialState) -> Map<String, Value> {
    let client = context.client.get();
    let mut told = Map::new();
    let environment = client.map_or("not known yet", Client::environment_id);
    told.insert(
        "environment".to_owned(),
        json!({"id": environment, "region": config.pingone.region.tld()}),
    );
    told.insert("role".to_owned(), context.role().into());
    told.insert("provisioning".to_owned(), writes::mode(config).into());
    if credentials.wants_c1 == Some(true) {
        let session = match context.metrics.session_connected.get() {
            1 => "connected to C1",
            _ => "not connected to C1",
        };
        told.insert("session".to_owned(), session.into());
    }
    context.board.tell(&mut told);
    let rates = client.map(Client::rates).unwrap_or_default();
    let rates = rates.into_iter().map(
        |rate| json!({"group": rate.group.as_str(), "per_second": rate.per_second.round(), "waiting": rate.waiting}),
    );
    told.insert("rates".to_owned(), rates.collect());
    let mut sides = Map::new();
    sides.insert(Side::PingOne.as_str().to_owned(), side(&credentials.pingone));
    if credentials.wants_c1 == Some(true) {
        sides.insert(Side::C1.as_str().to_owned(), side(&credentials.c1));
    }
    told.insert("credentials".to_owned(), sides.into());
    told
}

fn side<T>(held: &Held<T>) -> Value {
    let mut told = Map::new();
    told.insert("state".to_owned(), held.describe().into());
    if let Some(at) = held.proved_at.and_then(|at| Timestamp::try_from(at).ok()) {
        told.insert("fingerprint".to_owned(), held.fingerprint.clone().into());
        told.insert("in_use_since".to_owned(), board::text(at).into());
    }
    told.into()
}

/// Asks the daemon on this machine and prints what it says. 0 if it is ready, 1 if not, 14 if there is none, as
/// `health-check` has it.
pub(super) async fn show(config: &Config) -> anyhow::Result<u8> {
    let (address, port) = (config.admin.address, config.admin.port);
    let body = match admin::fetch(address, port, "/status.json", ANSWER).await {
        Ok((200, body)) => body,
        Ok((status, _)) => anyhow::bail!(
            "what listens at {address}:{port} answered /status.json with {status}: it is no baton-ping-one of this version"
        ),
        Err(error @ HealthCheckError::Unreachable { .. }) => {
            super::complain(&anyhow::Error::new(error).context(
                "no daemon answers. Start it, or name its address and port (--health-check-bind-address, \
                     --health-check-port)",
            ));
            return Ok(HealthCheckError::UNREACHABLE);
        }
        Err(error) => return Err(error.into()),
    };
    let status: Value = serde_json::from_str(&body).context("the daemon's status does not read")?;
    let is_ready = status.get("ready") == Some(&Value::Bool(true));
    let text = if config.output == Output::Json {
        body
    } else {
        lines(&status)
    };
    let printed = io::stdout()
        .lock()
        .write_all(text.as_bytes())
        .context("print the status");
    unless_pipe_is_closed(printed)?;
    Ok(u8::from(!is_ready))
}

/// The document for people: a line for each value, a block for each list.
fn lines(status: &Value) -> String {
    let mut text = String::new();
    for (name, value) in status.as_object().into_iter().flatten() {
        walk(&name.replace('_', " "), value, &mut text);
    }
    text
}

fn walk(name: &str, value: &Value, text: &mut String) {
    match value {
        Value::Object(members) => {
            for (member, value) in members {
                walk(&format!("{name} {}", member.replace('_', " ")), value, text);
            }
        }
        Value::Array(items) if items.is_empty() => {
            writeln!(text, "{name:<28} none").ok();
        }
        Value::Array(items) => {
            for item in items {
                let members = item.as_object().into_iter().flatten();
                let line: Vec<_> = members
                    .map(|(name, value)| format!("{name} {}", plain(value)))
                    .collect();
                writeln!(text, "{name:<28} {}", line.join(", ")).ok();
            }
        }
        other => {
            writeln!(text, "{name:<28} {}", plain(other)).ok();
        }
    }
}

fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Bool(true) => "yes".to_owned(),
        Value::Bool(false) => "no".to_owned(),
        Value::Null => "-".to_owned(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_value_has_a_line() {
        let status = json!({"ready": true, "syncs": {"last": {"grants": 3}}, "running_tasks": [], "recent_tasks": [{"id": "t", "kind": "grant"}]});
        let text = lines(&status);
        let found: Vec<String> = text
            .lines()
            .map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "))
            .collect();
        assert_eq!(
            found,
            [
                "ready yes",
                "syncs last grants 3",
                "running tasks none",
                "recent tasks id t, kind grant"
            ]
        );
    }
}
