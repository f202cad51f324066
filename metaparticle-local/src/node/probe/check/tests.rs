//! Checks of real sockets and programs.

use serde_json::{Value, json};
use tokio::net::TcpListener;

use super::*;
use crate::node::environment;

fn inside() -> Inside {
    Inside {
        spawner: Arc::new(Spawner::new().unwrap()),
        env: environment::inherited(),
        folder: "/".into(),
        ip: std::net::Ipv4Addr::LOCALHOST.into(),
        own: None,
        uid: String::new(),
        ports: Ports::default(),
    }
}

fn check(probe: Value) -> Check {
    let ports = json!([{"name": "web", "containerPort": 80}]);
    let container = json!({"name": "c", "ports": ports});
    let container: Container = serde_json::from_value(container).unwrap();
    let probe: Probe = serde_json::from_value(probe).unwrap();
    Check::of(&probe, &container).unwrap()
}

/// A server that answers once; what it was asked.
async fn server(answer: &'static str) -> (u16, tokio::task::JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let served = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut buffer = vec![0; 4096];
        let got = stream.read(&mut buffer).await.unwrap();
        stream.write_all(answer.as_bytes()).await.unwrap();
        String::from_utf8(buffer[..got].to_vec()).unwrap()
    });
    (port, served)
}

#[tokio::test]
async fn http_asks_for_the_path_with_the_headers() {
    let (port, served) = server("HTTP/1.1 302 Found\r\n\r\n").await;
    let headers = json!([{"name": "Host", "value": "example.com"}]);
    let action = json!({"port": port, "path": "healthz", "httpHeaders": headers});
    assert_eq!(
        check(json!({"httpGet": action})).run(&inside()).await,
        Ok(())
    );
    let asked = served.await.unwrap();
    assert!(asked.starts_with("GET /healthz HTTP/1.1\r\n"), "{asked}");
    assert!(asked.contains("Host: example.com\r\n") && asked.matches("Host:").count() == 1);
}

#[tokio::test]
async fn http_is_judged_by_the_status_code() {
    let (port, _served) = server("HTTP/1.1 503 Service Unavailable\r\n\r\n").await;
    let error = check(json!({"httpGet": {"port": port}}))
        .run(&inside())
        .await;
    assert_eq!(
        error,
        Err("HTTP probe failed with statuscode: 503".to_owned())
    );
    let (port, _served) = server("hello\r\n").await;
    let error = check(json!({"httpGet": {"port": port}}))
        .run(&inside())
        .await
        .unwrap_err();
    assert!(error.contains("malformed HTTP response"), "{error}");
}

#[tokio::test]
async fn a_refused_connection_reads_as_the_kubelet_says_it() {
    let free = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = free.local_addr().unwrap().port();
    let tcp = check(json!({"tcpSocket": {"port": port}}));
    assert_eq!(tcp.run(&inside()).await, Ok(()));
    drop(free);
    let expected = format!("dial tcp 127.0.0.1:{port}: connect: connection refused");
    assert_eq!(tcp.run(&inside()).await, Err(expected.clone()));
    let http = check(json!({"httpGet": {"port": port, "path": "/x"}}));
    let expected = format!("Get \"http://127.0.0.1:{port}/x\": {expected}");
    assert_eq!(http.run(&inside()).await, Err(expected));
}

#[tokio::test]
async fn a_command_is_judged_by_its_exit_code() {
    let exec = |script: &str| check(json!({"exec": {"command": ["sh", "-c", script]}}));
    assert_eq!(exec("exit 0").run(&inside()).await, Ok(()));
    let failed = exec("echo no; echo way >&2; exit 1").run(&inside()).await;
    assert_eq!(failed, Err("no\nway\n".to_owned()));
    let missing = check(json!({"exec": {"command": ["nope"]}}))
        .run(&inside())
        .await;
    assert!(missing.unwrap_err().contains("not found in $PATH"));
}

#[test]
fn a_named_port_is_the_containers() {
    let probe = json!({"tcpSocket": {"port": "web"}});
    assert_eq!(check(probe), Check::Tcp(None, 80));
}

#[tokio::test]
async fn a_command_may_print_much_to_both_outputs() {
    let script = "head -c 300000 /dev/zero; head -c 300000 /dev/zero >&2; head -c 300000 /dev/zero";
    let much = |end| check(json!({"exec": {"command": ["sh", "-c", format!("{script}; {end}")]}}));
    assert_eq!(much("exit 0").run(&inside()).await, Ok(()));
    let printed = much("exit 1").run(&inside()).await.unwrap_err();
    assert_eq!(printed.len(), MOST);
}
