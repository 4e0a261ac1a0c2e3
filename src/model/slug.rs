//! The slugs of entitlements, which C1 keeps (connector-model.md §4, §6.1).

use std::borrow::Cow;
use std::fmt;

/// The tail of an entitlement's id, and its `slug` field.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Slug {
    /// `access`, on applications.
    Access,
    /// `member`, on groups and populations.
    Member,
    /// `assigned`, on a role: its scope is the configured environment.
    Assigned,
    /// `assigned-<scope type>-<scope id>`, on a role: any other scope. Both parts are lower-case.
    AssignedScope {
        /// The scope type, lower-case, an open set.
        scope_type: String,
        /// The scope's id.
        scope_id: String,
    },
}

/// Length of a UUID in text.
const UUID_LEN: usize = 36;

impl Slug {
    /// Reads a slug back: strip `assigned-`, the last 36 characters are the UUID, the rest is the scope type
    /// (connector-model.md §6.1). Anything else is `None`.
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "access" => return Some(Self::Access),
            "member" => return Some(Self::Member),
            "assigned" => return Some(Self::Assigned),
            _ => {}
        }
        let rest = text.strip_prefix("assigned-")?;
        let split = rest.len().checked_sub(UUID_LEN)?;
        let scope_id = rest.get(split..)?;
        let scope_type = rest.get(..split)?.strip_suffix('-')?;
        uuid::Uuid::try_parse(scope_id).ok()?;
        if scope_type.is_empty() {
            return None;
        }
        Some(Self::AssignedScope {
            scope_type: scope_type.to_owned(),
            scope_id: scope_id.to_owned(),
        })
    }
}

impl From<Slug> for Cow<'static, str> {
    fn from(slug: Slug) -> Self {
        match slug {
            Slug::Access => Self::Borrowed("access"),
            Slug::Member => Self::Borrowed("member"),
            Slug::Assigned => Self::Borrowed("assigned"),
            other @ Slug::AssignedScope { .. } => Self::Owned(other.to_string()),
        }
    }
}

impl fmt::Display for Slug {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Access => f.write_str("access"),
            Self::Member => f.write_str("member"),
            Self::Assigned => f.write_str("assigned"),
            Self::AssignedScope { scope_type, scope_id } => write!(f, "assigned-{scope_type}-{scope_id}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_slug_parses_to_what_was_printed(
            scope_type in "[a-z][a-z_-]{0,30}",
            id in any::<u128>().prop_map(|id| uuid::Uuid::from_u128(id).to_string()),
        ) {
            let slug = Slug::AssignedScope { scope_type, scope_id: id };
            prop_assert_eq!(Slug::parse(&slug.to_string()), Some(slug));
        }
    }

    #[test]
    fn refuses_what_is_no_slug() {
        for text in [
            "",
            "members",
            "assigned-",
            "assigned-x",
            "assigned-7c2e1d94-55a0-4a34-9a1b-c0ffee001001",
        ] {
            assert_eq!(Slug::parse(text), None, "{text}");
        }
    }
}
