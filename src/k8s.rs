//! Kubernetes: client, secret watch, lease, events.
