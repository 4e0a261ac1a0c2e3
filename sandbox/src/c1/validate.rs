//! The table's rules for what connectors send (c1-protocol.md §5.2).

use super::capabilities;
use super::ids::is_ksuid;
use super::json;
use super::proto::baton as pb;
use super::proto::baton::baton_service_finish_task_request::FinalState;
use super::proto::connector as cv2;

type Checked = Result<(), String>;

fn length(what: &str, text: &str, min: usize, max: usize) -> Checked {
    let count = text.chars().count();
    if (min..=max).contains(&count) {
        return Ok(());
    }
    Err(format!("{what} has {count} characters, allowed are {min} to {max}"))
}

fn bytes(what: &str, text: &str, min: usize, max: usize) -> Checked {
    if (min..=max).contains(&text.len()) {
        return Ok(());
    }
    Err(format!("{what} has {} bytes, allowed are {min} to {max}", text.len()))
}

fn at_most(what: &str, count: usize, max: usize) -> Checked {
    if count <= max {
        Ok(())
    } else {
        Err(format!("{what} has {count} items, allowed are {max}"))
    }
}

fn task_id(id: &str) -> Checked {
    if is_ksuid(id) {
        Ok(())
    } else {
        Err(format!("task_id \"{id}\" is not 27 letters and digits"))
    }
}

pub(super) fn host_id(id: &str) -> Checked {
    length("host_id", id, 1, 256)
}

pub(super) fn hello(request: &pb::BatonServiceHelloRequest) -> Checked {
    host_id(&request.host_id)?;
    if !request.task_id.is_empty() {
        task_id(&request.task_id)?;
    }
    let build = request.build_info.as_ref().ok_or("build_info is missing")?;
    for (what, text) in [
        ("lang_version", &build.lang_version),
        ("package", &build.package),
        ("package_version", &build.package_version),
    ] {
        length(what, text, 1, 256)?;
    }
    let os = request.os_info.as_ref().ok_or("os_info is missing")?;
    for (what, text) in [
        ("hostname", &os.hostname),
        ("os", &os.os),
        ("platform", &os.platform),
        ("platform_version", &os.platform_version),
        ("platform_family", &os.platform_family),
        ("kernel_version", &os.kernel_version),
        ("kernel_arch", &os.kernel_arch),
        ("virtualization_system", &os.virtualization_system),
    ] {
        length(what, text, 1, 256)?;
    }
    at_most("annotations", request.annotations.len(), 16)?;
    metadata(
        request
            .connector_metadata
            .as_ref()
            .ok_or("connector_metadata is required")?,
    )
}

fn metadata(metadata: &cv2::ConnectorMetadata) -> Checked {
    bytes("display_name", &metadata.display_name, 1, 1024)?;
    bytes("description", &metadata.description, 0, 4096)?;
    bytes("help_url", &metadata.help_url, 0, 1024)?;
    if !metadata.help_url.is_empty() && !metadata.help_url.starts_with("https://") {
        return Err("help_url is not https".to_owned());
    }
    // c1-protocol.md §6.2: the metadata of a Hello has them.
    capabilities::check(metadata.capabilities.as_ref().ok_or("capabilities are missing")?)
}

pub(super) fn get_tasks(request: &pb::BatonServiceGetTasksRequest) -> Checked {
    host_id(&request.host_id)?;
    if !(1..=100).contains(&request.page_size) {
        return Err(format!("page_size {} is not 1 to 100", request.page_size));
    }
    at_most("annotations", request.annotations.len(), 16)?;
    request.known_task_ids.iter().try_for_each(|id| task_id(id))
}

pub(super) fn heartbeat(request: &pb::BatonServiceHeartbeatRequest) -> Checked {
    host_id(&request.host_id)?;
    task_id(&request.task_id)?;
    at_most("annotations", request.annotations.len(), 16)?;
    at_most("task_ids", request.task_ids.len(), 100)?;
    request.task_ids.iter().try_for_each(|id| task_id(id))
}

pub(super) fn finish(request: &pb::BatonServiceFinishTaskRequest) -> Checked {
    host_id(&request.host_id)?;
    task_id(&request.task_id)?;
    match request.final_state.as_ref().ok_or("final_state must be set")? {
        FinalState::Success(success) => {
            if request.status.is_some() {
                return Err("status is set beside success".to_owned());
            }
            at_most("success.annotations", success.annotations.len(), 16)?;
            success.response.as_ref().map_or(Ok(()), json::check)?;
            success.annotations.iter().try_for_each(json::check)
        }
        FinalState::Error(error) => {
            let status = request.status.as_ref().ok_or("status is missing beside error")?;
            if !(1..=16).contains(&status.code) {
                return Err(format!("status.code is {}", status.code));
            }
            if error.response.is_some() {
                return Err("error.response is set".to_owned());
            }
            at_most("error.annotations", error.annotations.len(), 16)?;
            error.annotations.iter().try_for_each(json::check)?;
            status.details.iter().try_for_each(json::check)
        }
    }
}

pub(super) fn upload_metadata(metadata: &pb::baton_service_upload_asset_request::UploadMetadata) -> Checked {
    host_id(&metadata.host_id)?;
    task_id(&metadata.task_id)?;
    at_most("annotations", metadata.annotations.len(), 16)
}

pub(super) fn upload_data(data: &[u8]) -> Checked {
    if (1..=1_048_576).contains(&data.len()) {
        return Ok(());
    }
    Err(format!("data has {} bytes", data.len()))
}
