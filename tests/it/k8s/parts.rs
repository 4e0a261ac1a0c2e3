use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use baton_ping_one::k8s::Parts;
use process::error::ErrorClass;
use serde_json::json;

use super::client;
use super::fake::Fake;

const DEADLINE: Duration = Duration::from_secs(10);
const PART: usize = 900 << 10;

#[tokio::test]
async fn what_a_leader_left_is_read_whole_or_not_at_all() {
    let fake = Fake::start().await;
    let parts = Parts::new(&client(&fake), "left");
    assert_eq!(parts.read(DEADLINE).await.unwrap(), None);
    for size in [10, PART, PART + 1, 2 * PART + 7, 20] {
        let bytes: Vec<u8> = (0..size).map(|at| u8::try_from(at % 251).unwrap()).collect();
        assert!(parts.write(&bytes, DEADLINE).await.unwrap());
        assert_eq!(parts.read(DEADLINE).await.unwrap(), Some(bytes), "{size}");
    }
    {
        let data = fake.data();
        assert_eq!(
            data.config_maps.keys().collect::<Vec<_>>(),
            ["left-0", "left-1", "left-2"]
        );
        for map in data.config_maps.values() {
            let content = STANDARD.decode(map["binaryData"]["content"].as_str().unwrap()).unwrap();
            assert!(content.len() <= PART);
            assert_eq!(map["metadata"]["ownerReferences"][0]["name"], "baton-ping-one");
        }
    }
    let two: Vec<u8> = vec![7; PART + 5];
    assert!(parts.write(&two, DEADLINE).await.unwrap());
    fake.change(|data, _| {
        let part = data.config_maps.get_mut("left-1").unwrap();
        part["binaryData"]["content"] = json!(STANDARD.encode([8; 5]));
    });
    assert_eq!(parts.read(DEADLINE).await.unwrap(), None, "parts of two");
    fake.change(|data, _| data.config_maps.remove("left-1"));
    assert_eq!(parts.read(DEADLINE).await.unwrap(), None, "a part is gone");
}

#[tokio::test]
async fn too_much_is_not_written_and_a_missing_right_is_named() {
    let fake = Fake::start().await;
    let parts = Parts::new(&client(&fake), "left");
    assert!(!parts.write(&vec![0; 8 * PART + 1], DEADLINE).await.unwrap());
    assert_eq!(fake.count("configmaps"), 0);
    for right in ["update configmaps", "get configmaps"] {
        fake.data().forbidden.insert(right);
    }
    for error in [
        parts.write(&[1], DEADLINE).await.map(|_| ()).unwrap_err(),
        parts.read(DEADLINE).await.map(|_| ()).unwrap_err(),
    ] {
        assert_eq!(error.class(), ErrorClass::Forbidden);
        assert!(error.to_string().contains("configmaps/left-0"), "{error}");
    }
}
