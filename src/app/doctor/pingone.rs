//! PingOne: hosts, token, environment and region, each read and each ability to write, what settings name, rates and
//! activities. Nothing is written.

use std::time::Duration;

use baton::session::ProxyConfig;
use jiff::{SignedDuration, Timestamp};

use super::finding::Findings;
use super::network::{Target, reach};
use super::{names, rights};
use crate::app::connect;
use crate::config::Config;
use crate::credentials::PingOneValues;
use ::pingone::types::{Environment, LicenceRates};
use ::pingone::{ADDRESS_SHARE, Budget, Client, DEFAULT_CEILING, Hosts, Region};
use process::runtime::current::Current;

const RATE: &str = "rate";
/// Longest time of one question.
const STEP: Budget = Budget(Duration::from_secs(10));
/// How far back activities are asked for.
const LATELY: SignedDuration = SignedDuration::from_mins(10);

pub(super) async fn look(config: &Config, values: &PingOneValues, proxy: &ProxyConfig, found: &mut Findings) {
    let credentials = Current::fixed((*values.credentials).clone());
    let client = match connect::client(&config.pingone, values.environment_id, credentials, None) {
        Ok(client) => client.with_budget(STEP),
        Err(error) => return found.fail("pingone", format!("{error:#}"), ""),
    };
    if !are_reached(config, client.hosts(), proxy, found).await {
        return;
    }
    if let Err(error) = client.prove().await {
        return found.fail("token", error.to_string(), "");
    }
    found.ok("token", "a token was given for the worker application");
    match client.environment().await {
        Ok(environment) => about(&environment, config, found),
        Err(error) => return found.fail("environment", error.to_string(), ""),
    }
    rights::reads(config, &client, found).await;
    rights::writes(config, &client, found).await;
    names::look(config, &client, found).await;
    rate(config, &client, found).await;
    activities(config, &client, found).await;
}

/// The way to the hosts, where nothing is known to sign in with.
pub(super) async fn way(config: &Config, proxy: &ProxyConfig, found: &mut Findings) {
    let settings = &config.pingone;
    let (api, auth) = (settings.base_url.as_deref(), settings.auth_url.as_deref());
    match Hosts::new(settings.region, api, auth, "", settings.insecure) {
        Ok(hosts) => {
            are_reached(config, &hosts, proxy, found).await;
        }
        Err(error) => found.fail("pingone", error.to_string(), ""),
    }
}

async fn are_reached(config: &Config, hosts: &Hosts, proxy: &ProxyConfig, found: &mut Findings) -> bool {
    let mut all = true;
    for target in targets(config, hosts) {
        all &= reach(&target, proxy, found).await;
    }
    all
}

/// The hosts that requests go to, each once.
fn targets(config: &Config, hosts: &Hosts) -> Vec<Target> {
    let mut targets: Vec<Target> = Vec::new();
    for (what, url) in [("token endpoint", &hosts.token), ("PingOne's API", &hosts.api)] {
        let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']).to_owned();
        let port = url.port_or_known_default().unwrap_or(443);
        if targets.iter().all(|known| (&known.host, known.port) != (&host, port)) {
            targets.push(Target {
                what,
                host,
                port,
                tls: url.scheme() == "https",
                insecure: config.pingone.insecure,
            });
        }
    }
    targets
}

fn about(environment: &Environment, config: &Config, found: &mut Findings) {
    let kind = environment.environment_type.as_deref().unwrap_or("of no known type");
    let status = environment.status.as_deref().unwrap_or("ACTIVE");
    let text = format!("{} is {kind} and {status}", environment.id);
    if status == "ACTIVE" {
        found.ok("environment", text);
    } else {
        found.fail(
            "environment",
            text,
            "An environment that is being deleted is not synced: check pingone-environment-id.",
        );
    }
    let (level_text, remedy) = region(
        environment.region.as_deref(),
        config.pingone.region,
        config.pingone.base_url.is_some(),
    );
    match remedy {
        None => found.ok("region", level_text),
        Some(remedy) => found.warn("region", level_text, remedy),
    }
}

/// What is to be said of the region, and what to do if something is.
fn region(told: Option<&str>, configured: Region, base_is_set: bool) -> (String, Option<&'static str>) {
    let Some(told) = told else {
        return (
            format!("pingone-region is {configured}; the environment does not tell its own"),
            None,
        );
    };
    let Ok(known) = told.parse::<Region>() else {
        return (
            format!("the environment's region {told} is not one that is known here"),
            None,
        );
    };
    if known == configured {
        return (format!("{configured}, as the environment says"), None);
    }
    let text = format!(
        "pingone-region is {configured}, and the environment is of {known} ({})",
        known.code()
    );
    let remedy = if base_is_set {
        "Set pingone-region to the environment's: it works only because pingone-base-url is set."
    } else {
        "Set pingone-region to the environment's."
    };
    (text, Some(remedy))
}

async fn rate(config: &Config, client: &Client, found: &mut Findings) {
    let rate = config.pingone.rate_limit;
    if rate > 0 {
        return found.ok(RATE, format!("{rate} requests a second, as pingone-rate-limit says"));
    }
    let share = |rate: f64| format!("{:.0} of {rate:.0}", (rate * ADDRESS_SHARE).max(1.0));
    match client.capabilities().await.map(|capabilities| capabilities.rates()) {
        Ok(LicenceRates {
            directory: Some(rate), ..
        }) => found.ok(
            RATE,
            format!(
                "{} requests a second of the licence are one address's share",
                share(rate)
            ),
        ),
        Ok(_) => found.ok(
            RATE,
            format!("the licence states no rate limit: {DEFAULT_CEILING:.0} requests a second, fewer after refusals"),
        ),
        Err(error) => found.warn(
            RATE,
            format!(
                "the licence's rates could not be read, so {DEFAULT_CEILING:.0} requests a second are tried: {error}"
            ),
            "Set pingone-rate-limit if you know the limit.",
        ),
    }
}

async fn activities(config: &Config, client: &Client, found: &mut Findings) {
    let since = Timestamp::now() - LATELY;
    let filter = format!("recordedAt ge \"{since:.3}\"");
    let read = client.activities(&filter, 1).next_with(drop).await;
    match (read, config.event_feed) {
        (Ok(_), _) => found.ok("activities", "audit activities can be read"),
        (Err(error), true) => found.fail(
            "activities",
            error.to_string(),
            "Without them event-feed-enabled has nothing to tell.",
        ),
        (Err(error), false) => found.ok(
            "activities",
            format!("cannot be read, and event-feed-enabled is off: {error}"),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_region_is_named_with_what_to_set() {
        let (text, remedy) = region(Some("EU"), Region::Com, false);
        assert!(text.contains("is com") && text.contains("of eu (EU)"), "{text}");
        assert_eq!(remedy, Some("Set pingone-region to the environment's."));
        for (told, configured) in [
            (Some("NA"), Region::Com),
            (None, Region::Com),
            (Some("MOON"), Region::Com),
        ] {
            assert_eq!(region(told, configured, false).1, None, "{told:?}");
        }
    }
}
