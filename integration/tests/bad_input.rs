//! Files and settings that cannot be served: a clear message with its place, an exit code, and nothing half started.

use std::net::TcpListener;

use signet_integration::{Folder, Gateway, Run, signet};

/// Name, configuration, line and path of the mistake, words of its reason.
type Mistake = (&'static str, &'static str, usize, &'static str, &'static [&'static str]);

const MISTAKES: &[Mistake] = &[
    (
        "an unknown field",
        "_format_version: '3.0'\nservices:\n- name: a\n  url: http://a.test\n  retrys: 3\n",
        5,
        "services[0].retrys",
        &["unknown", "retries"],
    ),
    (
        "a wrong type",
        "_format_version: '3.0'\nservices:\n- name: a\n  host: a.test\n  port: eighty\n",
        5,
        "services[0].port",
        &["integer"],
    ),
    (
        "a value out of range",
        "_format_version: '3.0'\nservices:\n- name: a\n  host: a.test\n  port: 70000\n",
        5,
        "services[0].port",
        &["65535"],
    ),
    (
        "a dangling reference",
        "_format_version: '3.0'\nroutes:\n- name: a\n  paths: [/a]\n  service: nobody\n",
        5,
        "routes[0].service",
        &["nobody"],
    ),
    (
        "a duplicate name",
        "_format_version: '3.0'\nservices:\n- name: a\n  url: http://a.test\n- name: a\n  url: http://b.test\n",
        5,
        "services[1].name",
        &["a"],
    ),
    (
        "an unknown field of a plugin",
        "_format_version: '3.0'\nplugins:\n- name: key-auth\n  config:\n    kyes: [apikey]\n",
        5,
        "plugins[0].config.kyes",
        &["unknown field", "key_names"],
    ),
    (
        "a plugin that is not there",
        "_format_version: '3.0'\nplugins:\n- name: key-autth\n",
        3,
        "plugins[0]",
        &["key-autth"],
    ),
    (
        "a duplicate key of an API",
        "_format_version: '3.0'\nconsumers:\n- username: a\n  keyauth_credentials:\n  - key: same\n- username: b\n  keyauth_credentials:\n  - key: same\n",
        8,
        "consumers[1].keyauth_credentials[0]",
        &[],
    ),
    (
        "an unknown anonymous consumer",
        "_format_version: '3.0'\nplugins:\n- name: key-auth\n  config:\n    anonymous: nobody\n",
        5,
        "plugins[0].config.anonymous",
        &["nobody"],
    ),
    (
        "a key that cannot be used",
        "_format_version: '3.0'\nservices:\n- name: a\n  url: http://a.test\n  plugins:\n  - name: x-custom-jwt\n    config:\n      private_jwk: '{\"kty\":\"RSA\"}'\n",
        8,
        "services[0].plugins[0].config.private_jwk",
        &[],
    ),
    (
        "a regular expression that is none",
        "_format_version: '3.0'\nroutes:\n- name: a\n  paths:\n  - ~/a(\n",
        5,
        "routes[0].paths[0]",
        &[],
    ),
    (
        "a variable that is not set",
        "_format_version: '3.0'\nservices:\n- name: a\n  host: '{vault://env/this-is-not-set}'\n",
        4,
        "services[0].host",
        &["THIS_IS_NOT_SET"],
    ),
    (
        "a feature that is not there yet",
        "_format_version: '3.0'\nservices:\n- name: a\n  host: a.test\n  tls_sans: {dnsnames: [a.test]}\n",
        5,
        "services[0].tls_sans",
        &["not implemented"],
    ),
];

#[test]
fn check_names_each_mistake_by_path_and_line() {
    let folder = Folder::new();
    let wrong = MISTAKES.iter().filter_map(|mistake| {
        let file = folder.write("kong.yml", mistake.1);
        let run = signet(["check".as_ref(), file.as_os_str()]);
        complaint(mistake, run.code, &run.stdout)
    });
    let wrong: Vec<String> = wrong.collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn run_names_each_mistake_and_starts_nothing() {
    let wrong = MISTAKES.iter().filter_map(|mistake| {
        let run = Gateway::with(mistake.1).run();
        assert!(!run.stderr.contains("listening on"), "{}: {run:?}", mistake.0);
        complaint(mistake, run.code, &run.stderr)
    });
    let wrong: Vec<String> = wrong.collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn complaint(mistake: &Mistake, code: Option<i32>, output: &str) -> Option<String> {
    let (name, _, line, path, words) = mistake;
    let place = format!("kong.yml:{line}: {path}");
    let found: Vec<&str> = output.lines().filter(|text| text.contains(&place)).collect();
    let placed = |text: &&str| text.contains("kong.yml:") && !text.contains("warning: ");
    // A summary names no path.
    let alone = output.lines().filter(placed).filter(|text| text.contains("]: ") || text.contains("].")).count() <= 1;
    let said = found.iter().any(|text| words.iter().all(|word| text.contains(word)));
    let fine = code == Some(2) && found.len() == 1 && alone && said;
    (!fine).then(|| {
        format!("{name}: code 2 and one mistake at {place} with {words:?} are expected, {code:?} came with:\n{output}")
    })
}

#[test]
fn all_mistakes_of_a_file_are_shown_at_once() {
    let folder = Folder::new();
    let config = "_format_version: '3.0'\nservices:\n- name: a\n  host: a.test\n  port: x\n  nope: 1\n- host: b.test\n  plugins:\n  - name: cors\n    config: {max_age: soon}\n";
    let run = signet(["check".as_ref(), folder.write("kong.yml", config).as_os_str()]);
    assert_eq!(run.code, Some(2));
    for place in [
        "kong.yml:5: services[0].port",
        "kong.yml:6: services[0].nope",
        "kong.yml:10: services[1].plugins[0].config.max_age",
    ] {
        assert!(run.stdout.contains(place), "{place}:\n{}", run.stdout);
    }
}

#[test]
fn a_file_that_cannot_be_read_or_parsed_is_named() {
    let folder = Folder::new();
    let missing = folder.path().join("missing.yml");
    let binary = folder.write("binary.yml", [0xff, 0xfe, 0x00]);
    let empty = folder.write("empty.yml", "");
    let broken = folder.write("broken.yml", "_format_version: '3.0'\nservices: [\n- a: }\n");
    let no_version = folder.write("version.yml", "services: []\n");
    let json = folder.write("broken.json", "{\"_format_version\": \"3.0\",\n \"services\": }");
    for file in [missing.as_path(), folder.path(), &binary, &empty, &broken, &no_version, &json] {
        for command in [["check", "--"], ["run", "-c"]] {
            let arguments =
                command.into_iter().filter(|part| *part != "--").map(AsRef::as_ref).chain([file.as_os_str()]);
            let run = signet(arguments);
            assert_eq!(run.code, Some(2), "{file:?}: {run:?}");
            let said = format!("{}{}", run.stdout, run.stderr);
            assert!(said.contains(&*file.to_string_lossy()), "{file:?}: {said}");
        }
    }
    let line_of = |file: &std::path::Path| signet(["check".as_ref(), file.as_os_str()]).stdout;
    assert!(line_of(&broken).contains("broken.yml:3"), "{}", line_of(&broken));
    assert!(line_of(&json).contains("broken.json:2"), "{}", line_of(&json));
}

const EMPTY: &str = "_format_version: '3.0'\n";

fn refused(setting: &str, value: &str, code: i32) -> Run {
    let run = Gateway::with(EMPTY).setting(setting, value).run();
    assert_eq!(run.code, Some(code), "{setting}={value}: {run:?}");
    assert!(!run.stderr.contains("serving "), "{run:?}");
    run
}

#[test]
fn a_port_in_use_is_named_and_ends_the_process() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    for listener in ["proxy_listen", "status_listen", "admin_listen"] {
        let run = refused(listener, &address, 1);
        assert!(run.stderr.contains(&address), "{run:?}");
    }
}

#[test]
fn settings_that_cannot_be_used_are_named() {
    for (setting, value) in [
        ("proxy_listen", "nowhere"),
        ("proxy_listen", "127.0.0.1:99999"),
        ("threads", "many"),
        ("trusted_ips", "10.0.0.0/99"),
        ("log_format", "xml"),
    ] {
        let run = refused(setting, value, 2);
        assert!(run.stderr.contains(setting) || run.stderr.contains(&setting.to_uppercase()), "{run:?}");
    }
}

#[test]
fn an_unknown_setting_is_a_mistake_in_a_file_and_a_warning_in_the_environment() {
    let folder = Folder::new();
    let settings = folder.write("signet.yaml", "log_level: info\nproxy_lisen: 127.0.0.1:0\n");
    let run = Gateway::with(EMPTY).argument("-s").argument(&settings.to_string_lossy()).run();
    assert_eq!(run.code, Some(2), "{run:?}");
    assert!(run.stderr.contains("signet.yaml:2: proxy_lisen"), "{run:?}");

    let gateway = Gateway::with(EMPTY).variable("SIGNET_PORT_80_TCP", "tcp://10.0.0.1:80").start();
    assert!(gateway.stderr().contains("SIGNET_PORT_80_TCP"), "{}", gateway.stderr());
    assert!(gateway.stderr().contains("warning"), "{}", gateway.stderr());
}

#[test]
fn a_wrong_command_line_ends_with_2() {
    for arguments in [vec!["serve"], vec!["check"], vec!["run", "--resolve", "nonsense"], vec!["run", "--no-such-flag"]]
    {
        assert_eq!(signet(&arguments).code, Some(2), "{arguments:?}");
    }
    let run = signet(["--version"]);
    assert_eq!(run.code, Some(0));
    assert!(run.stdout.starts_with("signet "), "{run:?}");
}
