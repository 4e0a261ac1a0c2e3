//! Syncs leave a slot to short tasks.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::fake::SyncPlan;
use super::rig::{Rig, Setup};
use super::script::{grant, sync};

#[tokio::test(start_paused = true)]
async fn however_many_syncs_run_a_grant_is_answered_at_once() {
    for (slots, batched) in [(2, false), (3, false), (2, true), (3, true)] {
        let rig = Rig::started(Setup {
            slots,
            batched,
            ..Setup::default()
        })
        .await;
        rig.syncs.plan(SyncPlan::UntilCancelled);
        for _ in 0..=slots {
            rig.server.queue(sync());
        }
        rig.server.wait_for("Heartbeat", slots + 1).await;
        sleep(Duration::from_secs(3)).await;
        for _ in 0..5 {
            let asked = Instant::now();
            let id = rig.server.queue(grant());
            rig.server.finished(&id).await;
            assert!(asked.elapsed() <= Duration::from_millis(1300), "{slots} {batched}");
        }
        assert!(rig.server.violations().is_empty(), "{:?}", rig.server.violations());
    }
}
