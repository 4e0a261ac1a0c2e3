//! The invariants of c1z.md §10.2, evaluated on the finished rows before the sync is ended. A v1 reader evaluates only
//! I5 and I10 itself; C1 may judge again after conversion, so all of them run here.

use rusqlite::Connection;

use crate::c1z::C1zError;
use crate::c1z::exclusion::{self, Exclusions};
use crate::c1z::sync::{EXAMPLES, InvariantWarning};

/// Every entitlement's resource exists.
const I7: &str = "SELECT e.external_id FROM v1_entitlements e WHERE NOT EXISTS (SELECT 1 FROM v1_resources r WHERE \
                  r.external_id = e.resource_type_id || ':' || e.resource_id AND r.sync_id = e.sync_id)";
/// Every grant's entitlement-resource exists.
const I3: &str = "SELECT g.resource_type_id || ':' || g.resource_id FROM (SELECT DISTINCT resource_type_id, \
                  resource_id FROM v1_grants) g WHERE NOT EXISTS (SELECT 1 FROM v1_resources r WHERE r.external_id = \
                  g.resource_type_id || ':' || g.resource_id)";
/// Every grant's entitlement exists.
const I8: &str = "SELECT g.entitlement_id FROM (SELECT DISTINCT entitlement_id FROM v1_grants) g WHERE NOT EXISTS \
                  (SELECT 1 FROM v1_entitlements e WHERE e.external_id = g.entitlement_id)";
/// Every grant's principal exists.
const I9: &str = "SELECT g.principal_resource_type_id || ':' || g.principal_resource_id FROM (SELECT DISTINCT \
                  principal_resource_type_id, principal_resource_id FROM v1_grants) g WHERE NOT EXISTS (SELECT 1 FROM \
                  v1_resources r WHERE r.external_id = g.principal_resource_type_id || ':' || \
                  g.principal_resource_id)";

/// Entitlements with an exclusion group, which I5 judges.
const I5: &str = "SELECT resource_type_id, data FROM v1_entitlements WHERE instr(data, CAST(?1 AS BLOB)) > 0";

/// What ran: the `ingest_invariant_coverage` column.
pub(crate) const COVERAGE_FULL: &str = r#"["I5","I10","I7","I3","I8","I9"]"#;
/// The same for syncs that hold only a part.
pub(crate) const COVERAGE_PART: &str = r#"["I5","I10"]"#;

/// Runs the checks. I10 (every listing was read to its end) holds by construction: a listing that is not ends the
/// sync before anything is sealed.
pub(crate) fn run(db: &Connection, full: bool) -> Result<Vec<InvariantWarning>, C1zError> {
    let mut exclusions = Exclusions::default();
    let mut statement = db.prepare(I5)?;
    let mut rows = statement.query([exclusion::MARK])?;
    while let Some(row) = rows.next()? {
        exclusions.add(&row.get::<_, String>(0)?, &row.get::<_, Vec<u8>>(1)?)?;
    }
    let mut warnings = Vec::new();
    if full {
        for (invariant, query) in [("I7", I7), ("I3", I3), ("I8", I8), ("I9", I9)] {
            warnings.extend(dangling(db, invariant, query)?);
        }
    }
    Ok(warnings)
}

fn dangling(db: &Connection, invariant: &'static str, query: &str) -> Result<Option<InvariantWarning>, C1zError> {
    let mut statement = db.prepare(query)?;
    let mut rows = statement.query([])?;
    let mut warning = InvariantWarning {
        invariant,
        count: 0,
        examples: Vec::new(),
    };
    while let Some(row) = rows.next()? {
        warning.count += 1;
        if warning.examples.len() < EXAMPLES {
            warning.examples.push(row.get(0)?);
        }
    }
    Ok((warning.count > 0).then_some(warning))
}
