//! Memory of processes, as Linux counts it.

use std::{env, process::Stdio, time::Duration};

use tokio::{
    process::{Child, Command},
    time::sleep,
};

use crate::{Result, figure};

/// A process that ends with this value.
pub(crate) struct Started(pub(crate) Child);

impl Started {
    /// An empty tokio program, for comparison.
    pub(crate) async fn idle() -> Result<Self> {
        let mut command = Command::new(env::current_exe()?);
        let child = command
            .arg("--idle")
            .stdin(Stdio::null())
            .kill_on_drop(true);
        let child = child.spawn()?;
        sleep(Duration::from_secs(1)).await;
        Ok(Self(child))
    }

    /// Resident memory.
    pub(crate) fn megabytes(&self) -> Result<f64> {
        megabytes(self.0.id().ok_or("it runs")?)
    }
}

/// What `--idle` does.
pub(crate) fn idle() -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async { sleep(Duration::from_secs(600)).await });
    Ok(())
}

/// The processes of the real control plane, if `METAPARTICLE_BENCH_CONTROL_PLANE` has their numbers.
pub(crate) fn real() -> Result<()> {
    let Ok(numbers) = env::var("METAPARTICLE_BENCH_CONTROL_PLANE") else {
        return Ok(());
    };
    let mut sum = 0.0;
    for number in numbers.split_whitespace() {
        sum += megabytes(number.parse()?)?;
    }
    figure(
        "kube-apiserver",
        "memory of the control plane",
        &mut [sum],
        "MB",
    );
    Ok(())
}

fn megabytes(pid: u32) -> Result<f64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find(|line| line.starts_with("VmRSS:"));
    let line = line.ok_or("a process has memory")?;
    let kibibytes: f64 = line.split_whitespace().nth(1).ok_or("a number")?.parse()?;
    Ok(kibibytes * 1024.0 / 1e6)
}
