//! A new process takes over: no connection is lost, no request is answered in part or twice, and a bad one changes nothing.

use std::{
    collections::HashMap,
    env, fs,
    os::unix::fs::{PermissionsExt, symlink},
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
        mpsc,
    },
    thread,
};

use signet_integration::{Folder, Gateway, Load, Manner, Request, Tally, Upstream, binary, poll};

use tokio::runtime::Builder;

use crate::{http2::Connection, setup::service};

/// How often the process changes under load: a few times in the tests, more in `make soak-upgrade`.
fn rounds() -> usize {
    env::var("UPGRADES").map_or(3, |text| text.parse().expect("UPGRADES is a number"))
}

fn one_route(upstream: &Upstream) -> String {
    service(upstream, "- {name: all, paths: [/]}")
}

/// Upgrades again and again while these clients ask, and waits for each old process to end.
fn under_load(gateway: &mut Gateway, load: Load) -> Tally {
    load.wait_for(50);
    for round in 0..rounds() {
        let before = gateway.serving_process();
        let run = gateway.upgrade();
        assert_eq!(run.code, Some(0), "{round}: {}\n{}", run.stderr, gateway.stderr());
        assert_ne!(gateway.serving_process(), before);
        load.wait_for(100);
    }
    load.stop()
}

/// Every request reached the upstream as often as its answer says.
fn assert_none_was_sent_twice(upstream: &Upstream, tally: &Tally) {
    let mut seen: HashMap<String, usize> = HashMap::new();
    for request in upstream.take() {
        *seen.entry(request.header("x-id").expect("an id").to_owned()).or_default() += 1;
    }
    let twice: Vec<_> = seen.iter().filter(|(_, count)| **count != 1).collect();
    assert!(twice.is_empty(), "{twice:?}");
    assert_eq!(seen.len(), tally.answered.len(), "what was answered was sent, and nothing else");
}

#[test]
fn with_a_connection_for_each_request_none_fails() {
    let upstream = Upstream::echo();
    let mut gateway = Gateway::with(&one_route(&upstream)).with_tls().start();
    let (plain, tls) = (gateway.proxy(), gateway.tls());
    let load = Load::none().with(Manner::Single, plain).with(Manner::Single, plain).with_tls(Manner::Single, tls);
    let tally = under_load(&mut gateway, load);
    assert!(tally.failures.is_empty() && tally.unanswered.is_empty(), "{:?}", (tally.failures, tally.unanswered));
    println!("{} requests, each on its own connection, over {} upgrades: none failed", tally.answered.len(), rounds());
    assert_none_was_sent_twice(&upstream, &tally);
}

#[test]
fn on_connections_that_are_kept_no_request_is_answered_in_part_or_twice() {
    let upstream = Upstream::echo();
    let mut gateway = Gateway::with(&one_route(&upstream)).with_tls().start();
    let (plain, tls) = (gateway.proxy(), gateway.tls());
    let load = Load::none().with(Manner::Kept, plain).with(Manner::Kept, plain).with_tls(Manner::Kept, tls);
    let tally = under_load(&mut gateway, load);
    assert!(tally.failures.is_empty(), "{:?}", tally.failures);
    assert!(tally.unanswered.is_empty(), "the last answer says that it is the last: {:?}", tally.unanswered);
    println!("{} requests on kept connections over {} upgrades: none failed", tally.answered.len(), rounds());
    assert_none_was_sent_twice(&upstream, &tally);
}

#[test]
fn over_http2_no_request_is_answered_in_part_or_twice() {
    let upstream = Upstream::echo();
    let mut gateway = Gateway::with(&one_route(&upstream)).with_tls().start();
    let address = gateway.tls();
    let (stopped, answered) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let (stop, count) = (Arc::clone(&stopped), Arc::clone(&answered));
    let client = thread::spawn(move || {
        let (mut tally, mut connections) = (Tally::default(), 0);
        Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
            while !stop.load(SeqCst) {
                let mut connection = Connection::open(address).await;
                connections += 1;
                while !stop.load(SeqCst) {
                    let id = format!("{}", tally.answered.len() + tally.unanswered.len() + tally.failures.len());
                    match connection.echoed(&id).await {
                        Some(Ok(())) => {
                            count.fetch_add(1, SeqCst);
                            tally.answered.push(id);
                        }
                        // It left while GOAWAY arrived, which says that nobody has looked at it (RFC 9113, 6.8).
                        Some(Err(error)) if error.is_go_away() && error.reason() == Some(h2::Reason::NO_ERROR) => {
                            tally.unanswered.push(id);
                            break;
                        }
                        Some(Err(error)) => tally.failures.push(format!("{id}: {error}")),
                        None => break,
                    }
                }
            }
        });
        (tally, connections)
    });
    let wait_for = |more| {
        let enough = answered.load(SeqCst) + more;
        poll(|| (answered.load(SeqCst) >= enough).then_some(()).ok_or_else(|| format!("{enough} answers")));
    };
    wait_for(50);
    for _ in 0..rounds() {
        assert_eq!(gateway.upgrade().code, Some(0), "{}", gateway.stderr());
        wait_for(100);
    }
    stopped.store(true, SeqCst);
    let (tally, connections) = client.join().unwrap();
    assert!(tally.failures.is_empty(), "{:?}", tally.failures);
    assert_eq!(connections, rounds() + 1, "each old process says GOAWAY, once");
    println!("{} requests over HTTP/2, {} to be sent again", tally.answered.len(), tally.unanswered.len());
    assert_none_was_sent_twice(&upstream, &tally);
}

#[test]
fn a_listener_with_reuseport_loses_nothing_either() {
    let upstream = Upstream::echo();
    let start = Gateway::with(&one_route(&upstream)).setting("proxy_listen", "127.0.0.1:0 reuseport");
    let mut gateway = start.start();
    let load = Load::none().with(Manner::Single, gateway.proxy()).with(Manner::Single, gateway.proxy());
    let tally = under_load(&mut gateway, load);
    assert!(tally.failures.is_empty() && tally.unanswered.is_empty(), "{:?}", (tally.failures, tally.unanswered));
}

#[test]
fn a_request_that_takes_long_ends_on_the_old_process() {
    let (answer, wanted) = mpsc::channel::<()>();
    let wanted = std::sync::Mutex::new(wanted);
    let upstream = Upstream::serve(move |conversation| {
        while let Some(seen) = conversation.request()? {
            if seen.path.ends_with("/long") {
                wanted.lock().unwrap().recv().unwrap();
            }
            conversation.echo(&seen)?;
        }
        Ok(())
    });
    let mut gateway = Gateway::start(&one_route(&upstream));
    let mut long = gateway.client();
    long.write(&Request::get("/long").bytes());
    poll(|| upstream.take().iter().any(|seen| seen.path.ends_with("/long")).then_some(()).ok_or("not there".into()));
    assert_eq!(gateway.upgrade().code, Some(0), "{}", gateway.stderr());
    assert_eq!(gateway.get("/short").status, 200, "the new process serves");
    assert!(gateway.process().is_running(), "the old one waits");
    answer.send(()).unwrap();
    let last = long.read("GET");
    assert_eq!((last.status, last.header("connection")), (200, Some("close")));
    assert_eq!(gateway.process().ended(), Some(0));
}

#[test]
fn a_process_that_cannot_serve_changes_nothing_and_says_why() {
    let upstream = Upstream::echo();
    let mut gateway = Gateway::start(&one_route(&upstream));
    gateway.write("kong.yml", "services: 5\n");
    let run = gateway.upgrade();
    assert_eq!(run.code, Some(1), "{}", run.stderr);
    assert!(run.stderr.contains("ended before it served"), "{}", run.stderr);
    assert!(run.stderr.contains("goes on to serve"), "{}", run.stderr);
    assert!(gateway.stderr().contains("kong.yml:1: services: "), "{}", gateway.stderr());
    assert!(gateway.stderr().contains("the upgrade failed"), "{}", gateway.stderr());
    assert_eq!(gateway.get("/").status, 200);
    gateway.write("kong.yml", &one_route(&upstream));
    assert_eq!(gateway.upgrade().code, Some(0), "{}", gateway.stderr());
    assert_eq!(gateway.process().ended(), Some(0));
    assert_eq!(gateway.get("/").status, 200);
}

#[test]
fn a_process_that_takes_too_long_is_ended_and_a_replaced_binary_is_what_starts() {
    let (upstream, folder) = (Upstream::echo(), Folder::new());
    let program = folder.path().join("signet");
    let install = |binary: &Path| {
        let aside = folder.path().join("next");
        symlink(binary, &aside).unwrap();
        fs::rename(&aside, &program).unwrap();
    };
    install(&binary());
    let start = Gateway::with(&one_route(&upstream)).program(&program).setting("upgrade_timeout", "1");
    let mut gateway = start.start();
    let slow = folder.write("slow", "#!/bin/sh\nexec sleep 300\n");
    fs::set_permissions(&slow, fs::Permissions::from_mode(0o755)).unwrap();
    install(&slow);
    let run = gateway.upgrade();
    assert_eq!(run.code, Some(1), "{}", run.stderr);
    assert!(run.stderr.contains("did not serve within 1 seconds"), "{}", run.stderr);
    assert_eq!(gateway.get("/").status, 200);
    // The time is short for a busy machine: what is asserted is what starts.
    install(&binary());
    poll(|| match gateway.upgrade() {
        run if run.code == Some(0) => Ok(()),
        run => Err(run.stderr),
    });
    assert_eq!(gateway.process().ended(), Some(0));
    assert_eq!(gateway.get("/").status, 200);
}

#[test]
fn usr2_upgrades_and_the_settings_are_read_anew() {
    let (upstream, folder) = (Upstream::echo(), Folder::new());
    let settings = folder.write("signet.yaml", "headers: server_tokens\n");
    let start = Gateway::with(&one_route(&upstream)).argument("-s").argument(&settings.display().to_string());
    let mut gateway = start.start();
    assert!(gateway.get("/").header("via").is_some());
    folder.write("signet.yaml", "headers: off\n");
    assert!(gateway.upgrade_by_signal().is_some(), "{}", gateway.stderr());
    assert_eq!(gateway.process().ended(), Some(0));
    assert_eq!(gateway.get("/").header("via"), None);
    // The one after it is told by the socket, which was handed over, too.
    folder.write("signet.yaml", "headers: server_tokens\n");
    assert_eq!(gateway.upgrade().code, Some(0), "{}", gateway.stderr());
    poll(|| gateway.get("/").header("via").map(|_| ()).ok_or("not yet".to_owned()));
}

#[test]
fn two_upgrades_at_a_time_are_one_too_many() {
    let (upstream, folder) = (Upstream::echo(), Folder::new());
    let program = folder.path().join("signet");
    symlink(binary(), &program).unwrap();
    let mut gateway = Gateway::with(&one_route(&upstream)).program(&program).start();
    let slow = folder.write("slow", "#!/bin/sh\nexec sleep 300\n");
    fs::set_permissions(&slow, fs::Permissions::from_mode(0o755)).unwrap();
    fs::remove_file(&program).unwrap();
    symlink(&slow, &program).unwrap();
    gateway.process().signal("USR2");
    gateway.process().line("the first", |line| line.contains("an upgrade begins").then_some(()));
    let run = gateway.upgrade();
    assert_eq!(run.code, Some(1));
    assert!(run.stderr.contains("another upgrade is under way"), "{}", run.stderr);
    // A stop ends the one that is under way, too: otherwise the output of the gateway stays open.
    gateway.process().signal("TERM");
    assert_eq!(gateway.process().wait().code, Some(0));
}

#[test]
fn a_configuration_that_stands_in_no_file_is_not_lost_by_an_upgrade() {
    let upstream = Upstream::echo();
    let mut gateway = Gateway::with(&one_route(&upstream)).with_admin().start();
    let posted = service(&upstream, "- {name: posted, paths: [/posted]}");
    let request = Request::new("POST", "/config").header("Content-Type", "text/yaml");
    assert_eq!(gateway.send_admin(&request.body(posted.clone())).status, 201);
    let run = gateway.upgrade();
    assert_eq!(run.code, Some(1), "{}", run.stderr);
    assert!(run.stderr.contains("came by POST /config and stands in no file"), "{}", run.stderr);
    assert_eq!(gateway.get("/posted").status, 200);
    gateway.reload(&posted);
    assert_eq!(gateway.upgrade().code, Some(0), "{}", gateway.stderr());
    assert_eq!(gateway.process().ended(), Some(0));
    assert_eq!(gateway.get("/posted").status, 200);
}

#[test]
fn without_a_gateway_there_is_nothing_to_upgrade() {
    let folder = Folder::new();
    let nowhere = folder.path().join("control.sock").display().to_string();
    let settings = folder.write("signet.yaml", format!("control_socket: {nowhere}\n"));
    let run = signet_integration::signet(["upgrade", "-s", &settings.display().to_string()]);
    assert_eq!(run.code, Some(1));
    assert!(run.stderr.contains(&nowhere), "{}", run.stderr);
    let run = signet_integration::signet(["upgrade"]);
    assert_eq!(run.code, Some(2));
    assert!(run.stderr.contains("control_socket"), "{}", run.stderr);
}

#[test]
fn a_control_socket_belongs_to_one_gateway() {
    let upstream = Upstream::echo();
    let gateway = Gateway::start(&one_route(&upstream));
    let taken = gateway.control_socket().display().to_string();
    let run = Gateway::with(&one_route(&upstream)).setting("control_socket", &taken).run();
    assert_eq!(run.code, Some(1));
    assert!(run.stderr.contains("another gateway answers there"), "{}", run.stderr);
    let mode = fs::metadata(&taken).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600, "nobody else may ask");
    gateway.terminate();
    assert!(!Path::new(&taken).exists(), "it goes with the process");
}
