//! Expansion over the rows of the growing database.

use std::collections::BTreeMap;

use rusqlite::params;

use super::Writer;
use crate::c1z::C1zError;
use crate::c1z::expand::{ExpandableGrant, Expanded, GrantStore, Node, Place, Sources, run, undecodable};
use crate::c1z::principal::{IdBuffer, Principals};
use crate::c1z::row::GrantRow;
use crate::model::grant_id;
use crate::wire::stored;

impl Writer {
    /// Expands the grants of the file. Once, after every raw grant is in it and before it is finished.
    pub(crate) fn expand(&mut self) -> Result<Expanded, C1zError> {
        if self.expandable.is_empty() {
            return Ok(Expanded::default());
        }
        run(&mut Rows {
            writer: self,
            principals: Principals::default(),
        })
    }
}

struct Rows<'a> {
    writer: &'a mut Writer,
    principals: Principals,
}

impl GrantStore for Rows<'_> {
    type Row = i64;

    fn principals(&self) -> &Principals {
        &self.principals
    }

    fn expandable_grants(&self) -> Vec<ExpandableGrant> {
        self.writer.expandable.iter().map(|(_, grant)| grant.clone()).collect()
    }

    fn find_entitlements(&self, wanted: &mut BTreeMap<String, Option<Place>>) -> Result<(), C1zError> {
        let mut statement = self
            .writer
            .db
            .prepare("SELECT external_id, resource_type_id, resource_id FROM v1_entitlements")?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let id = row.get_ref(0)?.as_str().unwrap_or_default();
            if let Some(found) = wanted.get_mut(id) {
                *found = Some(Place {
                    resource_type: row.get(1)?,
                    resource_id: row.get(2)?,
                    number: 0,
                });
            }
        }
        Ok(())
    }

    fn own_grants(&mut self, node: &Node) -> Result<Vec<(i64, u32)>, C1zError> {
        let mut statement = self.writer.db.prepare_cached(
            "SELECT id, principal_resource_type_id, principal_resource_id, entitlement_id FROM v1_grants WHERE id \
             BETWEEN ? AND ? ORDER BY id",
        )?;
        let mut grants = Vec::new();
        for (first, last) in self.writer.grant_rows(&node.id) {
            let mut rows = statement.query(params![first, last])?;
            while let Some(row) = rows.next()? {
                let text = |at: usize| row.get_ref(at).map(|value| value.as_str().unwrap_or_default());
                // Two ids may share a hash, so the range may hold another's rows.
                if text(3)? == node.id {
                    grants.push((row.get(0)?, self.principals.number(text(1)?, text(2)?)));
                }
            }
        }
        Ok(grants)
    }

    fn add_sources(&mut self, _: &Node, row: i64, _: u32, sources: &Sources<'_>) -> Result<(), C1zError> {
        let db = &self.writer.db;
        let merged = db
            .prepare_cached("SELECT data FROM v1_grants WHERE id = ?")?
            .query_row([row], |row| {
                let data = row.get_ref(0)?.as_blob().unwrap_or_default();
                Ok(stored::with_sources(data, sources.ids()))
            })?
            .map_err(|error| undecodable("Grant", &error))?;
        db.prepare_cached("UPDATE v1_grants SET data = ? WHERE id = ?")?
            .execute(params![merged, row])?;
        Ok(())
    }

    fn create(&mut self, node: &Node, principal: u32, sources: &Sources<'_>) -> Result<(), C1zError> {
        let mut buffer: IdBuffer = [0; 36];
        let (kind, id) = self.principals.get(principal, &mut buffer);
        let grant = grant_id(&node.id, kind, id);
        let (resource_type_id, resource_id) = (node.at.resource_type.as_str(), node.at.resource_id.as_str());
        let entitlement = (node.id.as_str(), resource_type_id, resource_id);
        let data = stored::expanded_grant(&grant, entitlement, (kind, id), sources.ids());
        self.writer.put_grant(&GrantRow {
            resource_type_id,
            resource_id,
            entitlement_id: &node.id,
            principal_type_id: kind,
            principal_id: id,
            id: &grant,
            expansion: None,
            data: &data,
        })
    }
}
