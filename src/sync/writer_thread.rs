//! The one thread that owns the growing file. Rows come over a bounded channel, already translated; bulk grants are
//! encoded here, so that the channel carries 16 bytes per member and not a message.

use crate::model::USER;
use std::collections::HashSet;
use std::path::Path;
use std::sync::Arc;
use std::thread::JoinHandle;

use tokio::sync::{mpsc, oneshot};
use tokio_util::task::TaskTracker;
use uuid::Uuid;

use super::SyncError;
use super::progress::{Progress, add};
use baton::c1z::{GrantRow, ResourceRow, SyncStart, Writer, WriterOptions};
use baton::model::{Entitlement, EntitlementId, Grant, GrantImmutable, ResourceId, ResourceType};
use baton::wire::GrantEncoder;

/// Batches that may wait for the file. Each is at most one page of users or one group's members.
const QUEUE: usize = 4;

/// A resource as bytes.
#[derive(Debug)]
pub(crate) struct EncodedResource {
    pub(crate) id: ResourceId,
    pub(crate) parent: Option<ResourceId>,
    pub(crate) data: Vec<u8>,
}

/// Rows for the file.
#[derive(Debug)]
pub(crate) enum Rows {
    ResourceTypes(Vec<ResourceType>),
    Resources(Vec<EncodedResource>),
    Entitlements(Vec<Entitlement>),
    Grants(Vec<Grant>),
    /// Grants of one entitlement to users, sorted by id.
    Members {
        entitlement: EntitlementId,
        members: Vec<Member>,
        via: Option<Arc<GrantImmutable>>,
    },
    /// Resources that vanished after their rows were written.
    Vanished(Vec<ResourceId>),
    /// Resources of this type whose rows were written more than once: the last one stays.
    KeepLast(ResourceType, HashSet<Uuid>),
    /// From here on rows were fetched at this time or later.
    FetchedAt(jiff::Timestamp),
}

/// A user who belongs to a group or population.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Member {
    pub(crate) user: Uuid,
    /// Only through what `via` of the batch names.
    pub(crate) indirect: bool,
}

/// The handle to the thread.
#[derive(Debug)]
pub(crate) struct WriterThread {
    rows: mpsc::Sender<Rows>,
    writer: Working<Writer>,
}

impl WriterThread {
    /// Starts the thread and its empty file.
    pub(crate) fn start(
        dir: &Path,
        start: SyncStart,
        options: WriterOptions,
        progress: Arc<Progress>,
        threads: &TaskTracker,
    ) -> Result<Self, SyncError> {
        let writer = Writer::create(dir, start, options)?;
        let (rows, mut inbox) = mpsc::channel(QUEUE);
        let writer = Working::start("c1z-writer", threads, move || {
            let mut writer = writer;
            while let Some(batch) = inbox.blocking_recv() {
                write(&mut writer, batch, &progress)?;
            }
            Ok(writer)
        })?;
        Ok(Self { rows, writer })
    }

    /// Hands rows over; waits while the file is behind. `Err` means that the thread ended: `close` says why.
    pub(crate) async fn put(&self, rows: Rows) -> Result<(), WriterClosed> {
        self.rows.send(rows).await.map_err(|_| WriterClosed)
    }

    /// Waits until every row is in the file, and answers the writer or what went wrong.
    pub(crate) async fn close(self) -> Result<Writer, SyncError> {
        let Self { rows, writer } = self;
        drop(rows);
        writer.wait().await
    }
}

/// The writer thread ended early.
#[derive(Debug)]
pub(crate) struct WriterClosed;

/// Blocking work on a thread of its own. When nobody waits for it any more, the thread itself drops what it made, and
/// only then leaves `threads`: whoever waits for those knows that no temporary file is left.
#[derive(Debug)]
pub(crate) struct Working<T> {
    result: oneshot::Receiver<Result<T, SyncError>>,
    thread: JoinHandle<()>,
}

impl<T: Send + 'static> Working<T> {
    pub(crate) fn start(
        name: &str,
        threads: &TaskTracker,
        work: impl FnOnce() -> Result<T, SyncError> + Send + 'static,
    ) -> Result<Self, SyncError> {
        let (sender, result) = oneshot::channel();
        let running = threads.token();
        let thread = std::thread::Builder::new()
            .name(name.to_owned())
            .spawn(move || {
                let _running = running;
                drop(sender.send(work()));
            })
            .map_err(SyncError::Thread)?;
        Ok(Self { result, thread })
    }

    /// Waits for the result. A panic of the thread goes on here.
    pub(crate) async fn wait(self) -> Result<T, SyncError> {
        let Self { result, thread } = self;
        match result.await {
            Ok(result) => result,
            Err(_) => match thread.join() {
                Err(panic) => std::panic::resume_unwind(panic),
                Ok(()) => Err(SyncError::Cancelled),
            },
        }
    }
}

fn write(writer: &mut Writer, rows: Rows, progress: &Progress) -> Result<(), SyncError> {
    match rows {
        Rows::ResourceTypes(types) => {
            for resource_type in types {
                writer.add_resource_type(resource_type)?;
            }
        }
        Rows::Resources(resources) => put_resources(writer, &resources)?,
        Rows::Entitlements(entitlements) => put_entitlements(writer, &entitlements)?,
        Rows::Grants(grants) => {
            put_grants(writer, &grants)?;
            add(&progress.grants, grants.len());
        }
        Rows::Members {
            entitlement,
            members,
            via,
        } => {
            put_members(writer, &entitlement, &members, via.as_deref())?;
            add(&progress.grants, members.len());
        }
        Rows::Vanished(gone) => {
            let gone = gone.iter().map(|gone| (gone.resource_type.id(), gone.id.as_str()));
            writer.delete_resources(gone)?;
        }
        Rows::KeepLast(resource_type, ids) => {
            let ids: Vec<String> = ids.iter().map(ToString::to_string).collect();
            writer.keep_last(resource_type.id(), ids.iter().map(String::as_str))?;
        }
        Rows::FetchedAt(at) => writer.set_discovered_at(at),
    }
    Ok(())
}

fn put_resources(writer: &mut Writer, resources: &[EncodedResource]) -> Result<(), SyncError> {
    for resource in resources {
        writer.put_resource(&ResourceRow {
            resource_type_id: resource.id.resource_type.id(),
            resource_id: &resource.id.id,
            parent: resource
                .parent
                .as_ref()
                .map(|parent| (parent.resource_type.id(), parent.id.as_str())),
            data: &resource.data,
        })?;
    }
    Ok(())
}

fn put_entitlements(writer: &mut Writer, entitlements: &[Entitlement]) -> Result<(), SyncError> {
    for entitlement in entitlements {
        writer.add_entitlement(entitlement)?;
    }
    Ok(())
}

fn put_grants(writer: &mut Writer, grants: &[Grant]) -> Result<(), SyncError> {
    for grant in grants {
        writer.add_grant(grant)?;
    }
    Ok(())
}

fn put_members(
    writer: &mut Writer,
    entitlement: &EntitlementId,
    members: &[Member],
    via: Option<&GrantImmutable>,
) -> Result<(), SyncError> {
    let mut direct = GrantEncoder::new(entitlement, USER, None);
    let mut indirect = via.map(|via| GrantEncoder::new(entitlement, USER, Some(via)));
    let entitlement_id = entitlement.to_string();
    let mut text = Uuid::encode_buffer();
    for member in members {
        let user: &str = member.user.as_hyphenated().encode_lower(&mut text);
        let encoder = match indirect.as_mut() {
            Some(indirect) if member.indirect => indirect,
            _ => &mut direct,
        };
        let (id, data) = encoder.encode(user);
        writer.put_grant(&GrantRow {
            resource_type_id: entitlement.resource.resource_type.id(),
            resource_id: &entitlement.resource.id,
            entitlement_id: &entitlement_id,
            principal_type_id: USER.id(),
            principal_id: user,
            id,
            expansion: None,
            data,
        })?;
    }
    Ok(())
}
