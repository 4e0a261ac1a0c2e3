//! Compresses the files of the store beside the writing: threads of their own make frames, one appends them in order.
//! What waits is bounded, so memory does not grow with the file.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Write};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::thread::JoinHandle;

use aws_lc_rs::digest::{Context, SHA256, digest};

use super::envelope::{self, Frame};

/// Smallest and fastest (c1z-v3.md §9.1): higher levels pay only from 19 on.
const LEVEL: i32 = 1;
/// One encoder feeds no more.
const WORKERS_MAX: usize = 4;
/// Files that each thread packs before another one begins: a small sync does not pay for a second.
const FILES_EACH: usize = 8;

struct Job {
    number: u64,
    name: String,
    bytes: Vec<u8>,
}

struct Done {
    number: u64,
    frame: Frame,
    packed: Vec<u8>,
}

/// A finished file.
#[derive(Debug)]
pub(super) struct Packed {
    pub(super) size_bytes: u64,
    pub(super) raw_bytes: u64,
    pub(super) sha256: [u8; 32],
}

/// Buffers that are used again: fresh memory for each table costs more than to fill it.
#[derive(Debug, Clone, Default)]
struct Spare(Arc<Mutex<Vec<Vec<u8>>>>);

impl Spare {
    fn take(&self) -> Option<Vec<u8>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).pop()
    }

    fn give_back(&self, mut buffer: Vec<u8>) {
        buffer.clear();
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(buffer);
    }
}

#[derive(Debug)]
pub(super) struct Packer {
    jobs: Option<SyncSender<Job>>,
    tables: Spare,
    /// What another thread needs, until there are enough of them.
    hiring: Option<Hands>,
    workers: Vec<JoinHandle<io::Result<()>>>,
    appender: Option<JoinHandle<io::Result<Packed>>>,
    next: u64,
}

/// What a packing thread works with.
#[derive(Debug, Clone)]
struct Hands {
    /// Gone with the last thread, so that whoever sends then learns of it.
    inbox: Weak<Mutex<Receiver<Job>>>,
    done: SyncSender<Done>,
    tables: Spare,
    frames: Spare,
}

impl Packer {
    /// Begins a file with its manifest.
    pub(super) fn start(file: File, manifest: Vec<u8>) -> io::Result<Self> {
        // Whoever fills the next buffer waits until this one is taken: one fewer in memory.
        let (jobs, inbox) = sync_channel::<Job>(0);
        let (done, finished) = sync_channel::<Done>(WORKERS_MAX);
        let inbox = Arc::new(Mutex::new(inbox));
        let (tables, frames) = (Spare::default(), Spare::default());
        let hands = Hands {
            inbox: Arc::downgrade(&inbox),
            done,
            tables: tables.clone(),
            frames: frames.clone(),
        };
        let mut packer = Self {
            jobs: Some(jobs),
            tables,
            hiring: Some(hands),
            workers: Vec::new(),
            appender: None,
            next: 0,
        };
        let appender = std::thread::Builder::new().name("c1z-append".to_owned());
        packer.appender = Some(appender.spawn(move || append(file, &manifest, &finished, &frames))?);
        packer.hire()?;
        Ok(packer)
    }

    /// Another packing thread, unless there are as many as processors.
    fn hire(&mut self) -> io::Result<()> {
        let most = std::thread::available_parallelism().map_or(1, |count| count.get().min(WORKERS_MAX));
        let hands = self
            .hiring
            .clone()
            .and_then(|hands| Some((hands.inbox.upgrade()?, hands)));
        if let Some((inbox, hands)) = hands {
            let worker = std::thread::Builder::new().name("c1z-pack".to_owned());
            self.workers.push(worker.spawn(move || work(&inbox, &hands))?);
        }
        if self.workers.len() >= most {
            self.hiring = None;
        }
        Ok(())
    }

    /// An empty buffer for a file of about so many bytes.
    pub(super) fn buffer(&self, bytes: usize) -> Vec<u8> {
        self.tables.take().unwrap_or_else(|| Vec::with_capacity(bytes))
    }

    /// Hands a file over; waits while the threads are behind. Fails with what ended them.
    pub(super) fn add(&mut self, name: String, bytes: Vec<u8>) -> io::Result<()> {
        if usize::try_from(self.next).is_ok_and(|files| files >= self.workers.len() * FILES_EACH) {
            self.hire()?;
        }
        let job = Job {
            number: self.next,
            name,
            bytes,
        };
        self.next += 1;
        match self.jobs.as_ref().map(|jobs| jobs.send(job)) {
            Some(Ok(())) => Ok(()),
            _ => Err(self
                .end()
                .err()
                .unwrap_or_else(|| io::Error::other("the packing threads ended"))),
        }
    }

    /// Waits for every frame, then writes index and footer.
    pub(super) fn finish(mut self) -> io::Result<Packed> {
        self.end()?.ok_or_else(|| io::Error::other("the packing threads ended"))
    }

    fn end(&mut self) -> io::Result<Option<Packed>> {
        (self.jobs, self.hiring) = (None, None);
        let panicked = || io::Error::other("a packing thread panicked");
        let workers = self
            .workers
            .drain(..)
            .try_for_each(|worker| worker.join().unwrap_or_else(|_| Err(panicked())));
        let appended = self
            .appender
            .take()
            .map(|appender| appender.join().unwrap_or_else(|_| Err(panicked())))
            .transpose()?;
        workers.map(|()| appended)
    }
}

impl Drop for Packer {
    fn drop(&mut self) {
        // Nothing of it may outlive the work on the file.
        self.end().ok();
    }
}

fn work(inbox: &Mutex<Receiver<Job>>, hands: &Hands) -> io::Result<()> {
    let mut compressor = zstd::bulk::Compressor::new(LEVEL)?;
    let mut buffer = Vec::new();
    loop {
        let job = inbox.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(Job { number, name, bytes }) = job else {
            return Ok(());
        };
        buffer.clear();
        buffer.reserve(zstd::zstd_safe::compress_bound(bytes.len()));
        compressor.compress_to_buffer(&bytes, &mut buffer)?;
        let size = |bytes: &[u8]| u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        let frame = Frame {
            name,
            offset: 0,
            packed: size(&buffer),
            raw: size(&bytes),
            xxh64: xxhash_rust::xxh64::xxh64(&bytes, 0),
            sha256: digest(&SHA256, &bytes).as_ref().to_vec(),
        };
        hands.tables.give_back(bytes);
        let mut packed = hands.frames.take().unwrap_or_default();
        packed.extend_from_slice(&buffer);
        // The appender ended: it knows why.
        if hands.done.send(Done { number, frame, packed }).is_err() {
            return Ok(());
        }
    }
}

struct Hashing {
    file: File,
    digest: Context,
    bytes: u64,
}

impl Hashing {
    fn put(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all(bytes)?;
        self.digest.update(bytes);
        self.bytes += u64::try_from(bytes.len()).unwrap_or(0);
        Ok(())
    }
}

fn append(file: File, manifest: &[u8], finished: &Receiver<Done>, spare: &Spare) -> io::Result<Packed> {
    let mut out = Hashing {
        file,
        digest: Context::new(&SHA256),
        bytes: 0,
    };
    out.put(&envelope::MAGIC)?;
    out.put(&u32::try_from(manifest.len()).unwrap_or(u32::MAX).to_be_bytes())?;
    out.put(manifest)?;
    let mut frames: Vec<Frame> = Vec::new();
    // Frames that are ready before an earlier one: never more than there are workers.
    let mut early = BTreeMap::new();
    let mut next = 0;
    for done in finished {
        early.insert(done.number, done);
        while let Some(mut done) = early.remove(&next) {
            done.frame.offset = out.bytes;
            out.put(&done.packed)?;
            spare.give_back(done.packed);
            frames.push(done.frame);
            next += 1;
        }
    }
    let raw_bytes = frames.iter().map(|frame| frame.raw).sum();
    let offset = out.bytes;
    out.put(&envelope::tail(frames, manifest, offset))?;
    out.file.flush()?;
    let mut sha256 = [0_u8; 32];
    for (to, from) in sha256.iter_mut().zip(out.digest.finish().as_ref()) {
        *to = *from;
    }
    Ok(Packed {
        size_bytes: out.bytes,
        raw_bytes,
        sha256,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(target_os = "linux")]
    #[test]
    fn a_full_disk_while_sealing_is_said() {
        let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
        let mut packer = Packer::start(full, vec![1; 100]).unwrap();
        let error = (0..1_000)
            .find_map(|at| packer.add(format!("{at}"), vec![0; 1000]).err())
            .unwrap();
        assert_eq!(error.kind(), io::ErrorKind::StorageFull);
    }

    #[test]
    fn frames_lie_in_the_order_they_came_in() {
        let mut file = tempfile::tempfile().unwrap();
        let mut packer = Packer::start(file.try_clone().unwrap(), b"manifest".to_vec()).unwrap();
        for at in 0..40_usize {
            // Large ones take longer, so that the order of finishing differs.
            packer.add(format!("{at:03}"), vec![7; (at % 3) * 300_000]).unwrap();
        }
        let done = packer.finish().unwrap();
        let mut bytes = Vec::new();
        io::Seek::rewind(&mut file).unwrap();
        io::Read::read_to_end(&mut file, &mut bytes).unwrap();
        assert_eq!(done.size_bytes, u64::try_from(bytes.len()).unwrap());
        assert_eq!(done.sha256.as_slice(), digest(&SHA256, &bytes).as_ref());
        let footer = &bytes[bytes.len() - 28..];
        let at = usize::try_from(u64::from_be_bytes(footer[..8].try_into().unwrap())).unwrap();
        let (frames, hash) = envelope::index(&bytes[at..bytes.len() - 28]).unwrap();
        assert_eq!(hash, xxhash_rust::xxh64::xxh64(b"manifest", 0));
        let mut offset = 9 + 8;
        for (at, frame) in frames.iter().enumerate() {
            assert_eq!(
                (frame.name.as_str(), frame.offset),
                (format!("{at:03}").as_str(), offset)
            );
            offset += frame.packed;
        }
        assert_eq!(offset, u64::try_from(at).unwrap());
        assert_eq!(done.raw_bytes, frames.iter().map(|frame| frame.raw).sum::<u64>());
    }
}
