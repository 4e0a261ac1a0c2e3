//! What C1 is told of each action (connector-model.md §7.7). Names, arguments and types are part of the contract with
//! C1 and never change once released.

pub(super) mod groups;

use super::profile::{NAMED, Named};
use baton::task::{ActionField, ActionFieldKind, ActionSchema, ActionType};

/// The resource type of every resource-scoped action.
pub(super) const USER: &str = "user";
/// The type of a population's resource id.
pub(super) const POPULATION: &str = "population";

/// The user that an action is about.
pub(super) const USER_ID: &str = "user_id";
/// The profile of `update_user`.
pub(super) const USER_PROFILE: &str = "user_profile";
/// Further attributes of `update_profile`.
pub(super) const ADDITIONAL: &str = "additional_attributes";
/// The population of `set_population`.
pub(super) const POPULATION_ID: &str = "population_id";
/// Whether `reset_password` starts PingOne's recovery mail.
pub(super) const SEND_RECOVERY: &str = "send_recovery";

/// Result: whether the action did what it was asked to.
pub(super) const SUCCESS: &str = "success";
/// Result: what was done, for people.
pub(super) const MESSAGE: &str = "message";
/// Result of `update_user`: names of the attributes that changed, joined by commas.
pub(super) const UPDATED_FIELDS: &str = "updated_fields";
/// Result of `update_profile`: the user.
pub(super) const UPDATED_USER: &str = "updated_user";
/// Result of `reset_mfa`: devices that were there.
pub(super) const DEVICES_FOUND: &str = "devices_found";
/// Result of `reset_mfa`: devices that are gone.
pub(super) const DEVICES_DELETED: &str = "devices_deleted";

/// Global actions take PingOne's id as a text.
const USER_ID_TEXT: &str = "PingOne id (a UUID) of the user, not C1's id; a resource id is taken, too";

/// Every action.
pub fn action_schemas() -> Vec<ActionSchema> {
    let mut all = vec![
        switch(
            "enable_user",
            "Enable user",
            "Enables the account. Needs the role Identity Data Admin",
            &[ActionType::Account, ActionType::AccountEnable],
        ),
        switch(
            "disable_user",
            "Disable user",
            "Disables the account and keeps its record; sessions that are open are ended by sign_out_user. Needs the role \
             Identity Data Admin",
            &[ActionType::Account, ActionType::AccountDisable],
        ),
        update_user(),
        update_profile(),
    ];
    all.extend(on_users());
    all.extend(groups::on_groups());
    all
}

/// A global action on an account that takes nothing but the user.
fn switch(
    name: &'static str,
    display_name: &'static str,
    description: &'static str,
    action_types: &'static [ActionType],
) -> ActionSchema {
    ActionSchema {
        resource_type_id: None,
        action_types,
        arguments: vec![user_text()],
        ..scoped(name, display_name, description)
    }
}

fn update_user() -> ActionSchema {
    let profile = field(
        USER_PROFILE,
        "User profile",
        "A JSON object of attributes: keys of the account fields or PingOne's attribute names; null or an empty text \
         clears",
        ActionFieldKind::String,
    );
    let mut schema = switch(
        "update_user",
        "Update user",
        "Changes the attributes that are given and leaves the others. Needs the role Identity Data Admin",
        &[ActionType::Account, ActionType::AccountUpdateProfile],
    );
    schema.arguments.push(ActionField {
        required: true,
        ..profile
    });
    schema.return_types = vec![
        success(),
        field(
            UPDATED_FIELDS,
            "Updated fields",
            "Keys that changed, joined by commas",
            ActionFieldKind::String,
        ),
    ];
    schema
}

/// The actions of the type `user` that are not about the profile.
fn on_users() -> [ActionSchema; 7] {
    [
        scoped(
            "lock_user",
            "Lock user",
            "Locks the account: the user cannot sign on until it is unlocked. To take access away, disable the account \
             instead. Needs the role Identity Data Admin",
        ),
        scoped(
            "unlock_user",
            "Unlock user",
            "Unlocks the account. Needs the role Identity Data Admin",
        ),
        with(
            scoped(
                "reset_password",
                "Reset password",
                "Marks the password as to be changed at the next sign-on and starts PingOne's recovery mail. Sets and \
                 returns no password. Needs the role Identity Data Admin (dir:forceChange:userPassword, \
                 dir:recover:userPassword)",
            ),
            field(
                SEND_RECOVERY,
                "Send recovery mail",
                "Start PingOne's recovery mail as well",
                ActionFieldKind::Bool { default: true },
            ),
        ),
        with(
            scoped(
                "set_population",
                "Set population",
                "Moves the user to another population; memberships in groups of the old population are lost. Needs the \
                 role Identity Data Admin on both populations",
            ),
            resource(POPULATION_ID, "Population", "The population to move to", &[POPULATION]),
        ),
        scoped(
            "sign_out_user",
            "Sign out user",
            "Ends every session of the user. Needs the role Identity Data Admin and its permission to read and delete \
             users' sessions",
        ),
        reset_mfa(),
        ActionSchema {
            action_types: &[ActionType::ResourceDelete],
            ..scoped(
                "delete_user",
                "Delete user",
                "Deletes the user for good, whatever deprovision-mode says. Needs the role Identity Data Admin",
            )
        },
    ]
}

fn update_profile() -> ActionSchema {
    let mut arguments = vec![resource(USER_ID, "User", "The user to change", &[USER])];
    let named = NAMED.iter().filter(|named| named.settable);
    arguments.extend(named.map(|Named { key, display_name, .. }| {
        field(
            key,
            display_name,
            "Left as it is when absent; an empty text clears it",
            ActionFieldKind::String,
        )
    }));
    arguments.push(field(
        ADDITIONAL,
        "Additional attributes",
        "Any other attribute of the environment's schema, by PingOne's name; an empty text clears it",
        ActionFieldKind::StringMap,
    ));
    ActionSchema {
        action_types: &[ActionType::AccountUpdateProfile],
        arguments,
        return_types: vec![
            success(),
            field(
                UPDATED_USER,
                "Updated user",
                "The user after the change",
                ActionFieldKind::Resource,
            ),
        ],
        ..scoped(
            "update_profile",
            "Update profile",
            "Changes the attributes that are given and leaves the others. Needs the role Identity Data Admin",
        )
    }
}

fn reset_mfa() -> ActionSchema {
    let mut schema = scoped(
        "reset_mfa",
        "Reset MFA",
        "Deletes the user's MFA devices, so that they must be enrolled anew. Needs the MFA service in the environment \
         and the role Identity Data Admin with its permission to read and delete users' devices",
    );
    schema.return_types.extend([
        field(
            DEVICES_FOUND,
            "Devices found",
            "Devices that the user had",
            ActionFieldKind::Int,
        ),
        field(
            DEVICES_DELETED,
            "Devices deleted",
            "Devices that are gone",
            ActionFieldKind::Int,
        ),
    ]);
    schema
}

/// An action on a user that returns success and a message.
fn scoped(name: &'static str, display_name: &'static str, description: &'static str) -> ActionSchema {
    ActionSchema {
        name,
        display_name,
        description,
        resource_type_id: Some(USER),
        action_types: &[ActionType::Dynamic],
        arguments: vec![resource(USER_ID, "User", "The user that the action is about", &[USER])],
        return_types: outcome(),
        constraints: Vec::new(),
    }
}

fn with(mut schema: ActionSchema, argument: ActionField) -> ActionSchema {
    schema.arguments.push(argument);
    schema
}

const fn field(
    name: &'static str,
    display_name: &'static str,
    description: &'static str,
    kind: ActionFieldKind,
) -> ActionField {
    ActionField {
        name,
        display_name,
        description,
        required: false,
        kind,
    }
}

const fn user_text() -> ActionField {
    ActionField {
        required: true,
        ..field(USER_ID, "User ID", USER_ID_TEXT, ActionFieldKind::String)
    }
}

const fn resource(
    name: &'static str,
    display_name: &'static str,
    description: &'static str,
    allowed_types: &'static [&'static str],
) -> ActionField {
    ActionField {
        required: true,
        ..field(
            name,
            display_name,
            description,
            ActionFieldKind::ResourceId { allowed_types },
        )
    }
}

const fn success() -> ActionField {
    field(
        SUCCESS,
        "Success",
        "The account is as asked, or was so already",
        ActionFieldKind::Bool { default: false },
    )
}

fn outcome() -> Vec<ActionField> {
    vec![
        success(),
        field(MESSAGE, "Message", "What was done", ActionFieldKind::String),
    ]
}

#[cfg(test)]
mod tests;
