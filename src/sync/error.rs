//! Why a sync did not finish.

use std::fmt;

use uuid::Uuid;

use baton::c1z::C1zError;
use baton::model::ResourceId;
use pingone::PingOneError;
use process::error::ErrorClass;

use super::shrink::Shrunk;

/// A list that holds less than PingOne counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shortfall {
    /// What is missing.
    pub what: &'static str,
    /// The group or population, where it is one's.
    pub of: Option<Uuid>,
    /// How many PingOne counts.
    pub told: u64,
    /// How many the list held.
    pub found: u64,
}

impl fmt::Display for Shortfall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { what, of, told, found } = self;
        match of {
            Some(id) => write!(f, "{what} {id}: {found} of {told}"),
            None => write!(f, "{what}: {found} of {told}"),
        }
    }
}

/// A sync that ended without a file. The previous file stands.
#[derive(Debug, thiserror::Error)]
pub enum SyncError {
    /// A read failed. A failed read is never an empty list (connector-model.md §1 point 3).
    #[error(transparent)]
    PingOne(Box<PingOneError>),
    /// The file could not be written.
    #[error(transparent)]
    File(Box<C1zError>),
    /// The environment is on its way out.
    #[error(
        "environment {environment} is being deleted (status DELETE_PENDING): nothing was synced. Check \
         pingone-environment-id"
    )]
    EnvironmentDeleting {
        /// Its id.
        environment: String,
    },
    /// The result is much smaller than the last.
    #[error(transparent)]
    Shrunk(#[from] Shrunk),
    /// What the last sync counted is written down and does not read.
    #[error(
        "the Lease's annotation {annotation} does not read, so nobody knows how large the last good sync was: nothing was \
         synced. Correct the annotation, or accept the next sync's size once with the annotation \
         baton-ping-one/accept-shrink: \"true\""
    )]
    Baseline {
        /// Which annotation.
        annotation: &'static str,
        /// What is wrong with it.
        #[source]
        source: serde_json::Error,
    },
    /// A list of users or members stayed shorter than PingOne's own count of it.
    #[error(
        "{0} were found, and no more when the list was read again: the list is not complete, so nothing was published. \
         Sync again in some minutes, since PingOne's counts may lag; if it stays, check that the worker application's \
         roles cover the whole environment, or accept the size once with --accept-shrink"
    )]
    Incomplete(Shortfall),
    /// The same of a list without which the rows do not hold together.
    #[error(
        "{0} were found, and no more when the list was read again: the list is not complete, so nothing was published. \
         Sync again in some minutes; if it stays, check that the worker application's roles cover the whole environment, \
         and what stands between here and PingOne"
    )]
    Short(Shortfall),
    /// Members of groups are in no list of users.
    #[error(
        "{members} members of groups are not in the list of users, more than can have come while it was read: the list is \
         not complete, so nothing was published. Sync again; if it stays, check that the worker application's roles cover \
         the whole environment"
    )]
    Strangers {
        /// How many.
        members: usize,
    },
    /// Nobody tells who belongs to a group.
    #[error(
        "{found} of the {told} users who belong to group {group} can be listed, because PingOne's lists leave out who comes \
         from {origin}: nothing was published. {remedy}"
    )]
    MembersHidden {
        /// The group.
        group: Uuid,
        /// Where its members come from.
        origin: &'static str,
        /// What helps.
        remedy: &'static str,
        /// How many belong to it.
        told: u64,
        /// How many were found.
        found: u64,
    },
    /// A list holds members that the group does not have.
    #[error(
        "{found} members of group {group} were listed, and the group counts {told}: PingOne seems to ignore the filter, so \
         nothing was published. Sync again in some minutes; if it stays, report it to Ping Identity"
    )]
    TooManyMembers {
        /// The group.
        group: Uuid,
        /// How many it counts.
        told: u64,
        /// How many were listed.
        found: u64,
    },
    /// A list holds somebody who says that he does not belong there.
    #[error(
        "user {user} is listed as a member of group {group} and is none: PingOne seems to ignore the filter, so nothing was \
         published. Sync again in some minutes; if it stays, report it to Ping Identity"
    )]
    NotAMember {
        /// Who.
        user: Uuid,
        /// Of which group.
        group: Uuid,
    },
    /// Pages of a group's members may hold others, and nothing counts them.
    #[error(
        "the links between the pages of the members of group {group} lack the filter, and nothing counts its members: nothing \
         was published. Check what stands between here and PingOne, or report it to Ping Identity"
    )]
    Unfiltered {
        /// The group.
        group: Uuid,
    },
    /// A list of some populations holds a user of another one.
    #[error(
        "user {0} is of another population than those that were asked for: PingOne seems to ignore the filter, so nothing was \
         published. Sync again in some minutes; if it stays, report it to Ping Identity"
    )]
    OtherPopulation(Uuid),
    /// A user holds a role through a group whose own list leaves it out.
    #[error(
        "role assignment {assignment} comes to users through group {group}, and the list of the group's own leaves it out: the \
         list is not complete, so nothing was published. Sync again in some minutes; if it stays, check that the worker \
         application's roles cover the whole environment, and what stands between here and PingOne"
    )]
    RoleLeftOut {
        /// PingOne's id of the assignment.
        assignment: Uuid,
        /// The group.
        group: Uuid,
    },
    /// Nobody in a list of users says whether he is enabled.
    #[error(
        "not one of {users} users in a row says whether he is enabled (enabled): nothing was published. Sync again in some \
         minutes; if it stays, check that the worker application's roles may read it, and what stands between here and PingOne"
    )]
    WithoutStatus {
        /// How many.
        users: usize,
    },
    /// A user holds a role through a group that he does not belong to.
    #[error(
        "user {user} holds a role through group {group} and is no member of it: one of the two answers is not true, so nothing \
         was published. Sync again in some minutes, since PingOne's lists may lag; if it stays, check what stands between here \
         and PingOne, or report it to Ping Identity"
    )]
    HeldThrough {
        /// Who.
        user: Uuid,
        /// Through which group.
        group: Uuid,
    },
    /// Two principals hold one role assignment.
    #[error(
        "role assignment {assignment} is in the lists of both {one} and {other}, and belongs to one of them: nothing was \
         published. Sync again in some minutes; if it stays, check what stands between here and PingOne, or report it to Ping \
         Identity"
    )]
    TwoHolders {
        /// PingOne's id of the assignment.
        assignment: Uuid,
        /// One holder.
        one: Uuid,
        /// The other one.
        other: Uuid,
    },
    /// PingOne answers that an object is not there, and shows it.
    #[error(
        "{} {} answers as if it were gone and is still listed: nothing was published. Sync again in some minutes; if it \
         stays, check what stands between here and PingOne, or report it to Ping Identity",
        .0.resource_type, .0.id
    )]
    Contradicted(ResourceId),
    /// A list holds an object of another environment.
    #[error(
        "{} {} is of another environment than the one that was asked for: nothing was published. Check what stands between \
         here and PingOne",
        .0.resource_type, .0.id
    )]
    OtherEnvironment(ResourceId),
    /// A group, population or role is there and in no list.
    #[error(
        "{} {} exists, other answers name it, and the list does not show it: the list is not complete, so nothing was \
         published. Check that the worker application's roles cover the whole environment, and what stands between here \
         and PingOne",
        .0.resource_type, .0.id
    )]
    Unlisted(ResourceId),
    /// A user says that he belongs to a group, and its list leaves him out.
    #[error(
        "user {user} is a member of group {group}, and the list of its members leaves him out: the list is not complete, so \
         nothing was published. Sync again in some minutes; if it stays, check that the worker application's roles cover the \
         whole environment, and what stands between here and PingOne"
    )]
    MemberLeftOut {
        /// Who.
        user: Uuid,
        /// Of which group.
        group: Uuid,
    },
    /// Too many objects vanished while they were read.
    #[error(
        "{warnings} of {steps} objects vanished while they were read: the directory changes too fast, or the \
         worker application loses sight of it. Run the sync again"
    )]
    TooManyWarnings {
        /// How many vanished.
        warnings: u64,
        /// Of how many steps.
        steps: u64,
    },
    /// A setting names something that the environment does not have.
    #[error(
        "{setting} names \"{value}\", which is neither the id nor the name of a population of this environment. \
         Correct it: PingOne shows both under Directory > Populations"
    )]
    UnknownPopulation {
        /// The flag.
        setting: &'static str,
        /// What it says.
        value: String,
    },
    /// A setting names an organization that the environment does not belong to.
    #[error(
        "writable-role-scopes names organization:{0}, and the environment belongs to another organization: nothing was \
         synced. Take the entry out; roles over the environment's own organization can be changed without one"
    )]
    OtherOrganization(Uuid),
    /// Somebody ended the sync.
    #[error("the sync was cancelled; nothing was published")]
    Cancelled,
    /// A read that several groups needed failed.
    #[error(transparent)]
    Shared(std::sync::Arc<SyncError>),
    /// The machine gave no thread.
    #[error("no thread could be started for the file")]
    Thread(#[source] std::io::Error),
}

impl From<PingOneError> for SyncError {
    fn from(error: PingOneError) -> Self {
        Self::PingOne(Box::new(error))
    }
}

impl From<C1zError> for SyncError {
    fn from(error: C1zError) -> Self {
        Self::File(Box::new(error))
    }
}

impl SyncError {
    /// The rows do not hold together: the same sync would fail again.
    pub fn is_data_verdict(&self) -> bool {
        match self {
            Self::File(error) => matches!(**error, C1zError::Invariant { .. }),
            Self::Shared(error) => error.is_data_verdict(),
            _ => false,
        }
    }

    /// PingOne says that our client lacks a right.
    pub(crate) fn is_right_missing(&self) -> bool {
        matches!(self, Self::PingOne(error) if error.is_right_missing())
    }

    /// What kind of failure it is.
    pub fn class(&self) -> ErrorClass {
        match self {
            Self::PingOne(error) => error.class(),
            Self::Shared(error) => error.class(),
            Self::File(error) => error.class(),
            Self::EnvironmentDeleting { .. } | Self::Shrunk(_) | Self::Baseline { .. } | Self::MembersHidden { .. } => {
                ErrorClass::Precondition
            }
            Self::TooManyWarnings { .. }
            | Self::Incomplete(_)
            | Self::Short(_)
            | Self::Strangers { .. }
            | Self::Contradicted(_)
            | Self::Unlisted(_)
            | Self::MemberLeftOut { .. }
            | Self::HeldThrough { .. }
            | Self::TwoHolders { .. }
            | Self::RoleLeftOut { .. }
            | Self::NotAMember { .. }
            | Self::OtherPopulation(_)
            | Self::WithoutStatus { .. }
            | Self::TooManyMembers { .. } => ErrorClass::Transient { retry_after: None },
            Self::UnknownPopulation { .. } | Self::OtherOrganization(_) => ErrorClass::Rejected,
            Self::OtherEnvironment(_) | Self::Unfiltered { .. } => ErrorClass::Corrupt,
            Self::Cancelled => ErrorClass::Cancelled,
            Self::Thread(_) => ErrorClass::Local,
        }
    }
}
