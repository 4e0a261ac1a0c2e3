//! Action schemas and states.

use super::json;
use crate::proto::c1::config::v1 as config;
use crate::proto::c1::connector::v2 as cv2;
use crate::task::{
    ActionField, ActionFieldKind, ActionSchema, ActionState, ActionStatus, ActionType, Constraint, ConstraintKind,
};

pub(super) fn schema(schema: &ActionSchema) -> cv2::BatonActionSchema {
    cv2::BatonActionSchema {
        name: schema.name.to_owned(),
        arguments: schema.arguments.iter().map(field).collect(),
        constraints: schema.constraints.iter().map(constraint).collect(),
        return_types: schema.return_types.iter().map(field).collect(),
        display_name: schema.display_name.to_owned(),
        description: schema.description.to_owned(),
        action_type: schema
            .action_types
            .iter()
            .map(|kind| action_type(*kind).into())
            .collect(),
        resource_type_id: schema.resource_type_id.unwrap_or_default().to_owned(),
    }
}

const fn action_type(kind: ActionType) -> cv2::ActionType {
    match kind {
        ActionType::Dynamic => cv2::ActionType::Dynamic,
        ActionType::Account => cv2::ActionType::Account,
        ActionType::AccountUpdateProfile => cv2::ActionType::AccountUpdateProfile,
        ActionType::AccountDisable => cv2::ActionType::AccountDisable,
        ActionType::AccountEnable => cv2::ActionType::AccountEnable,
        ActionType::ResourceCreate => cv2::ActionType::ResourceCreate,
        ActionType::ResourceDelete => cv2::ActionType::ResourceDelete,
        ActionType::ResourceEnable => cv2::ActionType::ResourceEnable,
        ActionType::ResourceDisable => cv2::ActionType::ResourceDisable,
    }
}

fn field(field: &ActionField) -> config::Field {
    use config::field::Field as Kind;
    let kind = match field.kind {
        ActionFieldKind::String => Kind::StringField(config::StringField::default()),
        ActionFieldKind::Bool { default } => Kind::BoolField(config::BoolField {
            default_value: default,
            ..config::BoolField::default()
        }),
        ActionFieldKind::Int => Kind::IntField(config::IntField::default()),
        ActionFieldKind::StringSlice => Kind::StringSliceField(config::StringSliceField::default()),
        ActionFieldKind::StringMap => Kind::StringMapField(config::StringMapField::default()),
        ActionFieldKind::ResourceId { allowed_types } => Kind::ResourceIdField(config::ResourceIdField {
            default_value: None,
            rules: (!allowed_types.is_empty()).then(|| config::ResourceIdRules {
                allowed_resource_type_ids: allowed_types.iter().map(ToString::to_string).collect(),
            }),
        }),
        ActionFieldKind::ResourceIdSlice => Kind::ResourceIdSliceField(config::ResourceIdSliceField::default()),
        ActionFieldKind::Resource => Kind::ResourceField(config::ResourceField::default()),
    };
    config::Field {
        name: field.name.to_owned(),
        display_name: field.display_name.to_owned(),
        description: field.description.to_owned(),
        is_required: field.required,
        field: Some(kind),
        ..config::Field::default()
    }
}

fn constraint(rule: &Constraint) -> config::Constraint {
    let kind = match rule.kind {
        ConstraintKind::RequiredTogether => config::ConstraintKind::RequiredTogether,
        ConstraintKind::AtLeastOne => config::ConstraintKind::AtLeastOne,
        ConstraintKind::MutuallyExclusive => config::ConstraintKind::MutuallyExclusive,
        ConstraintKind::DependentOn => config::ConstraintKind::DependentOn,
    };
    config::Constraint {
        kind: kind.into(),
        field_names: rule.fields.iter().map(ToString::to_string).collect(),
        secondary_field_names: rule.secondary_fields.iter().map(ToString::to_string).collect(),
        ..config::Constraint::default()
    }
}

const fn status(status: ActionStatus) -> cv2::BatonActionStatus {
    match status {
        ActionStatus::Pending => cv2::BatonActionStatus::Pending,
        ActionStatus::Running => cv2::BatonActionStatus::Running,
        ActionStatus::Complete => cv2::BatonActionStatus::Complete,
        ActionStatus::Failed => cv2::BatonActionStatus::Failed,
    }
}

pub(super) fn invoked(state: ActionState) -> cv2::InvokeActionResponse {
    cv2::InvokeActionResponse {
        id: state.id,
        status: status(state.status).into(),
        annotations: Vec::new(),
        response: Some(json::structure(state.response)),
        name: state.name,
    }
}

pub(super) fn state(state: ActionState) -> cv2::GetActionStatusResponse {
    cv2::GetActionStatusResponse {
        name: state.name,
        id: state.id,
        status: status(state.status).into(),
        annotations: Vec::new(),
        response: Some(json::structure(state.response)),
    }
}
