//! Command line, and what is missing before anything can begin.

use std::path::PathBuf;

use clap::Parser;

use crate::run;

/// Runs the end-to-end cases.
#[derive(Debug, Parser)]
pub struct Options {
    /// Cluster to use; the current context of this file
    #[arg(long, env = "KUBECONFIG")]
    pub kubeconfig: Option<PathBuf>,
    /// Image of the connector; the nodes must have it or be able to pull it
    #[arg(long, default_value = "baton-ping-one:e2e")]
    pub image: String,
    /// Image of the stand-ins
    #[arg(long, default_value = "baton-ping-one-sandbox:e2e")]
    pub sandbox_image: String,
    /// The program that controls the cluster's node and components; without it cases that need them are skipped
    #[arg(long)]
    pub cluster: Option<PathBuf>,
    /// helm 4
    #[arg(long, default_value = "helm")]
    pub helm: String,
    /// helm 3; without it the life of a release is shown with helm 4 alone
    #[arg(long)]
    pub helm3: Option<String>,
    /// kubectl
    #[arg(long, default_value = "kubectl")]
    pub kubectl: String,
    /// promtool, which lints the metrics
    #[arg(long, default_value = "promtool")]
    pub promtool: String,
    /// The chart
    #[arg(long, default_value = "charts/baton-ping-one")]
    pub chart: PathBuf,
    /// The plain manifests
    #[arg(long, default_value = "manifests")]
    pub manifests: PathBuf,
    /// Only cases whose name contains one of these
    #[arg(long)]
    pub only: Vec<String>,
    /// Leave the namespaces of failed cases for a look
    #[arg(long)]
    pub keep: bool,
    /// Print the cases and end
    #[arg(long)]
    pub list: bool,
}

impl Options {
    /// Whether this case is to be run.
    pub fn wants(&self, case: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|part| case.contains(part.as_str()))
    }

    /// Everything that is not there and has to be, in words.
    pub async fn missing(&self) -> Vec<String> {
        let mut missing = Vec::new();
        if self.kubeconfig.as_ref().is_none_or(|path| !path.exists()) {
            missing.push("a kubeconfig (--kubeconfig, or the one that `cluster up` prints)".to_owned());
        }
        if !self.chart.join("Chart.yaml").exists() {
            missing.push(format!(
                "the chart (--chart; {} has no Chart.yaml)",
                self.chart.display()
            ));
        }
        if !self.manifests.join("quickstart/deployment.yaml").exists() {
            missing.push(format!("the quickstart (--manifests; {})", self.manifests.display()));
        }
        let programs: [(&str, &String, &[&str]); 3] = [
            ("--helm", &self.helm, &["version", "--short"]),
            ("--kubectl", &self.kubectl, &["version", "--client"]),
            ("--promtool", &self.promtool, &["--version"]),
        ];
        for (option, program, arguments) in programs {
            if let Err(error) = run::output(program, arguments).await {
                missing.push(format!("{program} ({option}): {error:#}"));
            }
        }
        missing
    }
}
