//! Faults that need the cluster's node: its components and its containers.

use anyhow::Context as _;

use crate::run;

/// The cluster's own control program.
#[derive(Debug, Clone)]
pub struct Control {
    program: String,
}

impl Control {
    /// With this program.
    pub const fn new(program: String) -> Self {
        Self { program }
    }

    /// Stops a component such as `apiserver`.
    pub async fn stop(&self, component: &str) -> anyhow::Result<()> {
        run::output(&self.program, &["stop", component]).await.map(|_| ())
    }

    /// Starts it again.
    pub async fn start(&self, component: &str) -> anyhow::Result<()> {
        run::output(&self.program, &["start", component]).await.map(|_| ())
    }

    /// Whether the API server answers under its Service's address, as pods see it.
    pub async fn serves(&self, address: &str) -> bool {
        let server = format!("https://{address}");
        let arguments = [
            "exec",
            "--",
            "kubectl",
            "--server",
            &server,
            "--request-timeout=2s",
            "get",
            "--raw",
            "/livez",
        ];
        run::output(&self.program, &arguments).await.is_ok()
    }

    /// Sends a signal to a container's first process. `id` as in the pod's status, `containerd://…`.
    pub async fn signal(&self, id: &str, signal: &str) -> anyhow::Result<()> {
        let id = id.rsplit('/').next().context("a container id")?;
        let arguments = [
            "exec", "--", "ctr", "-n", "k8s.io", "task", "kill", "--signal", signal, id,
        ];
        run::output(&self.program, &arguments).await.map(|_| ())
    }
}
