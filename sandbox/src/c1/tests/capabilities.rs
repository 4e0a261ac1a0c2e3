//! What a Hello says that the connector can do.

use cv2::{CapabilityDetailCredentialOption as Credential, ConnectorCapabilities, ResourceTypeCapability};

use super::*;

/// A type with the capabilities of these numbers.
fn of(id: &str, capabilities: &[i32]) -> ResourceTypeCapability {
    ResourceTypeCapability {
        resource_type: Some(cv2::ResourceType {
            id: id.to_owned(),
            ..Default::default()
        }),
        capabilities: capabilities.to_vec(),
        permissions: Some(cv2::CapabilityPermissions::default()),
        ..Default::default()
    }
}

/// A group type that is synced and provisioned, and a user type that is created, deleted and rotated.
fn good() -> ConnectorCapabilities {
    let (random, none) = (Credential::RandomPassword as i32, Credential::NoPassword as i32);
    ConnectorCapabilities {
        resource_type_capabilities: vec![of("group", &[2, 11, 1]), of("user", &[2, 11, 5, 8, 6])],
        connector_capabilities: vec![1, 2, 5, 6, 8, 10, 11, 12, 13],
        credential_details: Some(cv2::CredentialDetails {
            capability_account_provisioning: Some(cv2::CredentialDetailsAccountProvisioning {
                supported_credential_options: vec![none, random],
                preferred_credential_option: random,
            }),
            capability_credential_rotation: Some(cv2::CredentialDetailsCredentialRotation {
                supported_credential_options: vec![random],
                preferred_credential_option: random,
            }),
        }),
    }
}

#[tokio::test(start_paused = true)]
#[expect(clippy::too_many_lines, reason = "a list of cases")]
async fn capabilities_are_listed_as_the_contract_says() {
    type Change = fn(&mut ConnectorCapabilities);
    let cases: [(Change, &str); 14] = [
        (|all| all.resource_type_capabilities.reverse(), "not sorted by id"),
        (
            |all| all.resource_type_capabilities[1] = of("group", &[2]),
            "not sorted by id",
        ),
        (
            |all| all.resource_type_capabilities[0].resource_type = None,
            "has no id",
        ),
        (
            |all| all.resource_type_capabilities[0].permissions = None,
            "permissions are absent",
        ),
        (
            |all| all.resource_type_capabilities[0].capabilities = vec![1, 2, 11],
            "SYNC is not the first",
        ),
        (
            |all| all.resource_type_capabilities[0].capabilities = vec![2, 1, 11],
            "not in their order",
        ),
        (
            |all| all.resource_type_capabilities[0].capabilities.push(3),
            "do not have",
        ),
        (
            |all| all.resource_type_capabilities[0].capabilities.push(7),
            "without RESOURCE_DELETE",
        ),
        (
            |all| all.resource_type_capabilities[0].capabilities.push(14),
            "does not stand beside",
        ),
        (
            |all| all.connector_capabilities.reverse(),
            "connector_capabilities are not sorted",
        ),
        (|all| all.connector_capabilities.retain(|one| *one != 8), "wanted are"),
        (|all| all.connector_capabilities.retain(|one| *one != 13), "wanted are"),
        (|all| all.connector_capabilities.push(14), "wanted are"),
        (
            |all| {
                let details = all.credential_details.as_mut().unwrap();
                let rotation = details.capability_credential_rotation.as_mut().unwrap();
                rotation.preferred_credential_option = Credential::NoPassword as i32;
            },
            "CAPABILITY_CREDENTIAL_ROTATION prefers no",
        ),
    ];
    let mut bench = Bench::new().await;
    let mut request = hello("");
    let metadata = |capabilities| {
        Some(cv2::ConnectorMetadata {
            display_name: "x".to_owned(),
            capabilities,
            ..Default::default()
        })
    };
    for (change, broken) in cases {
        let mut capabilities = good();
        change(&mut capabilities);
        request.connector_metadata = metadata(Some(capabilities));
        assert_eq!(bench.call("Hello", &request).await.code, 3, "{broken}");
        bench.broke(broken);
    }
    request.connector_metadata = metadata(None);
    assert_eq!(bench.call("Hello", &request).await.code, 3);
    bench.broke("capabilities are missing");
    request.connector_metadata = metadata(Some(good()));
    assert_eq!(bench.call("Hello", &request).await.code, 0);
    bench.clean();
}
