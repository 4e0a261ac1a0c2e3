//! Whether tasks may change PingOne, and through what.

use std::sync::Arc;

use tokio::sync::watch;

use super::credentials::c1_credentials;
use crate::config::Config;
use crate::credentials::source::C1Values;
use crate::pingone::Client;
use crate::provision::crypto::ClientKey;
use crate::provision::{Deprovision, PingOneProvisioner, ProvisionOptions};
use crate::runtime::permit::Permit;
use crate::schedule::{WatchedProvisioner, WriteLog};
use crate::task::{PROVISIONING_DISABLED, Writes};

/// For the status page.
pub(super) const fn mode(config: &Config) -> &'static str {
    match (config.provision.enabled, config.provision.dry_run) {
        (false, _) => "off",
        (true, true) => "dry run",
        (true, false) => "on",
    }
}

/// The client secret's key as it changes.
pub(super) type KeyReceiver = watch::Receiver<Option<Arc<ClientKey>>>;

/// The key of a client secret, to open passwords that C1 chose. Without one they are refused.
pub(super) fn client_key(values: &C1Values) -> Option<Arc<ClientKey>> {
    let credentials = c1_credentials(values).ok()?;
    let key = ClientKey::from_seed(credentials.key.seed(), credentials.key.kid()).ok()?;
    Some(Arc::new(key))
}

/// The writes of one term. Each is noted in `log`, and none begins without the permit.
pub(super) fn of(config: &Config, client: &Client, permit: &Permit, log: WriteLog, key: KeyReceiver) -> Writes {
    if !config.provision.enabled {
        return Writes::Refused(PROVISIONING_DISABLED);
    }
    let provisioner = PingOneProvisioner::new(options(config), client.clone())
        .with_permit(permit.clone())
        .with_client_key(key);
    Writes::Enabled(Arc::new(WatchedProvisioner::new(Arc::new(provisioner), log)))
}

/// The settings of provisioning.
pub(super) fn options(config: &Config) -> ProvisionOptions {
    let (provision, sync) = (&config.provision, &config.sync);
    ProvisionOptions {
        dry_run: provision.dry_run,
        protected_roles: provision.protected_roles.clone(),
        protected_users: provision.protected_users.clone(),
        default_population: provision.default_population,
        deprovision: match provision.deprovision_mode {
            "disable" => Deprovision::Disable,
            "disable-then-delete" => Deprovision::DisableThenDelete,
            _ => Deprovision::Delete,
        },
        population_filter: sync.population_filter.clone(),
        custom_attributes: sync.custom_attributes.clone(),
        employee_id_attributes: sync.employee_id_attributes.clone(),
        service_account_types: sync.service_account_types.clone(),
    }
}
