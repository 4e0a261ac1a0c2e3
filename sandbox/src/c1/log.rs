//! What was received.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use super::proto::baton as pb;

/// One thing that was received.
#[derive(Debug, Clone)]
pub struct Entry {
    /// When, since the start.
    pub at: Duration,
    /// On which connection, counted from 1.
    pub connection: u64,
    /// What.
    pub received: Received,
    /// Metadata of the call; empty for connections and token requests.
    pub metadata: BTreeMap<String, String>,
}

/// What was received.
#[derive(Debug, Clone)]
pub enum Received {
    /// A connection, with its ALPN.
    Connection(String),
    /// A token request.
    Token(TokenRequest),
    /// `Hello`
    Hello(Box<pb::BatonServiceHelloRequest>),
    /// `GetTask`
    GetTask(pb::BatonServiceGetTaskRequest),
    /// `GetTasks`
    GetTasks(pb::BatonServiceGetTasksRequest),
    /// `Heartbeat`
    Heartbeat(pb::BatonServiceHeartbeatRequest),
    /// `FinishTask`
    Finish(pb::BatonServiceFinishTaskRequest),
    /// An upload that ended, well or not.
    Upload(Upload),
}

impl Received {
    /// The name of the method, `Token` or `Connection`.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Connection(_) => "Connection",
            Self::Token(_) => "Token",
            Self::Hello(_) => "Hello",
            Self::GetTask(_) => "GetTask",
            Self::GetTasks(_) => "GetTasks",
            Self::Heartbeat(_) => "Heartbeat",
            Self::Finish(_) => "FinishTask",
            Self::Upload(_) => "UploadAsset",
        }
    }
}

/// A token request.
#[derive(Debug, Clone)]
pub struct TokenRequest {
    /// The form, in its order.
    pub form: Vec<(String, String)>,
    /// The assertion's header, as text.
    pub header: String,
    /// The assertion's claims, as text.
    pub claims: String,
    /// The `User-Agent`.
    pub user_agent: String,
    /// What it was answered with.
    pub status: u16,
}

/// An upload stream.
#[derive(Debug, Clone)]
pub struct Upload {
    /// When the stream was opened, since the start; its entry is made when it ends.
    pub begun: Duration,
    /// From the metadata message.
    pub host_id: String,
    /// From the metadata message.
    pub task_id: String,
    /// Sizes of the data messages.
    pub chunks: Vec<usize>,
    /// From the last message, if it came.
    pub sha256: Option<Vec<u8>>,
    /// Where the file is, if the upload was complete.
    pub file: Option<PathBuf>,
}
