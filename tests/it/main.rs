//! Test entry.

mod k8s;
