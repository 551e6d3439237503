//! A gateway that serves one configuration on ports of its own.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
};

use crate::{
    Client, Folder, Request, Response, Secrets,
    poll::wait_until,
    process::{Process, Run, command, command_at, signal, to_the_end},
};

/// A running gateway; ended when dropped.
#[derive(Debug)]
pub struct Gateway {
    process: Process,
    proxy: SocketAddr,
    tls: Option<SocketAddr>,
    status: SocketAddr,
    admin: Option<SocketAddr>,
    serving: String,
    config: Option<PathBuf>,
    control: PathBuf,
    successors: Vec<u32>,
    secrets: Arc<Secrets>,
    /// Files that it logs to.
    logs: Vec<PathBuf>,
    folder: Folder,
}

/// How to start one.
#[derive(Debug)]
pub struct Start {
    config: Option<PathBuf>,
    program: Option<PathBuf>,
    arguments: Vec<String>,
    environment: Vec<(String, String)>,
    folder: Folder,
}

impl Gateway {
    /// Starts one on this configuration and waits until it is ready.
    pub fn start(yaml: &str) -> Self {
        Self::with(yaml).start()
    }

    /// The same with more to say.
    pub fn with(text: &str) -> Start {
        let folder = Folder::new();
        // JSON files are parsed as JSON: the name tells.
        let name = if text.trim_start().starts_with('{') { "kong.json" } else { "kong.yml" };
        let config = folder.write(name, text);
        Start::new(Some(config), folder)
    }

    /// The same for a file that is there.
    pub fn of(file: impl AsRef<Path>) -> Start {
        Start::new(Some(file.as_ref().to_owned()), Folder::new())
    }

    /// The same without any configuration.
    pub fn unconfigured() -> Start {
        Start::new(None, Folder::new())
    }

    /// The proxy listener.
    pub fn proxy(&self) -> SocketAddr {
        self.proxy
    }

    /// The proxy listener over TLS; it must have been started [`Start::with_tls`].
    pub fn tls(&self) -> SocketAddr {
        self.tls.expect("a gateway that was started with TLS")
    }

    /// The status listener.
    pub fn status(&self) -> SocketAddr {
        self.status
    }

    /// The admin listener; it must have been started [`Start::with_admin`].
    pub fn admin(&self) -> SocketAddr {
        self.admin.expect("a gateway that was started with an admin listener")
    }

    /// The line that counts what it serves.
    pub fn serving(&self) -> &str {
        &self.serving
    }

    /// A connection to the proxy.
    pub fn client(&self) -> Client {
        Client::connect(self.proxy).noted(&self.secrets)
    }

    /// One request on a connection of its own.
    pub fn send(&self, request: &Request) -> Response {
        self.client().send(request)
    }

    /// One GET on a connection of its own.
    pub fn get(&self, target: &str) -> Response {
        self.send(&Request::get(target))
    }

    /// One GET to the status listener.
    pub fn get_status(&self, target: &str) -> Response {
        Client::connect(self.status).send(&Request::get(target))
    }

    /// One GET to the admin listener.
    pub fn get_admin(&self, target: &str) -> Response {
        self.send_admin(&Request::get(target))
    }

    /// One request to the admin listener.
    pub fn send_admin(&self, request: &Request) -> Response {
        Client::connect(self.admin()).send(&request.clone().or_host("localhost"))
    }

    /// `/config/status`: what became of the last load.
    pub fn config_status(&self) -> serde_json::Value {
        self.get_status("/config/status").json()
    }

    /// Memory in KiB, by its name in `/proc/PID/status`.
    pub fn memory(&self, field: &str) -> u64 {
        let path = format!("/proc/{}/status", self.id());
        let text = std::fs::read_to_string(path).expect("a process that runs");
        let line = text.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':')).expect("a known field");
        line.trim().trim_end_matches(" kB").parse().expect("a number of KiB")
    }

    /// The id of its process.
    pub fn id(&self) -> u32 {
        self.process.id()
    }

    /// The declarative file.
    pub fn file(&self) -> &Path {
        self.config.as_ref().expect("a gateway with a configuration")
    }

    /// The process.
    pub fn process(&mut self) -> &mut Process {
        &mut self.process
    }

    /// What it has written to standard error.
    pub fn stderr(&self) -> String {
        self.process.stderr()
    }

    /// What it has written to standard output.
    pub fn stdout(&self) -> String {
        self.process.stdout()
    }

    /// Writes another configuration into its file and waits until it has loaded it, with success or without.
    pub fn reload(&self, text: &str) {
        self.secrets.configured(text);
        std::fs::write(self.file(), text).expect("the configuration is written");
        self.hang_up();
    }

    /// Tells it to load everything again, and waits until it has.
    pub fn hang_up(&self) {
        let loads = |metrics: &str| {
            let lines = metrics.lines().filter(|line| line.starts_with("signet_config_reloads_total{"));
            lines.filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok()).sum::<u64>()
        };
        let before = loads(&self.get_status("/metrics").text());
        self.process.signal("HUP");
        let loaded = || loads(&self.get_status("/metrics").text()) != before;
        wait_until(loaded, || format!("loaded again:\n{}", self.stderr()));
    }

    /// Writes a file beside its configuration.
    pub fn write(&self, name: &str, text: &str) -> PathBuf {
        self.folder.write(name, text)
    }

    /// Where `signet upgrade` asks.
    pub fn control_socket(&self) -> &Path {
        &self.control
    }

    /// Lets a new process take over, and says what `signet upgrade` said.
    pub fn upgrade(&mut self) -> Run {
        let run = to_the_end(command().arg("upgrade").env("SIGNET_CONTROL_SOCKET", &self.control));
        self.successors.extend(taken_over(&run.stderr));
        run
    }

    /// Tells it to let a new process take over, and waits until that one serves or has failed: then nothing.
    pub fn upgrade_by_signal(&mut self) -> Option<u32> {
        self.process.signal("USR2");
        let outcome = self.process.line("the upgrade", |line| {
            let serves = || line.split("process=").nth(1).filter(|_| line.contains("the new process serves"));
            let failed = line.contains("the upgrade failed").then_some(None);
            serves().map(|id| id.trim().parse().ok()).or(failed)
        });
        self.successors.extend(outcome);
        outcome
    }

    /// The process that serves: the one that was started, or the last that took over.
    pub fn serving_process(&self) -> u32 {
        self.successors.last().copied().unwrap_or_else(|| self.process.id())
    }

    /// A secret of its configuration, or a credential that a client sent, which one of its logs shows. Looked for when it
    /// ends, too.
    pub fn leaked(&self) -> Option<String> {
        self.secrets.shown_by(&self.said())
    }

    /// All that it has logged.
    fn said(&self) -> String {
        let files = self.logs.iter().filter_map(|file| std::fs::read_to_string(file).ok());
        files.fold(self.stderr() + &self.stdout(), |said, file| said + &file)
    }

    /// Sends it a signal by name, such as `HUP`, and waits for nothing.
    pub fn signal(&self, name: &str) {
        self.process.signal(name);
    }

    /// Asks it to end and waits until it has.
    pub fn terminate(mut self) -> Run {
        self.process.signal("TERM");
        self.process.wait()
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        for successor in &self.successors {
            // It may have ended, or handed over itself.
            signal(*successor, "KILL");
        }
        // A second panic would end all tests.
        if std::thread::panicking() {
            return;
        }
        self.process.interrupt();
        if let Some(secret) = self.leaked() {
            panic!("a log shows the secret `{secret}`:\n{}", self.said());
        }
    }
}

fn taken_over(said: &str) -> Option<u32> {
    said.lines().find_map(|line| line.strip_prefix("upgraded: process ")?.split(' ').next()?.parse().ok())
}

impl Start {
    fn new(config: Option<PathBuf>, folder: Folder) -> Self {
        let control = folder.path().join("control.sock");
        let start = Self { config, program: None, arguments: Vec::new(), environment: Vec::new(), folder };
        start
            .setting("proxy_listen", "127.0.0.1:0")
            .setting("status_listen", "127.0.0.1:0")
            .setting("admin_listen", "off")
            .setting("control_socket", &control.display().to_string())
            // Loads are counted; who wants the watcher says so.
            .setting("watch_files", "off")
            .setting("threads", "1")
            .setting("signing_threads", "1")
    }

    /// A second listener, over TLS, for HTTP/1.1 and HTTP/2.
    #[must_use]
    pub fn with_tls(self) -> Self {
        self.setting("proxy_listen", "127.0.0.1:0, 127.0.0.1:0 http2 ssl")
    }

    /// An admin listener.
    #[must_use]
    pub fn with_admin(self) -> Self {
        self.setting("admin_listen", "127.0.0.1:0")
    }

    /// A setting, by its variable.
    #[must_use]
    pub fn setting(self, key: &str, value: &str) -> Self {
        self.variable(&format!("SIGNET_{}", key.to_uppercase()), value)
    }

    /// Another path of the program.
    #[must_use]
    pub fn program(mut self, path: &Path) -> Self {
        self.program = Some(path.to_owned());
        self
    }

    /// A variable of the environment.
    #[must_use]
    pub fn variable(mut self, name: &str, value: &str) -> Self {
        self.environment.retain(|(known, _)| known != name);
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// A name that the gateway finds at this address: `httpbin.test:80`.
    #[must_use]
    pub fn resolve(self, name_and_port: &str, address: SocketAddr) -> Self {
        self.argument("--resolve").argument(&format!("{name_and_port}:{address}"))
    }

    /// Another argument.
    #[must_use]
    pub fn argument(mut self, argument: &str) -> Self {
        self.arguments.push(argument.to_owned());
        self
    }

    /// Starts it and waits until it is ready; without a configuration, until it listens.
    pub fn start(self) -> Gateway {
        let config = self.config.clone();
        let configured = config.is_some();
        let logs = self.logs();
        let (process, folder) = self.spawn();
        let proxy = process.line("the proxy listener", |line| listener(line, "proxy", "http"));
        // All addresses are said at once.
        let status = process.line("the status listener", |line| listener(line, "status", "http"));
        let tls = process.stderr().lines().find_map(|line| listener(line, "proxy", "https"));
        // It stands after all of them.
        let serving = process.line("what it serves", |line| line.starts_with("serving ").then(|| line.to_owned()));
        let admin = |scheme| process.stderr().lines().find_map(|line| listener(line, "admin", scheme));
        let admin = admin("http").or_else(|| admin("https"));
        let control = folder.path().join("control.sock");
        let successors = Vec::new();
        let secrets = Arc::new(Secrets::default());
        let text = config.as_ref().and_then(|file| std::fs::read_to_string(file).ok()).unwrap_or_default();
        secrets.configured(&text);
        let gateway =
            Gateway { process, proxy, tls, status, admin, serving, config, control, successors, secrets, logs, folder };
        if configured {
            gateway.wait_until_ready();
        }
        gateway
    }

    /// Starts it and waits for its end: for what must not start.
    pub fn run(self) -> Run {
        let (mut process, _folder) = self.spawn();
        process.wait()
    }

    fn logs(&self) -> Vec<PathBuf> {
        let is_log = |name: &str| name == "SIGNET_PROXY_ACCESS_LOG" || name == "SIGNET_PROXY_ERROR_LOG";
        let named = self.environment.iter().filter(|(name, _)| is_log(name));
        named
            .map(|(_, path)| PathBuf::from(path))
            .filter(|path| path.is_absolute() && !path.starts_with("/dev"))
            .collect()
    }

    fn spawn(self) -> (Process, Folder) {
        let mut command = self.program.as_deref().map_or_else(command, command_at);
        command.arg("run").args(&self.arguments).envs(self.environment);
        if let Some(config) = &self.config {
            command.arg("-c").arg(config);
        }
        (Process::spawn(&mut command), self.folder)
    }
}

impl Gateway {
    fn wait_until_ready(&self) {
        let is_ready = || self.get_status("/status/ready").status == 200;
        wait_until(is_ready, || format!("ready:\n{}", self.stderr()));
    }
}

fn listener(line: &str, name: &str, scheme: &str) -> Option<SocketAddr> {
    line.strip_prefix(name)?
        .strip_prefix(" listening on ")?
        .strip_prefix(scheme)?
        .strip_prefix("://")?
        .trim()
        .parse()
        .ok()
}
