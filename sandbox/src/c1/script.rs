//! Scripted answers for the cases of c1-protocol.md §20: each call takes the next step of its method, or is answered as
//! usual.

use std::time::Duration;

/// A method of the service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Rpc {
    /// `Hello`
    Hello,
    /// `GetTask`
    GetTask,
    /// `GetTasks`
    GetTasks,
    /// `Heartbeat`
    Heartbeat,
    /// `FinishTask`
    FinishTask,
    /// `UploadAsset`
    UploadAsset,
}

impl Rpc {
    /// The method's name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Hello => "Hello",
            Self::GetTask => "GetTask",
            Self::GetTasks => "GetTasks",
            Self::Heartbeat => "Heartbeat",
            Self::FinishTask => "FinishTask",
            Self::UploadAsset => "UploadAsset",
        }
    }

    /// The method with this name.
    pub fn from_name(name: &str) -> Option<Self> {
        [
            Self::Hello,
            Self::GetTask,
            Self::GetTasks,
            Self::Heartbeat,
            Self::FinishTask,
            Self::UploadAsset,
        ]
        .into_iter()
        .find(|rpc| rpc.as_str() == name)
    }
}

/// What a call gets instead of the usual answer.
#[derive(Debug, Clone, PartialEq)]
pub enum Step {
    /// The usual answer.
    Normal,
    /// An error with this code, and no effect.
    Status(i32),
    /// No answer at all, and no effect.
    Hang,
    /// The usual answer after a while.
    Delay(Duration),
    /// The call takes effect, and the answer is an error with this code.
    EffectThenStatus(i32),
    /// The call takes effect, and no answer comes.
    EffectThenHang,
    /// The connection ends, without effect.
    Disconnect,
    /// Polls: this `next_poll`, seconds, and no task.
    NextPoll(i64),
    /// Heartbeats: this `next_heartbeat`, seconds.
    NextHeartbeat(i64),
    /// Heartbeats: `cancelled`.
    Cancelled,
    /// Heartbeats: the task's id in `cancelled_task_ids`.
    CancelledIds,
    /// Uploads: this error after so many chunks.
    CutAfter(usize, i32),
    /// Uploads: the connection ends after so many chunks.
    DisconnectAfter(usize),
    /// Uploads: nothing is read any more after so many chunks.
    StallAfter(usize),
}

impl Step {
    /// Whether calls of this method can take the step.
    pub(super) const fn fits(&self, rpc: Rpc) -> bool {
        match self {
            Self::NextPoll(_) => matches!(rpc, Rpc::GetTask | Rpc::GetTasks),
            Self::NextHeartbeat(_) | Self::Cancelled | Self::CancelledIds => matches!(rpc, Rpc::Heartbeat),
            Self::CutAfter(..) | Self::DisconnectAfter(_) | Self::StallAfter(_) => matches!(rpc, Rpc::UploadAsset),
            Self::Normal
            | Self::Status(_)
            | Self::Hang
            | Self::Delay(_)
            | Self::EffectThenStatus(_)
            | Self::EffectThenHang
            | Self::Disconnect => true,
        }
    }
}

/// What a token request gets instead of the usual answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TokenStep {
    /// This HTTP status.
    Status(u16),
    /// 200 with this body.
    Body(String),
    /// The usual answer after a while.
    Delay(Duration),
    /// A token that lives so many seconds.
    Lifetime(i64),
    /// No answer at all.
    Hang,
}
