//! Generated protobuf types. Only `wire` and `session` may import this module.
#![allow(missing_docs, clippy::pedantic, clippy::all, rustdoc::all)]

/// Packages of C1.
pub mod c1 {
    pub mod connector {
        pub mod v2 {
            include!(concat!(env!("OUT_DIR"), "/c1.connector.v2.rs"));
        }
    }
    pub mod connectorapi {
        pub mod baton {
            pub mod v1 {
                include!(concat!(env!("OUT_DIR"), "/c1.connectorapi.baton.v1.rs"));
            }
        }
    }
    pub mod config {
        pub mod v1 {
            include!(concat!(env!("OUT_DIR"), "/c1.config.v1.rs"));
        }
    }
    pub mod ratelimit {
        pub mod v1 {
            include!(concat!(env!("OUT_DIR"), "/c1.ratelimit.v1.rs"));
        }
    }
}
/// The two messages of `google.rpc` that the session uses.
pub mod google {
    pub mod rpc {
        include!(concat!(env!("OUT_DIR"), "/google.rpc.rs"));
    }
}

/// Serialized `FileDescriptorSet` of everything under `proto/`, for proto3 JSON and the table test.
pub const FILE_DESCRIPTOR_SET: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptors.bin"));
