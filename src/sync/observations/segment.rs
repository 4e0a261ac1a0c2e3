//! One file of observations: a head that says whose they are, then blocks that are only ever appended, each with its
//! checksum. A killed process leaves at worst a torn last block, and everything before it counts.

use std::fs::{File, OpenOptions};
use std::io::{self, BufReader, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use super::record::{Kind, Seconds};

const MAGIC: [u8; 8] = *b"PING1OBS";
/// Raised whenever the layout changes: an older file is read anew from PingOne instead.
const VERSION: u16 = 2;
/// Magic, version, identity, begin, how far PingOne's clock was ahead, newest activity and its time, checksum.
const HEAD: usize = 8 + 2 + 32 + 4 + 8 + 8 + 4 + 4;
/// Kind, length, checksum.
const BLOCK_HEAD: usize = 1 + 4 + 4;
/// Nothing larger is written or read.
pub(crate) const BLOCK_MOST: usize = 64 << 20;

/// Whose observations they are and since when.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Head {
    /// A digest of environment, client, filters and types.
    pub(crate) identity: [u8; 32],
    /// When the sync began: whatever is older in the file was proved by the activities until then.
    pub(crate) began: Seconds,
    /// By how many seconds PingOne's clock was ahead of ours then.
    pub(crate) ahead: i64,
    /// The newest activity that was seen by then, as a digest of its id with its time; the next reading must find it again.
    pub(crate) newest: Option<(u64, Seconds)>,
}

/// Where a block's contents lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    at: u64,
    length: u32,
    sum: u32,
}

/// Why a file is no segment of ours.
#[derive(Debug)]
pub(crate) enum Unusable {
    /// Not ours, of another version, or damaged in its head.
    Foreign,
    /// It cannot be read.
    Io(io::Error),
}

impl From<io::Error> for Unusable {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::UnexpectedEof => Self::Foreign,
            _ => Self::Io(error),
        }
    }
}

pub(super) fn encode(head: &Head) -> Vec<u8> {
    let mut out = MAGIC.to_vec();
    out.extend(VERSION.to_le_bytes());
    out.extend(head.identity);
    out.extend(head.began.to_le_bytes());
    out.extend(head.ahead.to_le_bytes());
    let (id, at) = head.newest.unwrap_or_default();
    out.extend(id.to_le_bytes());
    out.extend(at.to_le_bytes());
    out.extend(crc32c::crc32c(&out).to_le_bytes());
    out
}

fn decode(bytes: &[u8; HEAD]) -> Option<Head> {
    let (content, sum) = bytes.split_last_chunk::<4>()?;
    let (magic, rest) = content.split_first_chunk::<8>()?;
    let (version, rest) = rest.split_first_chunk::<2>()?;
    let (identity, rest) = rest.split_first_chunk::<32>()?;
    let (began, rest) = rest.split_first_chunk::<4>()?;
    let (ahead, rest) = rest.split_first_chunk::<8>()?;
    let (id, rest) = rest.split_first_chunk::<8>()?;
    let at = u32::from_le_bytes(*rest.first_chunk::<4>()?);
    let is_ours = *magic == MAGIC
        && u16::from_le_bytes(*version) == VERSION
        && u32::from_le_bytes(*sum) == crc32c::crc32c(content);
    is_ours.then(|| Head {
        identity: *identity,
        began: u32::from_le_bytes(*began),
        ahead: i64::from_le_bytes(*ahead),
        newest: (at > 0).then(|| (u64::from_le_bytes(*id), at)),
    })
}

fn checksum(kind: u8, content: &[u8]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c(&[kind]), content)
}

/// A block as it lies in the file.
pub(super) fn block(kind: Kind, content: &[u8]) -> Vec<u8> {
    let length = u32::try_from(content.len()).unwrap_or(u32::MAX);
    let mut block = Vec::with_capacity(BLOCK_HEAD + content.len());
    block.push(kind as u8);
    block.extend(length.to_le_bytes());
    block.extend(checksum(kind as u8, content).to_le_bytes());
    block.extend(content);
    block
}

/// A file that is read.
#[derive(Debug)]
pub(crate) struct Segment {
    pub(crate) path: PathBuf,
    pub(crate) head: Head,
    file: File,
}

/// The blocks of a file, one after the other.
#[derive(Debug)]
pub(crate) struct Blocks<'a> {
    file: BufReader<&'a File>,
    at: u64,
    end: u64,
}

impl Segment {
    pub(crate) fn open(path: &Path) -> Result<Self, Unusable> {
        let mut file = File::open(path)?;
        let mut head = [0; HEAD];
        file.read_exact(&mut head)?;
        let head = decode(&head).ok_or(Unusable::Foreign)?;
        Ok(Self {
            path: path.to_owned(),
            head,
            file,
        })
    }

    pub(crate) fn size(&self) -> u64 {
        self.file.metadata().map_or(0, |found| found.len())
    }

    pub(crate) fn blocks(&self) -> io::Result<Blocks<'_>> {
        let mut file = &self.file;
        let at = file.seek(SeekFrom::Start(HEAD as u64))?;
        Ok(Blocks {
            file: BufReader::with_capacity(1 << 18, file),
            at,
            end: self.size(),
        })
    }

    /// A block's contents; `None` where they are not what they were.
    pub(crate) fn read(&self, kind: Kind, place: Place) -> Option<Vec<u8>> {
        let mut content = vec![0; usize::try_from(place.length).ok()?];
        self.file.read_exact_at(&mut content, place.at).ok()?;
        (checksum(kind as u8, &content) == place.sum).then_some(content)
    }
}

impl Blocks<'_> {
    /// The next whole block. `None` at the end, which is where the first torn or damaged one begins.
    pub(crate) fn next(&mut self) -> Option<(Kind, Place, Vec<u8>)> {
        let mut head = [0; BLOCK_HEAD];
        self.file.read_exact(&mut head).ok()?;
        let (kind, rest) = head.split_first()?;
        let (length, sum) = rest.split_first_chunk::<4>()?;
        let place = Place {
            at: self.at + BLOCK_HEAD as u64,
            length: u32::from_le_bytes(*length),
            sum: u32::from_le_bytes(*sum.first_chunk::<4>()?),
        };
        let size = usize::try_from(place.length).ok().filter(|size| *size <= BLOCK_MOST)?;
        if u64::from(place.length) > self.end.saturating_sub(place.at) {
            return None;
        }
        let mut content = vec![0; size];
        self.file.read_exact(&mut content).ok()?;
        if checksum(*kind, &content) != place.sum {
            return None;
        }
        self.at = place.at + u64::from(place.length);
        Some((Kind::of(*kind)?, place, content))
    }

    /// Bytes behind the last whole block.
    pub(crate) const fn torn(&self) -> u64 {
        self.end.saturating_sub(self.at)
    }
}

/// A file that grows.
#[derive(Debug)]
pub(crate) struct Appender {
    file: File,
    pub(crate) path: PathBuf,
    /// Bytes that were written.
    pub(crate) size: u64,
}

impl Appender {
    /// A new file, for its owner alone.
    pub(crate) fn create(path: PathBuf, head: &Head) -> io::Result<Self> {
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&path)?;
        let bytes = encode(head);
        file.write_all(&bytes)?;
        Ok(Self {
            file,
            path,
            size: bytes.len() as u64,
        })
    }

    /// Appends a block in one write.
    pub(crate) fn append(&mut self, kind: Kind, content: &[u8]) -> io::Result<()> {
        if content.len() > BLOCK_MOST {
            return Ok(());
        }
        let block = block(kind, content);
        self.file.write_all(&block)?;
        self.size += block.len() as u64;
        Ok(())
    }

    pub(crate) fn sync(&self) -> io::Result<()> {
        self.file.sync_all()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD_OF_TEST: Head = Head {
        identity: [7; 32],
        began: 9,
        ahead: -7,
        newest: Some((5, 6)),
    };

    fn blocks(path: &Path) -> (Vec<Vec<u8>>, u64) {
        let segment = Segment::open(path).unwrap();
        assert_eq!(segment.head, HEAD_OF_TEST);
        let mut blocks = segment.blocks().unwrap();
        let mut found = Vec::new();
        while let Some((kind, place, content)) = blocks.next() {
            assert_eq!(segment.read(kind, place).as_ref(), Some(&content));
            found.push(content);
        }
        (found, blocks.torn())
    }

    #[test]
    fn whatever_is_cut_or_flipped_leaves_a_beginning_that_counts() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.seg");
        let mut appender = Appender::create(path.clone(), &HEAD_OF_TEST).unwrap();
        let contents = [vec![1; 10], vec![], vec![3; 300]];
        for content in &contents {
            appender.append(Kind::Members, content).unwrap();
        }
        let whole = std::fs::read(&path).unwrap();
        assert_eq!(blocks(&path), (contents.to_vec(), 0));
        assert_eq!(whole.len() as u64, appender.size);
        for end in 0..whole.len() {
            std::fs::write(&path, &whole[..end]).unwrap();
            if end < HEAD {
                assert!(matches!(Segment::open(&path), Err(Unusable::Foreign)), "{end}");
                continue;
            }
            let (found, torn) = blocks(&path);
            assert!(contents.starts_with(&found) && found.len() < 3, "{end}");
            let held: usize = found.iter().map(|content| content.len() + BLOCK_HEAD).sum();
            assert_eq!(u64::try_from(end - HEAD - held).unwrap(), torn);
        }
        for at in 0..whole.len() {
            let mut damaged = whole.clone();
            damaged[at] ^= 0x10;
            std::fs::write(&path, &damaged).unwrap();
            if at < HEAD {
                assert!(matches!(Segment::open(&path), Err(Unusable::Foreign)), "{at}");
                continue;
            }
            let (found, torn) = blocks(&path);
            assert!(contents.starts_with(&found) && found.len() < 3 && torn > 0, "{at}");
        }
    }
}
