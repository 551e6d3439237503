//! `signet schema` in the hands of a validator that is not ours.

use std::{fs, path::PathBuf, process::Command};

use signet_integration::{Folder, signet};

use crate::setup::repository;

/// What Python's `jsonschema` says of these files, one mistake a line.
fn judged(files: &[PathBuf]) -> String {
    let folder = Folder::new();
    let run = signet(["schema"]);
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    let schema = folder.write("schema.json", run.stdout);
    // Debian's, which `make test` installs.
    let output = Command::new("/usr/bin/python3")
        .arg(repository("integration/schema/judge.py"))
        .arg(schema)
        .args(files)
        .output()
        .expect("python3 runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("UTF-8")
}

fn files(folder: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(repository(folder)).expect("a folder");
    let is_kong_file = |path: &PathBuf| {
        let named = path.extension().is_some_and(|end| end == "yaml" || end == "json");
        let is_version = |line: &str| line.trim_start().trim_start_matches('"').starts_with("_format_version");
        named && fs::read_to_string(path).is_ok_and(|text| text.lines().any(is_version))
    };
    let mut files: Vec<_> = entries.map(|entry| entry.expect("an entry").path()).filter(is_kong_file).collect();
    files.sort();
    files
}

#[test]
fn a_foreign_validator_takes_every_file_of_ours_and_of_the_records() {
    // Of the records, one file is broken on purpose.
    let is_whole = |path: &PathBuf| !path.ends_with("x-custom-jwt-broken.json");
    let golden: Vec<_> = files("integration/golden").into_iter().filter(is_whole).collect();
    assert!(golden.len() >= 3, "{golden:?}");
    let conf = files("conf");
    assert!(conf.len() >= 2, "{conf:?}");
    let all: Vec<_> = golden.into_iter().chain(conf).chain(files("gateway/tests/config/ok")).collect();
    assert_eq!(judged(&all), "");
}

#[test]
fn a_foreign_validator_refuses_what_an_editor_should_mark() {
    let folder = Folder::new();
    let head = "_format_version: '3.0'\n";
    for (name, text, told) in [
        ("field", "services: [{url: 'http://a.test', prot: 80}]", "$.services[0]"),
        ("number", "services: [{url: 'http://a.test', retries: many}]", "$.services[0].retries"),
        ("word", "routes: [{paths: [/], path_handling: v2}]", "$.routes[0].path_handling"),
        ("plugin", "plugins: [{name: key_auth}]", "$.plugins[0].name"),
        ("config", "plugins: [{name: key-auth, config: {key_name: [a]}}]", "$.plugins[0].config"),
        (
            "nested",
            "services: [{url: 'http://a.test', plugins: [{name: cors, config: {max_age: a}}]}]",
            "$.services[0].plugins[0].config",
        ),
        (
            "credential",
            "consumers: [{username: a, keyauth_credentials: [{kee: a}]}]",
            "$.consumers[0].keyauth_credentials[0]",
        ),
        ("missing", "plugins: [{name: mtls-auth}]", "$.plugins[0]"),
    ] {
        let file = folder.write(&format!("{name}.yaml"), format!("{head}{text}\n"));
        let judged = judged(&[file]);
        assert!(judged.contains(&format!(": {told}")), "{name}: {judged}");
    }
}
