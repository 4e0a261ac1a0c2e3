//! What the settings say about provisioning.

use uuid::Uuid;

use crate::model::WritableScopes;

/// What deleting an account does (connector-model.md §7.4).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Deprovision {
    /// The account is deleted.
    #[default]
    Delete,
    /// The account is disabled and kept.
    Disable,
    /// The account is disabled, then deleted.
    DisableThenDelete,
}

/// The settings of provisioning.
#[derive(Debug, Clone, Default)]
pub struct ProvisionOptions {
    /// Reads and checks only.
    pub dry_run: bool,
    /// Whoever asks may ask again where our answer did not reach it, also another process.
    pub asked_again: bool,
    /// Role names or ids that are never granted or revoked.
    pub protected_roles: Vec<String>,
    /// User ids that get no action, no new password and no deletion.
    pub protected_users: Vec<String>,
    /// Applications are read, so that a group that limits one can be told.
    pub applications: bool,
    /// Memberships of populations are granted and revoked.
    pub population_provisioning: bool,
    /// Scopes over which roles may be changed beyond our own.
    pub writable_scopes: WritableScopes,
    /// Population of accounts that name none.
    pub default_population: Option<Uuid>,
    /// What deleting an account does.
    pub deprovision: Deprovision,
    /// Populations (ids or names) that are synced; empty is all.
    pub population_filter: Vec<String>,
    /// Custom attributes in profiles, as in a sync.
    pub custom_attributes: Vec<String>,
    /// Attributes that hold employee ids, as in a sync.
    pub employee_id_attributes: Vec<String>,
    /// Values of `type` that mark service accounts, as in a sync.
    pub service_account_types: Vec<String>,
}
