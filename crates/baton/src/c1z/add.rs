//! Rows from the model, one object at a time. Who has many grants of one entitlement adds them together
//! ([`Writer::put_grants_to`]).

use super::{C1zError, EntitlementRow, GrantRow, ResourceRow, ResourceTypeRow, Writer};
use crate::model::{Entitlement, Grant, Resource, ResourceType};
use crate::wire;

impl Writer {
    /// Adds a resource type.
    pub fn add_resource_type(&mut self, resource_type: ResourceType) -> Result<(), C1zError> {
        self.put_resource_type(&ResourceTypeRow {
            id: resource_type.id(),
            data: &wire::resource_type(resource_type),
        })
    }

    /// Adds a resource. Types come in the order of their ids.
    pub fn add_resource(&mut self, resource: &Resource) -> Result<(), C1zError> {
        self.put_resource(&ResourceRow {
            resource_type_id: resource.id.resource_type.id(),
            resource_id: &resource.id.id,
            parent: resource
                .parent
                .as_ref()
                .map(|parent| (parent.resource_type.id(), parent.id.as_str())),
            data: &wire::resource(resource),
        })
    }

    /// Adds an entitlement.
    pub fn add_entitlement(&mut self, entitlement: &Entitlement) -> Result<(), C1zError> {
        self.put_entitlement(&EntitlementRow {
            resource_type_id: entitlement.id.resource.resource_type.id(),
            resource_id: &entitlement.id.resource.id,
            id: &entitlement.id.to_string(),
            data: &wire::entitlement(entitlement),
        })
    }

    /// Adds a grant, at most one for each entitlement and principal.
    pub fn add_grant(&mut self, grant: &Grant) -> Result<(), C1zError> {
        let encoded = wire::grant(grant);
        self.put_grant(&GrantRow {
            resource_type_id: grant.entitlement.resource.resource_type.id(),
            resource_id: &grant.entitlement.resource.id,
            entitlement_id: &grant.entitlement.to_string(),
            principal_type_id: grant.principal.resource_type.id(),
            principal_id: &grant.principal.id,
            id: &encoded.id,
            expansion: encoded.expansion.as_deref(),
            data: &encoded.data,
        })
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::c1z::StorageEngine;
    use crate::c1z::engines::{end, options, start};
    use crate::model::sample::{GROUP, USER};
    use crate::model::{EntitlementId, GrantImmutable, ResourceId};

    /// The file's checksum, its counts, how many principals without a row were found.
    fn written(engine: StorageEngine, put: impl Fn(&mut Writer)) -> ([u8; 32], u64, u64) {
        let dir = tempfile::tempdir().unwrap();
        let mut writer = Writer::create(dir.path(), start(), options(engine)).unwrap();
        for kind in [GROUP, USER] {
            writer.add_resource_type(kind).unwrap();
        }
        put(&mut writer);
        let report = writer.finish(end(false), &dir.path().join("sync.c1z")).unwrap();
        let dangling = report.warnings.iter().map(|warning| warning.count).sum();
        (report.sha256, report.stats.grants, dangling)
    }

    #[test]
    fn grants_added_together_are_those_added_one_by_one() {
        let users: Vec<Uuid> = (0..700_u128)
            .map(|at| Uuid::from_u128((at * 0x1357_9bdf) << 64))
            .collect();
        let immutable = GrantImmutable {
            source_id: "because",
            metadata: None,
        };
        for engine in [StorageEngine::Sqlite, StorageEngine::Pebble] {
            let cases = ["a", "b"].map(|group| {
                let reason = (group == "b").then_some(&immutable);
                (EntitlementId::member(GROUP, group), reason)
            });
            let together = written(engine, |writer| {
                for (entitlement, reason) in &cases {
                    writer
                        .put_grants_to(entitlement, USER, users.iter().copied(), *reason)
                        .unwrap();
                }
            });
            let singly = written(engine, |writer| {
                for (entitlement, reason) in &cases {
                    for user in &users {
                        let principal = ResourceId::new(USER, user.to_string());
                        let mut grant = Grant::new(entitlement.clone(), principal);
                        grant.immutable = reason.cloned();
                        writer.add_grant(&grant).unwrap();
                    }
                }
            });
            assert_eq!((together.1, together.2), (1_400, 704), "{engine:?}");
            assert_eq!(together, singly, "{engine:?}");
        }
    }

    #[test]
    fn an_id_that_c1_would_refuse_is_refused_however_many_hold_it() {
        let dir = tempfile::tempdir().unwrap();
        let mut writer = Writer::create(dir.path(), start(), options(StorageEngine::Pebble)).unwrap();
        let entitlement = EntitlementId::member(GROUP, "g".repeat(1_000));
        let refused = writer.put_grants_to(&entitlement, USER, [Uuid::nil(); 2].into_iter(), None);
        assert!(
            matches!(refused, Err(C1zError::Id { what: "grant", .. })),
            "{refused:?}"
        );
    }
}
