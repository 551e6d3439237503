//! Reports on whole files.

use std::{fs, path::PathBuf};

use signet_plugin_api::Registry;

use super::*;

/// A file that goes away with the test.
struct Written(PathBuf);

impl Drop for Written {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

fn examined(name: &str, text: &str) -> Compatibility {
    let path = std::env::temp_dir().join(format!("signet-report-{}-{name}.yml", std::process::id()));
    fs::write(&path, text).expect("a file");
    let file = Written(path);
    let registry = Registry::new();
    examine(&file.0, &Engine::at_rest(&registry).expect("an engine"))
}

#[test]
fn fields_are_sorted_by_what_becomes_of_them() {
    let report = examined(
        "sorted",
        "_format_version: '3.0'
services:
- {name: a, url: 'http://a.test', tls_sans: {}, retries: 3, routes: [{paths: [/], priority: 0}]}
- {name: b, url: 'http://b.test', tls_sans: {dnsnames: [b]}}
- {name: c, url: 'http://c.test', tls_sans: {dnsnames: [c]}, prot: https}
hmacauth_credentials: [{consumer: a}]
",
    );
    let services = &report.kinds["services"];
    assert_eq!((services.entities, services.refused), (3, 2));
    assert_eq!((services.runs["url"], services.runs["retries"], services.at_default["tls_sans"]), (3, 1, 1));
    let refusals: Vec<_> = services.refusals.iter().map(ToString::to_string).collect();
    assert_eq!(
        refusals,
        [
            "tls_sans: `tls_sans` is not implemented yet; leave it out (2 times, first on line 4)",
            "prot: unknown field `prot`; did you mean `port`? (line 5)",
        ]
    );
    assert_eq!(report.kinds["routes"].at_default["priority"], 1);
    assert_eq!(report.kinds["file"].unread["hmacauth_credentials"], 1);
    assert_eq!((report.runs, report.to_change, report.places), (false, 2, 3));
    assert!(report.to_string().ends_with("\n2 things to change, in 3 places"), "{report}");
}

#[test]
fn each_plugin_that_is_not_here_is_a_kind_of_its_own() {
    let report = examined(
        "plugins",
        "_format_version: '3.0'\nplugins:\n- {name: rate-limiting, config: {minute: 5}}\n- {name: acme-own}\n",
    );
    let reason = |kind: &str| report.kinds[kind].refusals[0].reason.clone();
    assert_eq!(reason("plugins/rate-limiting"), "plugin `rate-limiting` is one of Kong's that is not available yet");
    assert_eq!(reason("plugins/acme-own"), "plugin `acme-own` is not available");
}

#[test]
fn a_file_that_runs_says_so_and_one_that_is_none_says_why() {
    let report = examined("runs", "_format_version: '3.0'\nservices: [{url: 'http://a.test', name: a}]\n");
    assert!(report.runs && report.to_string().ends_with("\nthis file runs"), "{report}");
    let report = examined("none", "a: [\n");
    assert!(!report.runs && report.kinds["file"].refusals[0].reason.starts_with("is not YAML"), "{report}");
}
