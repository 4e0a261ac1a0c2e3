//! Magic and one zstd frame around the database (c1z.md §2).

use std::fs::File;
use std::io::{self, BufReader, Read, Write};
use std::path::Path;

use aws_lc_rs::digest::{Context, SHA256};
use tokio_util::sync::CancellationToken;
use zstd::stream::raw::CParameter;

use crate::c1z::limits::{DECODED_MAX_BYTES, Limits};
use crate::c1z::{C1zError, staging};

/// First bytes of a file.
pub(crate) const MAGIC: [u8; 5] = *b"C1ZF\0";
/// From this size on a warning.
pub(crate) const DECODED_WARN_BYTES: u64 = 8 * 1024 * 1024 * 1024;
/// Level 1: on 1.2 M grants level 3 takes three times the memory for one percent (c1z.md §2.1).
const LEVEL: i32 = 1;
/// 512 KiB, the level's own: twice as much makes the packed file two hundredths smaller and costs 12 MB of memory.
const WINDOW_LOG: u32 = 19;
/// Bytes of one compressor job.
const JOB_BYTES: u32 = 1024 * 1024;
/// Compressor threads.
const THREADS: u32 = 2;
/// Bytes between two looks at the cancellation.
const CHUNK: usize = 256 * 1024;

struct Hashing<'a> {
    file: &'a mut File,
    digest: Context,
    bytes: u64,
}

impl Write for Hashing<'_> {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        let written = self.file.write(data)?;
        self.digest.update(data.get(..written).unwrap_or_default());
        self.bytes += u64::try_from(written).unwrap_or(0);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

/// Size and SHA-256 of a packed file.
pub(crate) struct Packed {
    pub(crate) size_bytes: u64,
    pub(crate) sha256: [u8; 32],
}

/// Packs the database into a staging file, syncs it and renames it over `target`.
pub(crate) fn pack(db: &Path, target: &Path, cancel: &CancellationToken) -> Result<Packed, C1zError> {
    let mut source = File::open(db).map_err(C1zError::read(db))?;
    let size = source.metadata().map_err(C1zError::read(db))?.len();
    if size > DECODED_MAX_BYTES {
        return Err(C1zError::TooLarge {
            size_bytes: size,
            limit_bytes: DECODED_MAX_BYTES,
        });
    }
    if size > DECODED_WARN_BYTES {
        tracing::warn!(
            size_bytes = size,
            "the database comes close to the 10 GiB that readers accept"
        );
    }
    let mut temp = staging::create(target)?;
    let packed =
        compress(&mut source, size, temp.as_file_mut(), cancel).map_err(|error| fault(error, target, cancel))?;
    staging::publish(temp, target, cancel)?;
    Ok(packed)
}

fn fault(error: io::Error, target: &Path, cancel: &CancellationToken) -> C1zError {
    if cancel.is_cancelled() {
        C1zError::Cancelled
    } else {
        C1zError::write(target)(error)
    }
}

pub(crate) fn compress(
    source: &mut impl Read,
    size: u64,
    target: &mut File,
    cancel: &CancellationToken,
) -> io::Result<Packed> {
    let mut out = Hashing {
        file: target,
        digest: Context::new(&SHA256),
        bytes: 0,
    };
    out.write_all(&MAGIC)?;
    let mut encoder = zstd::stream::write::Encoder::new(out, LEVEL)?;
    encoder.set_pledged_src_size(Some(size))?;
    encoder.include_checksum(true)?;
    encoder.include_contentsize(true)?;
    encoder.set_parameter(CParameter::WindowLog(WINDOW_LOG.min(window_for(size))))?;
    encoder.multithread(THREADS)?;
    encoder.set_parameter(CParameter::JobSize(JOB_BYTES))?;
    let mut chunk = vec![0_u8; CHUNK];
    loop {
        if cancel.is_cancelled() {
            return Err(io::ErrorKind::Interrupted.into());
        }
        let read = source.read(&mut chunk)?;
        if read == 0 {
            break;
        }
        encoder.write_all(chunk.get(..read).unwrap_or_default())?;
    }
    let mut out = encoder.finish()?;
    out.flush()?;
    let mut sha256 = [0_u8; 32];
    for (to, from) in sha256.iter_mut().zip(out.digest.finish().as_ref()) {
        *to = *from;
    }
    Ok(Packed {
        size_bytes: out.bytes,
        sha256,
    })
}

/// The smallest window that holds the content, so that small files do not ask readers for 8 MiB.
fn window_for(size: u64) -> u32 {
    (64 - size.max(1024).leading_zeros()).max(10)
}

/// Checks magic and declared size, then unpacks into `db`.
pub(crate) fn unpack(path: &Path, db: &mut File, limits: Limits) -> Result<u64, C1zError> {
    let file = File::open(path).map_err(C1zError::read(path))?;
    let mut source = BufReader::with_capacity(CHUNK, file);
    let mut magic = [0_u8; MAGIC.len()];
    source.read_exact(&mut magic).map_err(|error| not_a_file(path, error))?;
    if magic != MAGIC {
        return Err(C1zError::Magic { path: path.to_owned() });
    }
    let damaged = |what: &str| C1zError::Damaged {
        path: path.to_owned(),
        what: what.to_owned(),
    };
    let head = io::BufRead::fill_buf(&mut source).map_err(C1zError::read(path))?;
    match zstd::zstd_safe::get_frame_content_size(head) {
        Ok(Some(claimed)) if claimed > limits.decoded_bytes => {
            return Err(C1zError::Oversize {
                path: path.to_owned(),
                claimed_bytes: claimed,
                limit_bytes: limits.decoded_bytes,
            });
        }
        Ok(_) => {}
        Err(_) => return Err(damaged("no zstd frame follows the magic")),
    }
    let mut decoder = zstd::stream::read::Decoder::with_buffer(source)
        .map_err(C1zError::read(path))?
        .single_frame();
    decoder
        .window_log_max(limits.window_log)
        .map_err(C1zError::read(path))?;
    let mut chunk = vec![0_u8; CHUNK];
    let mut total: u64 = 0;
    loop {
        let read = decoder.read(&mut chunk).map_err(|error| frame_fault(path, &error))?;
        if read == 0 {
            break;
        }
        total += u64::try_from(read).unwrap_or(0);
        if total > limits.decoded_bytes {
            let limit_bytes = limits.decoded_bytes;
            return Err(C1zError::Oversize {
                path: path.to_owned(),
                claimed_bytes: total,
                limit_bytes,
            });
        }
        db.write_all(chunk.get(..read).unwrap_or_default())
            .map_err(C1zError::write(path))?;
    }
    let mut rest = decoder.finish();
    if !io::BufRead::fill_buf(&mut rest)
        .map_err(C1zError::read(path))?
        .is_empty()
    {
        return Err(damaged("more than one zstd frame follows the magic"));
    }
    Ok(total)
}

fn not_a_file(path: &Path, error: io::Error) -> C1zError {
    if error.kind() == io::ErrorKind::UnexpectedEof {
        C1zError::Magic { path: path.to_owned() }
    } else {
        C1zError::read(path)(error)
    }
}

fn frame_fault(path: &Path, error: &io::Error) -> C1zError {
    let text = error.to_string();
    let what = if error.kind() == io::ErrorKind::UnexpectedEof || text.contains("incomplete") {
        "it ends too early".to_owned()
    } else {
        format!("its zstd frame does not decode ({text})")
    };
    C1zError::Damaged {
        path: path.to_owned(),
        what,
    }
}
