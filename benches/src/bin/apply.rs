//! Re-applying six unchanged objects, beside `kubectl apply --server-side` of the same file, taking turns.
//!
//! `KUBECONFIG=… METAPARTICLE_CONTEXT=… METAPARTICLE_NAMESPACE=… KUBECTL=kubectl cargo run -p metaparticle-benches
//! --bin apply [-- RUNS]`. Both connect anew each time. The namespaces, with the suffixes `-ours` and `-kubectl`, are
//! created, and left to be deleted by hand.

use std::{env, error::Error, io::Write as _, process::Stdio, sync::atomic::AtomicBool};

use metaparticle::deploy::{
    apply::{self, Request},
    cluster::Cluster,
    command,
    report::Report,
    target::{Named, Target},
};
use metaparticle_benches::line;
use metaparticle_spec::{AppSpec, render};
use metaparticle_tests::apps;
use tokio::{process::Command, time::Instant};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

#[tokio::main]
async fn main() -> Result<()> {
    let runs: usize = env::args().nth(1).map_or(Ok(20), |runs| runs.parse())?;
    let base = env::var("METAPARTICLE_NAMESPACE").map_err(|_| "set METAPARTICLE_NAMESPACE")?;
    let spec = AppSpec {
        coordination: true,
        policy: false,
        ..apps::web()
    };
    let image = "127.0.0.1:5000/bench/web:none";
    let manifests = render::manifests(&spec, image);
    assert_eq!(manifests.len(), 6, "six objects");

    let ours = format!("{base}-ours");
    let request = |create_namespace| Request {
        app: spec.name.to_string(),
        manifests: manifests.clone(),
        take_ownership: false,
        create_namespace,
    };
    let theirs = Kubectl {
        namespace: format!("{base}-kubectl"),
        yaml: render::manifests_yaml(&spec, image),
    };
    re_apply(&spec, &ours, &request(true)).await?;
    theirs.create_namespace().await?;
    theirs.apply().await?;

    let (mut ours_took, mut kubectl_took) = (Vec::new(), Vec::new());
    for _ in 0..runs {
        let start = Instant::now();
        let unchanged = re_apply(&spec, &ours, &request(false)).await?;
        ours_took.push(start.elapsed());
        assert!(unchanged, "the controllers leave our fields alone");
        let start = Instant::now();
        theirs.apply().await?;
        kubectl_took.push(start.elapsed());
    }
    line("re-apply of 6 objects", &mut ours_took, None);
    line("kubectl re-apply of 6 objects", &mut kubectl_took, None);
    Ok(())
}

/// Connects and applies; whether nothing changed.
async fn re_apply(spec: &AppSpec, namespace: &str, request: &Request) -> Result<bool> {
    let report = Report::capture();
    let flags = command::Target {
        namespace: Some(namespace.parse()?),
        ..command::Target::default()
    };
    let target = Named::new(&flags, |name| env::var(name).ok(), spec).choose()?;
    let Target::Named(chosen) = target else {
        return Err("set METAPARTICLE_CONTEXT".into());
    };
    let cluster = Cluster::connect(*chosen, &report).await?;
    let outcome = apply::apply(&cluster, request, &report, &AtomicBool::new(false)).await?;
    Ok(outcome.is_unchanged())
}

struct Kubectl {
    namespace: String,
    yaml: String,
}

impl Kubectl {
    async fn create_namespace(&self) -> Result<()> {
        // It may be there from an earlier run.
        let _ = Self::command(&["create", "namespace", &self.namespace])?
            .output()
            .await?;
        Ok(())
    }

    async fn apply(&self) -> Result<()> {
        let namespace = format!("--namespace={}", self.namespace);
        let mut child = Self::command(&["apply", "--server-side", "--filename=-", &namespace])?
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()?;
        let stdin = child.stdin.take().ok_or("stdin is piped")?;
        let mut stdin = std::fs::File::from(stdin.into_owned_fd()?);
        stdin.write_all(self.yaml.as_bytes())?;
        drop(stdin);
        let status = child.wait().await?;
        if status.success() {
            Ok(())
        } else {
            Err(format!("kubectl apply failed: {status}").into())
        }
    }

    fn command(arguments: &[&str]) -> Result<Command> {
        let context = env::var("METAPARTICLE_CONTEXT").map_err(|_| "set METAPARTICLE_CONTEXT")?;
        let kubectl = env::var("KUBECTL").unwrap_or_else(|_| "kubectl".to_owned());
        let mut command = Command::new(kubectl);
        command.args(arguments).arg(format!("--context={context}"));
        Ok(command)
    }
}
