//! What is asked of PingOne: a bounded set for metrics, limits and error texts.

macro_rules! operations {
    ($($(#[$doc:meta])* $name:ident => $label:literal, $group:ident, $text:literal;)+) => {
        /// One kind of request.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Operation { $($(#[$doc])* $name,)+ }

        impl Operation {
            /// Every operation.
            pub const ALL: &'static [Self] = &[$(Self::$name,)+];

            /// The label in metrics and reports.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $label,)+ }
            }

            /// The rate group whose limit it counts against (pingone-api.md §5).
            pub const fn group(self) -> RateGroup {
                match self { $(Self::$name => RateGroup::$group,)+ }
            }

            /// What it tries, for error texts.
            pub const fn text(self) -> &'static str {
                match self { $(Self::$name => $text,)+ }
            }
        }
    };
}

operations! {
    /// Token of the worker application.
    Token => "token", Token, "get a token for";
    /// One environment.
    ReadEnvironment => "read_environment", Configuration, "read environment";
    /// What the licence allows.
    ReadCapabilities => "read_capabilities", Configuration, "read the capabilities of environment";
    /// One organization.
    ReadOrganization => "read_organization", Configuration, "read organization";
    /// One application.
    ReadApplication => "read_application", Configuration, "read application";
    /// The populations.
    ListPopulations => "list_populations", Configuration, "list the populations of environment";
    /// One population.
    ReadPopulation => "read_population", Configuration, "read population";
    /// Roles, built in or custom.
    ListRoles => "list_roles", Configuration, "list the roles of environment";
    /// Role assignments of one principal.
    ListRoleAssignments => "list_role_assignments", RoleAssignments, "list the role assignments of";
    /// The users, or those that a filter finds.
    ListUsers => "list_users", DirectoryReads, "list the users of environment";
    /// One user.
    ReadUser => "read_user", DirectoryReads, "read user";
    /// The groups.
    ListGroups => "list_groups", DirectoryReads, "list the groups of environment";
    /// One group.
    ReadGroup => "read_group", DirectoryReads, "read group";
    /// Users who belong to a group.
    ListMembers => "list_members", DirectoryReads, "list the members of group";
    /// Groups nested in a group.
    ListNestedGroups => "list_nested_groups", DirectoryReads, "list the groups nested in group";
    /// Groups that a group or a user belongs to.
    ListParents => "list_parents", DirectoryReads, "list the groups that hold";
    /// One membership.
    ReadMembership => "read_membership", DirectoryReads, "read the membership of user";
    /// Audit activities.
    ListActivities => "list_activities", Audit, "list the audit activities of environment";
}

/// Requests that share a limit (pingone-api.md §5).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RateGroup {
    /// Users and groups.
    DirectoryReads,
    /// Role assignments, whose group is not documented: a bucket of its own that learns.
    RoleAssignments,
    /// Roles, populations, environments, applications.
    Configuration,
    /// Everything that changes the directory.
    DirectoryWrites,
    /// Audit activities: ten a second for the whole licence.
    Audit,
    /// The token endpoint.
    Token,
}

impl RateGroup {
    /// Every group.
    pub const ALL: [Self; 6] = [
        Self::DirectoryReads,
        Self::RoleAssignments,
        Self::Configuration,
        Self::DirectoryWrites,
        Self::Audit,
        Self::Token,
    ];

    /// The label in metrics and reports.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::DirectoryReads => "directory_reads",
            Self::RoleAssignments => "role_assignments",
            Self::Configuration => "configuration",
            Self::DirectoryWrites => "directory_writes",
            Self::Audit => "audit",
            Self::Token => "token",
        }
    }

    /// Reads that also share one total: a licence or an address may have one number for all of them.
    pub(crate) const fn is_read(self) -> bool {
        matches!(self, Self::DirectoryReads | Self::RoleAssignments | Self::Configuration)
    }
}
