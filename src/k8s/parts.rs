//! Bytes that a leader leaves for whoever leads next, in `ConfigMaps`: NAME-0, NAME-1 and so on, which go with the Deployment.

use std::time::Duration;

use aws_lc_rs::digest;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::ConfigMap;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::Api;
use kube::api::PostParams;

use super::client::Client;
use super::error::{K8sError, Verb};

/// `ConfigMaps`, at most: the chart's Role names so many.
pub const PARTS_MOST: usize = 8;
/// Bytes in each, at most: the API server takes 1 MiB.
const PART: usize = 900 << 10;
/// Keys of a `ConfigMap`: its bytes, how many parts there are, and the digest of all of them together.
const CONTENT: &str = "content";
const COUNT: &str = "parts";
const DIGEST: &str = "sha256";

/// The `ConfigMaps` of one name.
#[derive(Debug, Clone)]
pub struct Parts {
    client: Client,
    name: String,
}

impl Parts {
    /// The `ConfigMaps` whose names begin with `name`, in the client's namespace.
    pub fn new(client: &Client, name: &str) -> Self {
        Self {
            client: client.clone(),
            name: name.to_owned(),
        }
    }

    /// The name of each `ConfigMap`.
    pub fn names(name: &str) -> impl Iterator<Item = String> {
        (0..PARTS_MOST).map(move |number| format!("{name}-{number}"))
    }

    fn api(&self) -> Api<ConfigMap> {
        Api::namespaced(self.client.kube(), self.client.namespace())
    }

    /// What was left, if it is there and whole. Each call ends within `deadline`.
    pub async fn read(&self, deadline: Duration) -> Result<Option<Vec<u8>>, K8sError> {
        let Some(first) = self.part(0, deadline).await? else {
            return Ok(None);
        };
        let (count, wanted) = (entry(&first, COUNT), entry(&first, DIGEST));
        let Some(count) = count.and_then(|count| count.parse::<usize>().ok()) else {
            return Ok(None);
        };
        let mut bytes = content(first.clone());
        for number in 1..count.min(PARTS_MOST) {
            let Some(next) = self.part(number, deadline).await? else {
                return Ok(None);
            };
            bytes.extend(content(next));
        }
        // A leader that was ended while it wrote leaves parts of two.
        Ok((wanted == Some(sum(&bytes).as_str())).then_some(bytes))
    }

    async fn part(&self, number: usize, deadline: Duration) -> Result<Option<ConfigMap>, K8sError> {
        let name = format!("{}-{number}", self.name);
        let (api, object) = (self.api(), format!("configmaps/{name}"));
        match self.client.call(Verb::Get, &object, deadline, api.get(&name)).await {
            Ok(found) => Ok(Some(found)),
            Err(K8sError::NotFound { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Leaves `bytes` in place of what was there; `false` where they are too many, and nothing is written.
    pub async fn write(&self, bytes: &[u8], deadline: Duration) -> Result<bool, K8sError> {
        let parts: Vec<&[u8]> = bytes.chunks(PART).collect();
        if parts.is_empty() || parts.len() > PARTS_MOST {
            return Ok(false);
        }
        let owner = self.client.deployment(deadline).await?.map(|owner| owner.reference());
        let (count, digest) = (parts.len().to_string(), sum(bytes));
        for (number, part) in parts.into_iter().enumerate() {
            let name = format!("{}-{number}", self.name);
            let map = ConfigMap {
                metadata: ObjectMeta {
                    name: Some(name.clone()),
                    owner_references: owner.clone().map(|owner| vec![owner]),
                    ..ObjectMeta::default()
                },
                binary_data: Some([(CONTENT.to_owned(), ByteString(part.to_vec()))].into()),
                data: Some([(COUNT.to_owned(), count.clone()), (DIGEST.to_owned(), digest.clone())].into()),
                immutable: None,
            };
            self.put(&name, &map, deadline).await?;
        }
        Ok(true)
    }

    /// Leaves nothing in place of what was there.
    pub async fn clear(&self, deadline: Duration) -> Result<(), K8sError> {
        let Some(mut first) = self.part(0, deadline).await? else {
            return Ok(());
        };
        // Without the first one the others are no parts of anything.
        (first.binary_data, first.data) = (None, None);
        let name = format!("{}-0", self.name);
        self.put(&name, &first, deadline).await
    }

    /// Whoever leads is alone in writing them, so whatever is there is replaced.
    async fn put(&self, name: &str, map: &ConfigMap, deadline: Duration) -> Result<(), K8sError> {
        let (api, object, params) = (self.api(), format!("configmaps/{name}"), PostParams::default());
        let replaced = self
            .client
            .call(Verb::Update, &object, deadline, api.replace(name, &params, map))
            .await;
        match replaced {
            Err(K8sError::NotFound { .. }) => {
                // A create is authorised without a name.
                let create = api.create(&params, map);
                self.client.call(Verb::Create, "configmaps", deadline, create).await?;
                Ok(())
            }
            other => other.map(|_| ()),
        }
    }
}

fn entry<'a>(map: &'a ConfigMap, key: &str) -> Option<&'a str> {
    map.data.as_ref()?.get(key).map(String::as_str)
}

fn content(map: ConfigMap) -> Vec<u8> {
    let mut data = map.binary_data.unwrap_or_default();
    data.remove(CONTENT).map(|ByteString(bytes)| bytes).unwrap_or_default()
}

fn sum(bytes: &[u8]) -> String {
    STANDARD.encode(digest::digest(&digest::SHA256, bytes))
}
