//! Tells the program which build it is.
#![expect(
    clippy::disallowed_methods,
    reason = "a build script talks to cargo through the environment"
)]

use std::env;

fn main() {
    println!("cargo:rustc-env=BATON_RUSTC_VERSION={}", rustc_version());
    // A release says them; a build beside a checkout that goes on would soon tell something else than the truth.
    for name in ["BATON_REVISION", "BATON_REVISION_DATE"] {
        println!("cargo:rerun-if-env-changed={name}");
        let value = env::var(name).unwrap_or_else(|_| "unknown".to_owned());
        println!("cargo:rustc-env={name}={value}");
    }
}

fn rustc_version() -> String {
    let rustc = env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    std::process::Command::new(rustc)
        .arg("--version")
        .output()
        .ok()
        .and_then(|out| String::from_utf8(out.stdout).ok())
        .and_then(|text| text.split_whitespace().nth(1).map(str::to_owned))
        .unwrap_or_else(|| "unknown".to_owned())
}
