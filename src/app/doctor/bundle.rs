//! A file for support: what was found, this build, and what a daemon beside us says of itself. No secret and nothing that
//! names a person is in any of it.

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use anyhow::Context as _;
use flate2::Compression;
use flate2::write::GzEncoder;

/// A new file, readable by its owner alone. Made first, so that a place that cannot be written is known at once.
pub(super) fn create(path: &Path) -> anyhow::Result<File> {
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .with_context(|| format!("make {} (--bundle names a new file)", path.display()))
}

/// Writes the parts, each a name and a text.
pub(super) fn write(file: File, parts: &[(&str, String)]) -> io::Result<()> {
    let mut archive = tar::Builder::new(GzEncoder::new(file, Compression::default()));
    for (name, text) in parts {
        let mut header = tar::Header::new_gnu();
        header.set_size(text.len().try_into().unwrap_or(u64::MAX));
        header.set_mode(0o644);
        header.set_mtime(u64::try_from(jiff::Timestamp::now().as_second()).unwrap_or_default());
        archive.append_data(&mut header, format!("baton-ping-one/{name}"), text.as_bytes())?;
    }
    archive.into_inner()?.finish()?.flush()
}
