//! Wiring only: builds the parts, hands each its dependencies, starts the supervisor.
