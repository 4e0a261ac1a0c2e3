//! Actions on groups (access-model.md §7.1). They are actions only: C1's offboarding never deletes a group.

use super::{ActionField, ActionFieldKind, ActionSchema, ActionType, MESSAGE, POPULATION, POPULATION_ID, SUCCESS};
use super::{field, resource};

/// The resource type of these actions.
pub(in crate::provision::actions) const GROUP: &str = "group";
/// The group that an action is about.
pub(in crate::provision::actions) const GROUP_ID: &str = "group_id";
/// A group's name.
pub(in crate::provision::actions) const NAME: &str = "name";
/// A group's description.
pub(in crate::provision::actions) const DESCRIPTION: &str = "description";
/// The name again, so that nobody deletes another group than is meant.
pub(in crate::provision::actions) const CONFIRM_NAME: &str = "confirm_name";
/// Result: the group.
pub(in crate::provision::actions) const RESOURCE: &str = "resource";

/// The actions of the type `group`.
pub(super) fn on_groups() -> [ActionSchema; 3] {
    [create(), modify(), delete()]
}

fn create() -> ActionSchema {
    let population = ActionField {
        required: false,
        ..resource(
            POPULATION_ID,
            "Population",
            "The group takes users of this population only; without it users of every population",
            &[POPULATION],
        )
    };
    on_group(
        "create",
        "Create group",
        "Creates an empty group. Needs the role Identity Data Admin",
        &[ActionType::ResourceCreate],
        vec![
            required(field(NAME, "Name", "1 to 255 characters", ActionFieldKind::String)),
            field(
                DESCRIPTION,
                "Description",
                "Without any of ` \\ $ + < = > ^ | ~",
                ActionFieldKind::String,
            ),
            population,
        ],
        true,
    )
}

fn modify() -> ActionSchema {
    on_group(
        "modify_group",
        "Modify group",
        "Changes the name or the description of a group; an empty description clears it. Needs the role Identity Data \
         Admin",
        &[],
        vec![
            group(),
            field(NAME, "Name", "Left as it is when absent", ActionFieldKind::String),
            field(
                DESCRIPTION,
                "Description",
                "Left as it is when absent",
                ActionFieldKind::String,
            ),
        ],
        true,
    )
}

fn delete() -> ActionSchema {
    on_group(
        "delete_group",
        "Delete group",
        "Deletes a group that holds no roles, no members and no groups and that no application is limited to. Needs the role \
         Identity Data Admin",
        &[ActionType::ResourceDelete],
        vec![
            group(),
            required(field(
                CONFIRM_NAME,
                "Confirm name",
                "The group's name, exactly",
                ActionFieldKind::String,
            )),
        ],
        false,
    )
}

fn on_group(
    name: &'static str,
    display_name: &'static str,
    description: &'static str,
    action_types: &'static [ActionType],
    arguments: Vec<ActionField>,
    shows_group: bool,
) -> ActionSchema {
    let mut return_types = vec![
        field(
            SUCCESS,
            "Success",
            "The group is as asked, or was so already",
            ActionFieldKind::Bool { default: false },
        ),
        field(MESSAGE, "Message", "What was done", ActionFieldKind::String),
    ];
    if shows_group {
        return_types.push(field(
            RESOURCE,
            "Group",
            "The group after the change",
            ActionFieldKind::Resource,
        ));
    }
    ActionSchema {
        name,
        display_name,
        description,
        resource_type_id: Some(GROUP),
        action_types,
        arguments,
        return_types,
        constraints: Vec::new(),
    }
}

const fn group() -> ActionField {
    resource(GROUP_ID, "Group", "The group that the action is about", &[GROUP])
}

fn required(mut field: ActionField) -> ActionField {
    field.required = true;
    field
}
