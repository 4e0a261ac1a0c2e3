//! Module import rules.
