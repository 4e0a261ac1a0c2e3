//! Whether tasks may change PingOne, and through what.

use crate::config::Config;
use crate::pingone::Client;
use crate::runtime::permit::Permit;
use crate::schedule::WriteLog;
use crate::task::{PROVISIONING_DISABLED, Writes};

/// For the status page.
pub(super) const fn mode(config: &Config) -> &'static str {
    match (config.provision.enabled, config.provision.dry_run) {
        (false, _) => "off",
        (true, true) => "dry run",
        (true, false) => "on",
    }
}

/// The writes of one term. Each is noted in `log`, and none begins without the permit.
pub(super) fn of(_config: &Config, _client: &Client, _permit: &Permit, _log: WriteLog) -> Writes {
    Writes::Refused(PROVISIONING_DISABLED)
}
