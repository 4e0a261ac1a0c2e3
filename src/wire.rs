//! `model` to connector messages, `Any`, proto3 JSON.
