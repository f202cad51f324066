//! Credentials for a registry, from where docker and podman keep them, helpers included.
//!
//! Order: docker's `config.json`, then podman's `auth.json`, then none. In each: the helper of this registry
//! (`credHelpers`), the stored entry (`auths`), the helper of all registries (`credsStore`). A helper that knows nothing
//! about the registry is no error, as it is none for docker; one that fails is.

use std::{
    collections::BTreeMap,
    env,
    ffi::OsString,
    fmt, io,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use base64::{
    Engine as _, alphabet,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use serde::Deserialize;
use tokio::{fs, io::AsyncWriteExt as _, process::Command, time::timeout};

use super::reference::Location;

/// How to identify to a registry.
#[derive(Clone, PartialEq, Eq)]
pub enum Credential {
    /// Not at all.
    Anonymous,
    /// By name and password.
    Password {
        /// Name.
        user: String,
        /// Password or access token.
        password: String,
    },
    /// By a token that a token server exchanges for short-lived ones.
    IdentityToken(String),
}

/// Where credentials are looked for.
#[derive(Clone, Debug, Default)]
pub struct Places {
    /// Docker's configuration.
    pub docker: Option<PathBuf>,
    /// Podman's files, the first that exists counts.
    pub podman: Vec<PathBuf>,
    /// Directories of credential helpers (`PATH`).
    pub path: OsString,
}

/// Why credentials cannot be had.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CredentialError {
    /// A configuration cannot be read.
    #[error("the credentials in {path} cannot be read")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A configuration is malformed. The cause is not kept: it could quote a secret.
    #[error("{path} is not a valid configuration of docker or podman, near line {line}")]
    Malformed {
        /// The file.
        path: PathBuf,
        /// Line of the first error.
        line: usize,
    },
    /// An entry is malformed.
    #[error("the entry `{key}` in {path} is not base64 of `user:password`; log in again")]
    Entry {
        /// The file.
        path: PathBuf,
        /// The registry's key in it.
        key: String,
    },
    /// A helper cannot be started.
    #[error(
        "the credential helper `{helper}`, which {path} asks for, cannot be run; install it, or remove it there"
    )]
    HelperMissing {
        /// Name of the program.
        helper: String,
        /// The file that names it.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A helper failed.
    #[error("the credential helper `{helper}` failed for {key}: {message}")]
    HelperFailed {
        /// Name of the program.
        helper: String,
        /// What it was asked for.
        key: String,
        /// What it wrote to stderr, or how it ended.
        message: String,
    },
}

/// A helper may ask the user's desktop; it may not hang for ever.
const HELPER_TIMEOUT: Duration = Duration::from_secs(60);

impl Places {
    /// The places that docker and podman use, by this process' environment.
    #[must_use]
    pub fn of_environment() -> Self {
        Self::from_variables(|name| env::var_os(name).filter(|value| !value.is_empty()))
    }

    /// The places by these environment variables.
    #[must_use]
    pub fn from_variables(variable: impl Fn(&str) -> Option<OsString>) -> Self {
        let directory = |name: &str| variable(name).map(PathBuf::from);
        let home = directory("HOME").or_else(|| directory("USERPROFILE"));
        let docker = directory("DOCKER_CONFIG").or_else(|| Some(home.as_ref()?.join(".docker")));
        let podman = match directory("REGISTRY_AUTH_FILE") {
            Some(file) => vec![file],
            None => [
                directory("XDG_RUNTIME_DIR").map(|dir| dir.join("containers/auth.json")),
                directory("XDG_CONFIG_HOME").map(|dir| dir.join("containers/auth.json")),
                home.map(|home| home.join(".config/containers/auth.json")),
            ]
            .into_iter()
            .flatten()
            .collect(),
        };
        Self {
            docker: docker.map(|dir| dir.join("config.json")),
            podman,
            path: variable("PATH").unwrap_or_default(),
        }
    }

    /// The credential for `location`.
    ///
    /// # Errors
    /// [`CredentialError`] if a file that exists cannot be understood, or a helper fails. That none is configured is
    /// [`Credential::Anonymous`].
    ///
    /// # Cancel safety
    /// Dropping the future ends a running helper.
    pub async fn credential(&self, location: &Location) -> Result<Credential, CredentialError> {
        for path in self.docker.iter().chain(&self.podman) {
            let Some(config) = Config::read(path).await? else {
                continue;
            };
            if let Some(credential) = config.credential(location, path, &self.path).await? {
                return Ok(credential);
            }
        }
        Ok(Credential::Anonymous)
    }
}

/// What docker's `config.json` and podman's `auth.json` have in common.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Config {
    auths: BTreeMap<String, Auth>,
    cred_helpers: BTreeMap<String, String>,
    creds_store: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Auth {
    #[serde(rename = "auth")]
    pair: Option<String>,
    username: Option<String>,
    password: Option<String>,
    identitytoken: Option<String>,
}

impl Config {
    async fn read(path: &Path) -> Result<Option<Self>, CredentialError> {
        let text = match fs::read(path).await {
            Ok(text) => text,
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
                ) =>
            {
                return Ok(None);
            }
            Err(source) => {
                let path = path.to_owned();
                return Err(CredentialError::Read { path, source });
            }
        };
        serde_json::from_slice(&text)
            .map(Some)
            .map_err(|error| CredentialError::Malformed {
                path: path.to_owned(),
                line: error.line(),
            })
    }

    async fn credential(
        &self,
        location: &Location,
        file: &Path,
        search: &OsString,
    ) -> Result<Option<Credential>, CredentialError> {
        let key = location.host.credential_key();
        if let Some(helper) = self.helper(location) {
            return ask(helper, key, file, search).await;
        }
        if let Some((key, auth)) = self.entry(location)
            && let Some(credential) = auth.credential(key, file)?
        {
            return Ok(Some(credential));
        }
        match self.creds_store.as_deref() {
            None | Some("") => Ok(None),
            Some(helper) => ask(helper, key, file, search).await,
        }
    }

    /// The helper of this registry alone.
    fn helper(&self, location: &Location) -> Option<&str> {
        self.cred_helpers
            .iter()
            .find(|(key, helper)| normalized(key) == location.host.as_str() && !helper.is_empty())
            .map(|(_, helper)| helper.as_str())
    }

    /// The most specific entry: podman's keys may name a repository or a part of one.
    fn entry(&self, location: &Location) -> Option<(&str, &Auth)> {
        let full = format!("{}/{}", location.host, location.repository);
        let mut wanted = full.as_str();
        loop {
            let same = |key: &str| normalized(key) == normalized(wanted);
            if let Some((key, auth)) = self.auths.iter().find(|(key, _)| same(key)) {
                return Some((key, auth));
            }
            wanted = wanted.rsplit_once('/')?.0;
        }
    }
}

/// Keys may be URLs, and Docker Hub has three names.
fn normalized(key: &str) -> &str {
    let bare = key
        .strip_prefix("https://")
        .or_else(|| key.strip_prefix("http://"));
    let key = match bare {
        // A URL names a registry only.
        Some(url) => url.split('/').next().unwrap_or(url),
        None => key.trim_end_matches('/'),
    };
    match key {
        "index.docker.io" | "registry-1.docker.io" => "docker.io",
        key => key,
    }
}

impl Auth {
    fn credential(&self, key: &str, file: &Path) -> Result<Option<Credential>, CredentialError> {
        let some = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
        if let Some(token) = some(&self.identitytoken) {
            return Ok(Some(Credential::IdentityToken(token)));
        }
        if let Some(pair) = some(&self.pair) {
            return match decode(&pair) {
                Some((user, password)) => Ok(Some(Credential::Password { user, password })),
                None => Err(CredentialError::Entry {
                    path: file.to_owned(),
                    key: key.to_owned(),
                }),
            };
        }
        Ok(match (some(&self.username), some(&self.password)) {
            (Some(user), Some(password)) => Some(Credential::Password { user, password }),
            // An empty entry says that a helper has the secret.
            _ => None,
        })
    }
}

fn decode(auth: &str) -> Option<(String, String)> {
    const LENIENT: GeneralPurpose = GeneralPurpose::new(
        &alphabet::STANDARD,
        GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
    );
    let text = String::from_utf8(LENIENT.decode(auth.trim()).ok()?).ok()?;
    let (user, password) = text.split_once(':')?;
    // Docker pads with NULs.
    let password = password.trim_end_matches('\0');
    Some((user.to_owned(), password.to_owned()))
}

/// Runs `docker-credential-<helper> get`: the key on stdin, JSON on stdout.
async fn ask(
    helper: &str,
    key: &str,
    file: &Path,
    search: &OsString,
) -> Result<Option<Credential>, CredentialError> {
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Answer {
        username: String,
        secret: String,
    }

    let helper = &format!("docker-credential-{helper}");
    let failed = |message: &str| CredentialError::HelperFailed {
        helper: helper.to_owned(),
        key: key.to_owned(),
        message: message.to_owned(),
    };
    let run = async {
        let mut child = Command::new(program(helper, search))
            .arg("get")
            .env("PATH", search)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        if let Some(mut stdin) = child.stdin.take() {
            // A helper may answer without reading.
            let _ = stdin.write_all(key.as_bytes()).await;
        }
        child.wait_with_output().await
    };
    let output = match timeout(HELPER_TIMEOUT, run).await {
        Ok(Ok(output)) => output,
        Ok(Err(source)) => {
            return Err(CredentialError::HelperMissing {
                helper: helper.to_owned(),
                path: file.to_owned(),
                source,
            });
        }
        Err(_) => return Err(failed("it did not answer within 60 s")),
    };
    let said = [&output.stdout, &output.stderr].map(|text| String::from_utf8_lossy(text));
    if !output.status.success() {
        // All helpers of docker say this on either stream.
        if said
            .iter()
            .any(|text| text.contains("credentials not found"))
        {
            return Ok(None);
        }
        let reason = said
            .iter()
            .rev()
            .map(|text| text.trim())
            .find(|text| !text.is_empty());
        let status = output.status.to_string();
        return Err(failed(reason.unwrap_or(&status)));
    }
    // The answer holds a secret, so the error quotes nothing of it.
    let answer: Answer = serde_json::from_slice(&output.stdout)
        .map_err(|_| failed("its answer is not JSON with `Username` and `Secret`"))?;
    Ok(match (answer.username.as_str(), answer.secret) {
        (_, secret) if secret.is_empty() => None,
        ("<token>", token) => Some(Credential::IdentityToken(token)),
        (user, password) => Some(Credential::Password {
            user: user.to_owned(),
            password,
        }),
    })
}

/// The helper's file in `search`; its bare name, for an error of the system, if it is nowhere.
fn program(helper: &str, search: &OsString) -> PathBuf {
    let file = format!("{helper}{}", env::consts::EXE_SUFFIX);
    env::split_paths(search)
        .map(|dir| dir.join(&file))
        .find(|path| path.is_file())
        .unwrap_or_else(|| file.into())
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Anonymous => f.write_str("Anonymous"),
            Self::Password { user, .. } => f
                .debug_struct("Password")
                .field("user", user)
                .finish_non_exhaustive(),
            Self::IdentityToken(_) => f.debug_tuple("IdentityToken").finish_non_exhaustive(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_of_docker_hub_are_one() {
        for key in [
            "https://index.docker.io/v1/",
            "index.docker.io",
            "docker.io",
            "https://registry-1.docker.io",
        ] {
            assert_eq!(normalized(key), "docker.io", "{key}");
        }
        assert_eq!(normalized("ghcr.io/team/"), "ghcr.io/team");
    }

    #[test]
    fn password_may_hold_colons_and_padding_may_be_missing() {
        let pair = |user: &str, password: &str| Some((user.to_owned(), password.to_owned()));
        assert_eq!(decode("dXNlcjpwYTpzcw=="), pair("user", "pa:ss"));
        assert_eq!(decode("dXNlcjpwYTpzcw"), pair("user", "pa:ss"));
        assert_eq!(decode("dXNlcg=="), None);
    }

    #[test]
    fn debug_output_holds_no_secret() {
        let password = Credential::Password {
            user: "me".into(),
            password: "hunter2".into(),
        };
        let token = Credential::IdentityToken("hunter2".into());
        assert!(!format!("{password:?} {token:?}").contains("hunter2"));
    }

    #[test]
    fn places_follow_the_variables_of_docker_and_podman() {
        let places = Places::from_variables(|name| match name {
            "HOME" => Some("/home/me".into()),
            "XDG_RUNTIME_DIR" => Some("/run/user/1".into()),
            _ => None,
        });
        assert_eq!(places.docker, Some("/home/me/.docker/config.json".into()));
        assert_eq!(
            places.podman,
            [
                PathBuf::from("/run/user/1/containers/auth.json"),
                "/home/me/.config/containers/auth.json".into()
            ]
        );
        let places = Places::from_variables(|name| match name {
            "DOCKER_CONFIG" => Some("/etc/docker".into()),
            "REGISTRY_AUTH_FILE" => Some("/auth.json".into()),
            _ => None,
        });
        assert_eq!(places.docker, Some("/etc/docker/config.json".into()));
        assert_eq!(places.podman, [PathBuf::from("/auth.json")]);
    }
}
