//! The schema that readers expect, names included (c1z.md §3). Two index names are swapped relative to what they
//! index; that is how every file in the field looks.

/// Tables, in the order that readers create them.
pub(crate) const TABLES: [&str; 7] = [
    "CREATE TABLE IF NOT EXISTS v1_resource_types (id INTEGER PRIMARY KEY, external_id text NOT NULL, data blob NOT \
     NULL, sync_id text NOT NULL, discovered_at datetime NOT NULL)",
    "CREATE TABLE IF NOT EXISTS v1_resources (id INTEGER PRIMARY KEY, resource_type_id text NOT NULL, external_id \
     text NOT NULL, parent_resource_type_id text, parent_resource_id text, data blob NOT NULL, sync_id text NOT NULL, \
     discovered_at datetime NOT NULL)",
    "CREATE TABLE IF NOT EXISTS v1_entitlements (id INTEGER PRIMARY KEY, resource_type_id text NOT NULL, resource_id \
     text NOT NULL, external_id text NOT NULL, data blob NOT NULL, sync_id text NOT NULL, discovered_at datetime NOT \
     NULL)",
    "CREATE TABLE IF NOT EXISTS v1_sync_runs (id INTEGER PRIMARY KEY, sync_id text NOT NULL, started_at datetime NOT \
     NULL, ended_at datetime, sync_token text NOT NULL, sync_type text NOT NULL DEFAULT 'full', parent_sync_id text \
     NOT NULL DEFAULT '', linked_sync_id text NOT NULL DEFAULT '', supports_diff integer NOT NULL DEFAULT 0, \
     grants_backfilled integer NOT NULL DEFAULT 0, stats text, ingest_invariant_generation text NOT NULL DEFAULT '', \
     ingest_invariant_coverage text NOT NULL DEFAULT '', ingest_invariant_mode text NOT NULL DEFAULT '')",
    "CREATE TABLE IF NOT EXISTS v1_grants (id INTEGER PRIMARY KEY, resource_type_id text NOT NULL, resource_id text \
     NOT NULL, entitlement_id text NOT NULL, principal_resource_type_id text NOT NULL, principal_resource_id text NOT \
     NULL, external_id text NOT NULL, expansion blob, needs_expansion integer NOT NULL DEFAULT 0, data blob NOT NULL, \
     sync_id text NOT NULL, discovered_at datetime NOT NULL)",
    "CREATE TABLE IF NOT EXISTS v1_assets (id INTEGER PRIMARY KEY, external_id text NOT NULL, content_type text NOT \
     NULL, data blob NOT NULL, sync_id text NOT NULL, discovered_at datetime NOT NULL)",
    "CREATE TABLE IF NOT EXISTS v1_connector_sessions (id INTEGER PRIMARY KEY, sync_id text NOT NULL, key text NOT \
     NULL, value blob NOT NULL)",
];

/// Indexes whose keys come in ascending order, because rows do (c1z.md §3.3, docs/adr/0003): made with the tables. Each
/// row goes to their right edge, and their pages lie beside the rows', which makes the packed file a quarter smaller.
pub(crate) const ORDERED_INDEXES: [&str; 6] = [
    "CREATE INDEX IF NOT EXISTS idx_grants_resource_type_id_resource_id_v1 ON v1_grants (resource_type_id, resource_id)",
    "CREATE INDEX IF NOT EXISTS idx_grants_entitlement_id_principal_id_v1 ON v1_grants (entitlement_id, \
     principal_resource_type_id, principal_resource_id)",
    "CREATE UNIQUE INDEX IF NOT EXISTS idx_grants_external_sync_v1 ON v1_grants (external_id, sync_id)",
    "CREATE INDEX IF NOT EXISTS idx_grants_entitlement_sync_grant_v1 ON v1_grants (entitlement_id, sync_id, id)",
    "CREATE INDEX IF NOT EXISTS idx_grants_sync_expansion_v1 ON v1_grants (sync_id) WHERE expansion IS NOT NULL",
    "CREATE INDEX IF NOT EXISTS idx_grants_sync_needs_expansion_v1 ON v1_grants (sync_id) WHERE needs_expansion = 1",
];

/// The other indexes, made when every row is there. All must ship: each reader would build a missing one at each open.
pub(crate) const LATE_INDEXES: [&str; 10] = [
    "CREATE UNIQUE INDEX IF NOT EXISTS idx_resource_types_external_sync_v1 ON v1_resource_types (external_id, sync_id)",
    "CREATE INDEX IF NOT EXISTS idx_resources_resource_type_id_v1 ON v1_resources (resource_type_id)",
    "CREATE INDEX IF NOT EXISTS idx_resources_external_sync_v1 ON v1_resources (parent_resource_type_id, \
     parent_resource_id)",
    "CREATE UNIQUE INDEX IF NOT EXISTS idx_resources_parent_resource_id_v1 ON v1_resources (external_id, sync_id)",
    "CREATE INDEX IF NOT EXISTS idx_entitlements_resource_id_v1 ON v1_entitlements (resource_type_id, resource_id)",
    "CREATE UNIQUE INDEX IF NOT EXISTS idx_entitlements_external_sync_v1 ON v1_entitlements (external_id, sync_id)",
    "CREATE INDEX IF NOT EXISTS idx_grants_principal_id_v1 ON v1_grants (principal_resource_type_id, \
     principal_resource_id)",
    "CREATE UNIQUE INDEX IF NOT EXISTS idx_sync_runs_sync_id_v1 ON v1_sync_runs (sync_id)",
    "CREATE UNIQUE INDEX IF NOT EXISTS idx_assets_external_sync_v1 ON v1_assets (external_id, sync_id)",
    "CREATE UNIQUE INDEX IF NOT EXISTS idx_session_store_sync_key_v1 ON v1_connector_sessions (sync_id, key)",
];
