//! What tests of this module share.

use std::sync::Arc;

use process::telemetry::{BuildInfo, Metrics};

pub(super) fn metrics() -> Arc<Metrics> {
    let build = BuildInfo {
        package: "example",
        version: "1.2.3",
        revision: "unknown",
        rustc: "1.95.0",
    };
    Arc::new(Metrics::new(build, &[]).unwrap())
}
