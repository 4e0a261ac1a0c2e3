//! A directory that a Secret is mounted into.
//!
//! The kubelet writes a new set of files into a new folder and then flips the link `..data` to it. The link's target is looked at
//! every few seconds; when it has changed all files are read, and read again if the link moved meanwhile, so that values of two
//! generations are never mixed. A directory without the link (made by hand) is read each time instead.

use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::io::AsyncReadExt;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::key::Key;
use super::values::Values;
use super::{Offer, Origin};
use process::runtime::liveness::Pulse;

/// Time between looks.
const LOOK: Duration = Duration::from_secs(2);
/// Most that is read of a file.
const LARGEST: u64 = 128 * 1024;
/// Reads that may be spoilt by a flip before the next look has to do.
const TRIES: usize = 3;

/// Watches one directory.
#[derive(Debug)]
pub struct Directory {
    path: PathBuf,
    pulse: Option<Pulse>,
}

impl Directory {
    /// `path` is where the volume is mounted; a file per key.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self {
            path: path.into(),
            pulse: None,
        }
    }

    /// The same, telling that it moves.
    #[must_use]
    pub fn with_pulse(self, pulse: Pulse) -> Self {
        Self {
            pulse: Some(pulse),
            ..self
        }
    }

    /// Sends an [`Offer`] at once and whenever the content changes, until `stop` or until nobody listens.
    pub async fn run(self, offers: mpsc::Sender<Offer>, stop: CancellationToken) {
        let mut sent: Option<Offer> = None;
        let mut link: Option<PathBuf> = None;
        loop {
            if let Some(pulse) = &self.pulse {
                pulse.due_within(LOOK);
            }
            let now = tokio::fs::read_link(self.path.join("..data")).await.ok();
            // Without a link there is nothing that tells a change.
            let due = sent.is_none() || now.is_none() || now != link;
            if due && let Some(offer) = self.look().await {
                link = now;
                if sent.as_ref().is_none_or(|sent| sent.values != offer.values) {
                    if offers.send(offer.clone()).await.is_err() {
                        return;
                    }
                    sent = Some(offer);
                }
            }
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(LOOK) => {}
            }
        }
    }

    /// One consistent reading, without values if the directory holds none of the keys; `None` if no reading was consistent.
    pub async fn look(&self) -> Option<Offer> {
        let link = self.path.join("..data");
        for _ in 0..TRIES {
            let before = tokio::fs::read_link(&link).await.ok();
            let values = self.read_files().await;
            let after = tokio::fs::read_link(&link).await.ok();
            if before == after {
                return Some(Offer {
                    origin: Origin::Directory,
                    values,
                });
            }
        }
        None
    }

    async fn read_files(&self) -> Option<Values> {
        let mut values = Values::default();
        for key in Key::ALL {
            if let Some(bytes) = read_file(&self.path.join(key.name())).await {
                values.insert(key, Origin::Directory, &bytes);
            }
        }
        let mut names = Vec::new();
        if let Ok(mut entries) = tokio::fs::read_dir(&self.path).await {
            while let Ok(Some(entry)) = entries.next_entry().await {
                names.extend(entry.file_name().into_string());
            }
        }
        names.sort();
        (!values.is_empty()).then(|| values.beside(names.iter().map(String::as_str)))
    }
}

/// `None` if the file is not there or cannot be read.
async fn read_file(path: &Path) -> Option<zeroize::Zeroizing<Vec<u8>>> {
    let file = tokio::fs::File::open(path).await.ok()?;
    let mut bytes = zeroize::Zeroizing::new(Vec::new());
    file.take(LARGEST).read_to_end(&mut bytes).await.ok()?;
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn generation(root: &Path, name: &str, pairs: &[(Key, &str)]) {
        let folder = root.join(name);
        std::fs::create_dir(&folder).unwrap();
        for (key, text) in pairs {
            std::fs::write(folder.join(key.name()), text).unwrap();
            let file = root.join(key.name());
            if !file.is_symlink() {
                std::os::unix::fs::symlink(Path::new("..data").join(key.name()), file).unwrap();
            }
        }
        std::os::unix::fs::symlink(name, root.join("..next")).unwrap();
        std::fs::rename(root.join("..next"), root.join("..data")).unwrap();
    }

    fn text(offer: &Offer) -> String {
        format!("{:?}", offer.values)
    }

    #[tokio::test(start_paused = true)]
    async fn a_flip_of_the_link_is_seen_and_the_same_content_is_not_sent_again() {
        let root = tempfile::tempdir().unwrap();
        generation(root.path(), "..1", &[(Key::C1ClientId, "one")]);
        let (sender, mut offers) = mpsc::channel(4);
        let stop = CancellationToken::new();
        let run = process::runtime::spawn::spawn(Directory::new(root.path()).run(sender, stop.clone()));
        let first = offers.recv().await.unwrap();
        assert!(text(&first).contains("C1ClientId"), "{first:?}");
        // The same again under another name, then another content.
        generation(root.path(), "..2", &[(Key::C1ClientId, "one")]);
        tokio::time::sleep(LOOK * 2).await;
        assert!(offers.try_recv().is_err());
        generation(
            root.path(),
            "..3",
            &[(Key::C1ClientId, ""), (Key::C1ClientSecret, "two\n")],
        );
        let third = offers.recv().await.unwrap();
        let values = third.values.unwrap();
        assert_eq!(values.trimmed(), [Key::C1ClientSecret]);
        assert!(format!("{values:?}").contains("empty"));
        stop.cancel();
        run.await;
    }

    #[tokio::test]
    async fn what_lies_beside_the_credentials_is_named_and_the_mount_s_own_entries_are_not() {
        let root = tempfile::tempdir().unwrap();
        generation(root.path(), "..2026_01_01", &[(Key::C1ClientId, "one")]);
        for name in ["BATON_PROVISIONING", "BATON_PINGONE_REGION", "notes.txt"] {
            std::fs::write(root.path().join(name), "true").unwrap();
        }
        let values = Directory::new(root.path()).look().await.unwrap().values.unwrap();
        assert_eq!(values.ignored(), ["BATON_PINGONE_REGION", "BATON_PROVISIONING"]);
        assert!(!format!("{values:?}").contains("true"), "{values:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_directory_that_is_not_there_offers_nothing_until_it_comes() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("later");
        let (sender, mut offers) = mpsc::channel(4);
        let _run = process::runtime::spawn::spawn(Directory::new(&path).run(sender, CancellationToken::new()));
        assert!(offers.recv().await.unwrap().values.is_none());
        std::fs::create_dir(&path).unwrap();
        std::fs::write(path.join(Key::PingOneClientId.name()), "id").unwrap();
        assert!(offers.recv().await.unwrap().values.is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn a_loop_that_is_wedged_fails_liveness() {
        let root = tempfile::tempdir().unwrap();
        let liveness = process::runtime::liveness::Liveness::new();
        let is_late = || liveness.states()[0].late_by.is_some();
        let pulse = liveness.register("credentials-directory", LOOK);
        // Nobody takes what is offered, and there is room for one.
        let (sender, _offers) = mpsc::channel(1);
        let run = Directory::new(root.path())
            .with_pulse(pulse)
            .run(sender, CancellationToken::new());
        let _run = process::runtime::spawn::spawn(run);
        tokio::time::sleep(Duration::from_mins(5)).await;
        assert!(!is_late());
        std::fs::write(root.path().join(Key::PingOneClientId.name()), "id").unwrap();
        tokio::time::sleep(Duration::from_mins(5)).await;
        assert!(is_late());
    }
}
