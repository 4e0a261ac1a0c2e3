//! When the next sync runs: interval, jitter, missed runs.
