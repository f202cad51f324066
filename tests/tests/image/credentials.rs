//! Where credentials come from: every way that docker and podman keep them.

use std::{fs, path::Path};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use metaparticle::deploy::image::{
    credentials::{Credential, CredentialError, Places},
    reference::Location,
};
use serde_json::{Value, json};

use crate::directory;

/// A machine with these files; helpers are programs in `bin`.
struct Machine(tempfile::TempDir);

impl Machine {
    fn new() -> Self {
        Self(directory())
    }

    fn docker(self, config: &Value) -> Self {
        fs::write(self.0.path().join("config.json"), config.to_string()).unwrap();
        self
    }

    fn podman(self, config: &Value) -> Self {
        fs::write(self.0.path().join("auth.json"), config.to_string()).unwrap();
        self
    }

    fn places(&self) -> Places {
        let at = |name: &str| self.0.path().join(name);
        Places {
            docker: Some(at("config.json")),
            podman: vec![at("auth.json")],
            path: format!("{}:/usr/bin:/bin", at("bin").display()).into(),
        }
    }

    async fn credential(&self, image: &str) -> Result<Credential, CredentialError> {
        self.places().credential(&Location::parse(image)).await
    }
}

#[cfg(unix)]
fn helper(machine: &Machine, name: &str, script: &str) {
    use std::os::unix::fs::PermissionsExt as _;
    let bin = machine.0.path().join("bin");
    fs::create_dir_all(&bin).unwrap();
    let path = bin.join(format!("docker-credential-{name}"));
    // Not one file written and run at once: another test may fork in between (ETXTBSY).
    let body = Path::new(&bin).join(format!("{name}.sh"));
    fs::write(&body, script).unwrap();
    fs::set_permissions(&body, fs::Permissions::from_mode(0o755)).unwrap();
    fs::rename(&body, &path).unwrap();
}

fn auth(user: &str) -> Value {
    json!({ "auth": STANDARD.encode(format!("{user}:secret")) })
}

fn password(user: &str) -> Credential {
    Credential::Password {
        user: user.to_owned(),
        password: "secret".to_owned(),
    }
}

const IMAGE: &str = "registry.example.com/team/web";
const HOST: &str = "registry.example.com";

#[tokio::test]
async fn nothing_configured_is_anonymous() {
    let credential = Machine::new().credential(IMAGE).await.unwrap();
    assert_eq!(credential, Credential::Anonymous);
}

#[tokio::test]
async fn docker_goes_before_podman() {
    let machine = Machine::new()
        .docker(&json!({ "auths": { HOST: auth("docker") } }))
        .podman(&json!({ "auths": { HOST: auth("podman") } }));
    assert_eq!(machine.credential(IMAGE).await.unwrap(), password("docker"));
}

#[tokio::test]
async fn podman_is_asked_if_docker_knows_only_others() {
    let machine = Machine::new()
        .docker(&json!({ "auths": { "other.example.com": auth("docker") } }))
        .podman(&json!({ "auths": { HOST: auth("podman") } }));
    assert_eq!(machine.credential(IMAGE).await.unwrap(), password("podman"));
}

#[tokio::test]
async fn most_specific_entry_of_podman_counts() {
    let machine = Machine::new().podman(&json!({ "auths": {
        HOST: auth("host"),
        "registry.example.com/team": auth("team"),
        "registry.example.com/te": auth("prefix"),
    }}));
    assert_eq!(machine.credential(IMAGE).await.unwrap(), password("team"));
    let other = machine.credential("registry.example.com/other/web").await;
    assert_eq!(other.unwrap(), password("host"));
}

#[tokio::test]
async fn docker_hub_is_found_under_its_old_url() {
    let machine =
        Machine::new().docker(&json!({ "auths": { "https://index.docker.io/v1/": auth("hub") } }));
    assert_eq!(
        machine.credential("team/web").await.unwrap(),
        password("hub")
    );
}

#[tokio::test]
async fn separate_fields_and_identity_tokens_are_read() {
    let machine = Machine::new().docker(&json!({ "auths": {
        HOST: { "username": "fields", "password": "secret" },
        "token.example.com": { "auth": "PHRva2VuPjo=", "identitytoken": "secret" },
    }}));
    assert_eq!(machine.credential(IMAGE).await.unwrap(), password("fields"));
    assert_eq!(
        machine.credential("token.example.com/web").await.unwrap(),
        Credential::IdentityToken("secret".to_owned())
    );
}

#[tokio::test]
async fn malformed_files_and_entries_are_errors_with_their_place_and_without_secrets() {
    let machine = Machine::new().docker(&json!({ "auths": { HOST: { "auth": "hunter2!" } } }));
    let error = machine.credential(IMAGE).await.unwrap_err().to_string();
    assert!(
        error.contains(HOST) && error.contains("config.json"),
        "{error}"
    );
    assert!(!error.contains("hunter2"), "{error}");

    fs::write(
        machine.0.path().join("config.json"),
        "{\n\"auths\": hunter2 }",
    )
    .unwrap();
    let error = machine.credential(IMAGE).await.unwrap_err();
    let text = format!("{error} {error:?}");
    assert!(
        text.contains("line 2") && !text.contains("hunter2"),
        "{text}"
    );
}

#[cfg(unix)]
mod helpers {
    use super::*;

    const ANSWERS: &str = "#!/bin/sh\nread key\necho \"{\\\"ServerURL\\\":\\\"$key\\\",\\\"Username\\\":\\\"$1 $key\\\",\\\"Secret\\\":\\\"secret\\\"}\"\n";

    #[tokio::test]
    async fn helper_of_the_registry_goes_before_its_entry_and_before_the_store() {
        let machine = Machine::new().docker(&json!({
            "auths": { HOST: auth("entry") },
            "credHelpers": { HOST: "mine" },
            "credsStore": "none",
        }));
        helper(&machine, "mine", ANSWERS);
        let credential = machine.credential(IMAGE).await.unwrap();
        assert_eq!(credential, password("get registry.example.com"));
    }

    #[tokio::test]
    async fn store_is_asked_where_the_entry_is_empty() {
        let machine = Machine::new().docker(&json!({
            "auths": { "https://index.docker.io/v1/": {} },
            "credsStore": "desktop",
        }));
        helper(&machine, "desktop", ANSWERS);
        let credential = machine.credential("team/web").await.unwrap();
        assert_eq!(credential, password("get https://index.docker.io/v1/"));
    }

    #[tokio::test]
    async fn token_of_a_helper_is_an_identity_token() {
        let machine = Machine::new().docker(&json!({ "credsStore": "token" }));
        let script = "#!/bin/sh\necho '{\"Username\":\"<token>\",\"Secret\":\"secret\"}'\n";
        helper(&machine, "token", script);
        assert_eq!(
            machine.credential(IMAGE).await.unwrap(),
            Credential::IdentityToken("secret".to_owned())
        );
    }

    #[tokio::test]
    async fn helper_that_knows_nothing_is_no_error() {
        let machine = Machine::new()
            .docker(&json!({ "credsStore": "empty" }))
            .podman(&json!({ "auths": { HOST: auth("podman") } }));
        let script = "#!/bin/sh\necho 'credentials not found in native keychain'\nexit 1\n";
        helper(&machine, "empty", script);
        assert_eq!(machine.credential(IMAGE).await.unwrap(), password("podman"));
    }

    #[tokio::test]
    async fn helper_that_fails_is_named_with_its_words() {
        let machine = Machine::new().docker(&json!({ "credHelpers": { HOST: "ecr-login" } }));
        helper(
            &machine,
            "ecr-login",
            "#!/bin/sh\necho 'no AWS session' >&2\nexit 1\n",
        );
        let error = machine.credential(IMAGE).await.unwrap_err().to_string();
        for part in ["docker-credential-ecr-login", HOST, "no AWS session"] {
            assert!(error.contains(part), "{error}");
        }
    }

    #[tokio::test]
    async fn helper_that_is_not_installed_is_named_with_the_file_that_wants_it() {
        let machine = Machine::new().docker(&json!({ "credsStore": "gone" }));
        let error = machine.credential(IMAGE).await.unwrap_err().to_string();
        for part in ["docker-credential-gone", "config.json"] {
            assert!(error.contains(part), "{error}");
        }
    }

    #[tokio::test]
    async fn answer_that_is_not_json_is_not_quoted() {
        let machine = Machine::new().docker(&json!({ "credsStore": "odd" }));
        helper(&machine, "odd", "#!/bin/sh\necho hunter2\n");
        let error = machine.credential(IMAGE).await.unwrap_err();
        let text = format!("{error} {error:?}");
        assert!(
            text.contains("docker-credential-odd") && !text.contains("hunter2"),
            "{text}"
        );
    }
}
