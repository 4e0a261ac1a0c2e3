//! What a Hello says that the connector can do (c1-protocol.md §11.2, access-model.md §3.4).

use std::collections::BTreeSet;

use super::proto::connector as cv2;
use super::proto::connector::Capability;

type Checked = Result<(), String>;

/// The order of a resource type's capabilities.
const ORDER: [Capability; 9] = [
    Capability::Sync,
    Capability::SyncSecrets,
    Capability::TargetedSync,
    Capability::Provision,
    Capability::AccountProvisioning,
    Capability::ResourceDelete,
    Capability::ResourceCreate,
    Capability::CredentialRotation,
    Capability::CredentialIssue,
];

/// What the connector as a whole may have beside what its resource types have.
const EXTRAS: [Capability; 3] = [Capability::EventFeedV2, Capability::Ticketing, Capability::Actions];

/// Holds capabilities against the rules of how they are listed.
pub(super) fn check(capabilities: &cv2::ConnectorCapabilities) -> Checked {
    let types = &capabilities.resource_type_capabilities;
    let ids: Vec<_> = types
        .iter()
        .map(|of| of.resource_type.as_ref().map_or("", |kind| kind.id.as_str()))
        .collect();
    if ids.contains(&"") {
        return Err("a resource type of the capabilities has no id".to_owned());
    }
    if !ids.is_sorted_by(|one, next| one < next) {
        return Err(format!("resource types are not sorted by id, each once: {ids:?}"));
    }
    let mut union = BTreeSet::new();
    for (of, id) in types.iter().zip(&ids) {
        of_type(of).map_err(|reason| format!("capabilities of {id}: {reason}"))?;
        union.extend(of.capabilities.iter().copied());
    }
    whole(&capabilities.connector_capabilities, &union)?;
    details(capabilities.credential_details.as_ref(), &union)
}

fn of_type(of: &cv2::ResourceTypeCapability) -> Checked {
    let ranks: Option<Vec<_>> = of
        .capabilities
        .iter()
        .map(|number| ORDER.iter().position(|known| *known as i32 == *number))
        .collect();
    let ranks = ranks.ok_or("one that resource types do not have")?;
    if ranks.first() != Some(&0) {
        return Err("SYNC is not the first".to_owned());
    }
    if !ranks.is_sorted_by(|one, next| one < next) {
        return Err(format!("not in their order: {:?}", of.capabilities));
    }
    let has = |capability: Capability| of.capabilities.contains(&(capability as i32));
    if has(Capability::ResourceCreate) && !has(Capability::ResourceDelete) {
        return Err("RESOURCE_CREATE without RESOURCE_DELETE".to_owned());
    }
    if of.permissions.is_none() {
        return Err("permissions are absent, not empty".to_owned());
    }
    if has(Capability::CredentialIssue) != of.credential_issue.is_some() {
        return Err("credential_issue does not stand beside CREDENTIAL_ISSUE".to_owned());
    }
    Ok(())
}

/// The union of the resource types' and the extras, each once, sorted by number.
fn whole(listed: &[i32], union: &BTreeSet<i32>) -> Checked {
    if !listed.is_sorted_by(|one, next| one < next) {
        return Err(format!("connector_capabilities are not sorted, each once: {listed:?}"));
    }
    let mut wanted = union.clone();
    if union.contains(&(Capability::TargetedSync as i32)) {
        wanted.insert(Capability::ServiceModeTargetedSync as i32);
    }
    let extra = |number: &i32| EXTRAS.iter().any(|extra| *extra as i32 == *number);
    wanted.extend(listed.iter().filter(|number| extra(number)));
    if listed.iter().copied().eq(wanted.iter().copied()) {
        return Ok(());
    }
    Err(format!("connector_capabilities are {listed:?}, wanted are {wanted:?}"))
}

/// Accounts and rotations each prefer one of the credential options that they support.
fn details(details: Option<&cv2::CredentialDetails>, union: &BTreeSet<i32>) -> Checked {
    let accounts = details.and_then(|details| details.capability_account_provisioning.as_ref());
    let rotation = details.and_then(|details| details.capability_credential_rotation.as_ref());
    let options = [
        (
            Capability::AccountProvisioning,
            accounts.map(|of| (of.preferred_credential_option, &of.supported_credential_options)),
        ),
        (
            Capability::CredentialRotation,
            rotation.map(|of| (of.preferred_credential_option, &of.supported_credential_options)),
        ),
    ];
    for (capability, options) in options {
        let is_good = options.is_some_and(|(preferred, supported)| preferred != 0 && supported.contains(&preferred));
        if union.contains(&(capability as i32)) && !is_good {
            return Err(format!(
                "{} prefers no credential option that it supports",
                capability.as_str_name()
            ));
        }
    }
    Ok(())
}
