//! Faults that must end well.
