//! The way of a sync from its start to its report (c1z.md §7.1).

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::Instrument as _;

use super::SyncError;
use super::job::{Ended, Job, Outcome};
use super::observations;
use super::observe::Observe;
use super::options::SyncOptions;
use super::phase::{self, seal};
use super::progress::{Phase, Progress};
use super::read::{Home, Reads};
use super::report::{SyncReport, warning_counts};
use super::writer_thread::{Working, WriterThread};
use baton::c1z::{SyncStart, SyncType, WriterOptions};
use pingone::Client;

/// Runs one sync and publishes its file. Ends early, with nothing published and no temporary file left, when `cancel`
/// is cancelled or anything fails.
pub async fn run(
    client: Client,
    options: SyncOptions,
    progress: Arc<Progress>,
    cancel: CancellationToken,
) -> Result<SyncReport, SyncError> {
    let threads = TaskTracker::new();
    let work = run_to_end(client, options, progress, cancel.clone(), threads.clone());
    let work = Box::pin(work.instrument(tracing::debug_span!("sync", sync_id = tracing::field::Empty)));
    let result = cancel.run_until_cancelled(work).await;
    // A thread removes its temporary files when it ends, so none may outlive the sync.
    threads.close();
    threads.wait().await;
    result.unwrap_or(Err(SyncError::Cancelled))
}

async fn run_to_end(
    client: Client,
    options: SyncOptions,
    progress: Arc<Progress>,
    cancel: CancellationToken,
    threads: TaskTracker,
) -> Result<SyncReport, SyncError> {
    let begun = Instant::now();
    let start = SyncStart::new(sync_type(&options), jiff::Timestamp::now());
    tracing::Span::current().record("sync_id", start.sync_id.as_str());
    let (client, user_filter) = (
        client.with_transaction(&start.sync_id).counting(&progress.answers),
        options.extra_filter().is_some(),
    );
    let reads = Reads::new(client.clone(), Arc::clone(&progress), user_filter);
    let reads = Arc::new(reads.accepting_short(options.shrink.accept));
    let home = reads.home().await?;
    if options.empty {
        reads.validate().await?;
    }
    let kept = observations::open(&client, &options, home.environment.0).await;
    let observe = Arc::new(Observe::new(Arc::clone(&reads), kept.keeper()));
    let result = Box::pin(work(
        (options, home),
        (reads, observe),
        start,
        progress,
        (&cancel, &threads),
    ))
    .await;
    match result {
        Ok(report) => Ok(SyncReport {
            observations: kept.finish(&client).await,
            elapsed: begun.elapsed(),
            ..report
        }),
        Err(error) => {
            kept.fail(&error);
            Err(error)
        }
    }
}

/// Reads, writes and publishes.
async fn work(
    (options, home): (SyncOptions, Home),
    (reads, observe): (Arc<Reads>, Arc<Observe>),
    start: SyncStart,
    progress: Arc<Progress>,
    (cancel, threads): (&CancellationToken, &TaskTracker),
) -> Result<SyncReport, SyncError> {
    let (sync_type, sync_id) = (sync_type(&options), start.sync_id.clone());
    let writer = WriterThread::start(
        &options.temp_dir,
        start,
        WriterOptions {
            engine: options.storage_engine,
            cancel: cancel.clone(),
        },
        Arc::clone(&progress),
        threads,
    )?;
    let job = Job {
        options,
        reads,
        observe,
        writer,
        home,
    };
    let outcome = read(&job).await;
    let Job {
        options,
        reads,
        writer,
        home,
        observe: _,
    } = job;
    let outcome = match outcome {
        Ok(outcome) => outcome,
        // The thread knows why it ended; without it the reads' own failure stands.
        Err(Ended::Writer) => return Err(writer.close().await.err().unwrap_or(SyncError::Cancelled)),
        Err(Ended::Failed(error)) => return Err(error),
    };
    progress.enter(Phase::Seal);
    seal::check(sync_type, &options, &reads, outcome.counts)?;
    let writer = writer.close().await?;
    let (file, grants_expanded) = Working::start("c1z-seal", threads, move || {
        seal::publish(writer, sync_type, &options, outcome.dropped)
    })?
    .wait()
    .await?;
    Ok(SyncReport {
        sync_id,
        file,
        counts: outcome.counts,
        warnings: warning_counts(&reads.warnings),
        grants_expanded,
        environment_name: home.environment_name,
        scopes: outcome.scopes,
        elapsed: Duration::ZERO,
        observations: None,
    })
}

/// The reading part.
async fn read(job: &Job) -> Result<Outcome, Ended> {
    if job.options.empty {
        Ok(Outcome::default())
    } else if job.options.targeted {
        Box::pin(job.targeted()).await
    } else {
        Box::pin(phase::full(job)).await
    }
}

fn sync_type(options: &SyncOptions) -> SyncType {
    if options.empty {
        SyncType::Full
    } else if options.targeted {
        SyncType::Partial
    } else if options.skip_entitlements_and_grants {
        SyncType::ResourcesOnly
    } else {
        SyncType::Full
    }
}
