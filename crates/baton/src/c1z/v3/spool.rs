//! A temporary file without a name: appended to through a buffer, read back at any place. It vanishes with the process
//! and needs its directory only while it is created.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use crate::c1z::C1zError;

/// Bytes kept before they go to the file. A small sync never gets there.
const BUFFER: usize = 256 << 10;

#[derive(Debug)]
pub(super) struct Spool {
    file: File,
    dir: PathBuf,
    buffer: Vec<u8>,
    /// Bytes in the file; the buffer follows them.
    flushed: u64,
}

impl Spool {
    pub(super) fn create(dir: &Path) -> Result<Self, C1zError> {
        Ok(Self::on(tempfile::tempfile_in(dir).map_err(C1zError::write(dir))?, dir))
    }

    pub(super) fn on(file: File, dir: &Path) -> Self {
        Self {
            file,
            dir: dir.to_owned(),
            buffer: Vec::new(),
            flushed: 0,
        }
    }

    /// Where the next byte goes.
    pub(super) fn len(&self) -> u64 {
        self.flushed + u64::try_from(self.buffer.len()).unwrap_or(u64::MAX)
    }

    pub(super) fn append(&mut self, bytes: &[u8]) -> Result<(), C1zError> {
        self.buffer.extend_from_slice(bytes);
        if self.buffer.len() < BUFFER {
            return Ok(());
        }
        self.file
            .write_all_at(&self.buffer, self.flushed)
            .map_err(C1zError::write(&self.dir))?;
        self.flushed = self.len();
        self.buffer.clear();
        Ok(())
    }

    /// Fills `bytes` with what is at `at`.
    pub(super) fn read(&self, at: u64, bytes: &mut [u8]) -> Result<(), C1zError> {
        let in_file = usize::try_from(self.flushed.saturating_sub(at)).unwrap_or(usize::MAX);
        let (head, tail) = bytes.split_at_mut(in_file.min(bytes.len()));
        self.file.read_exact_at(head, at).map_err(C1zError::read(&self.dir))?;
        let from = usize::try_from(at.saturating_sub(self.flushed)).unwrap_or(usize::MAX);
        let kept = self
            .buffer
            .get(from..)
            .and_then(|kept| kept.get(..tail.len()))
            .ok_or_else(|| C1zError::read(&self.dir)(std::io::ErrorKind::UnexpectedEof.into()))?;
        tail.copy_from_slice(kept);
        Ok(())
    }
}

/// A part of a spool, read from its beginning to its end in steps.
#[derive(Debug)]
pub(super) struct Run {
    next: u64,
    end: u64,
    buffer: Vec<u8>,
    at: usize,
    step: usize,
}

impl Run {
    pub(super) fn new(start: u64, end: u64, step: usize) -> Self {
        Self {
            next: start,
            end,
            buffer: Vec::new(),
            at: 0,
            step,
        }
    }

    /// The next `count` bytes, nothing at the end.
    pub(super) fn take(&mut self, spool: &Spool, count: usize) -> Result<Option<&[u8]>, C1zError> {
        let have = self.buffer.len() - self.at;
        if have < count {
            self.buffer.drain(..self.at);
            self.at = 0;
            let left = usize::try_from(self.end - self.next).unwrap_or(usize::MAX);
            let more = left.min(self.step.max(count - have));
            if have + more < count {
                return Ok(None);
            }
            self.buffer.resize(have + more, 0);
            let fresh = self.buffer.get_mut(have..).unwrap_or_default();
            spool.read(self.next, fresh)?;
            self.next += u64::try_from(more).unwrap_or(0);
        }
        let taken = self.buffer.get(self.at..self.at + count);
        self.at += count;
        Ok(taken)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_appended_is_read_back_across_the_buffer() {
        let dir = tempfile::tempdir().unwrap();
        let mut spool = Spool::create(dir.path()).unwrap();
        let bytes: Vec<u8> = (0..BUFFER * 2 + 1000)
            .map(|at| u8::try_from(at % 251).unwrap())
            .collect();
        for part in bytes.chunks(7001) {
            spool.append(part).unwrap();
        }
        assert_eq!(spool.len(), u64::try_from(bytes.len()).unwrap());
        assert!(spool.flushed > 0 && !spool.buffer.is_empty());
        for at in [
            0,
            BUFFER - 10,
            usize::try_from(spool.flushed).unwrap() - 10,
            bytes.len() - 20,
        ] {
            let mut read = [0; 20];
            spool.read(u64::try_from(at).unwrap(), &mut read).unwrap();
            assert_eq!(read, bytes[at..at + 20], "{at}");
        }
        assert!(spool.read(spool.len() - 1, &mut [0; 2]).is_err());
        let mut run = Run::new(3, spool.len(), 1 << 10);
        let mut read = Vec::new();
        while let Some(part) = run.take(&spool, 1).unwrap() {
            read.extend_from_slice(part);
        }
        assert_eq!(read, bytes[3..]);
        assert_eq!(
            std::fs::read_dir(dir.path()).unwrap().count(),
            0,
            "the file has no name"
        );
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_full_disk_while_spilling_is_said() {
        let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
        let mut spool = Spool::on(full, Path::new("/data"));
        let error = spool.append(&vec![0; BUFFER]).unwrap_err();
        assert!(error.to_string().contains("the disk is full"), "{error}");
    }
}
