use super::*;
use crate::model::sample::{GROUP, USER};
use crate::model::{AppTrait, EntitlementId};

const ID: &str = "a7c0b1d2-21d3-4a7e-8f6d-0ddba11c0de1";

/// The one annotation of this name.
fn annotation<M: Message + Default>(of: &[Any], name: &str) -> M {
    let url = format!("type.googleapis.com/c1.connector.v2.{name}");
    let found: Vec<_> = of.iter().filter(|any| any.type_url == url).collect();
    assert_eq!(found.len(), 1, "{name}: {of:?}");
    M::decode(found[0].value.as_slice()).unwrap()
}

fn names(of: &[Any]) -> Vec<&str> {
    of.iter().map(|any| any.type_url.rsplit('.').next().unwrap()).collect()
}

fn decoded(resource: &Resource) -> pb::Resource {
    pb::Resource::decode(super::resource(resource).as_slice()).unwrap()
}

fn offered(change: impl FnOnce(&mut Entitlement)) -> pb::Entitlement {
    let mut offered = Entitlement {
        id: EntitlementId::member(GROUP, ID),
        resource_display_name: "Staff".to_owned(),
        display_name: "Staff Member".to_owned(),
        description: "Is in Staff".to_owned(),
        grantable_to: &[USER],
        immutable: None,
        immutable_metadata: None,
        exclusion: None,
    };
    change(&mut offered);
    pb::Entitlement::decode(entitlement(&offered).as_slice()).unwrap()
}

#[test]
fn an_exclusive_entitlement_names_its_group_and_the_default() {
    for is_default in [true, false] {
        let group = ExclusionGroup {
            id: "population",
            is_default,
        };
        let message = offered(|offered| offered.exclusion = Some(group));
        assert_eq!(names(&message.annotations), ["EntitlementExclusionGroup"]);
        let told: pb::EntitlementExclusionGroup = annotation(&message.annotations, "EntitlementExclusionGroup");
        assert_eq!(
            (told.exclusion_group_id.as_str(), told.order, told.is_default),
            ("population", 0, is_default)
        );
    }
    assert!(offered(|_| {}).annotations.is_empty());
}

#[test]
fn an_immutable_entitlement_says_why_and_what_it_follows_from() {
    let message = offered(|offered| {
        let mut metadata = Profile::default();
        metadata.text("access_mode", Some("any_group"));
        offered.immutable = Some("group-access");
        offered.immutable_metadata = Some(metadata);
    });
    let told: pb::EntitlementImmutable = annotation(&message.annotations, "EntitlementImmutable");
    assert_eq!(told.source_id, "group-access");
    let fields = told.metadata.unwrap().fields;
    let mode = prost_types::value::Kind::StringValue("any_group".to_owned());
    assert_eq!(fields.len(), 1);
    assert_eq!(fields["access_mode"].kind, Some(mode));
}

#[test]
fn an_application_shows_its_flags_its_sources_and_that_it_signs_on_by_itself() {
    use pb::app_trait::AppFlag;
    let flags = [
        ("APP_FLAG_HIDDEN", AppFlag::Hidden),
        ("APP_FLAG_INACTIVE", AppFlag::Inactive),
        ("APP_FLAG_SAML", AppFlag::Saml),
        ("APP_FLAG_OIDC", AppFlag::Oidc),
        ("APP_FLAG_BOOKMARK", AppFlag::Bookmark),
    ];
    for non_human in [Some("source.application.worker".to_owned()), None] {
        let app = AppTrait {
            flags: flags.iter().map(|(name, _)| *name).collect(),
            source_type: "oidc",
            raw_source_type: "OPENID_CONNECT/WORKER".to_owned(),
            non_human: non_human.clone(),
        };
        let message = decoded(&Resource::new(
            ResourceId::new(GROUP, ID),
            "Expenses",
            ResourceTrait::App(app),
        ));
        let told: pb::AppTrait = annotation(&message.annotations, "AppTrait");
        let expected: Vec<i32> = flags.iter().map(|(_, flag)| (*flag).into()).collect();
        assert_eq!(told.flags, expected);
        assert_eq!(
            (told.app_source_type.as_str(), told.raw_app_source_type.as_str()),
            ("oidc", "OPENID_CONNECT/WORKER")
        );
        let raw: pb::RawId = annotation(&message.annotations, "RawId");
        assert_eq!(raw.id, ID);
        match non_human {
            Some(detail) => {
                assert_eq!(
                    names(&message.annotations),
                    ["AppTrait", "NonHumanIdentityTrait", "RawId"]
                );
                let told: pb::NonHumanIdentityTrait = annotation(&message.annotations, "NonHumanIdentityTrait");
                assert_eq!(
                    told.nhi_type,
                    i32::from(pb::non_human_identity_trait::NhiType::AppRegistration)
                );
                assert_eq!(told.nhi_detail, detail);
            }
            None => assert_eq!(names(&message.annotations), ["AppTrait", "RawId"]),
        }
    }
}

#[test]
fn a_credential_shows_whose_it_is_its_kind_and_its_times() {
    let at = |text: &str| text.parse::<jiff::Timestamp>().unwrap();
    let (created, expires) = (at("2024-01-01T00:00:00Z"), at("2026-12-01T00:00:00Z"));
    let held = SecretTrait {
        identity: Some(ResourceId::new(USER, "owner")),
        expires_at: Some(expires),
        last_used_at: Some(at("2025-06-01T00:00:00Z")),
        kind: CredentialKind::AsymmetricKey,
        detail: "source.key.signing".to_owned(),
    };
    let message = decoded(&Resource {
        created_at: Some(created),
        ..Resource::new(ResourceId::new(GROUP, ID), "Key", ResourceTrait::Secret(held))
    });
    let told: pb::SecretTrait = annotation(&message.annotations, "SecretTrait");
    let seconds = [told.created_at, told.last_used_at, told.expires_at].map(|at| at.unwrap().seconds);
    assert_eq!(seconds, [1_704_067_200, 1_748_736_000, 1_796_083_200]);
    assert_eq!(
        told.credential_type,
        i32::from(pb::secret_trait::CredentialType::AsymmetricKey)
    );
    assert_eq!(told.credential_detail, "source.key.signing");
    let identity = told.identity_id.unwrap();
    assert_eq!(
        (identity.resource_type.as_str(), identity.resource.as_str()),
        ("user", "owner")
    );
    assert!(told.created_by_id.is_none());
}
