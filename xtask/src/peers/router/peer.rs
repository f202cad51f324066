//! Who is measured, in which scenes, and with which configuration.

use std::{
    fmt::{self, Write},
    net::SocketAddr,
};

/// Who is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Peer {
    Nginx,
    Haproxy,
    Pingora,
    Envoy,
    /// Our gate in front of the application that owns the key.
    Ours,
    /// Our gate in front of others' gates, which are asked who they are.
    Router,
}

impl Peer {
    pub(super) const ALL: [Self; 6] = [
        Self::Nginx,
        Self::Ours,
        Self::Router,
        Self::Haproxy,
        Self::Pingora,
        Self::Envoy,
    ];

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Nginx => "nginx",
            Self::Haproxy => "haproxy",
            Self::Pingora => "pingora",
            Self::Envoy => "envoy",
            Self::Ours => "ours",
            Self::Router => "router",
        }
    }
}

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scene {
    Small,
    Large,
    Http2In,
    Http2Both,
    OpenLoop,
}

impl Scene {
    pub(super) const ALL: [Self; 5] = [
        Self::Small,
        Self::Large,
        Self::Http2In,
        Self::Http2Both,
        Self::OpenLoop,
    ];

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Small => "small",
            Self::Large => "large",
            Self::Http2In => "h2",
            Self::Http2Both => "h2-both",
            Self::OpenLoop => "open-loop",
        }
    }

    /// Bytes of a response's body.
    pub(super) const fn bytes(self) -> u32 {
        match self {
            Self::Large => 64 << 10,
            _ => 2,
        }
    }

    /// Whether clients speak HTTP/2.
    pub(super) const fn http2_in(self) -> bool {
        matches!(self, Self::Http2In | Self::Http2Both)
    }

    /// Whether applications do.
    pub(super) const fn http2_out(self) -> bool {
        matches!(self, Self::Http2Both)
    }

    /// nginx has HTTP/2 to applications for gRPC only; pingora has it over TLS only.
    pub(super) fn suits(self, peer: Peer) -> bool {
        !self.http2_out() || !matches!(peer, Peer::Nginx | Peer::Pingora)
    }
}

impl fmt::Display for Scene {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Small => "2-byte bodies, HTTP/1.1, 32 connections",
            Self::Large => "64 KiB bodies, HTTP/1.1, 32 connections",
            Self::Http2In => "2-byte bodies, HTTP/2 in, HTTP/1.1 out, 4 connections of 8 streams",
            Self::Http2Both => "2-byte bodies, HTTP/2 in and out, 4 connections of 8 streams",
            Self::OpenLoop => "2-byte bodies, HTTP/1.1, at a constant rate",
        })
    }
}

/// nginx, as one process.
pub(super) fn nginx(scene: Scene, listen: SocketAddr, applications: &[SocketAddr]) -> String {
    let http2 = if scene.http2_in() { " http2" } else { "" };
    let servers = lines(applications, |_, address| format!("server {address};"));
    format!(
        "daemon off; master_process off; pid nginx.pid; error_log stderr crit;
events {{ worker_connections 4096; }}
http {{
  access_log off;
  client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fastcgi;
  uwsgi_temp_path uwsgi; scgi_temp_path scgi;
  keepalive_requests 1000000000;
  map $uri $user {{ ~^/users/(?<id>[^/]+) $id; }}
  upstream applications {{
    hash $user consistent;
{servers}    keepalive 256; keepalive_requests 1000000000;
  }}
  server {{
    listen {listen}{http2};
    location / {{
      proxy_pass http://applications;
      proxy_http_version 1.1;
      proxy_set_header Connection \"\";
      proxy_set_header Host $http_host;
      proxy_set_header X-Forwarded-For $remote_addr;
      proxy_set_header X-Forwarded-Proto $scheme;
      proxy_set_header X-Forwarded-Host $http_host;
    }}
  }}
}}
"
    )
}

/// HAProxy.
pub(super) fn haproxy(scene: Scene, listen: SocketAddr, applications: &[SocketAddr]) -> String {
    let proto_in = if scene.http2_in() { " proto h2" } else { "" };
    let proto_out = if scene.http2_out() { " proto h2" } else { "" };
    let servers = lines(applications, |index, address| {
        format!("server s{index} {address}{proto_out}")
    });
    format!(
        "global
  nbthread 1
  maxconn 4096
defaults
  mode http
  timeout connect 1s
  timeout client 75s
  timeout server 60s
  http-reuse always
frontend in
  bind {listen}{proto_in}
  http-request set-var(txn.user) path,field(3,/)
  http-request set-header X-Forwarded-For %[src]
  http-request set-header X-Forwarded-Proto http
  http-request set-header X-Forwarded-Host %[req.hdr(host)]
  default_backend applications
backend applications
  balance hash var(txn.user)
  hash-type consistent
{servers}"
    )
}

/// Envoy, as JSON, which it takes for YAML.
pub(super) fn envoy(scene: Scene, listen: SocketAddr, applications: &[SocketAddr]) -> String {
    let endpoint = |address: &SocketAddr| {
        let (host, port) = (address.ip().to_string(), address.port());
        let address = serde_json::json!({"socket_address": {"address": host, "port_value": port}});
        serde_json::json!({"endpoint": {"address": address}})
    };
    let endpoints: Vec<_> = applications.iter().map(endpoint).collect();
    let codec = if scene.http2_in() { "HTTP2" } else { "HTTP1" };
    let out = if scene.http2_out() {
        "http2_protocol_options"
    } else {
        "http_protocol_options"
    };
    // The user is cut out of the path into a header, by which the hash goes.
    let user = serde_json::json!({
        "header_name": ":path",
        "regex_rewrite": {"pattern": {"regex": "^/users/([^/?]+).*"}, "substitution": "\\1"},
    });
    let add = |key: &str, value: &str| {
        serde_json::json!({
            "header": {"key": key, "value": value}, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD",
        })
    };
    let manager = serde_json::json!({
        "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "in",
        "codec_type": codec,
        "use_remote_address": true,
        "generate_request_id": false,
        "route_config": {"virtual_hosts": [{
            "name": "all", "domains": ["*"],
            "request_headers_to_add": [
                add("x-forwarded-for", "%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%"),
                add("x-forwarded-host", "%REQ(:AUTHORITY)%"),
            ],
            "routes": [{"match": {"prefix": "/"}, "route": {
                "cluster": "applications", "hash_policy": [{"header": user}],
            }}],
        }]},
        "http_filters": [{"name": "router", "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router",
        }}],
    });
    let protocol = serde_json::json!({
        "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
        "explicit_http_config": {out: {}},
    });
    serde_json::json!({"static_resources": {
        "listeners": [{
            "address": endpoint(&listen)["endpoint"]["address"],
            "filter_chains": [{"filters": [{
                "name": "http", "typed_config": manager,
            }]}],
        }],
        "clusters": [{
            "name": "applications", "type": "STATIC", "lb_policy": "MAGLEV",
            "typed_extension_protocol_options": {
                "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": protocol,
            },
            "load_assignment": {"cluster_name": "applications", "endpoints": [{"lb_endpoints": endpoints}]},
        }],
    }})
    .to_string()
}

fn lines(all: &[SocketAddr], line: impl Fn(usize, &SocketAddr) -> String) -> String {
    let mut text = String::new();
    for (index, address) in all.iter().enumerate() {
        // A String takes all.
        let _ = writeln!(text, "    {}", line(index, address));
    }
    text
}
