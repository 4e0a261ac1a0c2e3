//! What decides about a membership: the group as it is now, and the membership as it is now.

use std::collections::BTreeSet;

use uuid::Uuid;

use super::context::TaskContext;
use super::error::{Failure, found};
use pingone::types::{Group, GroupSource, Membership};
use pingone::{Client, PingOneError};
use process::error::ErrorClass;

/// Groups of a user that are asked for their parents where PingOne does not filter by type.
const MOST_ASKED: usize = 50;

/// How a group gets its members.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// By hand.
    Static,
    /// By hand and by a filter.
    Dynamic,
    /// From a source outside PingOne.
    External,
}

/// What matters of a group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct GroupFacts {
    /// Its id.
    pub(crate) id: Uuid,
    /// Its name, or its id.
    pub(crate) name: String,
    /// The population that it is bound to.
    pub(crate) population: Option<Uuid>,
    /// How it gets its members.
    pub(crate) kind: Kind,
    /// It holds no nested group for certain.
    childless: bool,
}

impl GroupFacts {
    /// Of a group as PingOne shows it.
    pub(crate) fn of(group: &Group) -> Self {
        let kind = match group.source() {
            GroupSource::Hand => Kind::Static,
            GroupSource::Filter(_) => Kind::Dynamic,
            GroupSource::External => Kind::External,
        };
        let nested = group.direct_member_counts.as_ref().and_then(|counts| counts.groups);
        Self {
            id: group.id,
            name: group.name.clone().unwrap_or_else(|| group.id.to_string()),
            population: group.population_id(),
            kind,
            childless: nested == Some(0),
        }
    }

    /// Of a group that PingOne does not show: nothing is known, so nothing is excluded.
    pub(crate) fn unknown(id: Uuid) -> Self {
        Self {
            id,
            name: id.to_string(),
            population: None,
            kind: Kind::Static,
            childless: false,
        }
    }

    /// Why an external group is not changed here (connector-model.md §10).
    pub(crate) fn external(&self) -> Failure {
        Failure::precondition(format!(
            "change the members of group {}: its members come from outside PingOne. \"{}\" is managed by its source; \
             change the membership there.",
            self.id, self.name
        ))
    }
}

/// A group as it is now.
pub(crate) async fn read_group(task: &TaskContext, id: Uuid) -> Result<GroupFacts, Failure> {
    Ok(GroupFacts::of(&task.read(task.client().group(id)).await?))
}

/// How a user belongs to a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Belongs {
    /// Not at all.
    No,
    /// Added by hand, whatever else.
    Directly,
    /// Only through a filter, a source or a nested group.
    Indirectly,
}

impl Belongs {
    /// For audit lines.
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::No => "no member",
            Self::Directly => "direct member",
            Self::Indirectly => "indirect member",
        }
    }

    fn of(membership: Option<&Membership>) -> Self {
        match membership {
            None => Self::No,
            Some(membership) if membership.is_indirect() => Self::Indirectly,
            Some(_) => Self::Directly,
        }
    }
}

/// The membership as it is now, by one read.
pub(crate) async fn belongs(task: &TaskContext, user: Uuid, group: Uuid) -> Result<Belongs, Failure> {
    let membership = found(task.read(task.client().membership(user, group)).await)?;
    Ok(Belongs::of(membership.as_ref()))
}

/// The same by a client that outlives the task's budget.
pub(crate) async fn belongs_by(client: &Client, user: Uuid, group: Uuid) -> Result<Belongs, Failure> {
    let membership = found(client.membership(user, group).await.map_err(Failure::from))?;
    Ok(Belongs::of(membership.as_ref()))
}

/// Where an indirect membership comes from, with the remedy (connector-model.md §7.2, §10).
pub(crate) async fn origin(task: &TaskContext, group: &GroupFacts, user: Uuid) -> Result<String, Failure> {
    if !group.childless
        && let Some(child) = nested_through(task, group.id, user).await?
    {
        return Ok(format!(
            "inherited from group \"{child}\". The user belongs to \"{}\" through \"{child}\"; revoke that membership \
             instead.",
            group.name
        ));
    }
    Ok(match group.kind {
        Kind::Dynamic => format!("computed by the group's filter. {}", filter_remedy(group)),
        Kind::External => format!(
            "it comes from the group's source. \"{}\" is managed by its source; change the membership there.",
            group.name
        ),
        Kind::Static => format!(
            "it is not a direct one. The user belongs to \"{}\" through a nested group; revoke that membership instead.",
            group.name
        ),
    })
}

/// The remedy for a group that fills itself.
pub(crate) fn filter_remedy(group: &GroupFacts) -> String {
    format!(
        "\"{}\" fills itself from a filter; change the user's attributes or the filter in PingOne.",
        group.name
    )
}

/// The name of a group of the user's that is nested directly in `group`.
async fn nested_through(task: &TaskContext, group: Uuid, user: Uuid) -> Result<Option<String>, Failure> {
    let Some(of_user) = found(task.read(task.client().groups_of_user(user)).await)? else {
        return Ok(None);
    };
    let children: Option<BTreeSet<Uuid>> = match task.read(task.client().nested_group_ids(group)).await {
        Ok(children) => Some(children.into_iter().collect()),
        // PingOne does not take the filter: each group of the user is asked for its parents (pingone-api.md §6.6).
        Err(failure) if failure.pingone().is_some_and(PingOneError::is_filter_refused) => None,
        Err(failure) => return Err(failure),
    };
    let others = of_user.iter().filter(|membership| membership.id != group);
    for membership in others.take(if children.is_some() { usize::MAX } else { MOST_ASKED }) {
        let is_child = match &children {
            Some(children) => children.contains(&membership.id),
            None => nested_in(task, membership.id, group).await?,
        };
        if is_child {
            return Ok(Some(
                membership.name.clone().unwrap_or_else(|| membership.id.to_string()),
            ));
        }
    }
    Ok(None)
}

async fn nested_in(task: &TaskContext, child: Uuid, group: Uuid) -> Result<bool, Failure> {
    let parents = found(task.read(task.client().parents_of_group(child)).await)?.unwrap_or_default();
    Ok(parents.iter().any(|parent| parent.id == group && !parent.is_indirect()))
}

/// PingOne refused what was sent, for whatever reason: the state decides what that means.
pub(crate) fn is_refusal(failure: &Failure) -> bool {
    failure
        .pingone()
        .is_some_and(|error| matches!(error.class(), ErrorClass::AlreadyExists | ErrorClass::Rejected))
}
