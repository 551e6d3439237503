//! Whole files through `signet check`: what is wrong with bad ones, and that all of ours are good.
#![allow(clippy::expect_used, clippy::panic, reason = "a test's helper reports by panicking")]

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

/// A run of `signet check` on one file, as its exit code and its standard output and error.
fn check(file: &Path) -> (Option<i32>, String, String) {
    // Nothing of the caller's environment; the one variable is what some files refer to.
    let output = Command::new(env!("CARGO_BIN_EXE_signet"))
        .env_clear()
        .env("SOME_HOST", "upstream.test")
        .arg("check")
        .arg(file)
        .output()
        .expect("the binary runs");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8");
    (output.status.code(), text(output.stdout), text(output.stderr))
}

/// The mistakes of a file, one a line, without its name.
fn mistakes(file: &Path) -> String {
    let (code, out, _) = check(file);
    assert_eq!(code, Some(2), "{}: {out}", file.display());
    let mut lines: Vec<&str> = out.lines().collect();
    let summary = lines.pop().expect("a summary");
    let noun = if lines.len() == 1 { "mistake" } else { "mistakes" };
    assert_eq!(summary, format!("{}: {} {noun}", file.display(), lines.len()), "{out}");
    let strip = |line: &&str| {
        let rest = line.strip_prefix(&format!("{}:", file.display())).unwrap_or_else(|| panic!("no file: {line}"));
        format!("{}\n", rest.strip_prefix(' ').unwrap_or(rest))
    };
    lines.iter().map(strip).collect()
}

/// The warnings of a file that has no mistake.
fn warnings(file: &Path) -> String {
    let (code, out, warnings) = check(file);
    assert_eq!(code, Some(0), "{out}");
    assert!(out.starts_with(&format!("{}: fine: ", file.display())), "{out}");
    warnings
}

fn tree(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// What stands in a folder of the repository, in order.
fn entries(folder: &str) -> BTreeSet<PathBuf> {
    let entries = fs::read_dir(tree(folder)).unwrap_or_else(|error| panic!("{folder}: {error}"));
    entries.map(|entry| entry.expect("an entry").path()).collect()
}

fn is_kong_file(path: &Path) -> bool {
    let named =
        path.extension().is_some_and(|extension| ["yaml", "yml", "json"].iter().any(|known| extension == *known));
    named && fs::read_to_string(path).is_ok_and(|text| text.contains("_format_version"))
}

#[test]
fn bad_files_have_exactly_the_mistakes_that_are_written_next_to_them() {
    let (expected, files): (Vec<_>, Vec<_>) =
        entries("tests/config/bad").into_iter().partition(|path| path.extension().is_some_and(|end| end == "err"));
    assert!(files.len() >= 25, "{} bad files", files.len());
    assert_eq!(expected.len(), files.len(), "one .err for each file");
    for file in files {
        let told = mistakes(&file);
        let expected = fs::read_to_string(file.with_extension("err")).unwrap_or_default();
        assert!(told == expected, "{}: expected\n{expected}\ntold\n{told}", file.display());
    }
}

#[test]
fn good_files_are_fine_without_a_warning() {
    let files = entries("tests/config/ok");
    assert!(files.len() >= 5, "{} good files", files.len());
    for file in files {
        assert_eq!(warnings(&file), "", "{}", file.display());
    }
}

#[test]
fn every_configuration_that_we_show_people_compiles() {
    let conf = entries("../conf").into_iter().filter(|path| is_kong_file(path)).collect::<Vec<_>>();
    assert!(conf.iter().any(|path| path.ends_with("conf/demo.yaml")), "{conf:?}");
    let examples = entries("../plugins/src").into_iter().map(|folder| folder.join("example.yaml"));
    let examples = examples.filter(|path| path.is_file()).collect::<Vec<_>>();
    assert!(examples.len() >= 5, "{examples:?}");
    for file in conf.iter().chain(&examples) {
        // Some show what is legal but unwise, as the page of their plugin says.
        let _ = warnings(file);
    }
}

#[test]
fn the_built_in_plugins_run_in_kongs_order() {
    let registry = signet_plugins::builtin();
    let order: Vec<_> = registry.iter().map(|plugin| (plugin.name, plugin.priority)).collect();
    let kongs = [
        ("cors", 2000),
        ("mtls-auth", 1600),
        ("jwt", 1450),
        ("key-auth", 1250),
        ("basic-auth", 1100),
        ("openid-connect", 1050),
        ("x-custom-jwt", 1025),
        ("acl", 950),
        ("opentelemetry", 14),
        ("prometheus", 13),
        ("http-log", 12),
        ("file-log", 9),
        ("jwks", 3),
        ("request-termination", 2),
    ];
    assert_eq!(order, kongs);
}
