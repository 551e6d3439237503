//! `signet schema` against whole files: what loads is valid, what is wrong in its structure is not.
#![allow(clippy::expect_used, clippy::panic, reason = "a test's helper reports by panicking")]

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::Value;

/// Files that are wrong in what they mean, which no schema can tell.
const MEANING: [&str; 12] = [
    "anonymous-nobody",
    "duplicate-credentials",
    "duplicate-names",
    "duplicate-plugins",
    "key-material",
    "keys-of-tokens",
    "nested-in-another",
    // Good YAML in a file of JSON.
    "not-json",
    "old-version",
    "plugin-places",
    "route-expressions",
    "unusable-keys",
];

fn schema() -> Value {
    let output = Command::new(env!("CARGO_BIN_EXE_signet")).arg("schema").output().expect("the binary runs");
    assert!(output.status.success());
    serde_json::from_slice(&output.stdout).expect("JSON")
}

fn tree(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// The Kong files of a folder and of the folders in it.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display())) {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            found.extend(files(&path));
        } else if path.extension().is_some_and(|end| ["yaml", "yml", "json"].iter().any(|known| end == *known)) {
            found.push(path);
        }
    }
    found.sort();
    found
}

/// None: it is not one document of YAML.
fn values(path: &Path) -> Option<Value> {
    let mut yaml: serde_yaml::Value = serde_yaml::from_str(&fs::read_to_string(path).ok()?).ok()?;
    yaml.apply_merge().ok()?;
    serde_json::to_value(yaml).ok()
}

fn is_kong_file(path: &Path) -> bool {
    fs::read_to_string(path).is_ok_and(|text| text.contains("_format_version"))
}

#[test]
fn it_is_a_schema_of_both_drafts() {
    let schema = schema();
    assert_eq!(schema["$schema"], "http://json-schema.org/draft-07/schema#");
    if let Err(error) = jsonschema::draft7::meta::validate(&schema) {
        panic!("draft-07: {error}");
    }
    let mut newer = schema;
    newer["$schema"] = "https://json-schema.org/draft/2020-12/schema".into();
    if let Err(error) = jsonschema::draft202012::meta::validate(&newer) {
        panic!("2020-12: {error}");
    }
}

#[test]
fn every_file_that_loads_is_valid() {
    let judge = jsonschema::draft7::new(&schema()).expect("a schema");
    let mut judged = 0;
    for folder in ["tests/config/ok", "../conf", "../plugins/src", "../examples"] {
        for file in files(&tree(folder)).into_iter().filter(|path| is_kong_file(path)) {
            // A plugin of somebody else's, which this binary does not have.
            if file.ends_with("examples/tenant-header/conf.yaml") {
                continue;
            }
            let values = values(&file).expect("one document");
            let told: Vec<_> =
                judge.iter_errors(&values).map(|error| format!("{}: {error}", error.instance_path())).collect();
            assert!(told.is_empty(), "{}: {told:#?}", file.display());
            judged += 1;
        }
    }
    assert!(judged >= 15, "{judged} files");
}

#[test]
fn every_file_whose_structure_is_wrong_is_invalid() {
    let judge = jsonschema::draft7::new(&schema()).expect("a schema");
    let mut valid = Vec::new();
    for file in files(&tree("tests/config/bad")) {
        let Some(values) = values(&file) else { continue };
        if judge.is_valid(&values) {
            valid.push(file.file_stem().expect("a name").to_string_lossy().into_owned());
        }
    }
    assert_eq!(valid, MEANING, "valid, although they do not load");
}
