//! What an operator asks the program in its pod.

use anyhow::{Context as _, ensure};
use serde_json::{Value, json};

use super::{Outcome, SYNC, clean};
use crate::daemon::{Daemon, RELEASE};
use crate::wait;
use crate::world::World;

/// Where the image has the program.
const PROGRAM: &str = "/usr/local/bin/baton-ping-one";

/// `status` and `doctor` where all is well, and with a secret and a permission that are wrong.
pub async fn status_and_doctor(world: &World) -> anyhow::Result<Outcome> {
    let daemon = Daemon::install(world, "asked", &json!({"replicaCount": 2})).await?;
    let leader = daemon.wait_leader().await?;
    daemon.sync(SYNC).await?;
    for pod in daemon.pods().await? {
        let pod = pod.metadata.name.context("a pod's name")?;
        let (is_ready, status) = ask(world, &daemon, &pod, "status").await?;
        ensure!(is_ready && status["ready"] == true, "{pod} is not ready: {status}");
        let leads = status["role"].as_str().is_some_and(|role| role.starts_with("leads"));
        ensure!(leads == (pod == leader), "{pod} says that it is {}", status["role"]);
        if leads {
            let last = &status["syncs"]["last"];
            ensure!(last["outcome"] == "success", "the last sync: {last}");
        }
        let (_, report) = ask(world, &daemon, &pod, "doctor").await?;
        ensure!(report["result"] != "fail", "doctor in {pod}: {report}");
        for check in [
            "kubernetes",
            "lease",
            "token",
            "environment",
            "read",
            "write",
            "c1",
            "daemon",
        ] {
            ensure!(
                says(&report, "ok", check, ""),
                "doctor in {pod} says nothing of {check}: {report}"
            );
        }
    }
    broken(world, &daemon, &leader).await?;
    clean(world, &daemon, 0).await?;
    Ok(Outcome::Passed)
}

/// A secret that PingOne refuses, and the account without its permissions.
async fn broken(world: &World, daemon: &Daemon<'_>, pod: &str) -> anyhow::Result<()> {
    daemon.set("BATON_PINGONE_CLIENT_SECRET", "wrong").await?;
    wait::until("the status to tell of the refused secret", SYNC, || async {
        let (is_ready, status) = ask(world, daemon, pod, "status").await?;
        let state = status["credentials"]["pingone"]["state"].as_str().unwrap_or_default();
        Ok(wait::when(is_ready && state.contains("refused")))
    })
    .await?;
    let (is_well, report) = ask(world, daemon, pod, "doctor").await?;
    ensure!(!is_well, "doctor is content with a refused secret");
    ensure!(
        says(&report, "fail", "token", "Check pingone-client-id"),
        "the refused secret: {report}"
    );

    let namespace = daemon.namespace.as_str();
    let binding = ["--namespace", namespace, "delete", "rolebinding", RELEASE];
    world.kubectl(&binding).await?;
    let (is_well, report) = ask(world, daemon, pod, "doctor").await?;
    ensure!(!is_well, "doctor is content without permissions");
    ensure!(
        says(&report, "fail", "kubernetes", "may not do this"),
        "no permissions: {report}"
    );
    ensure!(
        says(&report, "fail", "secret", "rbac.create"),
        "a Secret that may not be read: {report}"
    );
    Ok(())
}

/// Runs a command of the program in a pod: whether its exit code is 0, and its document.
async fn ask(world: &World, daemon: &Daemon<'_>, pod: &str, command: &str) -> anyhow::Result<(bool, Value)> {
    let namespace = daemon.namespace.as_str();
    let arguments = [
        "--namespace",
        namespace,
        "exec",
        pod,
        "--",
        PROGRAM,
        command,
        "--output",
        "json",
    ];
    let done = world.kubectl_asked(&arguments).await?;
    let document = serde_json::from_str(&done.out);
    let document = document.with_context(|| format!("{command} in {pod}: {}{}", done.out, done.err))?;
    Ok((done.succeeded, document))
}

/// Whether a finding of this level and check has this in its text or its remedy.
fn says(report: &Value, level: &str, check: &str, part: &str) -> bool {
    let all = report["checks"].as_array().into_iter().flatten();
    all.filter(|one| one["level"] == level && one["check"] == check)
        .any(|one| {
            ["text", "remedy"]
                .iter()
                .any(|key| one[*key].as_str().is_some_and(|text| text.contains(part)))
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_finding_is_met_by_level_check_and_words() {
        let report = json!({"checks": [{"level": "fail", "check": "token", "text": "refused", "remedy": "Check it."}]});
        assert!(says(&report, "fail", "token", "Check"));
        for (level, check, part) in [("ok", "token", ""), ("fail", "read", ""), ("fail", "token", "other")] {
            assert!(!says(&report, level, check, part), "{level} {check} {part}");
        }
    }
}
