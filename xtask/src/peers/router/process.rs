//! The processes of a measurement: applications, a proxy, a load. They end with what starts them.

use std::{
    fs,
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    path::Path,
    process::{Child, Command, Stdio},
    sync::atomic::{AtomicU16, Ordering},
    thread::sleep,
    time::Duration,
};

use super::{
    figures::Told,
    peer::{self, Peer, Scene},
    tools::{Tools, on_core},
};
use crate::{clock::uptime, command, file::failed, peers::Error};

const APPLICATIONS: usize = 4;
/// Where the proxy runs, and where all else does.
const PROXY_CORE: u32 = 1;
const OTHER_CORE: u32 = 0;

/// A process that is ended when this is dropped.
#[derive(Debug)]
struct Running(Child);

impl Running {
    fn start(
        command: &mut Command,
        name: &'static str,
        address: SocketAddr,
    ) -> Result<Self, Error> {
        command.stdin(Stdio::null()).stdout(Stdio::null());
        let child = command.spawn().map_err(|source| command::Error::Start {
            program: command.get_program().display().to_string(),
            source,
        })?;
        let mut running = Self(child);
        let limit = uptime() + Duration::from_secs(20);
        while TcpStream::connect(address).is_err() {
            let ended = running.0.try_wait().ok().flatten();
            if ended.is_some() || uptime() > limit {
                return Err(Error::Answer {
                    peer: name,
                    answer: ended.map_or_else(|| "nothing".to_owned(), |it| it.to_string()),
                    expected: "a port that accepts",
                });
            }
            sleep(Duration::from_millis(20));
        }
        Ok(running)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It has ended already, or ends now.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The applications of a scene, and gates of ours before them.
#[derive(Debug)]
pub(super) struct Applications {
    addresses: Vec<SocketAddr>,
    gates: Vec<SocketAddr>,
    _running: [Running; 2],
}

impl Applications {
    pub(super) fn start(tools: &Tools, scene: Scene) -> Result<Self, Error> {
        let (addresses, gates) = (free(APPLICATIONS)?, free(APPLICATIONS)?);
        let protocol = protocol(scene);
        let mut backend = on_core(OTHER_CORE, &tools.ours);
        backend.args(["backend", protocol, &scene.bytes().to_string()]);
        backend.arg(list(&addresses));
        let mut owners = on_core(OTHER_CORE, &tools.ours);
        owners.args(["owners", protocol, &list(&gates), &list(&addresses)]);
        let running = [
            Running::start(&mut backend, "applications", addresses[0])?,
            Running::start(&mut owners, "gates of owners", gates[0])?,
        ];
        Ok(Self {
            addresses,
            gates,
            _running: running,
        })
    }
}

/// A proxy.
#[derive(Debug)]
pub(super) struct Proxy {
    running: Running,
    pub(super) address: SocketAddr,
}

impl Proxy {
    pub(super) fn start(
        peer: Peer,
        scene: Scene,
        tools: &Tools,
        applications: &Applications,
        folder: &Path,
    ) -> Result<Self, Error> {
        let address = free(1)?[0];
        let listen = address.to_string();
        let all = &applications.addresses;
        let file = |text: String| {
            let path = folder.join(peer.name());
            fs::write(&path, text).map_err(failed("write", &path))?;
            Ok::<_, Error>(path.display().to_string())
        };
        let proxy = |program: &str| on_core(PROXY_CORE, program);
        let mut command = match peer {
            Peer::Nginx => {
                let mut command = proxy("nginx");
                let prefix = folder.display().to_string();
                command.args([
                    "-p",
                    &prefix,
                    "-c",
                    &file(peer::nginx(scene, address, all))?,
                ]);
                // What it says before it has read its configuration.
                command.args(["-e", "stderr"]);
                command
            }
            Peer::Haproxy => {
                let mut command = proxy("haproxy");
                command.args([
                    "-db",
                    "-q",
                    "-f",
                    &file(peer::haproxy(scene, address, all))?,
                ]);
                command
            }
            Peer::Pingora => {
                let mut command = proxy(&tools.pingora.display().to_string());
                command.args([&listen, &list(all)]);
                command
            }
            Peer::Envoy => {
                let program = tools.envoy.as_deref().unwrap_or(Path::new("envoy"));
                let mut command = proxy(&program.display().to_string());
                let text = peer::envoy(scene, address, all);
                command.args([
                    "--concurrency",
                    "1",
                    "--log-level",
                    "off",
                    "--use-dynamic-base-id",
                ]);
                command.args(["--config-yaml", &text]);
                command
            }
            Peer::Ours => {
                let mut command = proxy(&tools.ours);
                command.args(["gate", protocol(scene), &listen, &all[0].to_string()]);
                command
            }
            Peer::Router => {
                let mut command = proxy(&tools.ours);
                command.args([
                    "router",
                    protocol(scene),
                    &listen,
                    &list(&applications.gates),
                ]);
                command
            }
        };
        let running = Running::start(&mut command, peer.name(), address)?;
        Ok(Self { running, address })
    }

    /// What the process has used so far, in itself and in the system.
    pub(super) fn processor_time(&self) -> Result<Duration, Error> {
        let text = self.read("stat")?;
        // The name of the program, in parentheses, may have spaces.
        let numbers = text.rsplit(')').next().unwrap_or_default();
        let ticks = numbers.split_whitespace().skip(11).take(2);
        let ticks: u32 = ticks.filter_map(|it| it.parse::<u32>().ok()).sum();
        // USER_HZ is 100 wherever Linux runs.
        Ok(Duration::from_millis(10) * ticks)
    }

    /// What it has in memory.
    pub(super) fn memory_kib(&self) -> Result<u64, Error> {
        let text = self.read("status")?;
        let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let number = line.and_then(|line| line.split_whitespace().next());
        Ok(number.and_then(|it| it.parse().ok()).unwrap_or_default())
    }

    fn read(&self, name: &str) -> Result<String, Error> {
        let path = format!("/proc/{}/{name}", self.running.0.id());
        Ok(fs::read_to_string(&path).map_err(failed("read", path))?)
    }
}

/// Loads the proxy for some seconds.
pub(super) fn load(
    scene: Scene,
    tools: &Tools,
    proxy: &Proxy,
    seconds: u32,
    rate: u32,
    folder: &Path,
) -> Result<Told, Error> {
    let base = format!("http://{}", proxy.address);
    let other = |program: &str| on_core(OTHER_CORE, program);
    let seconds = seconds.to_string();
    let (mut command, read): (_, fn(&str) -> Option<Told>) = match scene {
        Scene::OpenLoop => {
            let mut command = other(&tools.ours);
            let target = proxy.address.to_string();
            command.args(["load", &target, &rate.to_string(), &seconds]);
            (command, Told::of_ours)
        }
        Scene::Small | Scene::Large => {
            let script = folder.join("users.lua");
            fs::write(&script, SCRIPT).map_err(failed("write", &script))?;
            let mut command = other("wrk");
            command.args(["-t1", "-c32", &format!("-d{seconds}s"), "-s"]);
            command.arg(script).arg(base);
            (command, Told::of_wrk)
        }
        Scene::Http2In | Scene::Http2Both => {
            let targets = folder.join("users.txt");
            let users = (0..1000).map(|user| format!("{base}/users/{user}/cart\n"));
            fs::write(&targets, users.collect::<String>()).map_err(failed("write", &targets))?;
            let mut command = other("h2load");
            command.args(["-t1", "-c4", "-m8", "-D", &seconds, "-i"]);
            command.arg(targets);
            (command, Told::of_h2load)
        }
    };
    let text = command::output(&mut command)?;
    read(&text).ok_or(Error::Answer {
        peer: "the load",
        answer: text,
        expected: "counts",
    })
}

/// wrk asks for another user each time.
const SCRIPT: &str = "local user = 0
function request()
  user = (user + 7919) % 1000
  return wrk.format(\"GET\", \"/users/\" .. user .. \"/cart\")
end
";

const fn protocol(scene: Scene) -> &'static str {
    if scene.http2_out() { "h2c" } else { "http1" }
}

fn list(addresses: &[SocketAddr]) -> String {
    let words: Vec<_> = addresses.iter().map(ToString::to_string).collect();
    words.join(",")
}

/// Ports that nobody listens at. They are below those that the system gives to connections, which come and go by the
/// thousand here and would take them.
fn free(count: usize) -> Result<Vec<SocketAddr>, Error> {
    static NEXT: AtomicU16 = AtomicU16::new(FIRST_PORT);
    let ports = std::iter::repeat_with(|| NEXT.fetch_add(1, Ordering::Relaxed));
    let addresses = ports
        .take_while(|port| *port < LAST_PORT)
        .map(|port| SocketAddr::from((Ipv4Addr::LOCALHOST, port)))
        .filter(|address| TcpListener::bind(address).is_ok());
    let addresses: Vec<_> = addresses.take(count).collect();
    if addresses.len() < count {
        return Err(Error::Answer {
            peer: "this machine",
            answer: format!("{} ports", addresses.len()),
            expected: "more free ports below 32768",
        });
    }
    Ok(addresses)
}

const FIRST_PORT: u16 = 18_000;
const LAST_PORT: u16 = 32_000;
