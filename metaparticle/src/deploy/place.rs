//! [`Place`]: the cluster that a command works on, wherever it runs.

use metaparticle_spec::AppSpec;

#[cfg(feature = "local")]
use super::local::{self, Running};
use super::{
    Error,
    command::Up,
    report::Report,
    target::{Chosen, Target},
};

/// A cluster, and whether it lives in this process.
#[derive(Debug)]
pub(super) enum Place {
    /// The one in this process.
    #[cfg(feature = "local")]
    Here(Box<Running>),
    /// Any other.
    There(Box<Chosen>),
}

impl Place {
    /// For `up`: starts the embedded cluster if that is the target.
    #[cfg_attr(
        not(feature = "local"),
        expect(clippy::unused_async, reason = "only the embedded cluster is started")
    )]
    pub(super) async fn open(
        target: Target,
        spec: &AppSpec,
        options: &Up,
        report: &Report,
    ) -> Result<Self, Error> {
        match target {
            Target::Named(chosen) => Ok(Self::There(chosen)),
            #[cfg(feature = "local")]
            Target::Embedded { namespace } => {
                if options.detach {
                    return Err(local::Error::Detach.into());
                }
                let running = Running::start(spec, namespace, report).await?;
                Ok(Self::Here(Box::new(running)))
            }
            #[cfg(not(feature = "local"))]
            Target::Embedded { .. } => {
                let _ = (spec, options, report);
                unreachable!("without the embedded cluster, a context was named")
            }
        }
    }

    /// For all other commands: the embedded cluster is in another process.
    #[cfg_attr(
        not(feature = "local"),
        expect(
            clippy::unnecessary_wraps,
            reason = "only the embedded cluster may not be found"
        )
    )]
    pub(super) fn find(target: Target, spec: &AppSpec) -> Result<Self, Error> {
        match target {
            Target::Named(chosen) => Ok(Self::There(chosen)),
            #[cfg(feature = "local")]
            Target::Embedded { namespace } => {
                Ok(Self::There(Box::new(local::find(spec, namespace)?)))
            }
            #[cfg(not(feature = "local"))]
            Target::Embedded { .. } => {
                let _ = spec;
                unreachable!("without the embedded cluster, a context was named")
            }
        }
    }

    /// How to reach it.
    pub(super) fn chosen(&self) -> &Chosen {
        match self {
            #[cfg(feature = "local")]
            Self::Here(running) => &running.chosen,
            Self::There(chosen) => chosen,
        }
    }

    /// Ends what lives in this process.
    #[cfg_attr(
        not(feature = "local"),
        expect(clippy::unused_async, reason = "only the embedded cluster is stopped")
    )]
    pub(super) async fn close(&self) {
        #[cfg(feature = "local")]
        if let Self::Here(running) = self {
            running.stop().await;
        }
    }

    /// The embedded cluster, if it is in this process.
    #[cfg(feature = "local")]
    pub(super) fn here(&self) -> Option<&Running> {
        match self {
            Self::Here(running) => Some(running),
            Self::There(_) => None,
        }
    }
}
