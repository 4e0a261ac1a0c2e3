//! `UploadAsset` (c1-protocol.md §9.5): messages in their order, a hash that fits, a task that is out.

use std::fs::File;
use std::io::Write as _;
use std::path::PathBuf;
use std::time::Duration;

use aws_lc_rs::digest::{Context, SHA256};
use tokio::time::sleep;
use tonic::{Code, Request, Response, Status, Streaming};

use super::log::{Received, Upload};
use super::proto::baton as pb;
use super::proto::baton::baton_service_upload_asset_request::Msg;
use super::proto::baton::task::TaskType;
use super::script::{Rpc, Step};
use super::service::{BatonService, Call};
use super::validate;

struct Receiving {
    upload: Upload,
    hash: Context,
    file: Option<(PathBuf, File)>,
    last_was_short: bool,
}

pub(super) async fn receive(
    service: &BatonService,
    request: Request<Streaming<pb::BatonServiceUploadAssetRequest>>,
) -> Result<Response<pb::BatonServiceUploadAssetResponse>, Status> {
    let call = service.open(Rpc::UploadAsset, &request)?;
    let mut receiving = Receiving {
        upload: Upload {
            begun: service.0.elapsed(),
            host_id: String::new(),
            task_id: String::new(),
            chunks: Vec::new(),
            sha256: None,
            file: None,
        },
        hash: Context::new(&SHA256),
        file: None,
        last_was_short: false,
    };
    let mut step = Step::Normal;
    let outcome = match service.authorize(Rpc::UploadAsset, &call) {
        Ok(()) => {
            step = service.0.next_step(Rpc::UploadAsset);
            run(service, &call, request.into_inner(), &mut receiving, &step).await
        }
        Err(status) => Err(status),
    };
    if outcome.is_err()
        && let Some((path, _)) = receiving.file.take()
    {
        drop(std::fs::remove_file(path));
    }
    let received = Received::Upload(receiving.upload);
    service.0.record(call.connection.id, &call.metadata, received);
    outcome?;
    service.after(&step).await?;
    Ok(Response::new(pb::BatonServiceUploadAssetResponse::default()))
}

async fn run(
    service: &BatonService,
    call: &Call,
    mut stream: Streaming<pb::BatonServiceUploadAssetRequest>,
    receiving: &mut Receiving,
    step: &Step,
) -> Result<(), Status> {
    service.before(step, call).await?;
    let refuse = |reason: String| service.0.refuse(Rpc::UploadAsset, reason);
    loop {
        cut(step, receiving.upload.chunks.len(), call).await?;
        let Some(message) = stream.message().await? else {
            return Err(refuse("the stream ended without its last message".to_owned()));
        };
        match message.msg.ok_or_else(|| refuse("msg must be set".to_owned()))? {
            Msg::Metadata(metadata) => begin(service, call, receiving, &metadata).map_err(refuse)?,
            Msg::Data(data) => take(receiving, &data.data).map_err(refuse)?,
            Msg::Eof(eof) => {
                end(receiving, &eof).map_err(refuse)?;
                break;
            }
        }
    }
    if stream.message().await?.is_some() {
        return Err(refuse("a message after the last".to_owned()));
    }
    if let Some((path, _)) = &receiving.file {
        receiving.upload.file = Some(path.clone());
    }
    if let Some(out) = service.0.lock().out.get_mut(&receiving.upload.task_id) {
        out.uploaded = true;
    }
    Ok(())
}

/// Ends the upload where the script says.
async fn cut(step: &Step, chunks: usize, call: &Call) -> Result<(), Status> {
    match step {
        Step::CutAfter(count, code) if chunks == *count => Err(Status::new(Code::from_i32(*code), "cut by script")),
        Step::DisconnectAfter(count) if chunks == *count => {
            call.connection.end.cancel();
            Err(Status::unavailable("disconnected by script"))
        }
        Step::StallAfter(count) if chunks == *count => {
            sleep(Duration::from_hours(168)).await;
            Ok(())
        }
        _ => Ok(()),
    }
}

fn begin(
    service: &BatonService,
    call: &Call,
    receiving: &mut Receiving,
    metadata: &pb::baton_service_upload_asset_request::UploadMetadata,
) -> Result<(), String> {
    if receiving.file.is_some() {
        return Err("metadata came twice".to_owned());
    }
    validate::upload_metadata(metadata)?;
    receiving.upload.host_id.clone_from(&metadata.host_id);
    receiving.upload.task_id.clone_from(&metadata.task_id);
    service.0.check_host(call.connection.id, &metadata.host_id)?;
    match service.0.lock().out.get(&metadata.task_id) {
        None => return Err("the task was not handed out".to_owned()),
        Some(out) if !matches!(out.task.task_type, Some(TaskType::SyncFull(_))) => {
            return Err("only syncs upload".to_owned());
        }
        Some(out) if out.cancelled || out.finished.is_some() => return Err("the task is over".to_owned()),
        Some(out) if out.heartbeats == 0 => return Err("uploaded before the first heartbeat".to_owned()),
        Some(_) => {}
    }
    let path = service
        .0
        .options
        .upload_dir
        .join(format!("{}-{}.c1z", metadata.task_id, super::ids::ksuid()));
    let file = File::create(&path).map_err(|error| error.to_string())?;
    receiving.file = Some((path, file));
    Ok(())
}

fn take(receiving: &mut Receiving, data: &[u8]) -> Result<(), String> {
    let Some((_, file)) = &mut receiving.file else {
        return Err("data before metadata".to_owned());
    };
    validate::upload_data(data)?;
    if std::mem::replace(&mut receiving.last_was_short, data.len() < 512 * 1024) {
        return Err("a short chunk that is not the last".to_owned());
    }
    receiving.upload.chunks.push(data.len());
    receiving.hash.update(data);
    file.write_all(data).map_err(|error| error.to_string())
}

fn end(receiving: &mut Receiving, eof: &pb::baton_service_upload_asset_request::UploadEof) -> Result<(), String> {
    if receiving.file.is_none() {
        return Err("the last message before metadata".to_owned());
    }
    if eof.sha256_checksum.len() != 32 {
        return Err(format!("the checksum has {} bytes", eof.sha256_checksum.len()));
    }
    receiving.upload.sha256 = Some(eof.sha256_checksum.clone());
    if receiving.hash.clone().finish().as_ref() == eof.sha256_checksum.as_slice() {
        Ok(())
    } else {
        Err("the checksum does not fit".to_owned())
    }
}
