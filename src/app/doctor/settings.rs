//! The settings, where they come from, what is wrong with them, and what has no effect.

use std::path::Path;

use super::finding::Findings;
use crate::app::{daemon, writes};
use crate::config::{Config, Examined, LogSettings};
use process::telemetry::LogLevel;

const SETTINGS: &str = "settings";

pub(super) fn look(config: &Config, examined: &Examined, found: &mut Findings) {
    for setting in &examined.settings {
        let source = setting.source.as_str();
        found.ok(SETTINGS, format!("{} = {} ({source})", setting.name, setting.value));
    }
    for fault in &examined.faults {
        found.fail(SETTINGS, fault.text.replace('\n', " "), fault.remedy);
    }
    for unknown in &examined.unknown {
        let remedy = "It has no effect: correct its name or remove it.";
        found.warn(SETTINGS, format!("{unknown} is no setting"), remedy);
    }
    logs(&config.log, found);
    without_effect(config, examined, found);
    let mode = format!("mode: {}, provisioning {}", daemon::mode(config), writes::mode(config));
    found.ok(SETTINGS, mode);
    trust(examined, found);
}

fn without_effect(config: &Config, examined: &Examined, found: &mut Findings) {
    let remedy = "It has no effect here: remove it.";
    let is_set = |name: &str| examined.settings.iter().any(|setting| setting.name == name);
    if config.keep_previous_sync {
        found.warn(
            SETTINGS,
            "keep-previous-sync-c1z keeps nothing: no sync takes over rows of the one before",
            remedy,
        );
    }
    if is_set("log-level-debug-expires-at") {
        found.warn(SETTINGS, "log-level-debug-expires-at is accepted and ignored", remedy);
    }
    if !daemon::is_wanted(config) && is_set("provisioning") {
        found.warn(
            SETTINGS,
            "provisioning is for a daemon; one-shot flags change PingOne without it",
            remedy,
        );
    }
    if daemon::is_wanted(config) && config.provision.dry_run && !config.provision.enabled {
        found.warn(
            SETTINGS,
            "dry-run is on and provisioning is off",
            "Set provisioning, too, if tasks are to be checked.",
        );
    }
    if config.pingone.insecure {
        let text = "insecure is on: whoever is between can read the client secret and change what is synced";
        found.warn(
            SETTINGS,
            text,
            "Remove it outside of tests; name a private authority in SSL_CERT_FILE.",
        );
    }
}

/// What is not known does not end the start (c1-protocol.md §12.2), and somebody may wait for lines that never come.
fn logs(log: &LogSettings, found: &mut Findings) {
    if log.level.parse::<LogLevel>().is_err() {
        let text = "log-level is none of debug, info, warn and error, so info is in force";
        found.warn(SETTINGS, text, "Set one of them.");
    }
    if !matches!(log.format.as_str(), "" | "console" | "json") {
        let text = "log-format is neither console nor json, so json is in force";
        found.warn(SETTINGS, text, "Set one of them.");
    }
}

/// Variables that name trusted certificates and name nothing.
fn trust(examined: &Examined, found: &mut Findings) {
    for (name, path) in &examined.trust {
        let shown = path.display();
        match readable(path) {
            Ok(true) => found.ok(SETTINGS, format!("{name} names {shown}, which holds certificates")),
            Ok(false) => found.fail(
                SETTINGS,
                format!("{name} names {shown}, which holds no certificate"),
                "Put PEM certificates there or unset it.",
            ),
            Err(error) => found.fail(
                SETTINGS,
                format!("{name} names {shown}, which cannot be read: {error}"),
                "Correct it or unset it.",
            ),
        }
    }
    if process::runtime::anchors::store().is_empty() {
        let remedy = "Install the system's certificate authorities or name a file of them in SSL_CERT_FILE.";
        found.fail(SETTINGS, "no certificate authority is trusted on this machine", remedy);
    }
}

/// Whether something in the form of a certificate is there. A directory only has to be one.
fn readable(path: &Path) -> std::io::Result<bool> {
    if path.is_dir() {
        return std::fs::read_dir(path).map(|mut entries| entries.next().is_some());
    }
    Ok(std::fs::read_to_string(path)?.contains("-----BEGIN CERTIFICATE-----"))
}
