use std::os::unix::fs::PermissionsExt as _;

use super::*;

fn encrypted(key: &Key, text: &str) -> EncryptedSecret {
    let recipient: x25519::Recipient = key.target().age_recipient.unwrap().parse().unwrap();
    EncryptedSecret {
        bytes: age::encrypt(&recipient, text.as_bytes()).unwrap(),
        ..EncryptedSecret::default()
    }
}

fn config(args: &[&str]) -> Config {
    let fixed = [
        "baton-ping-one",
        "--pingone-client-id=x",
        "--pingone-client-secret=x",
        "--pingone-environment-id=5f0c6a52-6a1e-4f0b-9a43-2f9a1c0d7e11",
    ];
    let args = fixed.iter().chain(args).map(Into::into);
    let missing = |_: &std::path::Path| Err(std::io::Error::from(std::io::ErrorKind::NotFound));
    crate::config::Invocation::load(args, &std::collections::BTreeMap::new(), &missing)
        .unwrap()
        .config
}

const CREATE: &str = "--create-account-login=mara";

#[test]
fn a_terminal_is_shown_the_password_and_nothing_else_is() {
    let key = Key::generate();
    let secrets = [encrypted(&key, "hunter2!")];
    let config = config(&[CREATE, "--show-password"]);
    let shown = Delivery::prepare(&config, true).ok().unwrap().deliver(&key, &secrets);
    assert!(matches!(shown, Some(Delivered::Shown(password)) if *password == "hunter2!"));
    assert!(
        matches!(Delivery::prepare(&config, false), Err(Unfit::Settings(text)) if text.contains("--password-file"))
    );
}

#[test]
fn without_being_asked_for_a_password_goes_nowhere() {
    let key = Key::generate();
    let secrets = [encrypted(&key, "hunter2!")];
    for terminal in [true, false] {
        let delivery = Delivery::prepare(&config(&[CREATE]), terminal).ok().unwrap();
        assert!(matches!(delivery.deliver(&key, &secrets), Some(Delivered::Dropped)));
    }
}

#[test]
fn a_password_file_is_new_and_its_owners_alone() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("pw");
    let flag = format!("--password-file={}", path.display());
    let key = Key::generate();
    let secrets = [encrypted(&key, "hunter2!")];
    let delivery = Delivery::prepare(&config(&[CREATE, &flag]), false).ok().unwrap();
    assert!(matches!(delivery.deliver(&key, &secrets), Some(Delivered::Written(_))));
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "hunter2!\n");
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    // It exists now, so it is not written over.
    assert!(matches!(
        Delivery::prepare(&config(&[CREATE, &flag]), false),
        Err(Unfit::Settings(_))
    ));
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "hunter2!\n");
}

#[test]
fn a_file_for_no_password_goes_again() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("pw");
    let flag = format!("--password-file={}", path.display());
    let key = Key::generate();
    let delivery = Delivery::prepare(&config(&[CREATE, &flag]), false).ok().unwrap();
    assert!(path.exists() && delivery.deliver(&key, &[]).is_none() && !path.exists());
    Delivery::prepare(&config(&[CREATE, &flag]), false)
        .ok()
        .unwrap()
        .discard();
    assert!(!path.exists());
    for other in [&["--invoke-action=x", &flag][..], &[CREATE, "--dry-run", &flag]] {
        assert!(matches!(
            Delivery::prepare(&config(other), false),
            Ok(Delivery::Nowhere)
        ));
        assert!(!path.exists());
    }
}

#[test]
fn a_secret_for_another_key_is_lost_and_said_to_be() {
    let secrets = [encrypted(&Key::generate(), "hunter2!")];
    let delivery = Delivery::prepare(&config(&[CREATE, "--show-password"]), true)
        .ok()
        .unwrap();
    assert!(matches!(
        delivery.deliver(&Key::generate(), &secrets),
        Some(Delivered::Lost(_))
    ));
}
