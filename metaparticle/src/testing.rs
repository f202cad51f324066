//! A Kubernetes API in the process of your tests: no cluster, no network, no waiting.
//!
//! [`Cluster`] answers `kube::Client` as a real API server does (the same contract suite runs against both), runs the
//! controllers of Kubernetes, follows tokio's paused clock, and makes faults on demand.
//!
//! # Examples
//! ```
//! use k8s_openapi::api::core::v1::ConfigMap;
//! use kube::api::{Api, PostParams};
//! use metaparticle::testing::{Cluster, Requests};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let cluster = Cluster::start().await;
//! let maps: Api<ConfigMap> = Api::default_namespaced(cluster.client());
//! let mut map = ConfigMap::default();
//! map.metadata.name = Some("settings".into());
//!
//! // The first create meets a server that is busy, the second does not.
//! cluster.faults().server_error(Requests::all().verb("create"), 1, 503);
//! assert!(maps.create(&PostParams::default(), &map).await.is_err());
//! maps.create(&PostParams::default(), &map).await?;
//! # Ok(())
//! # }
//! ```

pub use metaparticle_local::{
    Builder, Cluster,
    api::fault::{Asked, Faults, Requests},
};
