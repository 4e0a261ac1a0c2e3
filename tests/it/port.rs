//! Ports for the programs that tests start.
#![allow(clippy::unwrap_used, reason = "test code")]

use std::net::TcpListener;
use std::sync::atomic::{AtomicU32, Ordering};

/// A port that nobody listens on, and that nobody else is given before a program takes it: it is none of those that the
/// system hands out to whoever asks for any port, and each call answers another.
pub fn free() -> u16 {
    static TAKEN: AtomicU32 = AtomicU32::new(0);
    // Another process that does the same begins elsewhere.
    let first = std::process::id().wrapping_mul(61);
    loop {
        let next = first.wrapping_add(TAKEN.fetch_add(1, Ordering::Relaxed));
        let port = u16::try_from(10_000 + next % 20_000).unwrap();
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}
