//! The deviations of c1-protocol.md §18.
