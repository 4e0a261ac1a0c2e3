//! Flags, environment and file into one validated `Config`.
