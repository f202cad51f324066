//! [`Election::run`].

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use super::*;

#[tokio::test(start_paused = true)]
async fn run_contends_again_after_each_loss_until_the_work_is_done() {
    let stage = Stage::new().await;
    let a = stage.candidate("a").await;
    let terms = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&terms);
    let run = tokio::spawn(async move {
        a.run(async |term: Term| {
            if count.fetch_add(1, Ordering::Relaxed) == 2 {
                return Ok::<_, Error>(term.token());
            }
            std::future::pending().await
        })
        .await
    });
    for expected in 1..=2 {
        sleep(secs(1)).await;
        assert_eq!(terms.load(Ordering::Relaxed), expected);
        ask(
            &stage.cluster.client(),
            "DELETE",
            &format!("{PATH}/billing"),
            None,
        )
        .await;
    }
    let token = soon(run).await.unwrap().unwrap();
    assert!(token.is_some());
    assert_eq!(
        stage.lease().await["spec"]["holderIdentity"],
        "",
        "handed over when run returns"
    );
}

#[tokio::test(start_paused = true)]
async fn error_of_the_work_is_returned_if_it_led_and_not_if_it_had_lost() {
    let stage = Stage::new().await;
    let a = stage.candidate("a").await;
    let terms = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&terms);
    let error = |text: &str| Error::Misuse(text.into());
    let run = tokio::spawn(async move {
        a.run(async |term: Term| {
            if count.fetch_add(1, Ordering::Relaxed) == 0 {
                let permit = term.permit()?;
                term.lost().await;
                drop(permit);
                return Err::<(), Lossy>(error("after the loss").into());
            }
            Err(error("while leading").into())
        })
        .await
    });
    sleep(secs(1)).await;
    ask(
        &stage.cluster.client(),
        "DELETE",
        &format!("{PATH}/billing"),
        None,
    )
    .await;
    let said = soon(run).await.unwrap().unwrap_err().to_string();
    assert_eq!(said, "while leading");
    assert_eq!(terms.load(Ordering::Relaxed), 2);
}

#[tokio::test(start_paused = true)]
async fn shutdown_cuts_the_work_hands_over_and_ends_run() {
    let stage = Stage::new().await;
    let mp = stage.process("a").await;
    let a = mp.election("billing").build().unwrap();
    let run = tokio::spawn(async move {
        a.run(async |_term: Term| std::future::pending::<Result<(), Error>>().await)
            .await
    });
    sleep(secs(1)).await;
    let b = stage.candidate("b").await;
    let b = tokio::spawn(async move { b.campaign().await.unwrap() });
    sleep(secs(6)).await;
    let begin = Instant::now();
    mp.shutdown().await;
    drop(soon(b).await.unwrap());
    assert!(begin.elapsed() <= millis(100), "{:?}", begin.elapsed());
    assert!(soon(run).await.unwrap().unwrap().is_none());
}

#[tokio::test(start_paused = true)]
async fn work_goes_on_under_a_permit_when_its_term_is_to_be_given_away() {
    let stage = Stage::new().await;
    let mp = stage.process("a").await;
    let a = mp.election("billing").build().unwrap();
    let done = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&done);
    let run = tokio::spawn(async move {
        a.run(async |term: Term| {
            let permit = term.permit()?;
            term.lost().await;
            sleep(secs(6)).await;
            permit.check()?;
            count.fetch_add(1, Ordering::Relaxed);
            drop(permit);
            sleep(secs(1)).await;
            count.fetch_add(1, Ordering::Relaxed);
            Ok::<_, Lossy>(())
        })
        .await
    });
    let b = stage.candidate("b").await;
    let b = tokio::spawn(async move { b.campaign().await.unwrap() });
    sleep(secs(6)).await;
    let begin = Instant::now();
    mp.shutdown().await;
    assert_eq!(begin.elapsed().as_secs(), 6);
    drop(soon(b).await.unwrap());
    assert!(soon(run).await.unwrap().is_ok());
    assert_eq!(
        done.load(Ordering::Relaxed),
        1,
        "cut when the permit was dropped"
    );
}

#[tokio::test(start_paused = true)]
async fn error_of_work_whose_term_was_taken_for_a_shutdown_does_not_count() {
    let stage = Stage::new().await;
    let mp = stage.process("a").await;
    let a = mp.election("billing").build().unwrap();
    let run = tokio::spawn(async move {
        a.run(async |term: Term| {
            let permit = term.permit()?;
            let lost = term.lost().await;
            drop(permit);
            Err::<(), Lossy>(lost.into())
        })
        .await
    });
    sleep(secs(1)).await;
    mp.shutdown().await;
    assert!(matches!(soon(run).await.unwrap(), Ok(None)));
}

#[tokio::test(start_paused = true)]
async fn work_that_steps_down_by_itself_goes_on_and_ends_run() {
    let stage = Stage::new().await;
    let a = stage.candidate("a").await;
    let ran = a.run(async |term: Term| {
        term.step_down().await?;
        sleep(secs(3)).await;
        Ok::<_, Lossy>(7)
    });
    assert!(matches!(timeout(secs(5), ran).await, Ok(Ok(Some(7)))));
}

#[tokio::test(start_paused = true)]
async fn panic_in_the_work_hands_over() {
    let stage = Stage::new().await;
    let a = stage.candidate("a").await;
    let run = tokio::spawn(async move {
        a.run(async |_term: Term| -> Result<(), Error> {
            sleep(secs(20)).await;
            panic!("a bug in the work")
        })
        .await
    });
    sleep(secs(1)).await;
    let b = stage.candidate("b").await;
    let b = tokio::spawn(async move { b.campaign().await.unwrap() });
    assert!(run.await.unwrap_err().is_panic());
    drop(soon(b).await.unwrap());
}

#[tokio::test(start_paused = true)]
async fn run_that_is_dropped_drops_the_work_and_hands_over() {
    let stage = Stage::new().await;
    let a = stage.candidate("a").await;
    let run = a.run(async |_term: Term| std::future::pending::<Result<(), Error>>().await);
    assert!(timeout(secs(20), run).await.is_err());
    let b = stage.candidate("b").await;
    drop(soon(b.campaign()).await.unwrap());
}

/// An error of a program, made of both of ours.
#[derive(Debug, thiserror::Error)]
enum Lossy {
    #[error(transparent)]
    Error(#[from] Error),
    #[error(transparent)]
    Lost(#[from] Lost),
}
