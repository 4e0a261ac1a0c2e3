//! Who holds which role (connector-model.md §5.3): there is no list by role, so each principal is asked. Groups first,
//! then users beside their own listing, so that inherited assignments are recognised and left out.

use std::collections::HashSet;
use std::sync::Arc;

use futures_util::stream::{self, StreamExt};
use tokio::sync::mpsc;
use uuid::Uuid;

use super::SyncError;
use super::options::RoleScan;
use super::progress::add;
use super::read::{Assignment, Reads};
use super::scope::{Holding, Holdings};
use super::users::{PopulationPlan, chosen};
use super::warnings::Warning;
use crate::model::{ResourceType, RoleId, UserId};
use crate::runtime::spawn::spawn;

/// Whose assignments are read among the users.
#[derive(Debug, Clone)]
pub(crate) enum Candidates {
    Everybody,
    Nobody,
    /// Users of the populations at these positions.
    Populations(HashSet<usize>),
    /// Users that a SCIM filter found.
    Users(HashSet<UserId>),
}

impl Candidates {
    /// Works out who is scanned; a filter costs its own listing.
    pub(crate) async fn of(scan: &RoleScan, populations: &[PopulationPlan], reads: &Reads) -> Result<Self, SyncError> {
        let names = match scan {
            RoleScan::All => return Ok(Self::Everybody),
            RoleScan::GroupsAndWorkers => return Ok(Self::Nobody),
            RoleScan::Candidates(names) => names,
        };
        if let [only] = names.as_slice()
            && let Some(filter) = only.strip_prefix("filter:")
        {
            let found = reads.user_ids(filter.trim()).await?;
            return Ok(Self::Users(found.into_iter().map(UserId).collect()));
        }
        let positions = chosen(populations, names, "role-assignment-candidates")?
            .into_iter()
            .filter_map(|wanted| populations.iter().position(|population| population.id == wanted.id))
            .collect();
        Ok(if names.is_empty() {
            Self::Nobody
        } else {
            Self::Populations(positions)
        })
    }

    pub(crate) fn includes(&self, user: UserId, population: Option<usize>) -> bool {
        match self {
            Self::Everybody => true,
            Self::Nobody => false,
            Self::Populations(positions) => population.is_some_and(|position| positions.contains(&position)),
            Self::Users(users) => users.contains(&user),
        }
    }
}

/// The assignments of groups: what users inherit, and the groups' own grants.
#[derive(Debug, Default)]
pub(crate) struct GroupHoldings {
    /// Ids of assignments that belong to groups: in a user's list they are inherited.
    pub(crate) assignments: HashSet<Uuid>,
    /// Groups that answered 404.
    pub(crate) gone: Vec<Uuid>,
    found: Vec<(Uuid, Vec<Assignment>)>,
}

impl GroupHoldings {
    /// Reads the assignments of `groups`, which must be static: only those can hold roles.
    pub(crate) async fn read(reads: &Arc<Reads>, groups: Vec<Uuid>, concurrency: usize) -> Result<Self, SyncError> {
        let mut this = Self::default();
        let mut answers = stream::iter(groups)
            .map(|id| {
                let reads = Arc::clone(reads);
                async move {
                    spawn(async move { reads.group_assignments(id).await })
                        .await
                        .map(|found| (id, found))
                }
            })
            .buffered(concurrency.max(1));
        while let Some(answer) = answers.next().await {
            add(&reads.progress.principals_scanned, 1);
            match answer? {
                (id, None) => this.gone.push(id),
                (_, Some(found)) if found.is_empty() => {}
                (id, Some(found)) => {
                    // One that the group itself only inherits belongs to the outer group.
                    let own: Vec<_> = found
                        .into_iter()
                        .filter(|item| item.group.is_none_or(|of| of == id))
                        .collect();
                    this.assignments.extend(own.iter().map(|item| item.id));
                    this.found.push((id, own));
                }
            }
        }
        Ok(this)
    }

    /// Moves the groups' own assignments into `holdings`.
    pub(crate) fn move_into(&mut self, reads: &Reads, holdings: &mut Holdings) {
        for (group, found) in std::mem::take(&mut self.found) {
            take(reads, holdings, ResourceType::Group, group, found, &HashSet::new());
        }
    }
}

/// Reads the assignments of every user that arrives, until the sender is gone. Users that answer 404 are reported as
/// vanished; any other failure ends the sync.
pub(crate) async fn scan_users(
    reads: Arc<Reads>,
    inbox: mpsc::Receiver<Vec<UserId>>,
    concurrency: usize,
    group_assignments: HashSet<Uuid>,
    mut holdings: Holdings,
) -> Result<Holdings, SyncError> {
    let users = stream::unfold(inbox, |mut inbox| async move {
        inbox.recv().await.map(|batch| (batch, inbox))
    })
    .flat_map(stream::iter);
    let mut answers = Box::pin(
        users
            .map(|user| {
                let reads = Arc::clone(&reads);
                async move {
                    spawn(async move { reads.user_assignments(user.0).await })
                        .await
                        .map(|found| (user, found))
                }
            })
            .buffer_unordered(concurrency.max(1)),
    );
    while let Some(answer) = answers.next().await {
        add(&reads.progress.principals_scanned, 1);
        match answer? {
            (_, Some(found)) if found.is_empty() => {}
            (user, Some(found)) => {
                take(
                    &reads,
                    &mut holdings,
                    ResourceType::User,
                    user.0,
                    found,
                    &group_assignments,
                );
            }
            (_, None) => {}
        }
    }
    Ok(holdings)
}

/// Keeps the assignments that are the principal's own.
fn take(
    reads: &Reads,
    holdings: &mut Holdings,
    principal_type: ResourceType,
    principal: Uuid,
    found: Vec<Assignment>,
    inherited: &HashSet<Uuid>,
) {
    for item in found {
        if item.gateway {
            reads.warnings.add(Warning::GatewayAssignment, &item.id);
            continue;
        }
        let through_group = principal_type == ResourceType::User && item.group.is_some();
        if through_group || inherited.contains(&item.id) {
            continue;
        }
        let scope = holdings.scope(&item.scope_type, item.scope_id);
        holdings.push(Holding {
            principal_type,
            principal,
            role: RoleId(item.role),
            scope,
            assignment: item.id,
            read_only: item.read_only,
        });
    }
}
