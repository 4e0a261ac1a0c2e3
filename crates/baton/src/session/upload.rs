//! `UploadAsset`: a file streamed from disk in bounded pieces over a connection of its own (c1-protocol.md §9.5). The
//! hash is computed once over all attempts; an attempt starts again at byte 0; an attempt without progress is given up
//! (DEV-13).

use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use aws_lc_rs::digest;
use bytes::BufMut as _;
use futures_util::stream;
use tokio::fs::File;
use tokio::io::AsyncReadExt as _;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep};
use tonic::Code;

use super::client::{Client, UPLOAD, UploadLine, authorized};
use super::error::RpcError;
use super::watch::Watch;
use crate::proto::c1::connectorapi::baton::v1::BatonServiceUploadAssetRequest as Message;
use crate::proto::c1::connectorapi::baton::v1::baton_service_upload_asset_request::{
    Msg, UploadData, UploadEof, UploadMetadata,
};

const CHUNK_BYTES: usize = 512 * 1024;
/// Chunks that wait for the connection, at most.
const CHUNKS_AHEAD: usize = 2;
const STALL_LIMIT: Duration = Duration::from_mins(1);
/// Fewer bytes than this are no progress: HTTP/2's own frames go on while nothing of the file does.
const PROGRESS_BYTES: u64 = 1024;
/// How often progress is looked for.
const LOOK: Duration = Duration::from_secs(1);
/// After the last byte C1 may check and store the file before it answers.
const ANSWER_LIMIT: Duration = Duration::from_mins(5);
/// Pauses before the second and the third attempt.
const PAUSES: [Duration; 2] = [Duration::ZERO, Duration::from_secs(1)];

/// The hash of the bytes that some attempt has read; an attempt that starts again does not hash them twice.
struct RunningHash {
    context: digest::Context,
    hashed_bytes: u64,
    finished: Option<Vec<u8>>,
}

impl RunningHash {
    fn new() -> Self {
        Self {
            context: digest::Context::new(&digest::SHA256),
            hashed_bytes: 0,
            finished: None,
        }
    }

    /// Takes in what is new of a chunk that starts at `offset`.
    fn update(&mut self, offset: u64, chunk: &[u8]) {
        let end = offset.saturating_add(u64::try_from(chunk.len()).unwrap_or(0));
        let known = usize::try_from(self.hashed_bytes.saturating_sub(offset)).unwrap_or(usize::MAX);
        if let Some(new) = chunk.get(known..) {
            self.context.update(new);
            self.hashed_bytes = self.hashed_bytes.max(end);
        }
    }

    fn finish(&mut self) -> Vec<u8> {
        let context = &self.context;
        self.finished
            .get_or_insert_with(|| context.clone().finish().as_ref().to_vec())
            .clone()
    }
}

/// Uploads the file under the task's id: three attempts.
pub(super) async fn send(client: &Client, task_id: &str, path: &Path) -> Result<(), RpcError> {
    let mut hash = RunningHash::new();
    let mut pauses = PAUSES.into_iter();
    loop {
        let error = match attempt(client, task_id, path, &mut hash).await {
            Ok(()) => return Ok(()),
            Err(error) => error,
        };
        let Some(pause) = pauses.next() else { return Err(error) };
        tracing::warn!(error = error.chain(), "upload broke off; it starts again");
        sleep(pause).await;
    }
}

async fn attempt(client: &Client, task_id: &str, path: &Path, hash: &mut RunningHash) -> Result<(), RpcError> {
    let started = Instant::now();
    let mut line = match client.open_upload().await {
        Ok(line) => line,
        Err(error) => {
            client.close_upload(started, None, Some(&error));
            return Err(error);
        }
    };
    let fed = AtomicBool::new(false);
    let outcome = tokio::select! {
        biased;
        outcome = stream_file(client, &line, &fed, task_id, path, hash) => outcome,
        error = stalled(&line.watch, &fed) => Err(error),
    };
    line.is_done = outcome.is_ok();
    client.close_upload(started, Some(&line.bearer), outcome.as_ref().err());
    outcome
}

/// Ends when nothing has moved on the connection for too long. However slow, a link that moves is waited for.
async fn stalled(watch: &Watch, fed: &AtomicBool) -> RpcError {
    let (mut mark, mut moved) = (0, Instant::now());
    loop {
        sleep(LOOK).await;
        let written = watch.written_bytes();
        if written.abs_diff(mark) >= PROGRESS_BYTES {
            (mark, moved) = (written, Instant::now());
        }
        let is_fed = fed.load(Ordering::Relaxed);
        let limit = if is_fed { ANSWER_LIMIT } else { STALL_LIMIT };
        if moved.elapsed() < limit {
            continue;
        }
        return if is_fed {
            RpcError::Deadline { method: UPLOAD, limit }
        } else {
            RpcError::Stalled { limit }
        };
    }
}

async fn stream_file(
    client: &Client,
    line: &UploadLine,
    fed: &AtomicBool,
    task_id: &str,
    path: &Path,
    hash: &mut RunningHash,
) -> Result<(), RpcError> {
    let (sender, receiver) = mpsc::channel(CHUNKS_AHEAD);
    let messages = stream::unfold(receiver, |mut receiver: mpsc::Receiver<Message>| async move {
        receiver.recv().await.map(|message| (message, receiver))
    });
    let mut service = line.service.clone();
    let call = service.upload_asset(authorized(messages, &line.bearer));
    let file = feed(client, sender, task_id, path, hash);
    let (mut call, mut file) = (std::pin::pin!(call), std::pin::pin!(file));
    // C1 may refuse before it has read everything, and then the feed finds its channel closed.
    let answered = tokio::select! {
        biased;
        answered = call.as_mut() => Some(answered),
        ended = file.as_mut() => match ended {
            Ok(()) | Err(Fed::Refused) => None,
            Err(Fed::Failed(error)) => return Err(error),
        },
    };
    let answered = match answered {
        Some(Ok(_)) => {
            return Err(RpcError::Status {
                method: UPLOAD,
                code: Code::Aborted,
                message: "answered before the upload had ended".to_owned(),
                details: Vec::new(),
            });
        }
        Some(Err(status)) => Err(status),
        None => {
            fed.store(true, Ordering::Relaxed);
            call.await
        }
    };
    answered
        .map(drop)
        .map_err(|status| RpcError::from_status(UPLOAD, status))
}

enum Fed {
    /// The stream was closed by the other side; its answer says why.
    Refused,
    Failed(RpcError),
}

impl From<io::Error> for Fed {
    fn from(error: io::Error) -> Self {
        Self::Failed(RpcError::File(error))
    }
}

async fn feed(
    client: &Client,
    sender: mpsc::Sender<Message>,
    task_id: &str,
    path: &Path,
    hash: &mut RunningHash,
) -> Result<(), Fed> {
    let metadata = UploadMetadata {
        host_id: client.host_id.to_string(),
        task_id: task_id.to_owned(),
        annotations: Vec::new(),
    };
    put(&sender, Msg::Metadata(metadata)).await?;
    let mut file = File::open(path).await?;
    file.set_max_buf_size(CHUNK_BYTES);
    let mut offset = 0u64;
    loop {
        let chunk = read_chunk(&mut file).await?;
        let length = chunk.len();
        if length > 0 {
            hash.update(offset, &chunk);
            offset = offset.saturating_add(u64::try_from(length).unwrap_or(0));
            put(&sender, Msg::Data(UploadData { data: chunk })).await?;
            client.count_uploaded(length);
        }
        if length < CHUNK_BYTES {
            break;
        }
    }
    let eof = UploadEof {
        sha256_checksum: hash.finish(),
        annotations: Vec::new(),
    };
    put(&sender, Msg::Eof(eof)).await
}

async fn put(sender: &mpsc::Sender<Message>, msg: Msg) -> Result<(), Fed> {
    let sent = sender.send(Message { msg: Some(msg) }).await;
    sent.map_err(|_| Fed::Refused)
}

/// A full chunk, or less at the end of the file.
async fn read_chunk(file: &mut File) -> io::Result<Vec<u8>> {
    let mut chunk = Vec::with_capacity(CHUNK_BYTES);
    while chunk.len() < CHUNK_BYTES {
        let room = CHUNK_BYTES.saturating_sub(chunk.len());
        if file.read_buf(&mut (&mut chunk).limit(room)).await? == 0 {
            break;
        }
    }
    Ok(chunk)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_over_several_attempts_is_the_hash_of_the_file() {
        let file: Vec<u8> = (0..=255u8).cycle().take(1000).collect();
        let mut hash = RunningHash::new();
        for attempt in [vec![300], vec![100, 100], vec![300, 300, 300, 100]] {
            let mut offset = 0;
            for length in attempt {
                hash.update(offset as u64, &file[offset..offset + length]);
                offset += length;
            }
        }
        assert_eq!(hash.finish(), digest::digest(&digest::SHA256, &file).as_ref());
        assert_eq!(hash.finish(), hash.finish());
    }

    #[tokio::test]
    async fn chunks_are_full_but_the_last() {
        let dir = tempfile::tempdir().unwrap();
        for (size, wanted) in [
            (0, vec![0]),
            (10, vec![10]),
            (CHUNK_BYTES, vec![CHUNK_BYTES, 0]),
            (CHUNK_BYTES + 1, vec![CHUNK_BYTES, 1]),
        ] {
            let path = dir.path().join("f");
            std::fs::write(&path, vec![7; size]).unwrap();
            let mut file = File::open(&path).await.unwrap();
            for length in wanted {
                assert_eq!(read_chunk(&mut file).await.unwrap().len(), length);
            }
        }
    }
}
