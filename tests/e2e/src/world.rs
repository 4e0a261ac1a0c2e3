//! What all cases share.

use std::sync::Mutex;
use std::time::Duration;

use anyhow::Context as _;
use k8s_openapi::api::core::v1::Namespace;
use kube::api::{DeleteParams, PostParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Api, Client};
use serde_json::json;

use crate::cluster::Control;
use crate::options::Options;
use crate::run;
use crate::sandboxes::Sandboxes;

/// Deadline of one request to the API server.
const REQUEST: Duration = Duration::from_secs(20);

/// The cluster, the stand-ins, and what was measured.
pub struct World {
    /// Command line.
    pub options: Options,
    /// The administrator's client.
    pub kube: Client,
    /// PingOne and C1.
    pub sandboxes: Sandboxes,
    /// Node faults, on our own cluster.
    pub control: Option<Control>,
    times: Mutex<Vec<(String, Duration, Duration)>>,
    namespaces: Mutex<Vec<String>>,
}

impl World {
    /// Connects and starts the stand-ins.
    pub async fn start(options: Options) -> anyhow::Result<Self> {
        let path = options.kubeconfig.as_ref().context("a kubeconfig")?;
        let file = Kubeconfig::read_from(path)?;
        let mut config = kube::Config::from_custom_kubeconfig(file, &KubeConfigOptions::default()).await?;
        config.connect_timeout = Some(REQUEST);
        config.read_timeout = Some(REQUEST);
        config.reset_reader_on_write = true;
        let kube = Client::try_from(config)?;
        let control = options
            .cluster
            .as_ref()
            .map(|path| Control::new(path.display().to_string()));
        let sandboxes = Sandboxes::start(&kube, &options).await?;
        Ok(Self {
            options,
            kube,
            sandboxes,
            control,
            times: Mutex::default(),
            namespaces: Mutex::default(),
        })
    }

    /// A namespace of this name under restricted pod security; deleted when the case is over.
    pub async fn namespace(&self, name: &str) -> anyhow::Result<String> {
        let name = format!("baton-e2e-{name}");
        restricted(&self.kube, &name).await?;
        if let Ok(mut all) = self.namespaces.lock() {
            all.push(name.clone());
        }
        Ok(name)
    }

    /// Objects of a kind in a namespace.
    pub fn api<K>(&self, namespace: &str) -> Api<K>
    where
        K: kube::Resource<Scope = k8s_openapi::NamespaceResourceScope>,
        K::DynamicType: Default,
    {
        Api::namespaced(self.kube.clone(), namespace)
    }

    /// kubectl with our cluster.
    pub async fn kubectl(&self, arguments: &[&str]) -> anyhow::Result<String> {
        self.kubectl_with(arguments, "").await
    }

    /// kubectl with a document on its standard input.
    pub async fn kubectl_with(&self, arguments: &[&str], input: &str) -> anyhow::Result<String> {
        let config = self.config_argument();
        let all: Vec<&str> = std::iter::once(config.as_str())
            .chain(arguments.iter().copied())
            .collect();
        run::with_input(&self.options.kubectl, &all, input).await
    }

    /// kubectl where the exit status is an answer and not an error.
    pub async fn kubectl_asked(&self, arguments: &[&str]) -> anyhow::Result<run::Done> {
        let config = self.config_argument();
        let all: Vec<&str> = std::iter::once(config.as_str())
            .chain(arguments.iter().copied())
            .collect();
        run::to_its_end(&self.options.kubectl, &all, "").await
    }

    /// A helm with our cluster.
    pub async fn helm(&self, program: &str, arguments: &[&str], values: &str) -> anyhow::Result<String> {
        let config = self.config_argument();
        let all: Vec<&str> = std::iter::once(config.as_str())
            .chain(arguments.iter().copied())
            .collect();
        run::with_input(program, &all, values).await
    }

    fn config_argument(&self) -> String {
        let path = self.options.kubeconfig.as_ref().map(|path| path.display().to_string());
        format!("--kubeconfig={}", path.unwrap_or_default())
    }

    /// A Service's answer, by way of the API server, so that it works from anywhere.
    pub async fn through_service(
        &self,
        namespace: &str,
        service: &str,
        port: u16,
        path: &str,
    ) -> anyhow::Result<String> {
        let uri = format!("/api/v1/namespaces/{namespace}/services/http:{service}:{port}/proxy{path}");
        let request = http::Request::get(uri).body(Vec::new())?;
        Ok(tokio::time::timeout(REQUEST, self.kube.request_text(request)).await??)
    }

    /// Keeps a time for the last lines, which say what took longer than its limit. A busy machine is no fault, so only three
    /// times the limit is one.
    pub fn time(&self, what: &str, took: Duration, limit: Duration) -> anyhow::Result<()> {
        if let Ok(mut times) = self.times.lock() {
            times.push((what.to_owned(), took, limit));
        }
        anyhow::ensure!(
            took <= limit * 3,
            "{what} took {:.1} s, more than three times {:.1} s",
            took.as_secs_f64(),
            limit.as_secs_f64()
        );
        Ok(())
    }

    /// All times that were kept.
    pub fn measured(&self) -> Vec<(String, Duration, Duration)> {
        self.times.lock().map(|times| times.clone()).unwrap_or_default()
    }

    /// Deletes the namespaces of the case, unless it failed and they are to be kept, and heals the stand-ins.
    pub async fn clean(&self, failed: bool) {
        let names = self
            .namespaces
            .lock()
            .map(|mut all| std::mem::take(&mut *all))
            .unwrap_or_default();
        if failed && self.options.keep {
            return;
        }
        for name in names {
            delete(&self.kube, &name).await;
        }
        if let Err(error) = self.sandboxes.calm(self).await {
            crate::report::say(&format!("note  the stand-ins did not calm down: {error:#}"));
        }
    }

    /// Takes the stand-ins away.
    pub async fn end(&self) {
        if !self.options.keep {
            delete(&self.kube, crate::sandboxes::NAMESPACE).await;
        }
    }
}

/// Makes a namespace that enforces restricted pod security; one that is left over from before goes first.
pub async fn restricted(kube: &Client, name: &str) -> anyhow::Result<()> {
    delete(kube, name).await;
    let api: Api<Namespace> = Api::all(kube.clone());
    let labels = json!({
        "pod-security.kubernetes.io/enforce": "restricted",
        "pod-security.kubernetes.io/warn": "restricted",
    });
    let namespace = serde_json::from_value(json!({
        "apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels},
    }))?;
    api.create(&PostParams::default(), &namespace).await?;
    Ok(())
}

/// Deletes a namespace and waits until it is gone.
async fn delete(kube: &Client, name: &str) {
    let api: Api<Namespace> = Api::all(kube.clone());
    if api.delete(name, &DeleteParams::default()).await.is_err() {
        return;
    }
    let gone = crate::wait::until("namespace gone", Duration::from_mins(2), || async {
        Ok(crate::wait::when(api.get_opt(name).await?.is_none()))
    });
    if let Err(error) = gone.await {
        crate::report::say(&format!("note  {name}: {error:#}"));
    }
}
