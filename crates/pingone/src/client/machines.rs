//! Gateways and keys (access-model.md §3.3, §3.4): what holds access without being a person, and no secret of it.

use uuid::Uuid;

use super::Client;
use super::pages::Pages;
use crate::error::PingOneError;
use crate::operation::Operation;
use crate::types::{Gateway, GatewayCredential, Key};

impl Client {
    /// The gateways.
    pub fn gateways(&self) -> Pages<Gateway> {
        let (operation, url) = (Operation::ListGateways, self.url(&["gateways"]));
        Pages::new(self.clone(), operation, self.environment_id(), "gateways", url)
    }

    /// One gateway.
    pub async fn gateway(&self, id: Uuid) -> Result<Gateway, PingOneError> {
        let id = id.to_string();
        let url = self.url(&["gateways", &id]);
        self.read_one(Operation::ReadGateway, &id, url).await
    }

    /// What a gateway signs in with, without any value: for rows that do not say so themselves.
    pub async fn gateway_credentials(&self, id: Uuid) -> Result<Vec<GatewayCredential>, PingOneError> {
        let id = id.to_string();
        let url = self.url(&["gateways", &id, "credentials"]);
        Pages::new(self.clone(), Operation::ListGatewayCredentials, id, "credentials", url)
            .all()
            .await
    }

    /// The environment's key pairs, without private parts.
    pub fn keys(&self) -> Pages<Key> {
        let (operation, url) = (Operation::ListKeys, self.url(&["keys"]));
        Pages::new(self.clone(), operation, self.environment_id(), "keys", url)
    }
}
