//! What goes wrong around a leader.

use metaparticle_local::api::fault::Requests;

use super::*;

#[tokio::test(start_paused = true)]
async fn partitioned_leader_is_invalid_before_another_leads() {
    let stage = Stage::new().await;
    let (term, next) = stage.two().await;
    let begin = Instant::now();
    stage.cluster.faults().partition("a");
    assert_eq!(term.lost().await, Lost::Expired);
    let lost = begin.elapsed();
    assert!(lost <= secs(12), "{lost:?}");
    assert!(!next.is_finished());
    let next = timeout(secs(10), next).await.unwrap().unwrap();
    assert!(begin.elapsed() <= millis(15_100), "{:?}", begin.elapsed());
    assert!(next.token() > term.token());
    assert!(term.permit().is_err());
    assert_eq!(term.guarded(async {}).await, Err(Lost::Expired));
}

#[tokio::test(start_paused = true)]
async fn process_that_stood_still_past_its_lease_is_invalid_at_the_first_look() {
    let stage = Stage::new().await;
    let (term, _next) = stage.two().await;
    tokio::time::advance(secs(20)).await;
    assert_eq!(term.check(), Err(Lost::Expired));
    assert_eq!(soon(term.lost()).await, Lost::Expired);
}

#[tokio::test(start_paused = true)]
async fn outages_that_the_budget_bears_cost_no_term() {
    for phase in 0..5 {
        let stage = Stage::new().await;
        let (term, next) = stage.two().await;
        sleep(secs(phase)).await;
        stage.cluster.faults().partition("a");
        sleep(secs(4)).await;
        stage.cluster.faults().heal("a");
        sleep(secs(30)).await;
        assert_eq!(term.check(), Ok(()), "phase {phase}");
        assert!(!next.is_finished());
    }
}

#[tokio::test(start_paused = true)]
async fn conflicts_throttling_errors_and_lost_answers_cost_no_term() {
    let stage = Stage::new().await;
    let (term, next) = stage.two().await;
    let faults = stage.cluster.faults();
    let all = || Requests::all().client("a");
    let hurt: [&dyn Fn(); 6] = [
        &|| faults.conflict(all().verb("update"), 3),
        &|| faults.too_many_requests(all(), 3, secs(1)),
        &|| faults.server_error(all(), 5, 503),
        &|| faults.hang(all(), 1),
        &|| faults.lose_answer(all().verb("update"), 1),
        &|| {
            stage.cluster.compact();
            faults.drop_watches();
        },
    ];
    for (which, hurt) in hurt.into_iter().enumerate() {
        hurt();
        sleep(secs(20)).await;
        assert_eq!(term.check(), Ok(()), "fault {which}");
    }
    assert!(!next.is_finished());
    drop(term);
    drop(soon(next).await.unwrap());
}

#[tokio::test(start_paused = true)]
async fn lost_answer_to_an_acquisition_costs_a_moment_and_grants_nothing() {
    let stage = Stage::new().await;
    stage.cluster.faults().lose_answer(
        Requests::all().client("a").verb("update").name("billing"),
        1,
    );
    let a = stage.candidate("a").await;
    let begin = Instant::now();
    let term = timeout(secs(6), a.campaign()).await.unwrap().unwrap();
    assert!(
        begin.elapsed() >= secs(2),
        "not before its own write was acknowledged: {:?}",
        begin.elapsed()
    );
    assert_eq!(stage.lease().await["spec"]["leaseTransitions"], 2);
    term.check().unwrap();
}

#[tokio::test(start_paused = true)]
async fn edit_by_hand_ends_the_term_at_once() {
    let stage = Stage::new().await;
    let (term, _next) = stage.two().await;
    stage
        .edit(|lease| lease["spec"]["holderIdentity"] = json!("intruder"))
        .await;
    assert_eq!(
        soon(term.lost()).await,
        Lost::Taken {
            by: "intruder".into()
        }
    );
}

#[tokio::test(start_paused = true)]
async fn deletion_by_hand_ends_the_term_and_the_next_has_a_higher_token() {
    let stage = Stage::new().await;
    let (term, next) = stage.two().await;
    ask(
        &stage.cluster.client(),
        "DELETE",
        &format!("{PATH}/billing"),
        None,
    )
    .await;
    assert_eq!(soon(term.lost()).await, Lost::Deleted);
    assert!(soon(next).await.unwrap().token() > term.token());
}

#[tokio::test(start_paused = true)]
async fn edit_of_what_is_not_ours_costs_nothing_and_is_kept() {
    let stage = Stage::new().await;
    let (term, _next) = stage.two().await;
    stage
        .edit(|lease| lease["metadata"]["annotations"]["team"] = json!("invoices"))
        .await;
    sleep(secs(30)).await;
    term.check().unwrap();
    assert_eq!(
        stage.lease().await["metadata"]["annotations"]["team"],
        "invoices"
    );
}

#[tokio::test(start_paused = true)]
async fn candidate_whose_network_is_gone_at_the_hand_over_costs_a_second() {
    let stage = Stage::new().await;
    let (term, _b) = stage.two().await;
    let c = stage.candidate("c").await;
    let c = tokio::spawn(async move { c.campaign().await.unwrap() });
    sleep(secs(6)).await;
    stage.cluster.faults().partition("b");
    let begin = Instant::now();
    drop(term);
    drop(timeout(secs(2), c).await.unwrap().unwrap());
    assert!(
        begin.elapsed() >= secs(1) && begin.elapsed() <= millis(1100),
        "{:?}",
        begin.elapsed()
    );
}

#[tokio::test(start_paused = true)]
async fn next_campaign_waits_until_the_lost_term_is_dropped() {
    let stage = Stage::new().await;
    let a = stage.candidate("a").await;
    let term = a.campaign().await.unwrap();
    ask(
        &stage.cluster.client(),
        "DELETE",
        &format!("{PATH}/billing"),
        None,
    )
    .await;
    term.lost().await;
    let mut next = Box::pin(a.campaign());
    assert!(timeout(secs(60), &mut next).await.is_err());
    drop(term);
    drop(soon(next).await.unwrap());
}
