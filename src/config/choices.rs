//! Settings that take one of a few values, each as an enum.

/// A setting's values with their names.
pub(crate) trait Choice: Copy + Sized + 'static {
    /// Every value under the name that flags, environment and file use.
    const ALL: &'static [(&'static str, Self)];
}

/// Makes the enum and its names in one place.
macro_rules! choices {
    ($($(#[$meta:meta])* $name:ident { $($(#[$about:meta])* $variant:ident = $text:literal,)+ })+) => {$(
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
        pub enum $name { $($(#[$about])* $variant,)+ }

        impl $name {
            /// The names, in the order in which they are offered.
            pub const NAMES: &'static [&'static str] = &[$($text),+];

            /// The name of this one.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text,)+ }
            }
        }

        impl Choice for $name {
            const ALL: &'static [(&'static str, Self)] = &[$(($text, Self::$variant)),+];
        }
    )+};
}

choices! {
    /// How roles and their scopes are shown (connector-model.md §6).
    RoleModel {
        /// Entitlements on roles.
        #[default]
        Entitlements = "entitlements",
        /// Each role over a scope as a resource (access-model.md §6).
        ScopeBinding = "scope-binding",
    }

    /// Which populations get an entitlement on each role (connector-model.md §6.1).
    RolePopulationEntitlements {
        /// Every population.
        #[default]
        All = "all",
        /// Only populations that occur in an assignment.
        Assigned = "assigned",
    }

    /// Whose role assignments are read (connector-model.md §5.3).
    RoleScan {
        /// Every user's.
        #[default]
        All = "all",
        /// Those of `role-assignment-candidates`.
        Candidates = "candidates",
        /// Only groups' and workers'.
        GroupsAndWorkers = "groups-and-workers",
    }

    /// What deleting an account does.
    DeprovisionMode {
        /// It is deleted.
        #[default]
        Delete = "delete",
        /// It is disabled and kept.
        Disable = "disable",
        /// It is disabled, then deleted.
        DisableThenDelete = "disable-then-delete",
    }

    /// Which applications are synced.
    SyncApplications {
        /// None of them.
        #[default]
        None = "none",
        /// Workers, and whatever else holds a role.
        Workers = "workers",
        /// All.
        All = "all",
    }

    /// Kind of file that is written (c1z-v3.md §10).
    StorageEngine {
        /// What the task asks for, else the default.
        #[default]
        Unset = "",
        /// v1.
        Sqlite = "sqlite",
        /// v3.
        Pebble = "pebble",
    }

    /// How results are printed.
    Output {
        /// For people.
        #[default]
        Table = "table",
        /// For programs.
        Json = "json",
        /// RFC 4180; for `inspect` alone.
        Csv = "csv",
    }

    /// What of earlier syncs is used again.
    Incremental {
        /// Only what a sync left that was ended early.
        #[default]
        Off = "false",
        /// Everything is read, and compared with what would have been used.
        Verify = "verify",
        /// Whatever is proved to be unchanged.
        On = "true",
    }

    /// Whether a Lease is held while C1 is served.
    LeaderElection {
        /// As the surroundings say: off outside a cluster.
        #[default]
        Auto = "auto",
        /// Always.
        On = "true",
        /// Never.
        Off = "false",
    }
}

impl StorageEngine {
    /// The engine, where the setting names one.
    pub const fn chosen(self) -> Option<baton::c1z::StorageEngine> {
        match self {
            Self::Unset => None,
            Self::Sqlite => Some(baton::c1z::StorageEngine::Sqlite),
            Self::Pebble => Some(baton::c1z::StorageEngine::Pebble),
        }
    }
}
