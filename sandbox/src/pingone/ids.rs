//! Identifiers: lower-case UUIDs (pingone-api.md §3.2, S), v4-looking, that are a keyed permutation of (kind, number),
//! so that an identifier leads back to its object without a table. Holds the invariant `decode(encode(k, n)) ==
//! Some((k, n))`.

use uuid::Uuid;

/// What an identifier belongs to. The numbers are part of the permutation's input and must stay distinct.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Kind {
    Environment = 1,
    Organization,
    License,
    Population,
    User,
    Group,
    Role,
    Assignment,
    GroupAssignment,
    WorkerAssignment,
    Application,
    PasswordPolicy,
    Schema,
    Attribute,
    IdentityProvider,
    Device,
    Session,
    Activity,
    Created,
    Error,
    Correlation,
    Secret,
    Gateway,
    GatewayCredential,
    Key,
}

impl Kind {
    fn from_number(number: u64) -> Option<Self> {
        const ALL: [Kind; 25] = [
            Kind::Environment,
            Kind::Organization,
            Kind::License,
            Kind::Population,
            Kind::User,
            Kind::Group,
            Kind::Role,
            Kind::Assignment,
            Kind::GroupAssignment,
            Kind::WorkerAssignment,
            Kind::Application,
            Kind::PasswordPolicy,
            Kind::Schema,
            Kind::Attribute,
            Kind::IdentityProvider,
            Kind::Device,
            Kind::Session,
            Kind::Activity,
            Kind::Created,
            Kind::Error,
            Kind::Correlation,
            Kind::Secret,
            Kind::Gateway,
            Kind::GatewayCredential,
            Kind::Key,
        ];
        ALL.into_iter().find(|kind| u64::from(*kind as u8) == number)
    }
}

const HALF: u64 = (1 << 61) - 1;

/// Spreads the bits of a number; two different inputs give two different outputs.
#[inline]
pub fn mix(mut x: u64) -> u64 {
    x ^= x >> 30;
    x = x.wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x ^= x >> 27;
    x = x.wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

/// A pseudo-random number for (seed, stream, index).
#[inline]
pub fn draw(seed: u64, stream: u64, index: u64) -> u64 {
    mix(mix(seed.wrapping_add(stream.wrapping_mul(0x9e37_79b9_7f4a_7c15))).wrapping_add(mix(index ^ 0x5bd1_e995)))
}

/// Hash of a text (FNV-1a, then spread), for cursors and filters; not for secrets.
pub fn hash_text(text: &str) -> u64 {
    let mut hash: u64 = 0xcbf2_9ce4_8422_2325;
    for byte in text.bytes() {
        hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    }
    mix(hash)
}

/// The keyed permutation.
#[derive(Clone, Debug)]
pub struct Ids {
    keys: [u64; 4],
}

impl Ids {
    /// Identifiers of one directory; another seed gives entirely other ones.
    pub fn new(seed: u64) -> Self {
        Self {
            keys: [1, 2, 3, 4].map(|n| draw(seed, 0xfe15, n)),
        }
    }

    /// The identifier of object `number` of `kind` (`number` below 2^40).
    #[inline]
    pub fn encode(&self, kind: Kind, number: u64) -> Uuid {
        let (mut left, mut right) = (u64::from(kind as u8), number & HALF);
        for key in self.keys {
            (left, right) = (right, left ^ (mix(right ^ key) & HALF));
        }
        let bits = (u128::from(left) << 61) | u128::from(right);
        let (high, middle, low) = (bits >> 74, (bits >> 62) & 0xfff, bits & ((1 << 62) - 1));
        Uuid::from_u128((high << 80) | (0x4 << 76) | (middle << 64) | (0b10 << 62) | low)
    }

    /// What the identifier stands for; `None` for one that this directory never made.
    #[inline]
    pub fn decode(&self, id: Uuid) -> Option<(Kind, u64)> {
        let raw = id.as_u128();
        let bits = ((raw >> 80) << 74) | (((raw >> 64) & 0xfff) << 62) | (raw & ((1 << 62) - 1));
        let low = u64::try_from(bits & u128::from(HALF)).ok()?;
        let (mut left, mut right) = (u64::try_from(bits >> 61).ok()?, low);
        for key in self.keys.iter().rev() {
            (left, right) = (right ^ (mix(left ^ key) & HALF), left);
        }
        if right >> 40 != 0 || self_check(raw) {
            return None;
        }
        Kind::from_number(left).map(|kind| (kind, right))
    }
}

/// True when version or variant differ from a v4 identifier.
fn self_check(raw: u128) -> bool {
    (raw >> 76) & 0xf != 4 || (raw >> 62) & 0b11 != 0b10
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_identifier_leads_back_to_its_object() {
        let ids = Ids::new(7);
        for n in [0, 1, 2, 999_999, (1 << 40) - 1] {
            for kind in [Kind::Environment, Kind::User, Kind::Secret] {
                let id = ids.encode(kind, n);
                assert_eq!(ids.decode(id), Some((kind, n)));
                assert_eq!(id.get_version_num(), 4);
            }
        }
    }

    #[test]
    fn identifiers_of_another_seed_mean_nothing() {
        let other = Ids::new(8);
        let ids = Ids::new(7);
        assert!((0..1000).all(|n| other.decode(ids.encode(Kind::User, n)).is_none()));
        assert_eq!(ids.decode(Uuid::nil()), None);
    }
}
