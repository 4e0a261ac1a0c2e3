//! Where files grow and where they end: whether they can be made there, and how much room there is.

use std::path::Path;

use super::finding::Findings;
use crate::app::daemon;
use crate::app::report::size;
use crate::config::Config;

const DISK: &str = "disk";
/// With less than this not even a small environment's file can be written.
const LEAST: u64 = 16 << 20;
/// With less than this a large environment's file may not fit.
const LITTLE: u64 = 512 << 20;

pub(super) fn look(config: &Config, found: &mut Findings) {
    writable(
        "temporary files",
        &config.temp_dir,
        "--c1z-temp-dir (BATON_C1Z_TEMP_DIR)",
        found,
    );
    if !daemon::is_wanted(config) || config.schedule.sync_interval.is_some() && config.c1.is_none() {
        let parent = config.file.parent().filter(|dir| !dir.as_os_str().is_empty());
        writable(
            "the file",
            parent.unwrap_or(Path::new(".")),
            "--file (BATON_FILE)",
            found,
        );
    }
    if let Some(dir) = &config.state_dir {
        writable(
            "the counts of the last sync",
            dir,
            "--state-dir (BATON_STATE_DIR)",
            found,
        );
    }
}

fn writable(what: &str, dir: &Path, setting: &str, found: &mut Findings) {
    let shown = dir.display();
    if let Err(error) = tempfile::tempfile_in(dir) {
        let text = format!("{what} cannot be written in {shown}: {error}");
        let remedy = format!("Set {setting} to a place that exists and may be written.");
        return found.fail(DISK, text, &remedy);
    }
    let free = match rustix::fs::statvfs(dir) {
        Ok(room) => room.f_bavail.saturating_mul(room.f_frsize),
        Err(error) => return found.warn(DISK, format!("the room in {shown} is not known: {error}"), ""),
    };
    let text = format!("{what} can be written in {shown}, {} free", size(free));
    if free < LEAST {
        found.fail(DISK, text, "Free some space or choose another place.");
    } else if free < LITTLE {
        found.warn(
            DISK,
            text,
            "A large environment needs more: three times the size of its file.",
        );
    } else {
        found.ok(DISK, text);
    }
}
