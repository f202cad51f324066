//! Starting a container.

use std::{
    fs, io,
    net::{IpAddr, Ipv4Addr},
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use k8s_openapi::api::core::v1::Container;
use tokio::{
    net::TcpStream,
    sync::watch,
    task::JoinSet,
    time::{Instant, sleep},
};

use super::{
    Run, Worker, prepare,
    prepare::RETRY,
    report::{Report, What},
};
use crate::{
    api::EventKind,
    node::{
        Program,
        container::{self, Hook, Recorder},
        environment::{self, Variables},
        logs::Log,
        pod::record::{Ended, Running, State, Waiting},
        ports::Ports,
        probe::{Inside, Probes},
        process::{Own, Plan, Process},
        program,
    },
};

/// How long an image is not looked for again, unless one is added.
const LONG: Duration = Duration::from_secs(3600);
/// Seconds of a session of shards: a first map waits for as long as one, and nobody wants to wait for half a minute here.
const SESSION: u32 = 6;

/// How long a program may take to listen where it was told, before that is said.
pub(super) const PATIENCE: Duration = Duration::from_secs(5);

/// Ports that a container cannot have, as another pod does.
#[derive(Debug, Default)]
pub(super) struct Moved {
    /// Asked for, and given.
    ports: Vec<(u16, u16)>,
    /// The others: those that it has.
    kept: Vec<u16>,
    listens: AtomicBool,
}

impl Moved {
    /// The first port, if nothing has listened where it was moved to.
    pub(super) fn ignored(&self) -> Option<u16> {
        let listens = self.listens.load(Ordering::Relaxed);
        (!listens).then_some(self.ports.first()?.0)
    }

    /// The first port that it should have, but which another pod took.
    pub(super) fn lost(&self, uid: &str, ports: &Ports) -> Option<u16> {
        self.kept
            .iter()
            .copied()
            .find(|port| ports.is_lost(uid, *port))
    }
}

impl Worker {
    /// Starts a container, or says why not.
    pub(super) async fn start(&mut self, index: usize) {
        let container = self.records[index].spec.clone();
        let Some(program) = self.program(index, &container) else {
            return;
        };
        let image = container.image.as_deref().unwrap_or_default();
        let pulled = format!(
            "Container image \"{image}\" already present on machine and can be accessed by the pod"
        );
        self.event(EventKind::Normal, "Pulled", &pulled);
        let (env, moved) = match self.environment(&container, &program) {
            Ok(found) => found,
            Err(why) => {
                self.event(EventKind::Warning, "Failed", &format!("Error: {why}"));
                self.records[index].wait(Waiting {
                    reason: Some("CreateContainerConfigError"),
                    message: Some(why),
                    until: Some(Instant::now() + RETRY),
                });
                return;
            }
        };
        self.count_restart(index);
        self.event(EventKind::Normal, "Created", "Container created");
        match self.spawn(index, &container, &program, &env).await {
            Ok((process, log, folder)) => {
                self.event(EventKind::Normal, "Started", "Container started");
                self.watch(index, process, &log, folder, env, moved);
            }
            Err(why) => self.failed_to_start(index, why),
        }
    }

    /// What runs for the container's image.
    fn program(&mut self, index: usize, container: &Container) -> Option<Program> {
        let image = container.image.clone().unwrap_or_default();
        let programs = self.node.programs.borrow().clone();
        let record = &mut self.records[index];
        if let Some(program) = programs.get(&image) {
            record.lacks_image = false;
            return Some(program.clone());
        }
        let known: Vec<&str> = programs.keys().map(String::as_str).collect();
        let known = if known.is_empty() {
            "none".to_owned()
        } else {
            known.join(", ")
        };
        let why = format!("the embedded cluster has no image \"{image}\", it knows: {known}");
        let again = std::mem::replace(&mut record.lacks_image, true);
        let never = container.image_pull_policy.as_deref() == Some("Never");
        let long = Instant::now() + LONG;
        let (reason, message, until) = if never {
            let message =
                format!("Container image \"{image}\" is not present with pull policy of Never");
            ("ErrImageNeverPull", message, long)
        } else if again {
            let message = format!("Back-off pulling image \"{image}\": ErrImagePull: {why}");
            ("ImagePullBackOff", message, long)
        } else {
            ("ErrImagePull", why.clone(), Instant::now() + RETRY)
        };
        record.wait(Waiting {
            reason: Some(reason),
            message: Some(message.clone()),
            until: Some(until),
        });
        match reason {
            "ErrImageNeverPull" => self.event(EventKind::Warning, reason, &message),
            "ErrImagePull" => {
                let pulling = format!("Pulling image \"{image}\"");
                self.event(EventKind::Normal, "Pulling", &pulling);
                let failed = format!("Failed to pull image \"{image}\": {why}");
                self.event(EventKind::Warning, "Failed", &failed);
            }
            _ => {
                let message = format!("Back-off pulling image \"{image}\"");
                self.event(EventKind::Normal, "BackOff", &message);
            }
        }
        self.event(EventKind::Warning, "Failed", &format!("Error: {reason}"));
        None
    }

    /// The container's environment, and the ports that it was told to take instead of its own.
    fn environment(
        &self,
        container: &Container,
        program: &Program,
    ) -> Result<(Variables, Moved), String> {
        let place = self.prepared.place().ok_or("the pod has no address")?;
        let config = &self.node.config;
        let (namespace, name) = self.name();
        let spec = self.spec();
        let mut env = environment::inherited();
        env.extend(config.env.clone());
        let hostname = spec.hostname.as_deref().unwrap_or(name);
        let mut set = |name: &str, value: String| env.insert(name.to_owned(), value);
        set("HOSTNAME", hostname.to_owned());
        set("METAPARTICLE_LISTEN_ADDRESS", place.pod_ip.to_string());
        set("METAPARTICLE_SESSION", SESSION.to_string());
        if let Some(folder) = prepare::folder(&self.node, &self.uid) {
            let volumes = folder.join("volumes").display().to_string();
            set("METAPARTICLE_VOLUMES", volumes);
        }
        if let Some(kubeconfig) = &config.kubeconfig {
            set("KUBECONFIG", kubeconfig.display().to_string());
        }
        let mut moved = Moved::default();
        if self.node.subnet.is_none() {
            for port in container.ports.iter().flatten() {
                let Ok(asked) = u16::try_from(port.container_port) else {
                    continue;
                };
                let actual = config.ports.assign(&self.uid, asked);
                set(&format!("METAPARTICLE_PORT_{asked}"), actual.to_string());
                if actual == asked {
                    moved.kept.push(asked);
                } else {
                    moved.ports.push((asked, actual));
                }
            }
        }
        if spec.enable_service_links != Some(false)
            && let Some(services) = self.node.services.get()
        {
            let services = services.borrow().clone();
            let own = services.iter().filter(|it| it.namespace == namespace);
            env.extend(environment::of_services(own));
        }
        env.extend(program.env.clone());
        let lookup = |holder, name: &str| prepare::lookup(&self.node.api, namespace, holder, name);
        let env = environment::of_container(&self.latest.pod, container, place, env, &lookup)?;
        Ok((env, moved))
    }

    /// The end of the last run moves to where it is remembered.
    fn count_restart(&mut self, index: usize) {
        self.keep_as_previous(index);
        let config = self.node.config.backoff();
        let record = &mut self.records[index];
        if record.latest_end().is_some() {
            record.restarts += 1;
            record.backoff.restarted(config, Instant::now());
        }
        if let State::Ended(ended) = &record.state {
            record.last = Some(ended.clone());
        }
    }

    async fn spawn(
        &self,
        index: usize,
        container: &Container,
        program: &Program,
        env: &Variables,
    ) -> Result<(Process, Log, PathBuf), String> {
        let words = program::command_line(container, program, |name| env.get(name).cloned());
        let word = words.first().cloned().unwrap_or_default();
        let folder = self.working_folder(index, container);
        let folder = folder.map_err(|error| error.to_string())?;
        let path = env.get("PATH").map_or("", String::as_str);
        let plan = Plan {
            path: program::find(&word, path, &folder)?,
            args: words.into_iter().map(Into::into).collect(),
            env: env
                .iter()
                .map(|(name, value)| (name.into(), value.into()))
                .collect(),
            folder: folder.clone(),
        };
        let log = Log::create(self.node.home.path()).map_err(|error| error.to_string())?;
        let process = self.node.spawner.start(plan, self.own()).await;
        let process = process.map_err(|error| container::start_error(&word, &error))?;
        Ok((process, log, folder))
    }

    /// Where wildcard `bind`s go.
    fn own(&self) -> Option<Own> {
        Some(Own {
            ip: self.prepared.own()?,
            uid: self.uid.clone(),
            ports: self.node.config.ports.clone(),
        })
    }

    /// The container's own folder, or the one of this machine that it names.
    fn working_folder(&self, index: usize, container: &Container) -> io::Result<PathBuf> {
        if let Some(folder) = container.working_dir.as_deref().filter(|it| !it.is_empty()) {
            return Ok(Path::new(folder).to_owned());
        }
        let pod = prepare::folder(&self.node, &self.uid).unwrap_or_default();
        let folder = pod.join(index.to_string());
        self.node.home.make(|_| fs::create_dir_all(&folder))?;
        Ok(folder)
    }

    /// Watches over a process that has just started.
    fn watch(
        &mut self,
        index: usize,
        process: Process,
        log: &Log,
        folder: PathBuf,
        env: Variables,
        moved: Moved,
    ) {
        let container = &self.records[index].spec;
        let number = self.records[index].restarts;
        let place_ip = self.facts.pod_ip.unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST));
        let probes = Probes::of(container);
        let hook = Hook::of(container);
        let inside = Arc::new(Inside {
            spawner: self.node.spawner.clone(),
            env,
            folder,
            ip: place_ip,
            own: self.own(),
            uid: self.uid.clone(),
            ports: self.node.config.ports.clone(),
        });
        let running = Running {
            id: format!("process://{}", process.id()),
            since: self.node.api.now(),
            started: probes.starts_at_once(),
            ready: probes.is_ready_at_once(),
            stopping: false,
        };
        let (stop, stopped) = watch::channel(None);
        let recorder = Recorder {
            api: self.node.api.clone(),
            log: log.clone(),
            home: self.node.home.clone(),
        };
        let moved = Arc::new(moved);
        let mut tasks = JoinSet::new();
        let report = {
            let sender = self.sender.clone();
            // The worker may have ended; then nobody needs to know.
            move |what| {
                let report = Report {
                    index,
                    number,
                    what,
                };
                let _ = sender.send(report);
            }
        };
        let (found, silent) = (report.clone(), report.clone());
        tasks.spawn(probes.run(inside.clone(), move |finding| found(What::Found(finding))));
        if !moved.ports.is_empty() {
            tasks.spawn(listens(moved.clone(), move |port| {
                silent(What::Silent(port));
            }));
        }
        tasks.spawn(async move {
            let status = container::run(process, recorder, stopped, hook, inside).await;
            report(What::Ended(status));
        });
        self.records[index].state = State::Running(running);
        let container = self.records[index].spec.name.clone();
        let mut logs = self.node.logs();
        let logs = logs.entry(self.uid.clone()).or_default();
        logs.entry(container).or_default().latest = Some(log.clone());
        self.runs[index] = Some(Run {
            number,
            stop,
            log: log.clone(),
            moved,
            started: Instant::now(),
            _tasks: tasks,
        });
    }

    /// Where nothing could be started, a run ended that never was.
    fn failed_to_start(&mut self, index: usize, why: String) {
        self.event(EventKind::Warning, "Failed", &format!("Error: {why}"));
        let now = self.node.api.now();
        let record = &mut self.records[index];
        record.state = State::Ended(Ended {
            id: format!("process://none-{}", record.restarts),
            exit_code: 128,
            reason: "StartError",
            message: Some(why),
            since: jiff::Timestamp::UNIX_EPOCH,
            finished: now,
            at: Instant::now(),
        });
    }
}

/// Looks whether a program listens where it was told to; tells the port if it takes its time.
async fn listens(moved: Arc<Moved>, silent: impl Fn(u16)) {
    let start = Instant::now();
    let mut said = false;
    loop {
        for (asked, actual) in &moved.ports {
            if TcpStream::connect((Ipv4Addr::LOCALHOST, *actual))
                .await
                .is_ok()
            {
                moved.listens.store(true, Ordering::Relaxed);
                return;
            }
            if !said && start.elapsed() > PATIENCE {
                silent(*asked);
                said = true;
            }
        }
        sleep(Duration::from_millis(100)).await;
    }
}
