//! The cluster's own authority and a certificate for everyone in it.

use std::path::PathBuf;

use super::error::Error;
use super::layout::{API_SERVICE, Node, home};
use super::state;
use crate::command;

/// Who proves to be whom: a file name, a subject, and the names that a server
/// answers to.
struct Certificate {
    name: String,
    subject: String,
    server: Option<String>,
}

/// Makes the authority, all certificates, and the key of service accounts.
///
/// # Errors
/// When `openssl` fails.
pub(super) fn create(nodes: u8) -> Result<(), Error> {
    // The system's configuration would add extensions of an authority to each.
    state::write(
        path("openssl.cnf"),
        "[req]\ndistinguished_name = subject\n[subject]\n",
    )?;
    let (key, certificate) = (file("ca.key"), file("ca.crt"));
    let mut authority = request(&key, &certificate, "/CN=metaparticle-test");
    authority.extend(extension("basicConstraints=critical,CA:TRUE"));
    authority.extend(extension("keyUsage=critical,keyCertSign,cRLSign"));
    openssl(&authority)?;
    for certificate in all(nodes) {
        sign(&certificate)?;
    }
    let account = file("service-account.key");
    openssl(&words(&[
        "ecparam",
        "-genkey",
        "-name",
        "prime256v1",
        "-noout",
        "-out",
        &account,
    ]))
}

/// The path of a key or certificate, as text.
pub(super) fn file(name: &str) -> String {
    path(name).to_string_lossy().into_owned()
}

/// The path of a key or certificate.
pub(super) fn path(name: &str) -> PathBuf {
    home("certificates").join(name)
}

fn all(nodes: u8) -> Vec<Certificate> {
    let client = |name: &str, subject: &str| Certificate {
        name: name.to_owned(),
        subject: subject.to_owned(),
        server: None,
    };
    let mut all = vec![
        Certificate {
            name: "apiserver".to_owned(),
            subject: "/CN=kube-apiserver".to_owned(),
            server: Some(api_server_names()),
        },
        client(
            "apiserver-to-kubelet",
            "/O=system:masters/CN=kube-apiserver",
        ),
        client("admin", "/O=system:masters/CN=admin"),
        client("coredns", "/O=system:masters/CN=coredns"),
        client("controller-manager", "/CN=system:kube-controller-manager"),
        client("scheduler", "/CN=system:kube-scheduler"),
        client("proxy", "/CN=system:kube-proxy"),
    ];
    for node in Node::all(nodes) {
        let name = node.name();
        all.push(client(
            &name,
            &format!("/O=system:nodes/CN=system:node:{name}"),
        ));
        all.push(Certificate {
            name: format!("{name}-server"),
            subject: format!("/CN={name}"),
            server: Some(format!("DNS:{name},IP:{}", node.address())),
        });
    }
    all
}

fn api_server_names() -> String {
    let names = ["", ".default", ".default.svc", ".default.svc.cluster.local"];
    let names = names.map(|end| format!("DNS:kubernetes{end}")).join(",");
    let bridge = Node::first().address();
    format!("{names},DNS:localhost,IP:127.0.0.1,IP:{bridge},IP:{API_SERVICE}")
}

fn sign(certificate: &Certificate) -> Result<(), Error> {
    let Certificate {
        name,
        subject,
        server,
    } = certificate;
    let mut arguments = request(
        &file(&format!("{name}.key")),
        &file(&format!("{name}.crt")),
        subject,
    );
    arguments.extend(words(&["-CA", &file("ca.crt"), "-CAkey", &file("ca.key")]));
    arguments.extend(extension("basicConstraints=critical,CA:FALSE"));
    arguments.extend(extension("keyUsage=critical,digitalSignature"));
    if let Some(names) = server {
        arguments.extend(extension("extendedKeyUsage=serverAuth"));
        arguments.extend(extension(&format!("subjectAltName={names}")));
    } else {
        arguments.extend(extension("extendedKeyUsage=clientAuth"));
    }
    openssl(&arguments)
}

/// A new key and a certificate for it, good for a year.
fn request(key: &str, certificate: &str, subject: &str) -> Vec<String> {
    words(&[
        "req",
        "-x509",
        "-config",
        &file("openssl.cnf"),
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:prime256v1",
        "-nodes",
        "-days",
        "365",
        "-subj",
        subject,
        "-keyout",
        key,
        "-out",
        certificate,
    ])
}

fn extension(text: &str) -> Vec<String> {
    words(&["-addext", text])
}

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(ToString::to_string).collect()
}

fn openssl(arguments: &[String]) -> Result<(), Error> {
    command::run("openssl", arguments.iter().map(String::as_str))?;
    Ok(())
}
