//! What our service account may do, as the API server itself says (`SelfSubjectAccessReview`). Nothing is done.

use std::time::Duration;

use k8s_openapi::api::authorization::v1::{ResourceAttributes, SelfSubjectAccessReview, SelfSubjectAccessReviewSpec};
use kube::Api;
use kube::api::PostParams;

use super::client::Client;
use super::error::{K8sError, Verb};

/// One right in our namespace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Right<'a> {
    pub verb: &'static str,
    /// API group; empty for the core's.
    pub group: &'static str,
    pub resource: &'static str,
    /// The object, where the right is needed for one alone.
    pub name: Option<&'a str>,
}

impl std::fmt::Display for Right<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.verb, self.resource)?;
        self.name.map_or(Ok(()), |name| write!(f, "/{name}"))
    }
}

impl Client {
    /// Whether the API server would let us.
    pub async fn may(&self, right: &Right<'_>, deadline: Duration) -> Result<bool, K8sError> {
        let review = SelfSubjectAccessReview {
            spec: SelfSubjectAccessReviewSpec {
                resource_attributes: Some(ResourceAttributes {
                    namespace: Some(self.namespace().to_owned()),
                    verb: Some(right.verb.to_owned()),
                    group: Some(right.group.to_owned()),
                    resource: Some(right.resource.to_owned()),
                    name: right.name.map(str::to_owned),
                    ..ResourceAttributes::default()
                }),
                ..SelfSubjectAccessReviewSpec::default()
            },
            ..SelfSubjectAccessReview::default()
        };
        let api: Api<SelfSubjectAccessReview> = Api::all(self.kube());
        let params = PostParams::default();
        let request = api.create(&params, &review);
        let answer = self
            .call(Verb::Create, "selfsubjectaccessreviews", deadline, request)
            .await?;
        Ok(answer.status.is_some_and(|status| status.allowed))
    }
}
