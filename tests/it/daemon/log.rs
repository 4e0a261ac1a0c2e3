//! What the program logs, and what becomes of it when nobody reads.

use std::io::Write as _;

use super::rig::{CLIENT_ID, World};

/// A pipe that is full before the first record: the thread that fills it ends when nobody can read any more.
#[tokio::test]
async fn a_reader_of_the_log_that_stalls_does_not_keep_the_process() {
    let world = World::new().await;
    let (reader, writer) = std::io::pipe().unwrap();
    let mut filler = writer.try_clone().unwrap();
    let filling = std::thread::spawn(move || while filler.write_all(&[b'x'; 4096]).is_ok() {});
    let mut env = world.pingone_values().to_vec();
    env.push(("BATON_CLIENT_ID", CLIENT_ID.to_owned()));
    env.push(("BATON_CLIENT_SECRET", world.c1_secret.clone()));
    let daemon = world.start_logging_to(&["--log-level=debug"], &env, Some(writer));
    daemon.ready().await;
    let (status, _) = daemon.stop().await;
    assert!(status.success(), "{status:?}");
    drop(reader);
    filling.join().unwrap();
}

#[tokio::test]
async fn every_start_without_proof_of_pingone_says_so() {
    let world = World::new().await;
    let file = format!("--file={}", world.path("sync.c1z").display());
    let mut env = world.pingone_values().to_vec();
    for is_insecure in [true, false] {
        env.push(("BATON_INSECURE", is_insecure.to_string()));
        let mut told = world.start(&[&file], &env);
        assert!(told.ended().await.success(), "{}", told.log());
        assert_eq!(told.log().contains("insecure is on: PingOne is reached"), is_insecure);
        env.pop();
    }
    env.push(("BATON_INSECURE", "true".to_owned()));
    let daemon = world.start(&[&file, "--sync-interval=1h"], &env);
    daemon.ready().await;
    let (_, log) = daemon.stop().await;
    assert!(log.contains("insecure is on: PingOne is reached"), "{log}");
}
