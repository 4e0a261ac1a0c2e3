//! A whole connector for a made-up source: three people in two teams.
//!
//! ```console
//! cargo run -p baton --example hello                # writes hello.c1z
//! cargo run -p baton --example hello -- --client-id … --client-secret … --api-host …   # serves C1
//! ```

use std::path::{Path, PathBuf};
use std::sync::Arc;

use baton::c1z::{C1zError, FileReport, SyncEnd, SyncStart, SyncType, Writer, WriterOptions};
use baton::model::{
    Entitlement, EntitlementId, Grant, GroupTrait, Profile, Resource, ResourceId, ResourceTrait, ResourceType,
    ResourceTypeSpec, Trait,
};
use baton::session::{C1Credentials, Session, SessionConfig, SessionParts};
use baton::task::{
    Code, Dispatcher, NoEventFeed, Parts, SyncProgress, SyncRequest, SyncRun, SyncRunner, SyncedFile, TaskError, Writes,
};
use baton::wire::describe;
use clap::Parser;
use futures_util::future::BoxFuture;
use jiff::Timestamp;
use process::runtime::current::Current;
use process::runtime::shutdown::Shutdown;
use process::telemetry::{BuildInfo, Metrics};
use tokio_util::sync::CancellationToken;

/// The two kinds of resources. Ids are for ever: C1 keeps policies against them.
const USER: ResourceType = ResourceType(&ResourceTypeSpec::reading("user", "User", &[Trait::User]).offering_nothing());
const TEAM: ResourceType = ResourceType(&ResourceTypeSpec::reading("team", "Team", &[Trait::Group]));
const BUILD: BuildInfo = BuildInfo {
    package: "hello",
    version: "1.0.0",
    revision: "unknown",
    rustc: "unknown",
};

/// The source. A real one is read page by page while rows are written, and a page that cannot be read fails the sync.
const PEOPLE: [(&str, &str); 3] = [
    ("ada", "Ada Lovelace"),
    ("alan", "Alan Turing"),
    ("grace", "Grace Hopper"),
];
const TEAMS: [(&str, &str, &[&str]); 2] = [
    ("compilers", "Compilers", &["grace"]),
    ("machines", "Machines", &["ada", "alan"]),
];

/// One full sync into `target`: types, resources, what they offer, who holds it.
fn write(target: &Path) -> Result<FileReport, C1zError> {
    let start = SyncStart::new(SyncType::Full, Timestamp::now());
    let mut file = Writer::create(&std::env::temp_dir(), start, WriterOptions::default())?;
    file.add_resource_type(TEAM)?;
    file.add_resource_type(USER)?;
    for (team, name, _) in TEAMS {
        let group = ResourceTrait::Group(GroupTrait::default());
        file.add_resource(&Resource::new(ResourceId::new(TEAM, team), name, group))?;
    }
    for (person, name) in PEOPLE {
        let user = ResourceTrait::User(Box::default());
        file.add_resource(&Resource::new(ResourceId::new(USER, person), name, user))?;
    }
    for (team, name, members) in TEAMS {
        let id = EntitlementId::member(TEAM, team);
        let title = format!("{name} Team Member");
        file.add_entitlement(&Entitlement::new(id.clone(), name, title, &[USER]))?;
        for person in members {
            file.add_grant(&Grant::new(id.clone(), ResourceId::new(USER, person)))?;
        }
    }
    let end = SyncEnd {
        ended_at: Timestamp::now(),
        expanded: true,
        grants_dropped: 0,
    };
    file.finish(end, target)
}

/// Answers C1's sync tasks.
struct Hello;

impl SyncRunner for Hello {
    fn run(&self, _: SyncRequest, _: CancellationToken, _: SyncProgress) -> SyncRun<'_> {
        let failed = |error: &dyn std::fmt::Display| TaskError::new(Code::Internal, error.to_string());
        Box::pin(async move {
            let target = tempfile::NamedTempFile::new()
                .map_err(|error| failed(&error))?
                .into_temp_path();
            let report = write(&target).map_err(|error| failed(&error))?;
            Ok(SyncedFile::new(target, report.size_bytes, String::new()))
        })
    }
}

/// What C1 hears at Hello.
fn metadata() -> Vec<u8> {
    describe::metadata(&describe::Metadata {
        display_name: "Hello",
        help_url: "https://example.com/hello",
        description: "Three people in two teams",
        console_url: None,
        profile: Profile::default(),
        capabilities: describe::Capabilities::reading(&[TEAM, USER]),
        account_fields: &[],
    })
}

/// Without credentials it writes a file, with them it serves C1.
#[derive(Parser)]
struct Args {
    #[arg(default_value = "hello.c1z")]
    file: PathBuf,
    #[arg(long, env = "BATON_CLIENT_ID", requires = "client_secret")]
    client_id: Option<String>,
    #[arg(long, env = "BATON_CLIENT_SECRET", hide_env_values = true, default_value = "")]
    client_secret: String,
    #[arg(long, env = "BATON_C1_API_HOST")]
    api_host: Option<String>,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let args = Args::parse();
    let Some(client_id) = args.client_id else {
        return Ok(write(&args.file).map(drop)?);
    };
    rustls::crypto::aws_lc_rs::default_provider().install_default().ok();
    let term = Shutdown::new().term();
    let tasks = Parts {
        syncs: Arc::new(Hello),
        writes: Writes::Refused("hello only reads"),
        actions: Arc::new(Vec::new()),
        events: Arc::new(NoEventFeed),
    };
    let runner = Arc::new(Dispatcher::new(tasks, term.work().clone()));
    let hello = Arc::new(|| Box::pin(async { Ok(metadata()) }) as BoxFuture<'static, _>);
    let parts = SessionParts::alone(BUILD, Arc::new(Metrics::new(BUILD, &[])?), runner, hello);
    let config = SessionConfig {
        api_host: args.api_host,
        ..SessionConfig::default()
    };
    let credentials = Current::fixed(C1Credentials::parse(&client_id, &args.client_secret)?);
    let session = Session::new(config, credentials, parts)?;
    tokio::select! {
        ended = session.run(&term) => Ok(ended?),
        _ = tokio::signal::ctrl_c() => Ok(()),
    }
}
