//! Requests of a program that knows who owns what.

use bytes::Bytes;
use http::{Request, Response, Version};
use http_body_util::{BodyExt, Full};
use metaparticle_protocol::Token;
use metaparticle_router::{Client, ClientBody, Config, Gate, KeySource, Place};

use crate::{
    app::{self, named, text},
    client::header,
    fake::{Process, gate, slot},
};

fn client(process: &std::sync::Arc<Process>) -> Client<Process> {
    let keys = KeySource::path("/users/{id}/*").unwrap();
    Gate::router(process.clone(), keys, Config::default())
        .client()
        .unwrap()
}

async fn body(response: Response<ClientBody>) -> String {
    let bytes = response.into_body().collect().await.unwrap().to_bytes();
    String::from_utf8_lossy(&bytes).into_owned()
}

#[tokio::test]
async fn a_client_reaches_each_owner_without_another_gate() {
    let apps = [named("a").await, named("b").await];
    let owners = ["a", "b"].map(Process::new);
    let gates = [0, 1].map(|it| gate(&owners[it], apps[it].address, Config::default()));
    let own = Process::new("own");
    for it in 0..2 {
        owners[it].serves(slot(u32::try_from(it).unwrap()), 3);
        let peer = owners[it].peer(gates[it].address());
        own.sees(
            slot(u32::try_from(it).unwrap()),
            Place::Peer(peer, Token(3)),
        );
    }
    let client = client(&own);
    for it in 0..2 {
        let request = Request::put(format!("http://app.example/users/{it}"))
            .body(Full::<Bytes>::from("four"))
            .unwrap();
        let response = client.send(request).await;
        assert_eq!(header(&response, "x-served-by"), ["a", "b"][it]);
        let body = body(response).await;
        assert!(body.contains(&format!("PUT /users/{it} 4\n")), "{body}");
        assert!(body.contains("x-metaparticle-token: 3\n"), "{body}");
        assert!(body.contains("host: app.example\n"), "{body}");
        let served = gates[it].metrics().text("it");
        assert!(
            served.contains("outcome=\"here\",class=\"2xx\"} 1\n"),
            "{served}"
        );
    }
    let text = client.metrics().text("own");
    assert!(
        text.contains("outcome=\"peer\",class=\"2xx\"} 2\n"),
        "{text}"
    );
}

#[tokio::test]
async fn a_client_is_told_why_its_request_was_not_delivered() {
    let own = Process::new("own");
    own.sees(slot(1), Place::Nobody);
    let request = Request::get("http://app.example/users/1")
        .body(Full::<Bytes>::default())
        .unwrap();
    let response = client(&own).send(request).await;
    assert_eq!(response.status(), 503);
    assert_eq!(header(&response, "x-metaparticle-reason"), "no-owner");
    assert_eq!(header(&response, "retry-after"), "1");
}

#[tokio::test]
async fn a_claim_that_the_program_wrote_itself_counts_for_nothing() {
    let app = app::serve(Version::HTTP_11, |request| async move {
        let claims = request.headers().get_all("x-metaparticle-claim");
        Response::new(text(claims.iter().count().to_string()))
    })
    .await;
    let own = Process::new("own");
    own.serves(slot(1), 3);
    let keys = KeySource::path("/users/{id}/*").unwrap();
    let client = Gate::builder(own, app.address, keys, Config::default());
    let client = client.client().unwrap();
    let request = Request::get("http://app.example/users/1")
        .header("x-metaparticle-claim", "1 99 session-of-b")
        .body(Full::<Bytes>::default())
        .unwrap();
    assert_eq!(body(client.send(request).await).await, "0");
}
