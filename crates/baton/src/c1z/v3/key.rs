//! Keys of the store (c1z-v3.md §3): tuples whose encoding keeps the order of their parts.

/// First bytes of each family, in the order of the store.
pub(super) const RESOURCE_TYPES: [u8; 2] = [3, 1];
pub(super) const RESOURCES: [u8; 2] = [3, 2];
pub(super) const ENTITLEMENTS: [u8; 2] = [3, 3];
pub(super) const GRANTS: [u8; 2] = [3, 4];
/// The one row of the sync; the whole key.
pub(super) const SYNC_RUN: [u8; 2] = [3, 6];
/// Index: children by parent.
pub(super) const BY_PARENT: [u8; 3] = [3, 7, 1];
/// Index: grants by principal.
pub(super) const BY_PRINCIPAL: [u8; 3] = [3, 7, 4];
/// Index: grants that expansion starts from.
pub(super) const NEEDS_EXPANSION: [u8; 3] = [3, 7, 5];
/// Whole keys of what describes the store.
pub(super) const ID_FORMAT: &[u8] = b"\x03\xffgrant_entitlement_id_format";
pub(super) const KEYSPACE_VERSION: &[u8] = b"\x03\xffkeyspace_version";
pub(super) const STATS: &[u8] = b"\x03\xffstats\0";
/// The value of the two above.
pub(super) const FORMAT: [u8; 4] = [0, 0, 0, 2];

/// Between two parts, and behind a family.
const SEPARATOR: u8 = 0;

/// Appends a part behind a separator.
pub(super) fn push(key: &mut Vec<u8>, part: &str) {
    key.push(SEPARATOR);
    push_first(key, part);
}

/// Appends a part.
pub(super) fn push_first(key: &mut Vec<u8>, part: &str) {
    // All bytes are looked at, many at a time.
    if part.bytes().min().is_none_or(|least| least > 1) {
        key.extend_from_slice(part.as_bytes());
        return;
    }
    for byte in part.bytes() {
        match byte {
            0 | 1 => key.extend_from_slice(&[1, byte + 1]),
            byte => key.push(byte),
        }
    }
}

/// Two parts: a resource or a principal.
pub(super) fn pair(resource_type: &str, id: &str) -> Vec<u8> {
    let mut key = Vec::with_capacity(resource_type.len() + id.len() + 1);
    push_first(&mut key, resource_type);
    push(&mut key, id);
    key
}

/// The parts of an entitlement: its resource, then whether its id begins with the resource's, then the rest of the id.
pub(super) fn entitlement(resource_type: &str, resource_id: &str, id: &str) -> Vec<u8> {
    let mut key = pair(resource_type, resource_id);
    let tail = id
        .strip_prefix(resource_type)
        .and_then(|rest| rest.strip_prefix(':'))
        .and_then(|rest| rest.strip_prefix(resource_id))
        .and_then(|rest| rest.strip_prefix(':'));
    push(&mut key, if tail.is_some() { "1" } else { "0" });
    push(&mut key, tail.unwrap_or(id));
    key
}

/// A family and what follows it.
pub(super) fn of(family: &[u8], parts: &[u8]) -> Vec<u8> {
    let mut key = Vec::with_capacity(family.len() + parts.len() + 1);
    key.extend_from_slice(family);
    key.push(SEPARATOR);
    key.extend_from_slice(parts);
    key
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The table of c1z-v3.md §3.1.
    #[test]
    fn entitlements_are_split_as_readers_do() {
        let cases: [(&str, &str, &str, &[u8]); 7] = [
            ("t", "a\0b", "t:a\0b:m", b"t\0a\x01\x01b\x001\0m"),
            ("t", "a\x01b", "t:a\x01b:m\0z", b"t\0a\x01\x02b\x001\0m\x01\x01z"),
            ("t", "a:b", "t:a:b:c:d", b"t\0a:b\x001\0c:d"),
            ("t", "a", "t:a:b:c", b"t\0a\x001\0b:c"),
            ("t", "a", "t:a:", b"t\0a\x001\0"),
            ("t", "a", "t:a", b"t\0a\x000\0t:a"),
            ("t", "a", "T:a:m", b"t\0a\x000\0T:a:m"),
        ];
        for (resource_type, resource, id, expected) in cases {
            assert_eq!(entitlement(resource_type, resource, id), expected, "{id:?}");
        }
    }

    proptest! {
        #[test]
        fn encoded_keys_order_as_their_parts_do(
            one in ("[\\x00-\\x03a]{0,4}", "[\\x00-\\x03a]{0,4}"),
            other in ("[\\x00-\\x03a]{0,4}", "[\\x00-\\x03a]{0,4}"),
        ) {
            let encoded = pair(&one.0, &one.1).cmp(&pair(&other.0, &other.1));
            prop_assert_eq!(encoded, one.cmp(&other));
        }
    }
}
