//! Good requests made bad: in their lines, then in their bytes.

use super::random::Random;

const TARGETS: [&str; 14] = [
    "/users/7",
    "/users/7/cart?user=9&x=1",
    "/users/%37%2f/a",
    "/users//",
    "/users/%zz%",
    "/",
    "*",
    "http://other.example/users/8",
    "https://user@other.example:1/users/8?user=",
    "ftp://x/y",
    "other.example:443",
    "/users/ü/?user=%C3%BC&user=2",
    "/users/7#/8",
    "//users/7",
];

const METHODS: [&str; 8] = [
    "GET", "POST", "HEAD", "PUT", "OPTIONS", "CONNECT", "PURGE", "get",
];

const LINES: [&str; 64] = [
    "Host: a.example",
    "Host: b.example:80",
    "Host:",
    "Host: a.example, b.example",
    "Host: user@a.example",
    "host: [::1]:8080",
    "Connection: close",
    "Connection: keep-alive",
    "Connection: Upgrade, x-user",
    "Connection: host, content-length, transfer-encoding",
    "Connection: cookie,,te,x-forwarded-for,x-metaparticle-claim",
    "Connection: ,",
    "Keep-Alive: timeout=5",
    "Proxy-Connection: keep-alive",
    "Proxy-Authorization: Basic eA==",
    "Upgrade: websocket",
    "Upgrade: h2c, websocket",
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
    "HTTP2-Settings: AAMAAABkAAQAAP__",
    "TE: trailers",
    "TE: gzip;q=0.5, Trailers;q=1",
    "Trailer: x-sum",
    "Expect: 100-continue",
    "Expect: 200-ok",
    "Content-Length: 0",
    "Content-Length: 5",
    "Content-Length: 5, 5",
    "Content-Length: +5",
    "Content-Length: 0x5",
    "Content-Length: 18446744073709551616",
    "Content-Length : 5",
    "Transfer-Encoding: chunked",
    "Transfer-Encoding: Chunked ",
    "Transfer-Encoding: gzip, chunked",
    "Transfer-Encoding: chunked, identity",
    "Transfer-Encoding:\x0bchunked",
    "Transfer_Encoding: chunked",
    "Transfer-Encoding: xchunked",
    "X-User: 1",
    "x-user: 2",
    "X-User:",
    "x_user: 3",
    "Cookie: a=b",
    "Cookie: c=d",
    "X-Forwarded-For: 6.6.6.6",
    "X-Forwarded-For: 6.6.6.6, 7.7.7.7",
    "X_Forwarded_For: 6.6.6.6",
    "X-Forwarded-Proto: https",
    "X-Forwarded-Host: evil.example",
    "Forwarded: for=6.6.6.6;host=\"a,b\", for=7.7.7.7",
    "Forwarded: for=\"6.6.6.6",
    "X-Metaparticle-Claim: 1 2 mine",
    "x-metaparticle-claim: 1 2 mine",
    "X-Metaparticle_Claim: 1 2 mine",
    "X_METAPARTICLE-TOKEN: 9",
    "X-Metaparticle-Turned: moved",
    "X-Metaparticle-Mac: 00",
    "X-Metaparticle: 1",
    "Accept: */*",
    "User-Agent: a",
    " folded: x",
    "\tContent-Length: 5",
    "Nothing",
    ": empty",
];

const BODIES: [&str; 8] = [
    "",
    "hello",
    "5\r\nhello\r\n0\r\n\r\n",
    "5;a=\"b\"\r\nhello\r\n0\r\nx-sum: 1\r\nx-metaparticle-claim: 1 2 3\r\n\r\n",
    "0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: a.example\r\n\r\n",
    "5\nhello\n0\n\n",
    "fffffffffffffffff\r\nhello",
    "GET /smuggled HTTP/1.1\r\nHost: a.example\r\n\r\n",
];

const BYTES: [&[u8]; 14] = [
    b"\r",
    b"\n",
    b"\r\n",
    b"\r\n\r\n",
    b"\0",
    b":",
    b" ",
    b"\t",
    b"\xff",
    b",",
    b";",
    b"%",
    b"/",
    b"_",
];

/// Some requests on one connection.
pub(super) fn connection(random: &mut Random) -> Vec<u8> {
    let mut bytes = Vec::new();
    for _ in 0..=random.below(3) {
        bytes.extend(request(random));
    }
    if random.below(4) == 0 {
        for _ in 0..=random.below(3) {
            break_bytes(&mut bytes, random);
        }
    }
    bytes
}

fn request(random: &mut Random) -> Vec<u8> {
    let method = random.pick(&METHODS);
    let version = random.pick(&["1.1", "1.1", "1.1", "1.1", "1.1", "1.0", "2.0"]);
    let mut text = format!("{method} {} HTTP/{version}\r\n", random.pick(&TARGETS));
    let mut lines = vec![];
    if random.below(12) != 0 {
        lines.push(LINES[0]);
    }
    if random.below(8) == 0 {
        lines.extend(["Connection: Upgrade", "Upgrade: websocket"]);
    }
    for _ in 0..random.below(5) {
        lines.push(random.pick(&LINES));
    }
    if random.below(100) == 0 {
        lines.extend(["X-Many: 1"; 101]);
    }
    let body = random.pick(&BODIES);
    if random.below(2) == 0 {
        let fitting = if body.starts_with(char::is_numeric) {
            "Transfer-Encoding: chunked".to_owned()
        } else {
            format!("Content-Length: {}", body.len())
        };
        text.push_str(&fitting);
        text.push_str("\r\n");
    }
    for _ in 0..lines.len() {
        text.push_str(lines.swap_remove(random.below(lines.len())));
        text.push_str("\r\n");
    }
    text.push_str("\r\n");
    text.push_str(body);
    text.into_bytes()
}

fn break_bytes(bytes: &mut Vec<u8>, random: &mut Random) {
    let at = random.below(bytes.len() + 1);
    let length = random.below(8).min(bytes.len() - at);
    match random.below(4) {
        0 => drop(bytes.drain(at..at + length)),
        1 if at < bytes.len() => bytes[at] ^= 1 << random.below(8),
        2 => {
            let copied = bytes[at..at + length].to_vec();
            let to = random.below(bytes.len() + 1);
            bytes.splice(to..to, copied);
        }
        _ => drop(bytes.splice(at..at, random.pick(&BYTES).iter().copied())),
    }
}
