//! Command line entry: allocator, TLS provider, settings, exit code.

use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    // The only provider of the process; a second install can only be a test's.
    rustls::crypto::aws_lc_rs::default_provider().install_default().ok();
    ExitCode::from(baton_ping_one::app::main())
}
