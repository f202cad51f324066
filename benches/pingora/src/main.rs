//! pingora before some applications: consistent hash on the user in the path, the same headers as the others write. One
//! thread.
//!
//! `pingora-peer LISTEN APPLICATION,APPLICATION,…`

use std::env;

use async_trait::async_trait;
use pingora_core::{
    Error, ErrorType, Result,
    apps::HttpServerOptions,
    server::{Server, configuration::ServerConf},
    upstreams::peer::HttpPeer,
};
use pingora_http::RequestHeader;
use pingora_ketama::{Bucket, Continuum};
use pingora_proxy::{ProxyHttp, Session, http_proxy};

struct Proxy {
    ring: Continuum,
}

fn user(path: &str) -> Option<&str> {
    path.strip_prefix("/users/")?.split('/').next()
}

#[async_trait]
impl ProxyHttp for Proxy {
    type CTX = ();

    fn new_ctx(&self) {}

    async fn upstream_peer(&self, session: &mut Session, (): &mut ()) -> Result<Box<HttpPeer>> {
        let node =
            user(session.req_header().uri.path()).and_then(|key| self.ring.node(key.as_bytes()));
        let address = node.ok_or_else(|| Error::new(ErrorType::HTTPStatus(404)))?;
        Ok(Box::new(HttpPeer::new(address, false, String::new())))
    }

    async fn upstream_request_filter(
        &self,
        session: &mut Session,
        request: &mut RequestHeader,
        (): &mut (),
    ) -> Result<()> {
        let client = session.client_addr().and_then(|it| it.as_inet());
        let client = client.map(|it| it.ip().to_string()).unwrap_or_default();
        let host = request.headers.get("host").cloned();
        request.insert_header("x-forwarded-for", client)?;
        request.insert_header("x-forwarded-proto", "http")?;
        if let Some(host) = host {
            request.insert_header("x-forwarded-host", host)?;
        }
        Ok(())
    }
}

fn main() {
    let words: Vec<String> = env::args().skip(1).collect();
    let [listen, applications] = &*words else {
        panic!("pingora-peer LISTEN APPLICATION,APPLICATION,…");
    };
    let buckets: Vec<Bucket> = applications
        .split(',')
        .map(|address| Bucket::new(address.parse().expect("an address"), 1))
        .collect();
    let proxy = Proxy {
        ring: Continuum::new(&buckets),
    };
    let configuration = ServerConf {
        threads: 1,
        upstream_keepalive_pool_size: 256,
        ..ServerConf::default()
    };
    let mut server = Server::new_with_opt_and_conf(None, configuration);
    server.bootstrap();
    let mut app = http_proxy(&server.configuration, proxy);
    let mut options = HttpServerOptions::default();
    options.h2c = true;
    app.server_options = Some(options);
    let mut service = pingora_core::services::listening::Service::new("proxy".to_owned(), app);
    service.add_tcp(listen);
    server.add_service(service);
    server.run_forever();
}
