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
    /// The applications.
    ListApplications => "list_applications", Configuration, "list the applications of environment";
    /// Role assignments of one application.
    ListApplicationRoles => "list_application_roles", RoleAssignments, "list the role assignments of application";
    /// The gateways.
    ListGateways => "list_gateways", Configuration, "list the gateways of environment";
    /// One gateway.
    ReadGateway => "read_gateway", Configuration, "read gateway";
    /// Role assignments of one gateway.
    ListGatewayRoles => "list_gateway_roles", RoleAssignments, "list the role assignments of gateway";
    /// What a gateway signs in with, without any value.
    ListGatewayCredentials => "list_gateway_credentials", Configuration, "list the credentials of gateway";
    /// The key pairs, without private parts.
    ListKeys => "list_keys", Configuration, "list the keys of environment";
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
    /// Users who belong to each of several groups.
    ListMembersOfAll => "list_members_of_all", DirectoryReads, "list the users who are in all of several groups:";
    /// Groups nested in a group.
    ListNestedGroups => "list_nested_groups", DirectoryReads, "list the groups nested in group";
    /// Groups that a group or a user belongs to.
    ListParents => "list_parents", DirectoryReads, "list the groups that hold";
    /// One membership.
    ReadMembership => "read_membership", DirectoryReads, "read the membership of user";
    /// One password policy.
    ReadPasswordPolicy => "read_password_policy", Configuration, "read password policy";
    /// One role, built in or custom.
    ReadRole => "read_role", Configuration, "read role";
    /// How a user's password stands.
    ReadPasswordState => "read_password_state", DirectoryReads, "read the password state of user";
    /// Password policies.
    ListPasswordPolicies => "list_password_policies", Configuration, "list the password policies of environment";
    /// Schemas of users.
    ListSchemas => "list_schemas", Configuration, "list the schemas of environment";
    /// Attributes of a schema.
    ListSchemaAttributes => "list_schema_attributes", Configuration, "list the attributes of schema";
    /// Identity providers.
    ListIdentityProviders => "list_identity_providers", Configuration, "list the identity providers of environment";
    /// Sessions of a user.
    ListSessions => "list_sessions", DirectoryReads, "list the sessions of user";
    /// Devices of a user.
    ListDevices => "list_devices", DirectoryReads, "list the devices of user";
    /// Puts a user into a group.
    AddMembership => "add_membership", DirectoryWrites, "add to a group user";
    /// Takes a user out of a group.
    RemoveMembership => "remove_membership", DirectoryWrites, "remove from a group user";
    /// Assigns a role.
    AssignRole => "assign_role", DirectoryWrites, "assign a role to";
    /// Takes a role back.
    UnassignRole => "unassign_role", DirectoryWrites, "remove a role assignment of";
    /// Creates a user.
    CreateUser => "create_user", DirectoryWrites, "create a user in environment";
    /// Changes attributes of a user.
    UpdateUser => "update_user", DirectoryWrites, "update user";
    /// Deletes a user.
    DeleteUser => "delete_user", DirectoryWrites, "delete user";
    /// Enables or disables a user.
    SetEnabled => "set_enabled", DirectoryWrites, "enable or disable user";
    /// Moves a user.
    SetPopulation => "set_population", DirectoryWrites, "move to another population user";
    /// Switches MFA on or off.
    SetMfa => "set_mfa", DirectoryWrites, "switch MFA of user";
    /// Sets where a user signs on.
    SetIdentityProvider => "set_identity_provider", DirectoryWrites, "set the identity provider of user";
    /// Locks an account.
    LockUser => "lock_user", DirectoryWrites, "lock user";
    /// Unlocks an account.
    UnlockUser => "unlock_user", DirectoryWrites, "unlock user";
    /// Sends a verification code.
    SendVerification => "send_verification", DirectoryWrites, "send a verification code to user";
    /// Sets a password.
    SetPassword => "set_password", DirectoryWrites, "set the password of user";
    /// Makes a password one that must be changed.
    ForcePasswordChange => "force_password_change", DirectoryWrites, "force a password change of user";
    /// Starts a password recovery.
    SendRecovery => "send_recovery", DirectoryWrites, "send a recovery code to user";
    /// Ends a session.
    EndSession => "end_session", DirectoryWrites, "end a session of user";
    /// Removes a device.
    DeleteDevice => "delete_device", DirectoryWrites, "delete a device of user";
    /// Creates a group.
    CreateGroup => "create_group", DirectoryWrites, "create a group in environment";
    /// Replaces a group.
    UpdateGroup => "update_group", DirectoryWrites, "change group";
    /// Deletes a group.
    DeleteGroup => "delete_group", DirectoryWrites, "delete group";
    /// Audit activities.
    ListActivities => "list_activities", Audit, "list the audit activities of environment";
}

impl Operation {
    /// It changes something in PingOne.
    pub const fn is_write(self) -> bool {
        matches!(self.group(), RateGroup::DirectoryWrites)
    }

    /// It gives access.
    pub const fn grants(self) -> bool {
        matches!(self, Self::AddMembership | Self::AssignRole)
    }

    /// It needs rights on role assignments rather than on the directory.
    pub(crate) const fn assigns_roles(self) -> bool {
        matches!(self, Self::AssignRole | Self::UnassignRole)
    }

    /// What helps where a right to read is missing that no role for the directory has (access-model.md §10).
    pub(crate) const fn right_missing(self) -> Option<&'static str> {
        match self {
            Self::ListApplications | Self::ReadApplication => Some(
                "Give the application Configuration Read Only for this environment, or a custom role with \
                 applications:read:application, or set sync-applications=none.",
            ),
            Self::ListApplicationRoles => Some(
                "Give the application permissions:read:applicationRoleAssignments (Configuration Read Only has it).",
            ),
            Self::ListGateways | Self::ReadGateway | Self::ListGatewayRoles => {
                Some("Give the application Configuration Read Only for this environment, or set sync-gateways=false.")
            }
            Self::ListGatewayCredentials | Self::ListKeys => {
                Some("Give the application Configuration Read Only for this environment, or set sync-secrets=false.")
            }
            _ => None,
        }
    }

    /// The service that an environment may have switched off.
    pub(crate) const fn service(self) -> Option<&'static str> {
        match self {
            Self::ListDevices | Self::DeleteDevice => Some("MFA"),
            Self::ListActivities => Some("audit"),
            _ => None,
        }
    }
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

    /// Takes from the reads' total. Writes do so without waiting for it: they come first.
    pub(crate) const fn counts_in_total(self) -> bool {
        self.is_read() || matches!(self, Self::DirectoryWrites)
    }
}
