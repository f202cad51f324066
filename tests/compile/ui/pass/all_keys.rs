#[metaparticle::containerize(
    name = "web",
    repository = "127.0.0.1:5000/demo",
    tag = "v1",
    namespace = "prod",
    context = "kind",
    ports = [8080, "9090/udp", "admin:9000", "dns:53/udp"],
    public = true,
    env(LOG = "info", "my.var" = "x"),
    resources(cpu = "100m", memory = "64Mi", cpu_limit = "1", memory_limit = "128Mi"),
    probes(readiness = "/ready", liveness = "/live", startup = "/up", port = 8080),
    base = "scratch",
    on_exit = "delete",
    coordination(policy = false),
)]
#[metaparticle::replicated(replicas = 4)]
fn main() {}
