//! Reads our own tree: what a reader may rely on in every file.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use crate::setup::repository;

/// The longest file, without its tests.
const LINES: usize = 400;

/// The folders that hold Rust.
const SOURCES: [&str; 4] = ["gateway", "plugins", "integration", "examples"];

/// Folders that are made and not written.
const MADE: [&str; 3] = ["target", ".git", "node_modules"];

/// Every file below these folders of the repository, except what is made.
fn files(folders: &[&str]) -> Vec<PathBuf> {
    let mut waiting: Vec<PathBuf> = folders.iter().map(|folder| repository(folder)).collect();
    let mut files = Vec::new();
    while let Some(path) = waiting.pop() {
        if path.is_dir() {
            let entries = fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path());
            waiting.extend(entries.filter(|entry| !MADE.iter().any(|made| entry.ends_with(made))));
        } else {
            files.push(path);
        }
    }
    files.sort();
    files
}

/// Every Rust file with its text.
fn sources() -> Vec<(PathBuf, String)> {
    let rust = files(&SOURCES).into_iter().filter(|path| path.extension().is_some_and(|end| end == "rs"));
    let sources: Vec<_> = rust.map(|path| (path.clone(), fs::read_to_string(&path).unwrap())).collect();
    assert!(sources.len() > 100, "{} files", sources.len());
    sources
}

/// Whether a file holds nothing but tests or benches.
fn is_test(path: &Path) -> bool {
    let of_tests =
        |part: &std::ffi::OsStr| ["tests", "tests.rs", "testing.rs", "benches"].iter().any(|name| part == *name);
    path.strip_prefix(repository(".")).unwrap_or(path).components().any(|part| of_tests(part.as_os_str()))
}

/// The part of a file before its tests.
fn production(text: &str) -> &str {
    text.find("#[cfg(test)]\nmod tests {").map_or(text, |end| &text[..end])
}

/// Where a rule is broken, for the message of a test.
fn assert_none(rule: &str, broken: &[String]) {
    assert!(broken.is_empty(), "{rule}:\n{}", broken.join("\n"));
}

/// The lines of production code that `is_wrong`, as `FILE:LINE: text`, the file seen from the root of the repository.
fn lines_that(is_wrong: impl Fn(&str) -> bool) -> Vec<String> {
    let root = repository(".");
    let mut found = Vec::new();
    for (path, text) in sources().iter().filter(|(path, _)| !is_test(path)) {
        for (number, line) in production(text).lines().enumerate().filter(|(_, line)| is_wrong(line)) {
            let file = path.strip_prefix(&root).unwrap_or(path).display();
            found.push(format!("{file}:{}: {}", number + 1, line.trim()));
        }
    }
    found
}

/// The same, but for comments and for what stands in `homes`.
fn code_outside(homes: &[&str], is_wrong: impl Fn(&str) -> bool) -> Vec<String> {
    let code = |line: &str| !line.trim_start().starts_with("//") && is_wrong(line);
    let mut found = lines_that(code);
    found.retain(|place| !homes.iter().any(|home| place.starts_with(home)));
    found
}

/// The built-in plugins: the folders below `plugins/src` but the one that they share.
fn plugins() -> Vec<PathBuf> {
    let folders = fs::read_dir(repository("plugins/src")).unwrap().map(|entry| entry.unwrap().path());
    let mut plugins: Vec<_> = folders.filter(|path| path.is_dir() && !path.ends_with("shared")).collect();
    plugins.sort();
    assert!(plugins.len() >= 5, "{plugins:?}");
    plugins
}

#[test]
fn no_file_is_too_long_to_be_held_in_mind() {
    let long = sources().into_iter().filter(|(path, _)| !is_test(path)).filter_map(|(path, text)| {
        let lines = production(&text).lines().count();
        (lines > LINES).then(|| format!("{}: {lines} lines", path.display()))
    });
    assert_none("at most 400 lines without tests", &long.collect::<Vec<_>>());
}

#[test]
fn every_file_says_in_its_first_line_what_it_is() {
    let silent = sources().into_iter().filter(|(_, text)| !text.starts_with("//! "));
    assert_none("`//! ` and a sentence", &silent.map(|(path, _)| path.display().to_string()).collect::<Vec<_>>());
}

#[test]
fn nothing_is_left_to_be_done() {
    let marks = ["todo", "unimplemented"].map(|name| format!("{name}!("));
    let notes = ["TO", "FIX"].map(|start| format!("{start}{}", if start == "TO" { "DO" } else { "ME" }));
    let is_wrong = |line: &str| marks.iter().chain(&notes).any(|mark| line.contains(mark.as_str()));
    assert_none("finished, or not begun", &lines_that(is_wrong));
}

#[test]
fn no_state_is_shared_by_two_gateways_in_one_process() {
    let inner = ["Mutex", "RwLock", "Atomic", "Cell", "OnceLock", "Lazy", "ArcSwap"];
    let is_static = |line: &str| {
        let line = line.trim_start().trim_start_matches("pub(crate) ").trim_start_matches("pub ");
        line.starts_with("static ") || line.starts_with("thread_local!")
    };
    let is_wrong = |line: &str| {
        is_static(line) && (line.contains("thread_local!") || inner.iter().any(|kind| line.contains(kind)))
    };
    // The harness numbers the folders of its tests, in one process by design.
    let broken = lines_that(is_wrong).into_iter().filter(|place| !place.starts_with("integration/src/"));
    assert_none("no `static` that changes", &broken.collect::<Vec<_>>());
}

#[test]
fn pingora_is_known_only_where_connections_are_served() {
    const HOMES: [&str; 8] = [
        "gateway/src/proxy/",
        "gateway/src/runtime/upstream",
        "gateway/src/admin/",
        "gateway/src/cli/echo.rs",
        "gateway/src/cli/run.rs",
        "gateway/src/server/",
        "gateway/src/tls/",
        "integration/",
    ];
    let crates = ["pingora::", "pingora_core::", "pingora_proxy::", "pingora_http::", "pingora_error::"];
    let mut broken = code_outside(&HOMES, |line| crates.iter().any(|name| line.contains(name)));
    broken.retain(|place| {
        let of_contract = place.starts_with("plugins/api/src/");
        !(of_contract && (place.contains("pingora_http::") || place.contains("pingora_error::")))
    });
    assert_none("Pingora in its places; of it the contract has headers and their errors", &broken);
}

#[test]
fn yaml_is_read_only_where_texts_become_models() {
    const HOMES: [&str; 4] =
        ["gateway/src/config/", "gateway/src/settings/", "plugins/api/src/config.rs", "integration/"];
    assert_none("serde_yaml in its places", &code_outside(&HOMES, |line| line.contains("serde_yaml::")));
}

#[test]
fn private_keys_are_held_where_keys_and_handshakes_are_made() {
    const HOMES: [&str; 4] = ["plugins/keys/", "gateway/src/tls/", "gateway/src/runtime/upstream", "integration/"];
    let held = ["PKey<Private>", "RsaKeyPair", "EcdsaKeyPair", "Ed25519KeyPair", "rsa::KeyPair"];
    let broken = code_outside(&HOMES, |line| held.iter().any(|name| line.contains(name)));
    assert_none("elsewhere a `Signer` signs", &broken);
}

#[test]
fn the_engine_names_no_built_in_plugin() {
    const HOMES: [&str; 4] = ["gateway/src/main.rs", "plugins/", "integration/", "examples/"];
    let folders: Vec<String> =
        plugins().iter().map(|plugin| plugin.file_name().unwrap().to_str().unwrap().to_owned()).collect();
    let is_wrong = |line: &str| {
        let named = |name: &str| {
            // The plugin prometheus is called as the crate that the engine counts with.
            line.contains(&format!("\"{name}\"")) || (name != "prometheus" && line.contains(&format!("{name}::")))
        };
        line.contains("signet_plugins")
            || folders.iter().any(|folder| named(folder) || named(&folder.replace('_', "-")))
    };
    assert_none("plugins are looked up in the registry", &code_outside(&HOMES, is_wrong));
}

#[test]
fn only_one_place_answers_a_client() {
    // No plugin sees what operators are answered.
    const HOMES: [&str; 3] = ["gateway/src/proxy/respond.rs", "gateway/src/admin/listener.rs", "integration/"];
    let answers = ["write_response_header(", "write_response_body(", "write_response_tasks(", "respond_error"];
    let broken = code_outside(&HOMES, |line| answers.iter().any(|answer| line.contains(answer)));
    assert_none("answers go through proxy/respond.rs, where plugins see them", &broken);
}

#[test]
fn nothing_names_the_machine_that_it_was_written_on() {
    let folders = ["home", "Users", "root", "work"].map(|name| format!("/{name}/"));
    let ours = ["gateway", "plugins", "integration", "examples", "conf", "docs", "test-keys"];
    let tops = ["README.md", "ARCHITECTURE.md", "CHANGELOG.md", "Makefile", "Cargo.toml", "clippy.toml", ".ci/run"];
    let mut named = Vec::new();
    for path in files(&ours).into_iter().chain(tops.map(repository)) {
        // What is not text names nobody.
        let Ok(text) = fs::read_to_string(&path) else { continue };
        let named_in = |line: &str| {
            folders.iter().any(|folder| {
                // A URL or a longer path that happens to contain the word is none of a machine's.
                line.match_indices(folder.as_str()).any(|(at, _)| {
                    let before = line[..at].chars().next_back();
                    !before.is_some_and(|c| c.is_alphanumeric() || matches!(c, '.' | '_' | '-' | '/' | '}'))
                })
            })
        };
        let lines = text.lines().enumerate().filter(|(_, line)| named_in(line));
        named.extend(lines.map(|(number, line)| format!("{}:{}: {line}", path.display(), number + 1)));
    }
    assert_none("no path of a machine", &named);
}

#[test]
fn every_plugin_has_what_its_readers_need() {
    let root = repository(".");
    let readme = fs::read_to_string(root.join("README.md")).unwrap_or_default();
    let tests = fs::read_to_string(repository("integration/tests/main.rs")).unwrap();
    let modules: BTreeSet<_> = tests.lines().filter_map(|line| line.strip_prefix("mod ")?.strip_suffix(';')).collect();
    let mut missing = Vec::new();
    for plugin in plugins() {
        let folder = plugin.file_name().unwrap().to_str().unwrap();
        let name = folder.replace('_', "-");
        let mut demand = |there: bool, what: &str| {
            if !there {
                missing.push(format!("{name}: {what}"));
            }
        };
        demand(plugin.join("example.yaml").is_file(), "plugins/src/<plugin>/example.yaml");
        demand(plugin.join("tests.rs").is_file(), "plugins/src/<plugin>/tests.rs");
        demand(root.join(format!("docs/plugins/{name}.md")).is_file(), "a page docs/plugins/<plugin>.md");
        demand(modules.contains(folder), "an integration test of its name");
        let row = |line: &str| line.starts_with('|') && line.contains(&name);
        demand(readme.lines().any(row), "a row in README.md");
    }
    assert_none("an example, tests, a page and a row for each plugin", &missing);
}
