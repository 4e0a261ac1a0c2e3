//! What is kept of an answer, and how it lies in a file: ids, numbers and the type names of scopes, nothing of a person's.

use uuid::Uuid;

use crate::sync::read::Assignment;

/// Seconds since 1970 by PingOne's own clock.
pub(crate) type Seconds = u32;

/// Marks a count that PingOne did not tell.
const UNTOLD: u32 = u32::MAX;

/// What was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Kind {
    /// A user's role assignments.
    UserRoles = 1,
    /// A group's role assignments.
    GroupRoles = 2,
    /// The groups nested directly in a group.
    Nested = 3,
    /// The direct members of a group.
    Members = 4,
    /// Everybody who belongs to a dynamic group.
    Everybody = 5,
}

impl Kind {
    pub(crate) const ALL: [Self; 5] = [
        Self::UserRoles,
        Self::GroupRoles,
        Self::Nested,
        Self::Members,
        Self::Everybody,
    ];

    pub(crate) fn of(byte: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| *kind as u8 == byte)
    }

    /// The label in metrics and logs.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::UserRoles => "user_roles",
            Self::GroupRoles => "group_roles",
            Self::Nested => "nested_groups",
            Self::Members => "members",
            Self::Everybody => "dynamic_members",
        }
    }
}

/// What the list of groups said of a group: the same again, or what was kept does not count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct GroupFacts {
    /// `directMemberCounts.users`.
    pub(crate) users: Option<u32>,
    /// `directMemberCounts.groups`.
    pub(crate) groups: Option<u32>,
    /// `updatedAt` in milliseconds; 0 where there is none.
    pub(crate) updated_ms: i64,
}

/// A user's role assignments, without those that it holds through a group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct UserRecord {
    pub(crate) user: Uuid,
    pub(crate) at: Seconds,
    pub(crate) population: Option<Uuid>,
    pub(crate) roles: Vec<Assignment>,
}

/// The head of what is kept of a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct GroupHead {
    pub(crate) group: Uuid,
    pub(crate) at: Seconds,
    pub(crate) facts: GroupFacts,
}

/// Reads a record's parts one after the other; `None` where it ends too early.
#[derive(Debug)]
pub(crate) struct Parts<'a>(pub(crate) &'a [u8]);

impl Parts<'_> {
    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (part, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*part)
    }

    fn text(&mut self, length: usize) -> Option<String> {
        let (part, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        String::from_utf8(part.to_vec()).ok()
    }

    fn uuid(&mut self) -> Option<Uuid> {
        Some(Uuid::from_bytes(self.array()?))
    }

    fn number(&mut self) -> Option<u32> {
        Some(u32::from_le_bytes(self.array()?))
    }

    fn assignment(&mut self) -> Option<Assignment> {
        let [flags, length] = self.array()?;
        let scope_type = self.text(usize::from(length))?;
        Some(Assignment {
            id: self.uuid()?,
            role: self.uuid()?,
            scope_type,
            scope_id: self.uuid()?,
            read_only: flags & READ_ONLY != 0,
            gateway: flags & GATEWAY != 0,
            group: if flags & INHERITED != 0 {
                Some(self.uuid()?)
            } else {
                None
            },
        })
    }

    pub(crate) fn assignments(&mut self) -> Option<Vec<Assignment>> {
        let count = u16::from_le_bytes(self.array()?);
        (0..count).map(|_| self.assignment()).collect()
    }

    pub(crate) fn user(&mut self) -> Option<UserRecord> {
        Some(UserRecord {
            user: self.uuid()?,
            at: self.number()?,
            population: Some(self.uuid()?).filter(|id| !id.is_nil()),
            roles: self.assignments()?,
        })
    }

    pub(crate) fn group(&mut self) -> Option<GroupHead> {
        let told = |count: u32| (count != UNTOLD).then_some(count);
        Some(GroupHead {
            group: self.uuid()?,
            at: self.number()?,
            facts: GroupFacts {
                users: told(self.number()?),
                groups: told(self.number()?),
                updated_ms: i64::from_le_bytes(self.array()?),
            },
        })
    }

    /// The ids that are left.
    pub(crate) fn ids(self) -> Option<Vec<Uuid>> {
        let (ids, rest) = self.0.as_chunks::<16>();
        rest.is_empty()
            .then(|| ids.iter().map(|id| Uuid::from_bytes(*id)).collect())
    }
}

const READ_ONLY: u8 = 1;
const GATEWAY: u8 = 2;
const INHERITED: u8 = 4;

/// `None` for what does not fit: such an answer is not kept.
pub(crate) fn put_assignments(out: &mut Vec<u8>, roles: &[Assignment]) -> Option<()> {
    out.extend(u16::try_from(roles.len()).ok()?.to_le_bytes());
    for item in roles {
        let flag = |is, bit| if is { bit } else { 0 };
        let flags =
            flag(item.read_only, READ_ONLY) | flag(item.gateway, GATEWAY) | flag(item.group.is_some(), INHERITED);
        out.extend([flags, u8::try_from(item.scope_type.len()).ok()?]);
        out.extend(item.scope_type.as_bytes());
        for id in [item.id, item.role, item.scope_id].into_iter().chain(item.group) {
            out.extend(id.as_bytes());
        }
    }
    Some(())
}

pub(crate) fn put_user(out: &mut Vec<u8>, record: &UserRecord) -> Option<()> {
    let before = out.len();
    out.extend(record.user.as_bytes());
    out.extend(record.at.to_le_bytes());
    out.extend(record.population.unwrap_or(Uuid::nil()).as_bytes());
    let put = put_assignments(out, &record.roles);
    if put.is_none() {
        out.truncate(before);
    }
    put
}

pub(crate) fn put_group(out: &mut Vec<u8>, head: &GroupHead) {
    out.extend(head.group.as_bytes());
    out.extend(head.at.to_le_bytes());
    for count in [head.facts.users, head.facts.groups] {
        out.extend(count.unwrap_or(UNTOLD).to_le_bytes());
    }
    out.extend(head.facts.updated_ms.to_le_bytes());
}

pub(crate) fn put_ids(out: &mut Vec<u8>, ids: &[Uuid]) {
    for id in ids {
        out.extend(id.as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn assignment(group: Option<Uuid>) -> Assignment {
        Assignment {
            id: Uuid::from_u128(1),
            role: Uuid::from_u128(2),
            scope_type: "ENVIRONMENT".to_owned(),
            scope_id: Uuid::from_u128(3),
            read_only: group.is_none(),
            gateway: group.is_some(),
            group,
        }
    }

    #[test]
    fn records_come_back_as_they_were_and_a_cut_one_does_not() {
        let user = UserRecord {
            user: Uuid::from_u128(9),
            at: 77,
            population: None,
            roles: vec![assignment(None), assignment(Some(Uuid::from_u128(4)))],
        };
        let mut out = Vec::new();
        put_user(&mut out, &user).unwrap();
        assert_eq!(Parts(&out).user(), Some(user.clone()));
        assert!((0..out.len()).all(|end| Parts(&out[..end]).user().is_none()));
        let head = GroupHead {
            group: Uuid::from_u128(5),
            at: 1,
            facts: GroupFacts {
                users: Some(7),
                groups: None,
                updated_ms: -3,
            },
        };
        let mut out = Vec::new();
        put_group(&mut out, &head);
        put_ids(&mut out, &[Uuid::from_u128(6)]);
        let mut parts = Parts(&out);
        assert_eq!(parts.group(), Some(head));
        assert_eq!(parts.ids(), Some(vec![Uuid::from_u128(6)]));
    }

    #[test]
    fn a_user_without_roles_takes_less_than_64_bytes() {
        let mut out = Vec::new();
        let user = UserRecord {
            user: Uuid::from_u128(9),
            at: 77,
            population: Some(Uuid::from_u128(1)),
            roles: Vec::new(),
        };
        put_user(&mut out, &user).unwrap();
        assert_eq!(out.len(), 38);
    }

    #[test]
    fn a_membership_takes_less_than_20_bytes() {
        let ids: Vec<Uuid> = (0..1_000).map(Uuid::from_u128).collect();
        let mut out = Vec::new();
        put_ids(&mut out, &ids);
        assert_eq!(out.len(), 16 * ids.len());
    }
}
