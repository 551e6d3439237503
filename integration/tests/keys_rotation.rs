//! `signet keys rotate` and `list` on key directories, by one process and by several.

use std::{
    fs::{self, DirBuilder, Permissions},
    os::unix::{
        fs::{DirBuilderExt, MetadataExt, PermissionsExt, chown},
        process::CommandExt,
    },
    path::{Path, PathBuf},
    process::Command,
    thread,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use serde_json::Value;
use signet_integration::{Folder, Gateway, Process, Request, Run, Upstream, binary, signet, wait_until};

use crate::setup::{CONSUMERS, repository, service};

/// A file with one key set, whose keys are in `keys` beside it.
struct Set {
    folder: Folder,
    file: PathBuf,
}

impl Set {
    fn new(fields: &str) -> Self {
        let folder = Folder::new();
        let text = format!("_format_version: '3.0'\nkey_sets:\n- {{name: signing, directory: keys, {fields}}}\n");
        let file = folder.write("kong.yml", text);
        Self { folder, file }
    }

    /// A day before, a day after, a new key each day.
    fn of_days() -> Self {
        Self::new("algorithm: ES256, rotate_every: 86400")
    }

    fn keys(&self) -> PathBuf {
        self.folder.path().join("keys")
    }

    /// As an operator does.
    fn make_directory(&self) {
        DirBuilder::new().mode(0o700).create(self.keys()).unwrap();
    }

    fn arguments<'a>(&'a self, command: &'a str, more: &[&'a str]) -> Vec<&'a str> {
        [&["keys", command, "-c", self.file.to_str().unwrap()], more].concat()
    }

    fn run(&self, command: &str, more: &[&str]) -> Run {
        signet(self.arguments(command, more))
    }

    fn rotate(&self, more: &[&str]) -> String {
        let run = self.run("rotate", more);
        assert_eq!(run.code, Some(0), "{run:?}");
        run.stdout
    }

    /// The keys as JSON, in the order in which they sign.
    fn list(&self) -> Vec<Value> {
        let run = self.run("list", &["--format", "json"]);
        assert_eq!((run.code, &*run.stderr), (Some(0), ""), "{run:?}");
        listed(&run)
    }

    fn states(&self) -> Vec<String> {
        self.list().iter().map(|key| key["state"].as_str().unwrap().to_owned()).collect()
    }

    fn files(&self) -> Vec<String> {
        let files = fs::read_dir(self.keys()).unwrap().map(|file| file.unwrap().file_name().into_string().unwrap());
        files.filter(|name| name != ".lock").collect()
    }
}

fn listed(run: &Run) -> Vec<Value> {
    let list: Value = serde_json::from_str(&run.stdout).unwrap();
    list["key_sets"][0]["keys"].as_array().unwrap().clone()
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

/// A key set with keys of ES256, of which each signs for ten minutes.
fn signing(keys: &Path) -> String {
    let periods = "rotate_every: 600, publish_before: 5, retire_after: 5";
    format!("\nkey_sets:\n- {{name: signing, directory: {}, algorithm: ES256, {periods}}}\n", keys.display())
}

/// Starts several gateways at the same time on one such directory.
fn gateways(upstream: &Upstream, keys: &Path, number: usize) -> Vec<Gateway> {
    let config = "{iss: 'https://gw.test', jku: 'https://gw.test/jwks', key_set: signing, expires_in: 1}";
    let plugins = format!("{{name: key-auth}}, {{name: x-custom-jwt, config: {config}}}");
    let routes = format!("- {{name: x, paths: [/x], plugins: [{plugins}]}}");
    let file = service(upstream, &routes) + CONSUMERS + &signing(keys);
    thread::scope(|scope| {
        let starts: Vec<_> = (0..number).map(|_| scope.spawn(|| Gateway::start(&file))).collect();
        starts.into_iter().map(|start| start.join().unwrap()).collect()
    })
}

/// The key of the token that the upstream gets from this gateway.
fn signer(upstream: &Upstream, gateway: &Gateway) -> String {
    upstream.take();
    assert_eq!(gateway.send(&Request::get("/x").header("apikey", "alice-key")).status, 200);
    let seen = upstream.one();
    jsonwebtoken::decode_header(seen.header("X-Custom-Jwt").unwrap()).unwrap().kid.unwrap()
}

/// A shared secret, which anybody can write down.
fn secret(kid: &str, not_before: Option<u64>) -> String {
    let nbf = not_before.map(|time| format!(r#","nbf":{time}"#)).unwrap_or_default();
    format!(r#"{{"kty":"oct","alg":"HS256","kid":"{kid}","k":"{}"{nbf}}}"#, "c2VjcmV0".repeat(6))
}

fn private(path: &Path, text: &str) {
    fs::write(path, text).unwrap();
    fs::set_permissions(path, Permissions::from_mode(0o600)).unwrap();
}

#[test]
fn the_first_key_signs_now_and_the_next_once_verifiers_know_it() {
    let set = Set::of_days();
    let first = set.rotate(&[]);
    assert!(first.starts_with("signing: ") && first.ends_with(" signs now; no key did\n"), "{first}");
    assert_eq!(fs::metadata(set.keys()).unwrap().mode() & 0o777, 0o700);
    assert_eq!(set.states(), ["active"]);
    let (before, second, after) = (now(), set.rotate(&[]), now());
    let keys = set.list();
    let [first, next] = [0, 1].map(|at| keys[at]["kid"].as_str().unwrap());
    assert!(second.contains(&format!("signing: {next} signs from 2")), "{second}");
    assert!(second.ends_with(&format!("; {first} does until then\n")), "{second}");
    assert_eq!(set.states(), ["active", "next"]);
    let from = keys[1]["signs_from"].as_u64().unwrap();
    assert!((before + 86_400..=after + 86_400 + 5).contains(&from), "{before} {after}: {keys:#?}");
    assert_eq!(keys[0]["signs_until"], from);
    assert_eq!(keys[0]["published_until"], from + 86_400);
    let third = set.rotate(&[]);
    assert!(third.contains(&format!("signing: {next} signs from ")), "{third}");
    assert!(third.contains(", as planned: any sooner, verifiers might not know it"), "{third}");
    assert_eq!(set.list(), keys);
}

#[test]
fn a_key_that_verifiers_know_signs_as_soon_as_every_process_has_seen_it() {
    let set = Set::new("publish_before: 2, retire_after: 20");
    set.make_directory();
    private(&set.keys().join("a.jwk"), &secret("a", None));
    let before = now();
    private(&set.keys().join("b.jwk"), &secret("b", Some(before + 1_000_000)));
    let (rotated, after) = (set.rotate(&["signing"]), now());
    let from = set.list()[1]["signs_from"].as_u64().unwrap();
    assert!((before + 2..=after + 5).contains(&from), "{before} {after}: {rotated}");
    wait_until(|| set.states() == ["retiring", "active"], || format!("{:?} {rotated}", set.list()));
    assert_eq!(set.files().len(), 2, "{:?}", set.files());
}

#[test]
fn a_leaked_key_and_all_others_are_gone_at_once() {
    let set = Set::of_days();
    set.rotate(&[]);
    set.rotate(&[]);
    let before = set.files();
    let run = set.run("rotate", &["--at-once", "signing"]);
    assert_eq!(run.code, Some(0), "{run:?}");
    assert!(run.stderr.contains("signet: warning: verifiers reject the new tokens until they fetch the set again"));
    assert!(run.stdout.contains(" signs now, and is the only key; removed: "), "{run:?}");
    assert!(before.iter().all(|name| run.stdout.contains(name)), "{run:?}");
    let keys = set.list();
    assert_eq!((keys.len(), set.files().len(), &keys[0]["state"]), (1, 1, &Value::from("active")), "{keys:?}");
    assert!(before.iter().all(|name| *name != format!("{}.jwk", keys[0]["kid"].as_str().unwrap())));
}

#[test]
fn processes_that_rotate_at_the_same_time_make_one_key() {
    let set = Set::of_days();
    for expected in [&["active", "next"][..], &["active", "next"]] {
        let processes: Vec<Process> = (0..8).map(|_| Process::start(set.arguments("rotate", &[]))).collect();
        let runs: Vec<Run> = processes.into_iter().map(|mut process| process.wait()).collect();
        assert!(runs.iter().all(|run| run.code == Some(0)), "{runs:#?}");
        assert_eq!(set.states(), expected, "{runs:#?}");
    }
}

#[test]
fn a_process_that_is_killed_at_any_moment_leaves_a_set_that_signs() {
    let set = Set::of_days();
    set.rotate(&[]);
    let mut killed = 0;
    for round in 0..60 {
        let mut process = Process::start(set.arguments("rotate", &["--at-once"]));
        // Sooner or later in the life of a process that takes some milliseconds.
        let end = Instant::now() + Duration::from_micros(700 * round);
        while Instant::now() < end && process.is_running() {
            thread::yield_now();
        }
        process.kill();
        killed += usize::from(process.wait().code.is_none());
        let states = set.states();
        assert_eq!(states.iter().filter(|state| *state == "active").count(), 1, "round {round}: {states:?}");
    }
    assert!(killed > 5, "{killed} of 60 were killed before their end");
    set.rotate(&["--at-once"]);
    assert_eq!(set.files().len(), 1, "what they left is cleaned: {:?}", set.files());
}

#[test]
fn who_may_not_write_is_told_so_and_sees_the_keys_all_the_same() {
    let set = Set::of_days();
    set.rotate(&[]);
    let root = fs::metadata(set.keys()).unwrap().uid() == 0;
    // Root may write everywhere: somebody else runs the program, which he has to find.
    let program = set.folder.path().join("signet");
    fs::hard_link(binary(), &program).or_else(|_| fs::copy(binary(), &program).map(drop)).unwrap();
    let all = |path: &Path, mode| fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
    if root {
        for name in set.files().iter().map(String::as_str).chain([".", ".lock"]) {
            chown(set.keys().join(name), Some(65_534), Some(65_534)).unwrap();
        }
    }
    all(&set.keys().join(".lock"), 0o400);
    all(&set.keys(), 0o500);
    let run = |command: &str| {
        let mut program = Command::new(&program);
        if root {
            program.uid(65_534).gid(65_534);
        }
        let output = program.args(set.arguments(command, &[])).output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (output.status.code(), text(output.stdout), text(output.stderr))
    };
    let (code, _, stderr) = run("rotate");
    assert_eq!(code, Some(1), "{stderr}");
    assert!(stderr.contains("keys: cannot lock the directory: Permission denied"), "{stderr}");
    let (code, stdout, stderr) = run("list");
    assert_eq!((code, &*stderr), (Some(0), ""), "{stdout}");
    assert!(stdout.contains("  active  "), "{stdout}");
    all(&set.keys(), 0o700);
}

#[test]
fn the_list_has_a_line_for_each_key_and_nothing_private() {
    let set = Set::of_days();
    set.rotate(&[]);
    set.rotate(&[]);
    let (run, keys) = (set.run("list", &["signing"]), set.list());
    assert_eq!(run.code, Some(0), "{run:?}");
    let lines: Vec<&str> = run.stdout.lines().collect();
    assert_eq!(lines[0], format!("signing ({})", set.keys().display()));
    let columns: Vec<&str> = lines[1].split_whitespace().collect();
    assert_eq!(columns.join(" "), "KID ALG STATE SIGNS FROM SIGNS UNTIL PUBLISHED UNTIL");
    for (line, key) in lines[2..].iter().zip(&keys) {
        let fields: Vec<&str> = line.split_whitespace().collect();
        assert_eq!(fields[..3], ["kid", "alg", "state"].map(|name| key[name].as_str().unwrap()), "{line}");
    }
    let active: Vec<&str> = lines[2].split_whitespace().skip(3).collect();
    assert!(active.iter().all(|time| time.len() == 20 && time.ends_with('Z')), "{lines:#?}");
    let next: Vec<&str> = lines[3].split_whitespace().skip(3).collect();
    assert_eq!(next, [active[1], "-", "-"], "it signs when the other ceases to");
    for file in set.files() {
        let key: Value = serde_json::from_str(&fs::read_to_string(set.keys().join(file)).unwrap()).unwrap();
        assert!(!run.stdout.contains(key["d"].as_str().unwrap()));
    }
}

#[test]
fn a_file_that_cannot_be_used_is_named_and_the_others_are_listed() {
    let set = Set::of_days();
    set.rotate(&[]);
    private(&set.keys().join("broken.jwk"), r#"{"kty":"EC","crv":"P-256"}"#);
    private(&set.keys().join("open.jwk"), &secret("open", Some(1)));
    fs::set_permissions(set.keys().join("open.jwk"), Permissions::from_mode(0o666)).unwrap();
    let run = set.run("list", &["--format", "json"]);
    assert_eq!((run.code, listed(&run).len()), (Some(2), 1), "{run:?}");
    assert!(run.stderr.contains("keys/broken.jwk: "), "{run:?}");
    assert!(run.stderr.contains("keys/open.jwk: everybody may write it"), "{run:?}");
    assert!(run.stderr.ends_with("signet: no gateway would start with these key sets\n"), "{run:?}");
    let rotated = set.rotate(&[]);
    assert!(rotated.contains(" does until then"), "rotation goes on: {rotated}");
}

#[test]
fn where_nothing_signs_no_key_is_made_in_the_place_of_one_that_cannot_be_read() {
    let set = Set::of_days();
    set.make_directory();
    private(&set.keys().join("broken.jwk"), "{");
    let run = set.run("rotate", &[]);
    assert_eq!(run.code, Some(1), "{run:?}");
    assert!(run.stderr.contains("keys/broken.jwk: no key signs, and none is made while"), "{run:?}");
    let run = set.run("rotate", &["--at-once"]);
    assert_eq!((run.code, set.states()), (Some(0), vec!["active".to_owned()]), "{run:?}");
}

#[test]
fn the_keys_of_an_operator_are_rotated_by_their_own_algorithm_and_a_slip_in_the_path_makes_nothing() {
    let set = Set::new("publish_before: 5");
    let run = set.run("rotate", &[]);
    assert_eq!((run.code, set.keys().exists()), (Some(1), false), "{run:?}");
    assert!(run.stderr.contains("keys: cannot read the directory: No such file"), "{run:?}");
    set.make_directory();
    private(&set.keys().join("a.json"), &secret("a", None));
    set.rotate(&[]);
    let algorithms: Vec<Value> =
        listed(&set.run("list", &["--format", "json"])).iter().map(|key| key["alg"].clone()).collect();
    assert_eq!(algorithms, ["HS256", "HS256"]);
}

#[test]
fn which_set_is_meant_has_to_be_clear() {
    let folder = Folder::new();
    let file = folder.write(
        "kong.yml",
        "_format_version: '3.0'\nkey_sets:\n- {name: one, directory: one}\n- {name: two, directory: two}\n- {name: flat}\n",
    );
    let rotate = |name: &[&str]| {
        let run = signet([&["keys", "rotate", "-c", file.to_str().unwrap()], name].concat());
        assert_eq!(run.code, Some(2), "{run:?}");
        run.stderr
    };
    assert!(rotate(&[]).contains("has several key sets with a `directory`, name one: `one`, `two`"));
    assert!(rotate(&["three"]).contains("has no key set `three`, but `one`, `two`, `flat`"));
    assert!(rotate(&["flat"]).contains("key set `flat` has no `directory`"));
    let none = folder.write("none.yml", "_format_version: '3.0'\n");
    let run = signet(["keys", "rotate", "-c", none.to_str().unwrap()]);
    assert_eq!(run.code, Some(2), "{run:?}");
    assert!(run.stderr.contains("none.yml has no key set with a `directory`"), "{run:?}");
}

#[test]
fn mistakes_elsewhere_in_the_file_do_not_matter_and_those_of_key_sets_do() {
    let set = Set::of_days();
    let text = fs::read_to_string(&set.file).unwrap();
    let elsewhere = "services:\n- {name: a, url: 'http://{vault://env/a-variable-that-is-not-set}'}\n- {nome: b}\n";
    set.folder.write("kong.yml", format!("{text}{elsewhere}"));
    set.rotate(&[]);
    set.folder.write("kong.yml", text.replace("rotate_every: 86400", "rotate_every: never"));
    let run = set.run("rotate", &[]);
    assert_eq!(run.code, Some(2), "{run:?}");
    assert!(run.stderr.contains("kong.yml:3: key_sets[0].rotate_every: "), "{run:?}");
    let run = signet(["keys", "list", "-c", "/nowhere/kong.yml"]);
    assert_eq!(run.code, Some(2), "{run:?}");
    assert!(run.stderr.contains("/nowhere/kong.yml: "), "{run:?}");
}

#[test]
fn gateways_that_start_together_make_one_first_key_and_follow_when_it_leaks() {
    let (folder, upstream) = (Folder::new(), Upstream::echo());
    let keys = folder.path().join("var/keys");
    let file = folder.write("kong.yml", format!("_format_version: '3.0'{}", signing(&keys)));
    let gateways = gateways(&upstream, &keys, 3);
    let first = signer(&upstream, &gateways[0]);
    assert!(gateways.iter().all(|gateway| signer(&upstream, gateway) == first));
    let list = signet(["keys", "list", "-c", file.to_str().unwrap(), "--format", "json"]);
    let begun = listed(&list).iter().filter(|key| key["signs_from"].as_u64().unwrap() <= now()).count();
    assert_eq!(begun, 1, "{list:?}");
    let run = signet(["keys", "rotate", "-c", file.to_str().unwrap(), "--at-once"]);
    assert_eq!(run.code, Some(0), "{run:?}");
    for gateway in &gateways {
        let follows = || signer(&upstream, gateway);
        wait_until(|| follows() != first, || format!("{run:?}\n{}", gateway.stderr()));
        assert!(run.stdout.contains(&format!("signing: {} signs now", follows())), "{run:?}");
    }
}

#[test]
fn keys_that_stand_in_the_file_are_listed_as_well() {
    let (folder, from) = (Folder::new(), now() + 1000);
    let key = |kid: &str| secret(kid, None);
    let text = format!(
        "_format_version: '3.0'\nkey_sets:\n- name: signing\n  retire_after: 50\n  keys:\n  - {{kid: b, jwk: '{}', not_before: {from}}}\n\
         keys:\n- {{kid: a, jwk: '{}', set: {{name: signing}}}}\n",
        key("b"),
        key("a")
    );
    let file = folder.write("kong.yml", &text);
    let list = || signet(["keys", "list", "-c", file.to_str().unwrap(), "--format", "json"]);
    let (run, keys) = (list(), listed(&list()));
    assert_eq!((run.code, &*run.stderr), (Some(0), ""), "{run:?}");
    let facts = |name: &str| keys.iter().map(|key| key[name].clone()).collect::<Vec<_>>();
    assert_eq!(facts("kid"), ["a", "b"]);
    assert_eq!(facts("state"), ["active", "next"]);
    assert_eq!(facts("signs_until"), [Value::from(from), Value::Null]);
    assert_eq!(facts("published_until"), [Value::from(from + 50), Value::Null]);
    folder.write("kong.yml", text.replace("HS256", "HS999"));
    let run = list();
    assert_eq!(run.code, Some(2), "{run:?}");
    assert!(run.stderr.contains("kong.yml:6: key_sets[0].keys[0].jwk: "), "{run:?}");
    assert!(run.stderr.contains("kong.yml:8: keys[0].jwk: "), "{run:?}");
}

#[test]
fn before_the_first_key_the_list_is_empty_and_makes_nothing() {
    let set = Set::of_days();
    let run = set.run("list", &["--format", "json"]);
    assert_eq!((run.code, listed(&run).len(), set.keys().exists()), (Some(0), 0, false), "{run:?}");
    assert!(run.stderr.contains("signing: no key signs now"), "{run:?}");
}

#[test]
fn the_list_shows_what_a_gateway_of_these_settings_would_refuse() {
    let set = Set::new("publish_before: 5");
    set.make_directory();
    let (small, later) = (set.keys().join("small.jwk"), (now() + 1000).to_string());
    let made = ["keys", "generate", "--alg", "ES256", "--not-before", &later, "--out", small.to_str().unwrap()];
    assert_eq!(signet(made).code, Some(0));
    private(&set.keys().join("large.pem"), &fs::read_to_string(repository("test-keys/rsa8192-private.pem")).unwrap());
    let algorithms = |run: &Run| listed(run).iter().map(|key| key["alg"].clone()).collect::<Vec<_>>();
    let ring = set.run("list", &["--format", "json"]);
    assert_eq!((ring.code, algorithms(&ring)), (Some(2), vec!["ES256".into()]), "{ring:?}");
    assert!(ring.stderr.contains("keys/large.pem: ring does not sign with an RSA key of 8192 bits"), "{ring:?}");
    let settings = set.folder.write("signet.yaml", "signing_backend: openssl\n");
    let openssl = set.run("list", &["--format", "json", "-s", settings.to_str().unwrap()]);
    assert_eq!((openssl.code, algorithms(&openssl)), (Some(0), vec!["RS256".into(), "ES256".into()]), "{openssl:?}");
}

#[test]
fn keys_that_make_no_set_are_listed_with_the_reason() {
    let set = Set::new("publish_before: 5");
    set.make_directory();
    private(&set.keys().join("a.jwk"), &secret("a", None));
    private(&set.keys().join("b.jwk"), &secret("b", None));
    let run = set.run("list", &["--format", "json"]);
    assert_eq!((run.code, listed(&run).len()), (Some(2), 2), "{run:?}");
    assert!(run.stderr.contains("kong.yml:3: key_sets[0].directory: `a` and `b` both sign since ever"), "{run:?}");
}
