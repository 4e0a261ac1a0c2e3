//! I5 of c1z.md §10.2: what exclusion groups may hold. C1's ingest refuses a file that breaks it.

use std::collections::BTreeMap;

use prost::Message as _;

use super::C1zError;
use crate::proto::c1::connector::v2 as pb;

/// Marks an entitlement that is looked at more closely.
pub(super) const MARK: &str = "EntitlementExclusionGroup";
/// Most entitlements of one group.
const MOST: u64 = 50;

/// One group as the entitlements so far make it.
#[derive(Debug)]
struct Group {
    resource_type: String,
    entitlements: u64,
    defaults: u64,
}

/// The exclusion groups of a file.
#[derive(Debug, Default)]
pub(super) struct Exclusions(BTreeMap<String, Group>);

impl Exclusions {
    /// Looks at the message of an entitlement.
    pub(super) fn add(&mut self, resource_type: &str, entitlement: &[u8]) -> Result<(), C1zError> {
        let marked = entitlement.windows(MARK.len()).any(|part| part == MARK.as_bytes());
        if !marked {
            return Ok(());
        }
        let message = pb::Entitlement::decode(entitlement).map_err(|_| broken("an entitlement does not decode"))?;
        let annotations = message.annotations.iter().filter(|any| any.type_url.ends_with(MARK));
        for annotation in annotations {
            let group = pb::EntitlementExclusionGroup::decode(annotation.value.as_slice());
            let group = group.map_err(|_| broken("an exclusion group does not decode"))?;
            let id = group.exclusion_group_id;
            let known = self.0.entry(id.clone()).or_insert_with(|| Group {
                resource_type: resource_type.to_owned(),
                entitlements: 0,
                defaults: 0,
            });
            known.entitlements += 1;
            known.defaults += u64::from(group.is_default);
            if known.resource_type != resource_type {
                return Err(broken(&format!("exclusion group {id} spans several resource types")));
            }
            if known.entitlements > MOST {
                return Err(broken(&format!(
                    "exclusion group {id} holds more than {MOST} entitlements"
                )));
            }
            if known.defaults > 1 {
                return Err(broken(&format!("exclusion group {id} has more than one default")));
            }
        }
        Ok(())
    }
}

fn broken(what: &str) -> C1zError {
    C1zError::Invariant {
        invariant: "I5",
        what: what.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entitlement(group: &str, is_default: bool) -> Vec<u8> {
        let exclusion = pb::EntitlementExclusionGroup {
            exclusion_group_id: group.to_owned(),
            is_default,
            ..Default::default()
        };
        pb::Entitlement {
            annotations: vec![prost_types::Any {
                type_url: format!("type.googleapis.com/c1.connector.v2.{MARK}"),
                value: exclusion.encode_to_vec(),
            }],
            ..Default::default()
        }
        .encode_to_vec()
    }

    fn told(rows: impl IntoIterator<Item = (&'static str, Vec<u8>)>) -> Result<(), String> {
        let mut groups = Exclusions::default();
        let mut rows = rows.into_iter();
        rows.try_for_each(|(kind, row)| groups.add(kind, &row).map_err(|error| error.to_string()))
    }

    #[test]
    fn a_group_holds_one_type_one_default_and_fifty() {
        let plain = || ("population", entitlement("population", false));
        let default = || ("population", entitlement("population", true));
        assert_eq!(told((0..49).map(|_| plain()).chain([default()])), Ok(()));
        assert_eq!(told([("role", Vec::new()), plain()]), Ok(()));
        for (rows, text) in [
            ((0..51).map(|_| plain()).collect::<Vec<_>>(), "more than 50"),
            (vec![default(), default()], "more than one default"),
            (
                vec![plain(), ("group", entitlement("population", false))],
                "several resource types",
            ),
            (vec![("population", MARK.as_bytes().to_vec())], "does not decode"),
        ] {
            let error = told(rows).unwrap_err();
            assert!(error.contains(text), "{error}");
        }
    }
}
