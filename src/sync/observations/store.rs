//! The folder of observations of one environment: a file for the sync that runs, and those that syncs before it left. Only one
//! process uses it at a time; what is damaged or foreign is set aside and never in the way.

use std::io;
use std::path::{Path, PathBuf};

use super::record::{Kind, Parts, Seconds};
use super::rules::is_set;
use super::segment::{Appender, Head, Segment, Unusable};
use baton::c1z::{C1zError, Lock};

/// Files of syncs that were ended early that are kept; of more the largest.
const SEGMENTS_MOST: usize = 4;
const EXTENSION: &str = "seg";
/// Whoever holds the lock on this name has the folder.
pub(super) const LOCK: &str = "store";
/// What was set aside, for somebody to look at; the last one of each name.
const ASIDE: &str = "set-aside";
/// Says that what was here was dropped, so that copies elsewhere are not to be taken up.
const DROPPED: &str = "dropped";
/// The same in `state-dir` itself: whose folder is not there yet may have left copies elsewhere, too.
const ALL_DROPPED: &str = "observations.dropped";

/// The folder while this process has it.
#[derive(Debug)]
pub(crate) struct Store {
    dir: PathBuf,
    /// What syncs before this one left, newest first.
    pub(crate) segments: Vec<Segment>,
    next: u64,
    /// Nobody else uses the folder until this is dropped.
    _lock: Lock,
}

/// What a folder holds.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct StoreSummary {
    pub files: u64,
    pub bytes: u64,
    /// How many observations there are of each kind.
    pub observations: Vec<(&'static str, u64)>,
    /// When the oldest of them was made, in seconds since 1970.
    pub oldest: Option<u32>,
    pub newest: Option<u32>,
}

/// The folder of an environment's observations in `state-dir`.
pub fn folder(state_dir: &Path, environment: uuid::Uuid) -> PathBuf {
    state_dir.join(format!("{environment}.observations"))
}

impl Store {
    /// Takes the folder and opens what is there. `None` where another sync has it.
    pub(crate) fn open(dir: &Path, identity: &[u8; 32]) -> io::Result<Option<Self>> {
        std::fs::create_dir_all(dir)?;
        let lock = match Lock::take(&dir.join(LOCK)) {
            Ok(lock) => lock,
            Err(C1zError::InUse { .. }) => return Ok(None),
            Err(error) => return Err(io::Error::other(error)),
        };
        let mut segments = Vec::new();
        let files = files(dir)?;
        let next = files.last().map_or(1, |(number, _)| number.saturating_add(1));
        for (_, path) in files.into_iter().rev() {
            match Segment::open(&path) {
                Ok(segment) if segment.head.identity == *identity => segments.push(segment),
                Ok(_) => {
                    tracing::info!("observations of other settings or another client are dropped; everything is read");
                    std::fs::remove_file(&path)?;
                }
                Err(Unusable::Foreign) => set_aside(&path),
                Err(Unusable::Io(error)) => {
                    tracing::warn!(error = %error, "observations of an earlier sync cannot be read; they are made anew");
                    set_aside(&path);
                }
            }
        }
        let mut store = Self {
            dir: dir.to_owned(),
            segments,
            next,
            _lock: lock,
        };
        store.keep_largest();
        Ok(Some(store))
    }

    fn keep_largest(&mut self) {
        while self.segments.len() > SEGMENTS_MOST {
            let smallest = self
                .segments
                .iter()
                .enumerate()
                .min_by_key(|(_, segment)| segment.size());
            let Some((at, _)) = smallest else { return };
            remove(&self.segments.remove(at).path);
        }
    }

    /// The file of the sync that begins.
    pub(crate) fn begin(&self, head: &Head) -> io::Result<Appender> {
        Appender::create(path(&self.dir, self.next), head)
    }

    /// Removes what was kept before PingOne's clock, or ours, was set.
    pub(crate) fn drop_set(&mut self, ahead: i64) -> bool {
        let set = |found: &mut Segment| is_set(found.head.ahead, ahead);
        let dropped: Vec<_> = self.segments.extract_if(.., set).collect();
        for segment in &dropped {
            remove(&segment.path);
        }
        !dropped.is_empty()
    }

    /// Removes the file of the sync that runs, whoever writes it or has stopped.
    pub(crate) fn drop_own(&self) {
        remove(&path(&self.dir, self.next));
    }

    /// Notes that what was here is not to be believed.
    pub(crate) fn mark_dropped(&self) -> io::Result<()> {
        std::fs::write(self.dir.join(DROPPED), [])
    }

    /// Removes what syncs before this one left.
    pub(crate) fn drop_earlier(&mut self) {
        for segment in self.segments.drain(..) {
            remove(&segment.path);
        }
    }
}

/// Whether observations were dropped since copies of them were last replaced.
pub fn was_dropped(dir: &Path) -> bool {
    notes(dir).any(|note| note.exists())
}

/// No copy of what was dropped is left.
pub fn forget_dropped(dir: &Path) {
    notes(dir).for_each(|note| remove(&note));
}

/// Notes that nothing is to be believed, also of an environment without a folder.
pub fn mark_all_dropped(state_dir: &Path) -> io::Result<()> {
    std::fs::write(state_dir.join(ALL_DROPPED), [])
}

fn notes(dir: &Path) -> impl Iterator<Item = PathBuf> {
    let all = dir.parent().map(|state_dir| state_dir.join(ALL_DROPPED));
    all.into_iter().chain([dir.join(DROPPED)])
}

/// The file of a number.
pub(super) fn path(dir: &Path, number: u64) -> PathBuf {
    dir.join(format!("{number:010}.{EXTENSION}"))
}

/// The files by number.
pub(super) fn files(dir: &Path) -> io::Result<Vec<(u64, PathBuf)>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir)? {
        let path = entry?.path();
        let is_ours = path.extension().is_some_and(|extension| extension == EXTENSION);
        let number = path.file_stem().and_then(|name| name.to_str()?.parse::<u64>().ok());
        if let Some(number) = number.filter(|_| is_ours) {
            found.push((number, path));
        }
    }
    found.sort_unstable();
    Ok(found)
}

pub(crate) fn remove(path: &Path) {
    if let Err(error) = std::fs::remove_file(path)
        && error.kind() != io::ErrorKind::NotFound
    {
        tracing::warn!(error = %error, "a file of observations cannot be removed");
    }
}

fn set_aside(path: &Path) {
    tracing::warn!(
        file = %path.display(),
        "this is no file of observations, or a damaged one; it is set aside and everything is read"
    );
    let aside = path.with_extension(ASIDE);
    if std::fs::rename(path, aside).is_err() {
        remove(path);
    }
}

/// What the folder holds, for whoever asks; nothing where there is none.
pub fn summary(dir: &Path) -> io::Result<StoreSummary> {
    let mut summary = StoreSummary::default();
    let mut counts = Kind::ALL.map(|kind| (kind.as_str(), 0));
    let files = match files(dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(summary),
        files => files?,
    };
    let mut saw = |at: Seconds| {
        summary.oldest = Some(summary.oldest.map_or(at, |oldest| oldest.min(at)));
        summary.newest = summary.newest.max(Some(at));
    };
    for (_, path) in files {
        let Ok(segment) = Segment::open(&path) else { continue };
        summary.files += 1;
        summary.bytes += segment.size();
        let mut blocks = segment.blocks()?;
        while let Some((kind, _, content)) = blocks.next() {
            let mut parts = Parts(&content);
            let mut found = 0;
            if kind == Kind::UserRoles {
                while let Some(record) = parts.user() {
                    saw(record.at);
                    found += 1;
                }
            } else if let Some(head) = parts.group() {
                saw(head.at);
                found = 1;
            }
            if let Some((_, count)) = counts.iter_mut().find(|(name, _)| *name == kind.as_str()) {
                *count += found;
            }
        }
    }
    summary.observations = counts.to_vec();
    Ok(summary)
}

/// Removes every observation; `false` where a sync uses them now.
pub fn discard(dir: &Path) -> io::Result<bool> {
    if !dir.exists() {
        return Ok(true);
    }
    match Lock::take(&dir.join(LOCK)) {
        Ok(_lock) => {
            let marked = std::fs::write(dir.join(DROPPED), []);
            for entry in std::fs::read_dir(dir)? {
                let path = entry?.path();
                let extension = path.extension().and_then(|extension| extension.to_str());
                if matches!(extension, Some(EXTENSION | ASIDE)) {
                    std::fs::remove_file(&path)?;
                }
            }
            marked?;
            Ok(true)
        }
        Err(C1zError::InUse { .. }) => Ok(false),
        Err(error) => Err(io::Error::other(error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(identity: u8) -> Head {
        Head {
            identity: [identity; 32],
            began: 1,
            ahead: 0,
            newest: None,
        }
    }

    #[test]
    fn damaged_and_foreign_files_are_set_aside_and_other_settings_dropped() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path(), &[1; 32]).unwrap().unwrap();
        let mine = store.begin(&head(1)).unwrap();
        assert!(Store::open(dir.path(), &[1; 32]).unwrap().is_none(), "in use");
        assert!(!discard(dir.path()).unwrap());
        drop(store);
        std::fs::write(dir.path().join("0000000002.seg"), b"not ours").unwrap();
        Appender::create(dir.path().join("0000000003.seg"), &head(2)).unwrap();
        let store = Store::open(dir.path(), &[1; 32]).unwrap().unwrap();
        let kept: Vec<_> = store.segments.iter().map(|segment| segment.path.clone()).collect();
        assert_eq!(kept, [mine.path]);
        assert!(dir.path().join("0000000002.set-aside").exists());
        assert!(!dir.path().join("0000000003.seg").exists());
        assert!(store.begin(&head(1)).unwrap().path.ends_with("0000000004.seg"));
        drop(store);
        assert!(discard(dir.path()).unwrap());
        let left: Vec<_> = std::fs::read_dir(dir.path()).unwrap().collect();
        assert_eq!(left.len(), 1, "nothing but the note: {left:?}");
        assert!(was_dropped(dir.path()));
        forget_dropped(dir.path());
        assert!(!was_dropped(dir.path()));
    }

    #[test]
    fn what_was_dropped_is_known_where_there_is_no_folder_yet() {
        let state_dir = tempfile::tempdir().unwrap();
        let dir = folder(state_dir.path(), uuid::Uuid::from_u128(1));
        mark_all_dropped(state_dir.path()).unwrap();
        assert!(was_dropped(&dir) && !dir.exists());
        forget_dropped(&dir);
        assert!(!was_dropped(&dir));
    }

    #[test]
    fn of_many_files_the_largest_stay() {
        let dir = tempfile::tempdir().unwrap();
        for number in 1..=7_u8 {
            let path = dir.path().join(format!("{number:010}.seg"));
            let mut file = Appender::create(path, &head(1)).unwrap();
            file.append(Kind::Members, &vec![0; usize::from(number % 5) * 10])
                .unwrap();
        }
        let store = Store::open(dir.path(), &[1; 32]).unwrap().unwrap();
        let names: Vec<_> = store
            .segments
            .iter()
            .map(|found| found.path.file_stem().unwrap())
            .collect();
        assert_eq!(names, ["0000000007", "0000000004", "0000000003", "0000000002"]);
        assert_eq!(summary(dir.path()).unwrap().files, 4);
    }
}
