//! The role part of what is kept, packed for a process on another machine: it is read and judged there like a file of its own.

use std::io::{self, Read as _, Write as _};
use std::path::Path;

use flate2::Compression;
use flate2::read::ZlibDecoder;
use flate2::write::ZlibEncoder;

use super::record::Kind;
use super::segment::{self, Segment};
use super::store;
use baton::c1z::{C1zError, Lock};

/// Packed or unpacked at a time, at most: 600,000 users.
const UNPACKED_MOST: usize = 24 << 20;

/// What is known of role assignments.
#[derive(Debug, PartialEq, Eq)]
pub enum Parcel {
    Packed(Vec<u8>),
    /// It is too large to be handed on.
    TooLarge,
    /// Nothing is kept.
    Nothing,
}

/// Packs what the newest file of a folder holds of role assignments.
pub fn pack(dir: &Path) -> io::Result<Parcel> {
    let Some((_, path)) = store::files(dir)?.pop() else {
        return Ok(Parcel::Nothing);
    };
    let Ok(segment) = Segment::open(&path) else {
        return Ok(Parcel::Nothing);
    };
    let mut out = segment::encode(&segment.head);
    let mut blocks = segment.blocks()?;
    while let Some((kind, _, content)) = blocks.next() {
        if matches!(kind, Kind::UserRoles | Kind::GroupRoles) {
            out.extend(segment::block(kind, &content));
        }
        if out.len() > UNPACKED_MOST {
            return Ok(Parcel::TooLarge);
        }
    }
    // Ids are most of it, and nothing is found in those, however long one looks.
    let mut packed = ZlibEncoder::new(Vec::new(), Compression::fast());
    packed.write_all(&out)?;
    packed.finish().map(Parcel::Packed)
}

/// Whether a folder holds nothing that a sync could take up.
pub fn is_vacant(dir: &Path) -> bool {
    store::files(dir).map_or_else(
        |error| error.kind() == io::ErrorKind::NotFound,
        |files| files.is_empty(),
    )
}

/// Puts what was packed into a folder that holds nothing; `false` where it holds something or a sync uses it.
pub fn unpack(dir: &Path, packed: &[u8]) -> io::Result<bool> {
    let mut bytes = Vec::new();
    let most = UNPACKED_MOST as u64;
    ZlibDecoder::new(packed).take(most + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > most {
        return Err(io::Error::from(io::ErrorKind::FileTooLarge));
    }
    std::fs::create_dir_all(dir)?;
    let _lock = match Lock::take(&dir.join(store::LOCK)) {
        Ok(lock) => lock,
        Err(C1zError::InUse { .. }) => return Ok(false),
        Err(error) => return Err(io::Error::other(error)),
    };
    if !is_vacant(dir) {
        return Ok(false);
    }
    let mut file = tempfile::Builder::new().prefix(".parcel-").tempfile_in(dir)?;
    file.write_all(&bytes)?;
    file.persist(store::path(dir, 1)).map_err(|error| error.error)?;
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sync::observations::segment::{Appender, Head};

    #[test]
    fn the_role_part_arrives_whole_in_an_empty_folder_and_in_no_other() {
        let (from, to) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        assert_eq!(pack(from.path()).unwrap(), Parcel::Nothing);
        let head = Head {
            identity: [7; 32],
            began: 9,
            ahead: 0,
            newest: Some((5, 6)),
        };
        let mut file = Appender::create(store::path(from.path(), 3), &head).unwrap();
        for (kind, content) in [
            (Kind::UserRoles, [1; 40]),
            (Kind::Members, [2; 40]),
            (Kind::GroupRoles, [3; 40]),
        ] {
            file.append(kind, &content).unwrap();
        }
        let Parcel::Packed(packed) = pack(from.path()).unwrap() else {
            panic!("nothing was packed");
        };
        let target = to.path().join("new");
        assert!(is_vacant(&target) && unpack(&target, &packed).unwrap());
        assert!(!is_vacant(&target) && !unpack(&target, &packed).unwrap());
        let found = Segment::open(&store::path(&target, 1)).unwrap();
        assert_eq!(found.head, head);
        let mut blocks = found.blocks().unwrap();
        let kinds: Vec<_> = std::iter::from_fn(|| blocks.next().map(|(kind, _, content)| (kind, content[0]))).collect();
        assert_eq!(kinds, [(Kind::UserRoles, 1), (Kind::GroupRoles, 3)]);
        assert!(unpack(to.path(), &packed[..packed.len() / 2]).is_err(), "cut");
        assert!(unpack(to.path(), b"no parcel").is_err());
        for _ in 0..25 {
            file.append(Kind::UserRoles, &vec![0; 1 << 20]).unwrap();
        }
        assert_eq!(pack(from.path()).unwrap(), Parcel::TooLarge);
    }
}
