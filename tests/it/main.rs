//! Test entry.

mod service;
