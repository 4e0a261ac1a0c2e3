//! The reads of gateways and keys.

use std::collections::BTreeMap;

use uuid::Uuid;

use super::{Reads, absent};
use crate::model::{GATEWAY, SECRET};
use crate::sync::SyncError;
use pingone::Principal;
use pingone::types::{Gateway, GatewayCredential, Key};

impl Reads {
    /// The gateways by id.
    pub(crate) async fn gateways(&self) -> Result<BTreeMap<Uuid, Gateway>, SyncError> {
        let list = || self.client.gateways();
        let rows = self.collect("gateways", list, |gateway| Some(gateway.id)).await?;
        self.at_home(GATEWAY, rows.iter().map(|row| (row.id, row.environment)))?;
        Ok(rows.into_iter().map(|row| (row.id, row)).collect())
    }

    /// One gateway.
    pub(crate) async fn gateway(&self, id: Uuid) -> Result<Option<Gateway>, SyncError> {
        absent(self.client.gateway(id).await)
    }

    /// What a gateway signs in with; `None` when it vanished.
    pub(crate) async fn gateway_credentials(&self, id: Uuid) -> Result<Option<Vec<GatewayCredential>>, SyncError> {
        let object = Principal::Gateway(id);
        self.there(object, || self.client.gateway_credentials(id)).await
    }

    /// The key pairs by id.
    pub(crate) async fn keys(&self) -> Result<BTreeMap<Uuid, Key>, SyncError> {
        let rows = self.collect("keys", || self.client.keys(), |key| Some(key.id)).await?;
        self.at_home(SECRET, rows.iter().map(|row| (row.id, row.environment)))?;
        Ok(rows.into_iter().map(|row| (row.id, row)).collect())
    }
}
