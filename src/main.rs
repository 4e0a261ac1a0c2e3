//! Command line entry: allocator, TLS provider, settings, exit code.

use std::process::ExitCode;

use rustix::process::{Resource, Rlimit, setrlimit};

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    // The only provider of the process; a second install can only be a test's.
    rustls::crypto::aws_lc_rs::default_provider().install_default().ok();
    // A core dump would hold every secret of the process. Where this fails there is no such limit.
    let none = Rlimit {
        current: Some(0),
        maximum: Some(0),
    };
    setrlimit(Resource::Core, none).ok();
    ExitCode::from(baton_ping_one::app::main())
}
