//! Times of the way from source to digest, as one JSON object a line: what README's figures for the image come from.
//!
//! `METAPARTICLE_BENCH_REPOSITORY=127.0.0.1:5000/bench cargo run -p metaparticle-benches --bin image [-- RUNS [PROFILE]]`
//!
//! Builds a small axum service in a temporary directory, edits it before each run, and publishes it.

use std::{error::Error, time::Duration};

use metaparticle::deploy::{
    build::{self, Arch, Environment, Profile},
    image::{self, Destination, PublishRequest, credentials::Places},
    report::Report,
};
use metaparticle_benches::line;
use metaparticle_tests::service::Service;
use tokio::time::Instant;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

#[tokio::main]
async fn main() -> Result<()> {
    let repository = std::env::var("METAPARTICLE_BENCH_REPOSITORY")
        .map_err(|_| "set METAPARTICLE_BENCH_REPOSITORY, such as 127.0.0.1:5000/bench")?;
    let mut arguments = std::env::args().skip(1);
    let runs: usize = arguments.next().map_or(Ok(7), |runs| runs.parse())?;
    let profile = match arguments.next().as_deref() {
        None | Some("fast") => Profile::Fast,
        Some("small") => Profile::Small,
        Some(other) => return Err(format!("`{other}` is no profile: fast or small").into()),
    };
    let request = PublishRequest {
        repository: Some(repository.parse()?),
        architecture: Arch::Amd64,
        profile,
        destination: Destination::Registry,
    };
    let service = Service::temporary()?;
    let app = service.embedded();
    let (environment, places) = (Environment::of_process(), Places::of_environment());
    let report = Report::capture();

    // The first build compiles the dependencies.
    let (_, cold) = timed(image::publish(&app, &request, &report)).await?;
    let (mut edited, mut built, mut pushed) = (Vec::new(), Vec::new(), Vec::new());
    let (mut unchanged, mut checked) = (Vec::new(), Vec::new());
    let mut size = 0;
    for run in 0..runs {
        service.answer(&format!("Hello, run {run}!"))?;
        let start = Instant::now();
        let (program, compiling) = timed(build::build(
            &app.build,
            Arch::Amd64,
            profile,
            &environment,
            &report,
        ))
        .await?;
        let push = image::publish_built(&app, &request, program, places.clone(), &report);
        let (published, push) = timed(push).await?;
        assert!(published.pushed, "an edit makes another image");
        size = published.size;
        edited.push(start.elapsed());
        built.push(compiling);
        pushed.push(push);

        let (again, whole) = timed(image::publish(&app, &request, &report)).await?;
        assert!(!again.pushed, "the registry has the image");
        unchanged.push(whole);
        let program = build::build(&app.build, Arch::Amd64, profile, &environment, &report).await?;
        let push = image::publish_built(&app, &request, program, places.clone(), &report);
        checked.push(timed(push).await?.1);
    }
    line(
        &format!("clean build to digest, {profile}"),
        &mut [cold],
        Some(size),
    );
    line(
        &format!("edit to digest, {profile}"),
        &mut edited,
        Some(size),
    );
    line(
        &format!("of which cargo build, {profile}"),
        &mut built,
        Some(size),
    );
    line(
        &format!("of which image step, {profile}"),
        &mut pushed,
        Some(size),
    );
    line(
        &format!("unchanged to digest, {profile}"),
        &mut unchanged,
        Some(size),
    );
    line(
        &format!("of which image step, unchanged, {profile}"),
        &mut checked,
        Some(size),
    );
    Ok(())
}

async fn timed<T, E: Error + 'static>(
    work: impl Future<Output = std::result::Result<T, E>>,
) -> Result<(T, Duration)> {
    let start = Instant::now();
    let result = work.await?;
    Ok((result, start.elapsed()))
}
