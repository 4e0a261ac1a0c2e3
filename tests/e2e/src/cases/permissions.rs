//! What the service account may do: by asking, and by doing it under its name.

use anyhow::{Context as _, ensure};
use serde_json::json;

use super::{Outcome, SYNC, clean};
use crate::daemon::{Daemon, RELEASE, SECRET};
use crate::world::World;

const VERBS: [&str; 8] = [
    "get",
    "list",
    "watch",
    "create",
    "update",
    "patch",
    "delete",
    "deletecollection",
];

/// Both ways.
pub async fn both_ways(world: &World) -> anyhow::Result<Outcome> {
    let daemon = Daemon::install(world, "permissions", &json!({})).await?;
    daemon.wait_leader().await?;
    daemon.sync(SYNC).await?;
    let namespace = daemon.namespace.as_str();
    let account = format!("--as=system:serviceaccount:{namespace}:{RELEASE}");
    asked(world, namespace, &account).await?;
    done(world, namespace, &account).await?;
    // And the daemon itself was refused nothing.
    let log = world
        .kubectl(&[
            "--namespace",
            namespace,
            "logs",
            &format!("deployment/{RELEASE}"),
            "--all-pods=true",
        ])
        .await?;
    ensure!(!log.contains("not allowed to"), "the daemon was refused something");
    clean(world, &daemon, 0).await?;
    Ok(Outcome::Passed)
}

async fn asked(world: &World, namespace: &str, account: &str) -> anyhow::Result<()> {
    let secret = format!("secrets/{SECRET}");
    let lease = format!("leases.coordination.k8s.io/{RELEASE}-leader");
    let deployment = format!("deployments.apps/{RELEASE}");
    let allowed: [(&str, &[&str]); 5] = [
        (&secret, &["get", "list", "watch"]),
        (&lease, &["get", "update"]),
        ("leases.coordination.k8s.io", &["create"]),
        ("events.events.k8s.io", &["create"]),
        (&deployment, &["get"]),
    ];
    for (object, may) in allowed {
        for verb in VERBS {
            // Creating has no name to compare with, so a right to create Leases is one to create this one.
            if verb == "create" && object == lease {
                continue;
            }
            can(world, namespace, account, verb, object, may.contains(&verb)).await?;
        }
    }
    nothing_else(world, namespace, account, &[&secret, &lease]).await?;
    subresources(world, namespace, account).await
}

/// What hangs below objects. `pods/exec` as an object would be a pod by the name of exec.
async fn subresources(world: &World, namespace: &str, account: &str) -> anyhow::Result<()> {
    let below = [
        ("pods", "exec"),
        ("pods", "attach"),
        ("pods", "portforward"),
        ("pods", "log"),
        ("pods", "eviction"),
        ("pods", "ephemeralcontainers"),
        ("serviceaccounts", "token"),
        ("deployments.apps", "scale"),
        ("deployments.apps", "status"),
    ];
    for (object, part) in below {
        let part = format!("--subresource={part}");
        for verb in VERBS {
            let question = [verb, object, part.as_str()];
            answers(world, &["--namespace", namespace, account], &question, false).await?;
        }
        // The administrator may: so the question is one that has an answer other than no.
        let question = ["create", object, part.as_str()];
        answers(world, &["--namespace", namespace], &question, true).await?;
    }
    Ok(())
}

/// Other objects, and the same objects elsewhere.
async fn nothing_else(world: &World, namespace: &str, account: &str, own: &[&str]) -> anyhow::Result<()> {
    let others = [
        "secrets",
        "secrets/other",
        "leases.coordination.k8s.io/other",
        "configmaps",
        "pods",
        "deployments.apps",
        "serviceaccounts",
        "roles.rbac.authorization.k8s.io",
        "rolebindings.rbac.authorization.k8s.io",
        "nodes",
        "namespaces",
    ];
    for object in others {
        for verb in VERBS {
            if verb == "create" && object.starts_with("leases") {
                continue;
            }
            can(world, namespace, account, verb, object, false).await?;
        }
    }
    for object in own.iter().chain(&["events.events.k8s.io"]) {
        for verb in ["get", "create", "update"] {
            can(world, "default", account, verb, object, false).await?;
        }
    }
    Ok(())
}

async fn can(world: &World, namespace: &str, account: &str, verb: &str, object: &str, may: bool) -> anyhow::Result<()> {
    answers(world, &["--namespace", namespace, account], &[verb, object], may).await
}

/// `kubectl auth can-i` must answer so.
async fn answers(world: &World, who: &[&str], question: &[&str], may: bool) -> anyhow::Result<()> {
    let arguments = [who, &["auth", "can-i"], question].concat();
    let done = world.kubectl_asked(&arguments).await?;
    let asked = arguments.join(" ");
    // A kind that the server does not know is a no, too.
    ensure!(
        !done.err.contains("doesn't have a resource type"),
        "{asked}: {}",
        done.err
    );
    let yes = answer(&done.out).with_context(|| format!("{asked}: neither yes nor no: {}{}", done.out, done.err))?;
    ensure!(yes == may, "{asked}: {}, expected {may}", done.out.trim());
    Ok(())
}

/// What `kubectl auth can-i` says by its words, which a reason may follow; the exit status of a no is that of an error.
fn answer(out: &str) -> Option<bool> {
    match out.trim().split(" - ").next() {
        Some("yes") => Some(true),
        Some("no") => Some(false),
        _ => None,
    }
}

async fn done(world: &World, namespace: &str, account: &str) -> anyhow::Result<()> {
    let by_name = format!("--field-selector=metadata.name={SECRET}");
    let own = ["--namespace", namespace, account, "get", "secrets", &by_name];
    world.kubectl(&own).await?;
    let refused: [&[&str]; 5] = [
        &["get", "secrets"],
        &["get", "pods"],
        &["delete", "lease", &format!("{RELEASE}-leader")],
        &["create", "configmap", "made", "--from-literal=a=b"],
        &["get", "secrets", "--all-namespaces"],
    ];
    for command in refused {
        let arguments = [&["--namespace", namespace, account][..], command].concat();
        let said = match world.kubectl(&arguments).await {
            Ok(_) => anyhow::bail!("allowed: kubectl {}", command.join(" ")),
            Err(error) => format!("{error:#}"),
        };
        ensure!(
            said.contains("forbidden") || said.contains("Forbidden"),
            "kubectl {}: {said}",
            command.join(" ")
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::answer;

    #[test]
    fn only_the_words_are_an_answer() {
        assert_eq!(answer("yes\n"), Some(true));
        assert_eq!(answer("no\n"), Some(false));
        assert_eq!(answer("no - no role allows it\n"), Some(false));
        assert_eq!(answer(""), None);
        assert_eq!(answer("error: the server is not there\n"), None);
        assert_eq!(answer("nothing"), None);
    }
}
