//! Namespaces, programs and processes of the cluster suite.

use std::{
    path::{Path, PathBuf},
    process::{Output, Stdio},
    time::Duration,
};

use k8s_openapi::api::core::v1::{Namespace as K8sNamespace, Pod};
use kube::{
    Api, Client, Config,
    api::{DeleteParams, ListParams, PostParams},
    config::{KubeConfigOptions, Kubeconfig},
};
use serde_json::json;
use tokio::process::Command;

/// A namespace of one test on the cluster under test; deleted by [`Namespace::delete`], kept when the test fails.
pub(crate) struct Namespace {
    pub(crate) name: String,
    pub(crate) client: Client,
    kubeconfig: PathBuf,
    context: String,
}

impl Namespace {
    /// Creates a namespace `<prefix>-<random>` that enforces PodSecurity *restricted*.
    pub(crate) async fn create(prefix: &str) -> Self {
        let kubeconfig = PathBuf::from(
            std::env::var_os("METAPARTICLE_TEST_KUBECONFIG")
                .expect("METAPARTICLE_TEST_KUBECONFIG is set by xtask"),
        );
        let file = Kubeconfig::read_from(&kubeconfig).expect("the kubeconfig is readable");
        let context = file
            .current_context
            .clone()
            .expect("the kubeconfig has a current context");
        let config = Config::from_custom_kubeconfig(file, &KubeConfigOptions::default())
            .await
            .expect("a valid config");
        let client = Client::try_from(config).expect("a client");
        let namespace: K8sNamespace = serde_json::from_value(json!({
            "metadata": {
                "generateName": format!("{prefix}-"),
                "labels": { "pod-security.kubernetes.io/enforce": "restricted" },
            },
        }))
        .expect("a namespace");
        let created = Api::all(client.clone())
            .create(&PostParams::default(), &namespace)
            .await
            .expect("created");
        let name = created.metadata.name.expect("a created object has a name");
        Self {
            name,
            client,
            kubeconfig,
            context,
        }
    }

    /// The API of one kind in this namespace.
    pub(crate) fn api<K>(&self) -> Api<K>
    where
        K: kube::Resource<Scope = k8s_openapi::NamespaceResourceScope>,
        K::DynamicType: Default,
    {
        Api::namespaced(self.client.clone(), &self.name)
    }

    /// `cargo` in `directory`, told to deploy here.
    pub(crate) fn cargo(&self, directory: &Path, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO"));
        command
            .current_dir(directory)
            .args(arguments)
            .env("KUBECONFIG", &self.kubeconfig)
            .env("METAPARTICLE_CONTEXT", &self.context)
            .env("METAPARTICLE_NAMESPACE", &self.name)
            .env(
                "METAPARTICLE_REPOSITORY",
                format!("{}/{}", registry(), self.name),
            )
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        command
    }

    /// Names and uids of the running pods of an application, sorted.
    pub(crate) async fn pods(&self, app: &str) -> Vec<(String, String)> {
        let selector = ListParams::default().labels(&format!("metaparticle.dev/app={app}"));
        let pods = self
            .api::<Pod>()
            .list(&selector)
            .await
            .expect("pods are listed");
        let running = pods
            .items
            .into_iter()
            .filter(|pod| pod.metadata.deletion_timestamp.is_none());
        let mut pods: Vec<_> = running
            .map(|pod| {
                (
                    pod.metadata.name.unwrap_or_default(),
                    pod.metadata.uid.unwrap_or_default(),
                )
            })
            .collect();
        pods.sort();
        pods
    }

    /// Ends the test well: deletes the namespace without waiting for it to go.
    pub(crate) async fn delete(self) {
        let all: Api<K8sNamespace> = Api::all(self.client);
        all.delete(&self.name, &DeleteParams::default())
            .await
            .expect("the namespace is deleted");
    }
}

/// The registry of the cluster under test.
pub(crate) fn registry() -> String {
    std::env::var("METAPARTICLE_TEST_REGISTRY").unwrap_or_else(|_| "127.0.0.1:5000".to_owned())
}

/// The root of the workspace.
pub(crate) fn workspace() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("the crate is below the workspace")
}

/// Runs to the end, and fails the test with everything printed unless the exit code is the expected one.
pub(crate) async fn run(mut command: Command, expected: i32) -> Output {
    let limit = Duration::from_secs(420);
    let output = tokio::time::timeout(limit, command.output())
        .await
        .expect("ends in time")
        .expect("starts");
    assert_eq!(
        output.status.code(),
        Some(expected),
        "{}",
        transcript(&output)
    );
    output
}

/// Both streams of a finished process.
pub(crate) fn transcript(output: &Output) -> String {
    format!(
        "{}\n{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}

/// A program of its own in a temporary package that depends on this checkout, sharing its target directory.
pub(crate) struct Program {
    directory: tempfile::TempDir,
}

impl Program {
    /// A package with one binary, named after the test so that no other test's binary is overwritten.
    pub(crate) fn new(bin: &str, source: &str) -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let metaparticle = workspace().join("metaparticle");
        let metaparticle = metaparticle.display();
        let manifest = format!(
            "[package]\nname = \"{bin}\"\nversion = \"0.1.0\"\nedition = \"2024\"\n\n[dependencies]\n\
             axum = {{ version = \"0.8.9\", default-features = false, features = [\"http1\", \"tokio\"] }}\n\
             metaparticle = {{ path = \"{metaparticle}\" }}\n\
             tokio = {{ version = \"1\", features = [\"macros\", \"net\", \"rt-multi-thread\", \"io-util\", \"time\"] \
             }}\n\n[workspace]\n"
        );
        std::fs::create_dir(directory.path().join("src")).expect("created");
        std::fs::write(directory.path().join("Cargo.toml"), manifest).expect("written");
        std::fs::copy(
            workspace().join("Cargo.lock"),
            directory.path().join("Cargo.lock"),
        )
        .expect("copied");
        let program = Self { directory };
        program.edit(source);
        program
    }

    /// Replaces the source.
    pub(crate) fn edit(&self, source: &str) {
        std::fs::write(self.directory.path().join("src/main.rs"), source).expect("written");
    }

    /// `cargo run -- arguments` of this program, told to deploy to `namespace`.
    pub(crate) fn cargo_run(&self, namespace: &Namespace, arguments: &[&str]) -> Command {
        let mut command = namespace.cargo(self.directory.path(), &["run", "--quiet", "--"]);
        command
            .args(arguments)
            .env("CARGO_TARGET_DIR", workspace().join("target"));
        command
    }
}
