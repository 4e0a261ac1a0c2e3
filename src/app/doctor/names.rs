//! What settings name in PingOne: populations, roles, scopes, and users by a filter. A start or a sync would end on what is
//! not there.

use super::finding::Findings;
use crate::app::{one_shot_provision, writes};
use crate::config::{Config, RoleScan};
use crate::provision::PingOneProvisioner;
use crate::sync::check_populations;
use pingone::{Client, PingOneError};

const SETTINGS: &str = "settings";

pub(super) async fn look(config: &Config, client: &Client, found: &mut Findings) {
    let sync = &config.sync;
    let candidates: &[String] = match sync.role_scan {
        RoleScan::Candidates => &sync.role_candidates,
        RoleScan::All | RoleScan::GroupsAndWorkers => &[],
    };
    let expression = match candidates {
        [only] => only.strip_prefix("filter:"),
        _ => None,
    };
    populations("population-filter", &sync.population_filter, client, found).await;
    if expression.is_none() {
        populations("role-assignment-candidates", candidates, client, found).await;
    }
    filter("user-filter", sync.user_filter.as_deref(), client, found).await;
    filter("role-assignment-candidates", expression, client, found).await;
    provisioning(config, client, found).await;
}

async fn populations(setting: &'static str, names: &[String], client: &Client, found: &mut Findings) {
    if names.is_empty() {
        return;
    }
    match client.populations().all().await {
        Ok(all) => match check_populations(&all, names, setting) {
            Ok(()) => found.ok(SETTINGS, format!("{setting} names populations of this environment")),
            Err(error) => found.fail(SETTINGS, error.to_string(), ""),
        },
        Err(error) => unasked(setting, &error, found),
    }
}

/// PingOne's own words may quote the filter, which may name a person: they are left out.
async fn filter(setting: &'static str, filter: Option<&str>, client: &Client, found: &mut Findings) {
    let Some(filter) = filter.map(str::trim).filter(|filter| !filter.is_empty()) else {
        return;
    };
    match client.user_count(Some(filter)).await {
        Ok(Some(0)) => found.warn(
            SETTINGS,
            format!("{setting} finds no user"),
            "Correct the filter, unless there is to be nobody yet.",
        ),
        Ok(_) => found.ok(SETTINGS, format!("PingOne takes {setting}")),
        Err(error) if error.status() == Some(400) => found.fail(
            SETTINGS,
            format!("PingOne refuses {setting} ({})", error.detail_code().unwrap_or("400")),
            "Correct the SCIM filter: attributes, operators and quotes.",
        ),
        Err(error) => unasked(setting, &error, found),
    }
}

/// What the start asks before it changes anything, and where new accounts go. It asks only where something may be changed.
async fn provisioning(config: &Config, client: &Client, found: &mut Findings) {
    let is_on = config.provision.enabled || one_shot_provision::is_wanted(&config.one_shot);
    let tell = |found: &mut Findings, text: String, remedy: &str| {
        if is_on {
            found.fail(SETTINGS, text, remedy);
        } else {
            found.warn(SETTINGS, text, remedy);
        }
    };
    let provisioner = PingOneProvisioner::new(writes::options(config), client.clone());
    match provisioner.check_settings(client).await {
        Ok(None) => {}
        Ok(Some(unknown)) => tell(found, unknown, ""),
        Err(error) => unasked("protected-roles and writable-role-scopes", &error, found),
    }
    let Some(id) = config.provision.default_population else {
        return;
    };
    match client.population(id).await {
        Ok(_) => found.ok(SETTINGS, "default-population-id names a population of this environment"),
        Err(error) if error.is_gone() => tell(
            found,
            "default-population-id names no population of this environment".to_owned(),
            "Correct it: PingOne shows the ids under Directory > Populations.",
        ),
        Err(error) => unasked("default-population-id", &error, found),
    }
}

fn unasked(setting: &str, error: &PingOneError, found: &mut Findings) {
    found.warn(SETTINGS, format!("{setting} could not be checked: {error}"), "");
}
