//! A gateway of somebody else's: the example crate, its plugin next to the built-ins.

use std::{
    env,
    io::{BufRead, BufReader},
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Child, ChildStderr, Command, Stdio},
    sync::OnceLock,
};

use signet_integration::{Client, Folder, Request, Upstream, signet};

use crate::setup::repository;

/// Builds the example beside this test, once, and gives its binary.
fn example() -> &'static Path {
    static BINARY: OnceLock<PathBuf> = OnceLock::new();
    BINARY.get_or_init(|| {
        let test = env::current_exe().expect("the path of this test");
        let target = test.ancestors().nth(3).expect("a test stands in TARGET/PROFILE/deps").to_owned();
        let cargo = env::var_os("CARGO").unwrap_or_else(|| env!("CARGO").into());
        let build = Command::new(cargo)
            .args(["build", "--quiet", "--offline", "--package", "tenant-header", "--target-dir"])
            .arg(&target)
            .current_dir(repository("."))
            .output()
            .expect("cargo runs");
        assert!(build.status.success(), "{}", String::from_utf8_lossy(&build.stderr));
        target.join("debug/tenant-header")
    })
}

fn command() -> Command {
    let mut command = Command::new(example());
    for (name, _) in env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("SIGNET_")) {
        command.env_remove(name);
    }
    command
}

/// The example as a running gateway; killed when dropped.
struct Running {
    child: Child,
    proxy: SocketAddr,
    /// Kept open: the gateway may have more to say.
    _messages: BufReader<ChildStderr>,
}

impl Running {
    /// On its own configuration, with this upstream behind it.
    fn start(upstream: &Upstream) -> Self {
        let mut child = command()
            .args(["run", "--resolve", &format!("127.0.0.1:9000:{}", upstream.address()), "-c"])
            .arg(repository("examples/tenant-header/conf.yaml"))
            .envs([
                ("SIGNET_PROXY_LISTEN", "127.0.0.1:0"),
                ("SIGNET_STATUS_LISTEN", "127.0.0.1:0"),
                ("SIGNET_ADMIN_LISTEN", "off"),
            ])
            .envs([("SIGNET_THREADS", "1"), ("SIGNET_SIGNING_THREADS", "1")])
            .stdin(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the example starts");
        let mut messages = BufReader::new(child.stderr.take().expect("its messages"));
        let mut said = String::new();
        let (mut proxy, mut serving) = (None, false);
        while proxy.is_none() || !serving {
            let start = said.len();
            let length = messages.read_line(&mut said).expect("text");
            assert!(length > 0, "it ended:\n{said}");
            let line = &said[start..];
            serving |= line.starts_with("serving ");
            proxy = proxy.or_else(|| line.strip_prefix("proxy listening on http://")?.trim().parse().ok());
        }
        let proxy = proxy.expect("an address");
        Self { child, proxy, _messages: messages }
    }

    fn send(&self, request: &Request) -> signet_integration::Response {
        Client::connect(self.proxy).send(request)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn a_plugin_of_somebody_else_runs_behind_the_built_ins() {
    let upstream = Upstream::echo();
    let gateway = Running::start(&upstream);
    let forged = Request::get("/orders/1").header("X-Tenant", "evil").header("x-tenant", "worse");

    let response = gateway.send(&forged.clone().header("apikey", "acme-key"));
    assert_eq!(response.status, 200, "{response:?}");
    let seen = upstream.one();
    assert_eq!(seen.headers.all("X-Tenant").collect::<Vec<_>>(), ["acme"]);
    assert_eq!(seen.header("X-Consumer-Username"), Some("acme-shop"));
    assert_eq!(seen.path, "/anything/1");

    let response = gateway.send(&forged.clone().header("apikey", "drifter-key"));
    assert_eq!((response.status, response.json()["message"].as_str()), (403, Some("You belong to no tenant")));
    assert_eq!(gateway.send(&forged).status, 401);
    assert!(upstream.take().is_empty(), "a refused request came through");
}

#[test]
fn the_configuration_of_the_example_is_for_its_own_gateway() {
    let file = repository("examples/tenant-header/conf.yaml");
    let own = command().arg("check").arg(&file).output().expect("the example runs");
    assert_eq!(own.status.code(), Some(0), "{own:?}");
    assert!(own.stderr.is_empty(), "{own:?}");
    let run = signet(["check".as_ref(), file.as_os_str()]);
    assert_eq!(run.code, Some(2));
    assert!(run.stdout.contains("services[0].plugins[1]: plugin `tenant-header` is not available"), "{}", run.stdout);
}

#[test]
fn mistakes_and_warnings_of_somebody_elses_plugin_have_paths_and_lines() {
    let folder = Folder::new();
    let plugin = "_format_version: '3.0'\nplugins:\n- name: tenant-header\n  config:\n";
    let check = |name: &str, config: &str| {
        let file = folder.write(name, format!("{plugin}    {config}\n"));
        command().arg("check").arg(file).output().expect("the example runs")
    };
    let wrong = check("wrong.yaml", "header: X Tenant");
    assert_eq!(wrong.status.code(), Some(2));
    let told = String::from_utf8_lossy(&wrong.stdout);
    assert!(told.contains("wrong.yaml:5: plugins[0].config.header: `X Tenant` is not a header name\n"), "{told}");
    let unwise = check("unwise.yaml", "tag_prefix: 'customer:'");
    assert_eq!(unwise.status.code(), Some(0));
    let told = String::from_utf8_lossy(&unwise.stderr);
    assert!(told.contains("unwise.yaml:5: plugins[0].config.tag_prefix: warning: no consumer has a tag"), "{told}");
}
