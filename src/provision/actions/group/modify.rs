//! `modify_group`: PingOne replaces a group whole, so everything that it shows is sent back as it came.

use std::sync::OnceLock;

use uuid::Uuid;

use super::super::schema::groups::{DESCRIPTION, NAME};
use super::{complete, description, differing, explained, is_text, name, shown};
use crate::provision::context::{AuditEntry, TaskContext};
use crate::provision::error::{Failure, invalid};
use crate::provision::sure::sure;
use crate::provision::write::{Rules, Write, apply_state};
use baton::task::{ActionOutcome, JsonObject};
use pingone::Client;
use pingone::types::GroupDocument;
use pingone::write::groups;

pub(super) async fn modify(task: &TaskContext, id: Uuid, args: &JsonObject) -> Result<ActionOutcome, Failure> {
    let (new_name, new_description) = (name(args)?, description(args)?);
    if new_name.is_none() && new_description.is_none() {
        return Err(invalid(format!("give {NAME}, {DESCRIPTION} or both")).into());
    }
    let is_so = |now: &GroupDocument| {
        let is = |member, wanted: Option<&str>| wanted.is_none_or(|wanted| is_text(now.text(member), Some(wanted)));
        is("name", new_name) && is("description", new_description)
    };
    let now = sure(task, || task.read(task.client().whole_group(id)), is_so).await?;
    let old_name = now.text("name").unwrap_or_default();
    if now.text("sourceType").is_some() {
        return Err(Failure::precondition(format!(
            "change group {id}: it comes from outside PingOne. {} is managed by its source; change it there.",
            shown(old_name)
        )));
    }
    let name = new_name.unwrap_or(old_name);
    let description = new_description.or_else(|| now.text("description"));
    if name == old_name && is_text(now.text("description"), description) {
        return Ok(complete(format!("Group {id} was so already"), id, name));
    }
    let sent = &now.replaced(name, description);
    let call = groups::replace(id, name, sent);
    let entry = AuditEntry {
        object: &format!("group {id}"),
        before: "name and description as they were",
        after: "name and description as asked for",
    };
    let seen = OnceLock::new();
    let changed = &seen;
    let holds = |client: Client| async move {
        let now = client.whole_group(id).await?;
        let holds = is_text(now.text("name"), Some(name)) && is_text(now.text("description"), description);
        if holds {
            changed.set(now.lacks(sent)).ok();
        }
        Ok(holds)
    };
    let applied = apply_state(task, Write::new(&call, entry, Rules::STATE), holds).await;
    applied.map_err(|failure| explained(failure, name))?;
    let lost = seen.into_inner().unwrap_or_default();
    if !lost.is_empty() {
        let lost = lost.join(", ");
        let message =
            format!("Group {id} has been changed, but PingOne did not keep its {lost}. Restore it in PingOne");
        return Ok(differing(message, id, name));
    }
    Ok(complete(format!("Group {id} has been changed"), id, name))
}
