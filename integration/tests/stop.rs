//! The end of a gateway: clients are told before they are closed, operators are answered until then, and nobody waits longer than needed.

use std::{
    process::Command,
    sync::{Arc, Mutex, mpsc},
    time::{Duration, Instant},
};

use signet_integration::{Gateway, Kept, Request, Upstream, poll, signet, wait_until};

use crate::setup::service;

/// An upstream whose answers to `/long` wait for a word.
fn slow() -> (mpsc::Sender<()>, Upstream) {
    let (answer, wanted) = mpsc::channel::<()>();
    let wanted = Arc::new(Mutex::new(wanted));
    let upstream = Upstream::serve(move |conversation| {
        while let Some(seen) = conversation.request()? {
            if seen.path.ends_with("/long") {
                let _ = wanted.lock().unwrap().recv();
            }
            conversation.echo(&seen)?;
        }
        Ok(())
    });
    (answer, upstream)
}

fn one_route(upstream: &Upstream) -> String {
    service(upstream, "- {name: all, paths: [/]}")
}

fn is_at(upstream: &Upstream) {
    wait_until(|| !upstream.take().is_empty(), || "the request is at the upstream".to_owned());
}

#[test]
fn while_it_drains_it_is_not_ready_and_the_last_answer_says_so() {
    let (answer, upstream) = slow();
    let mut gateway = Gateway::start(&one_route(&upstream));
    let mut client = gateway.client();
    client.write(&Request::get("/long").bytes());
    is_at(&upstream);
    gateway.process().signal("TERM");
    poll(|| match gateway.get_status("/status/ready") {
        answer if answer.status == 503 && answer.text().contains("about to end") => Ok(()),
        answer => Err(format!("{answer:?}")),
    });
    assert_eq!(gateway.get_status("/status").status, 200, "operators are answered until the end");
    wait_until(|| std::net::TcpStream::connect(gateway.proxy()).is_err(), || "nobody listens for clients".to_owned());
    answer.send(()).unwrap();
    let last = client.read("GET");
    assert_eq!((last.status, last.header("connection")), (200, Some("close")));
    assert!(client.is_closed());
    let run = gateway.process().wait();
    assert_eq!(run.code, Some(0));
    assert!(!run.stderr.contains("ERROR"), "{}", run.stderr);
}

#[test]
fn an_idle_connection_is_closed_and_does_not_hold_the_process() {
    let upstream = Upstream::echo();
    let gateway = Gateway::with(&one_route(&upstream)).with_tls().setting("drain_timeout", "600").start();
    let mut kept = gateway.client();
    assert_eq!(kept.send(&Request::get("/")).status, 200);
    let mut over_tls = Kept::open(gateway.tls(), "a.test");
    assert_eq!(over_tls.get("a.test", "/"), 200);
    assert_eq!(gateway.terminate().code, Some(0));
    assert!(kept.is_closed());
}

#[test]
fn with_a_delay_it_accepts_while_the_balancer_looks_elsewhere() {
    let upstream = Upstream::echo();
    let mut gateway = Gateway::with(&one_route(&upstream)).setting("drain_delay", "600").start();
    let mut kept = gateway.client();
    assert_eq!(kept.send(&Request::get("/")).header("connection"), Some("keep-alive"));
    gateway.process().signal("TERM");
    wait_until(|| gateway.get_status("/status/ready").status == 503, || "not ready any more".to_owned());
    let last = kept.send(&Request::get("/"));
    assert_eq!((last.status, last.header("connection")), (200, Some("close")), "who is connected is told to go");
    assert_eq!(gateway.get("/").status, 200, "who comes now is served");
    // A second signal ends it at once, delay or not.
    gateway.process().signal("INT");
    assert_eq!(gateway.process().wait().code, Some(0));
}

#[test]
fn what_lasts_too_long_is_cut_off() {
    let (_answer, upstream) = slow();
    let mut gateway = Gateway::with(&one_route(&upstream)).setting("drain_timeout", "1").start();
    let mut client = gateway.client();
    client.write(&Request::get("/long").bytes());
    is_at(&upstream);
    let began = Instant::now();
    gateway.process().signal("QUIT");
    let run = gateway.process().wait();
    assert_eq!(run.code, Some(0));
    assert!(began.elapsed() >= Duration::from_secs(1), "it waited");
    assert!(run.stderr.contains("requests are cut off"), "{}", run.stderr);
}

#[test]
fn usr1_opens_log_files_again() {
    let (upstream, folder) = (Upstream::echo(), signet_integration::Folder::new());
    let log = folder.path().join("access.log");
    let start = Gateway::with(&one_route(&upstream)).setting("proxy_access_log", &log.display().to_string());
    let mut gateway = start.start();
    let is_in = |path: &std::path::Path, what: &str| {
        let text = || std::fs::read_to_string(path).unwrap_or_default();
        wait_until(|| text().contains(what), || format!("{what} in {}: {}", path.display(), text()));
    };
    gateway.get("/before");
    is_in(&log, "/before");
    let moved = folder.path().join("access.log.1");
    std::fs::rename(&log, &moved).unwrap();
    gateway.process().signal("USR1");
    wait_until(|| log.exists(), || "a new file".to_owned());
    gateway.get("/after");
    is_in(&log, "/after");
    assert!(!std::fs::read_to_string(&moved).unwrap().contains("/after"));
}

#[test]
fn the_limit_of_open_files_is_raised_to_what_is_allowed() {
    let upstream = Upstream::echo();
    let mut gateway = Gateway::start(&one_route(&upstream));
    let id = gateway.process().id();
    let limits = std::fs::read_to_string(format!("/proc/{id}/limits")).unwrap();
    let line = limits.lines().find(|line| line.starts_with("Max open files")).unwrap();
    let mut numbers = line.split_whitespace().skip(3);
    assert_eq!(numbers.next(), numbers.next(), "soft and hard: {line}");
}

#[test]
fn a_low_limit_of_open_files_is_told() {
    let file = signet_integration::Folder::new();
    let config = file.write("kong.yml", "_format_version: '3.0'\n");
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let script = format!(
        "ulimit -n 256; SIGNET_PROXY_LISTEN=off SIGNET_ADMIN_LISTEN=off SIGNET_STATUS_LISTEN={address} exec {} run -c {}",
        signet_integration::binary().display(),
        config.display()
    );
    // The port is taken: nothing of the process but its first steps is of interest.
    let run = Command::new("sh").args(["-c", &script]).output().unwrap();
    let told = String::from_utf8_lossy(&run.stderr).into_owned();
    assert_eq!(run.status.code(), Some(1), "the port is taken: {told}");
    assert!(told.contains("few files may be open") && told.contains("256"), "{told}");
}

#[test]
fn as_many_connections_wait_as_the_backlog_says() {
    let upstream = Upstream::echo();
    let gateway = Gateway::with(&one_route(&upstream)).setting("proxy_listen", "127.0.0.1:0 backlog=77").start();
    let backlog = || {
        let filter = format!("sport = :{}", gateway.proxy().port());
        let output = Command::new("ss").args(["-ltnH", &filter]).output().expect("ss, from the package iproute2");
        let line = String::from_utf8_lossy(&output.stdout).into_owned();
        line.split_whitespace().nth(2).map(str::to_owned).ok_or(line)
    };
    assert_eq!(gateway.get("/").status, 200, "it accepts");
    poll(|| match backlog() {
        Ok(length) if length == "77" => Ok(()),
        other => Err(format!("{other:?}")),
    });
}

#[test]
fn health_asks_the_status_listener() {
    let upstream = Upstream::echo();
    let folder = signet_integration::Folder::new();
    let health = |address: &str| {
        let settings = folder.write("signet.yaml", format!("status_listen: {address}\n"));
        signet(["health", "-s", &settings.display().to_string()])
    };
    let gateway = Gateway::start(&one_route(&upstream));
    let run = health(&gateway.status().to_string());
    assert_eq!((run.code, run.stderr.as_str()), (Some(0), "ready\n"));
    let unconfigured = Gateway::unconfigured().start();
    let run = health(&unconfigured.status().to_string());
    assert_eq!(run.code, Some(1));
    assert!(run.stderr.contains("no configuration is served"), "{}", run.stderr);
    let run = health(&Upstream::nowhere().to_string());
    assert_eq!(run.code, Some(1), "{}", run.stderr);
    assert_eq!(health("off").code, Some(2));
}
