//! systemd: its notices, its sockets, and the unit files in conf/.

use std::{
    fs,
    net::{TcpListener, TcpStream},
    os::unix::net::UnixDatagram,
    process::{Command, Stdio},
};

use signet_integration::{DEADLINE, Folder, Gateway, Upstream, binary, poll};

use crate::setup::{repository, service};

/// What a service manager is told.
struct Notices {
    socket: UnixDatagram,
    _folder: Folder,
    path: String,
}

impl Notices {
    fn listen() -> Self {
        let folder = Folder::new();
        let path = folder.path().join("notify.sock");
        let socket = UnixDatagram::bind(&path).unwrap();
        socket.set_read_timeout(Some(DEADLINE)).unwrap();
        Self { socket, _folder: folder, path: path.display().to_string() }
    }

    fn next(&self) -> Vec<String> {
        let mut text = [0; 4096];
        let length = self.socket.recv(&mut text).expect("a notice");
        String::from_utf8_lossy(&text[..length]).lines().map(str::to_owned).collect()
    }
}

fn one_route(upstream: &Upstream) -> String {
    service(upstream, "- {name: all, paths: [/]}")
}

#[test]
fn a_service_says_when_it_serves_reloads_and_stops() {
    let (upstream, notices) = (Upstream::echo(), Notices::listen());
    let mut gateway = Gateway::with(&one_route(&upstream)).variable("NOTIFY_SOCKET", &notices.path).start();
    assert_eq!(notices.next(), ["READY=1"]);
    gateway.hang_up();
    let reloading = notices.next();
    assert_eq!(reloading[0], "RELOADING=1");
    assert!(reloading[1].starts_with("MONOTONIC_USEC="), "{reloading:?}");
    assert_eq!(notices.next(), ["READY=1"]);
    gateway.process().signal("TERM");
    assert_eq!(notices.next(), ["STOPPING=1"]);
}

#[test]
fn after_an_upgrade_another_process_is_the_service() {
    let (upstream, notices) = (Upstream::echo(), Notices::listen());
    let mut gateway = Gateway::with(&one_route(&upstream)).variable("NOTIFY_SOCKET", &notices.path).start();
    assert_eq!(notices.next(), ["READY=1"]);
    assert_eq!(gateway.upgrade().code, Some(0), "{}", gateway.stderr());
    let heard = [notices.next(), notices.next()].concat();
    let main = format!("MAINPID={}", gateway.serving_process());
    assert!(heard.contains(&"READY=1".to_owned()) && heard.contains(&main), "{heard:?}");
    assert_eq!(gateway.process().ended(), Some(0));
    notices.socket.set_nonblocking(true).unwrap();
    assert!(notices.socket.recv(&mut [0; 64]).is_err(), "the old process does not say that the service stops");
}

#[test]
fn sockets_that_systemd_opened_are_used() {
    let upstream = Upstream::echo();
    let folder = Folder::new();
    let config = folder.write("kong.yml", one_route(&upstream));
    // Nothing else can tell beforehand where it will listen.
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let run = |setting: &str| {
        let mut command = Command::new("systemd-socket-activate");
        command.args(["-l", &address, "-E", &format!("SIGNET_PROXY_LISTEN={setting}")]);
        command.args(["-E", "SIGNET_STATUS_LISTEN=off", "-E", "SIGNET_ADMIN_LISTEN=off"]);
        command.arg(binary()).args(["run", "-c"]).arg(&config).stdin(Stdio::null()).stderr(Stdio::piped());
        command.spawn().expect("systemd-socket-activate, from the package systemd")
    };
    let mut child = run(&address);
    // The first connection starts the gateway, which then answers it.
    let response = poll(|| {
        let stream = TcpStream::connect(&address).map_err(|error| error.to_string())?;
        Ok(signet_integration::Client::connect(stream.peer_addr().unwrap()))
    })
    .send(&signet_integration::Request::get("/"));
    assert_eq!(response.status, 200);
    let _ = Command::new("kill").arg(child.id().to_string()).status();
    assert!(child.wait().unwrap().success());

    let mut wrong = run("127.0.0.1:0");
    poll(|| TcpStream::connect(&address).map(drop).map_err(|error| error.to_string()));
    let output = wrong.wait().unwrap();
    let mut told = String::new();
    std::io::Read::read_to_string(&mut wrong.stderr.take().unwrap(), &mut told).unwrap();
    assert_eq!(output.code(), Some(2), "{told}");
    assert!(told.contains(&format!("systemd opened {address}, where no setting listens")), "{told}");
}

#[test]
fn the_units_are_what_systemd_understands() {
    let folder = Folder::new();
    for unit in ["signet.service", "signet.socket"] {
        let text = fs::read_to_string(repository("conf/systemd").join(unit)).unwrap();
        // The program need not be installed here.
        folder.write(unit, text.replace("/usr/bin/signet", &binary().display().to_string()));
    }
    let verify = |unit: &str| {
        let path = folder.path().join(unit);
        Command::new("systemd-analyze").args(["verify", "--recursive-errors=no"]).arg(path).output().unwrap()
    };
    for unit in ["signet.service", "signet.socket"] {
        let output = verify(unit);
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success() && !told.contains("signet"), "{unit}: {told}");
    }
    // The test can fail: systemd says what it does not know.
    let text = fs::read_to_string(folder.path().join("signet.service")).unwrap();
    folder.write("signet.service", text.replace("ProtectSystem=strict", "ProtectSystems=strict"));
    let told = String::from_utf8_lossy(&verify("signet.service").stderr).into_owned();
    assert!(told.contains("ProtectSystems"), "{told}");
}
