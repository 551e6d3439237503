//! Files that change are loaded without being asked: however they are replaced, and only when they are whole.

use std::{
    fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
};

use signet_integration::{Certificate, Folder, Gateway, Kept, Upstream, wait_until};

use crate::setup::service;

fn one_route(upstream: &Upstream, path: &str) -> String {
    service(upstream, &format!("- {{name: it, paths: [{path}]}}"))
}

fn watching(file: &Path) -> Gateway {
    Gateway::of(file).setting("watch_files", "on").start()
}

fn wait_for(gateway: &Gateway, target: &str, status: u16) {
    wait_until(|| gateway.get(target).status == status, || format!("{target} is {status}:\n{}", gateway.stderr()));
}

fn wait_for_failure(gateway: &Gateway) {
    let failed = || gateway.config_status()["last"]["result"] == "failure";
    wait_until(failed, || format!("a failure:\n{}", gateway.stderr()));
}

fn replace(file: &Path, text: &str) {
    let next = file.with_extension("next");
    fs::write(&next, text).expect("written");
    fs::rename(&next, file).expect("replaced");
}

#[test]
fn a_file_is_loaded_when_it_was_written_replaced_or_came_back() {
    let (upstream, folder) = (Upstream::echo(), Folder::new());
    let file = folder.write("kong.yml", one_route(&upstream, "/first"));
    let gateway = watching(&file);
    fs::write(&file, one_route(&upstream, "/written")).expect("written");
    wait_for(&gateway, "/written", 200);
    // As editors do.
    replace(&file, &one_route(&upstream, "/replaced"));
    wait_for(&gateway, "/replaced", 200);
    fs::remove_file(&file).expect("removed");
    wait_for_failure(&gateway);
    assert_eq!(gateway.get("/replaced").status, 200);
    fs::write(&file, one_route(&upstream, "/back")).expect("written");
    wait_for(&gateway, "/back", 200);
    // It serves before that is told.
    wait_until(|| gateway.config_status()["generation"] == 4, || format!("{:#}", gateway.config_status()));
    assert_eq!(gateway.config_status()["last"]["cause"], "changed");
}

#[test]
fn a_file_with_mistakes_is_told_once_and_loaded_when_it_is_mended() {
    let (upstream, folder) = (Upstream::echo(), Folder::new());
    let file = folder.write("kong.yml", one_route(&upstream, "/first"));
    let gateway = watching(&file);
    fs::write(&file, "_format_version: '3.0'\nservices: 5\n").expect("written");
    wait_for_failure(&gateway);
    assert_eq!(gateway.config_status()["last"]["mistakes"][0]["line"], 2);
    fs::write(&file, one_route(&upstream, "/mended")).expect("written");
    wait_for(&gateway, "/mended", 200);
    let metrics = gateway.get_status("/metrics").text();
    assert!(metrics.contains("\nsignet_config_reloads_total{result=\"failure\"} 1\n"), "{metrics}");
}

#[test]
fn a_config_map_of_kubernetes_is_followed_through_its_links() {
    let (upstream, folder) = (Upstream::echo(), Folder::new());
    let volume = folder.path();
    let generation = |name: &str, path: &str| {
        fs::create_dir(volume.join(name)).expect("a directory");
        fs::write(volume.join(name).join("kong.yml"), one_route(&upstream, path)).expect("written");
        // The links change at once, all together.
        symlink(name, volume.join("..data_tmp")).expect("a link");
        fs::rename(volume.join("..data_tmp"), volume.join("..data")).expect("swapped");
    };
    generation("..2026_01", "/first");
    let file: PathBuf = volume.join("kong.yml");
    symlink("..data/kong.yml", &file).expect("a link");
    let gateway = watching(&file);
    assert_eq!(gateway.get("/first").status, 200);
    generation("..2026_02", "/second");
    fs::remove_dir_all(volume.join("..2026_01")).expect("removed");
    wait_for(&gateway, "/second", 200);
    generation("..2026_03", "/third");
    wait_for(&gateway, "/third", 200);
}

#[test]
fn a_directory_that_is_replaced_is_seen() {
    let (upstream, folder) = (Upstream::echo(), Folder::new());
    let at = |name: &str| folder.path().join(name);
    for (name, path) in [("live", "/first"), ("next", "/second")] {
        fs::create_dir(at(name)).expect("a directory");
        fs::write(at(name).join("kong.yml"), one_route(&upstream, path)).expect("written");
    }
    let gateway = watching(&at("live").join("kong.yml"));
    fs::rename(at("live"), at("old")).expect("moved away");
    fs::rename(at("next"), at("live")).expect("moved here");
    wait_for(&gateway, "/second", 200);
}

#[test]
fn the_certificate_of_the_settings_is_followed() {
    let (upstream, folder) = (Upstream::echo(), Folder::new());
    let renew = |name: &str| {
        let issued = Certificate::named(name).self_signed();
        (folder.write("cert.pem", &issued.cert), folder.write("key.pem", &issued.key))
    };
    let (cert, key) = renew("first");
    let gateway = Gateway::with(&one_route(&upstream, "/"))
        .with_tls()
        .setting("watch_files", "on")
        .setting("ssl_cert", &cert.display().to_string())
        .setting("ssl_cert_key", &key.display().to_string())
        .start();
    assert_eq!(Kept::open(gateway.tls(), "a.test").subject(), "first");
    renew("second");
    let renewed = || Kept::open(gateway.tls(), "a.test").subject() == "second";
    wait_until(renewed, || gateway.stderr());
}

#[test]
fn names_move_with_the_hosts_file() {
    let (upstream, folder) = (Upstream::echo(), Folder::new());
    // Nothing listens there.
    let hosts = folder.write("hosts", "127.0.0.99 moving.test\n");
    let port = upstream.address().port();
    let text = format!(
        "_format_version: '3.0'\nservices:\n- name: moving\n  url: http://moving.test:{port}\n  retries: 0\n  connect_timeout: 500\n  \
         routes: [{{name: it, paths: [/]}}]\n"
    );
    let gateway = Gateway::with(&text)
        .setting("watch_files", "on")
        .setting("dns_hostsfile", &hosts.display().to_string())
        .start();
    assert_eq!(gateway.get("/").status, 502);
    replace(&hosts, "127.0.0.1 moving.test\n");
    wait_for(&gateway, "/", 200);
}

#[test]
fn a_key_that_the_file_names_is_followed_and_may_come_later() {
    let (upstream, folder) = (Upstream::echo(), Folder::new());
    let file = folder.write("kong.yml", one_route(&upstream, "/first"));
    let gateway = watching(&file);
    let keys = "key_sets: [{name: ours}]\nkeys: [{name: one, set: {name: ours}, kid: one, file: one.pem}]\n";
    replace(&file, &(one_route(&upstream, "/second") + keys));
    wait_for_failure(&gateway);
    let reason = gateway.config_status()["last"]["mistakes"][0]["shown"].to_string();
    assert!(reason.contains("one.pem"), "{reason}");
    folder.write("one.pem", &Certificate::named("key").self_signed().key);
    wait_for(&gateway, "/second", 200);
}

#[test]
fn nothing_is_followed_when_the_settings_say_so() {
    let upstream = Upstream::echo();
    let gateway = Gateway::start(&one_route(&upstream, "/first"));
    let mut threads = fs::read_dir(format!("/proc/{}/task", gateway.id())).expect("a process that runs");
    let watches = threads.any(|task| {
        let name = task.ok().and_then(|task| fs::read_to_string(task.path().join("comm")).ok());
        name.is_some_and(|name| name.trim() == "watch")
    });
    assert!(!watches);
}
