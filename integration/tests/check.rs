//! `signet check` on whole files.

use std::{fs, path::PathBuf};

use signet_integration::{Folder, Run, signet};

use crate::setup::{repository, test_key};

fn check(file: &std::path::Path) -> Run {
    signet(["check".as_ref(), file.as_os_str()])
}

/// The mistakes as `LINE: path: reason`; a summary has no line.
fn mistakes(run: &Run, file: &str) -> Vec<String> {
    let placed = |line: &str| {
        let rest = line.split_once(&format!("{file}:"))?.1;
        rest.starts_with(|first: char| first.is_ascii_digit()).then(|| rest.to_owned())
    };
    run.stdout.lines().filter_map(placed).collect()
}

/// As decK writes it: everything spelled out, sorted by name.
fn deck_file() -> String {
    let jwk = test_key("rs256-private-jwk.json").to_string();
    format!(
        r#"_format_version: "3.0"
_info:
  defaults: {{}}
  select_tags:
  - blog
_konnect:
  control_plane_name: blog
consumers:
- basicauth_credentials:
  - password: My p@ssword!
    username: my-user
  custom_id: contact@konghq.com-ID1
  jwt_secrets:
  - algorithm: HS256
    key: my-user
    secret: ceQDGPaVStGKdGOrNupAj8iIHxrKr5sX
  keyauth_credentials:
  - key: 012345AZERTY!
  username: contact@konghq.com
routes:
- https_redirect_status_code: 426
  name: Introspect
  path_handling: v0
  paths:
  - /introspect
  plugins:
  - config:
      anonymous: null
      claims_to_verify:
      - exp
      uri_param_names:
      - jwt
    enabled: true
    name: jwt
    protocols:
    - http
    - https
  preserve_host: false
  protocols:
  - http
  - https
  regex_priority: 0
  request_buffering: true
  response_buffering: true
  strip_path: true
services:
- connect_timeout: 60000
  enabled: true
  host: httpbin.test
  name: httpbin
  path: /anything
  plugins:
  - config:
      apikey_header: apikey
      bearer_clientid_claim: clientId
      downstream_custom_jwt_header: X-Custom-Jwt
      expires_in: 1800
      iss: https://kong-gateway:8443/x-custom-jwt
      jku: https://kong-gateway:8443/x-custom-jwt/jwks
      private_jwk: '{jwk}'
      upstream_custom_jwt_header: X-Custom-Jwt
      verbose: true
    enabled: true
    name: x-custom-jwt
    protocols:
    - grpc
    - grpcs
    - http
    - https
  port: 80
  protocol: http
  read_timeout: 60000
  retries: 5
  routes:
  - name: oidc
    paths:
    - /oidc
    plugins:
    - config:
        auth_methods:
        - client_credentials
        client_id:
        - '{{vault://env/a-variable-that-is-not-set}}'
        issuer: https://sso.test/.well-known/openid-configuration
      enabled: true
      name: openid-connect
  - name: mtlsAuth
    paths:
    - /mtlsAuth
    plugins:
    - config:
        ca_certificates:
        - 7b9af8ff-b16c-45f0-9c87-766d20b1dc2e
      enabled: true
      name: mtls-auth
  write_timeout: 60000
"#
    )
}

/// The authority that decK leaves out of its file.
const AUTHORITY: &str = "7b9af8ff-b16c-45f0-9c87-766d20b1dc2e";

/// The line of what a mistake is about: a reference, or the id of an authority.
fn line_of(text: &str, culprit: &str) -> usize {
    text.lines().position(|line| line.contains(culprit)).unwrap() + 1
}

const MISSING: [(&str, &str); 2] = [
    ("{vault://env/a-variable-that-is-not-set}", "services[0].routes[0].plugins[0].config.client_id[0]"),
    (AUTHORITY, "services[0].routes[1].plugins[0].config.ca_certificates[0]"),
];

#[test]
fn a_file_of_deck_has_one_mistake_for_each_thing_that_is_not_there() {
    let folder = Folder::new();
    let text = deck_file();
    let run = check(&folder.write("deck.yaml", &text));
    assert_eq!(run.code, Some(2), "{run:?}");
    let found = mistakes(&run, "deck.yaml");
    assert_eq!(found.len(), MISSING.len(), "{}", run.stdout);
    for (culprit, path) in MISSING {
        let place = format!("{}: {path}", line_of(&text, culprit));
        assert!(found.iter().any(|line| line.starts_with(&place) && line.contains(culprit)), "{place}: {found:?}");
    }
    assert!(!run.stderr.contains("jwt_secrets"), "they are used: {}", run.stderr);
}

#[test]
fn the_story_s_own_file_has_only_those_mistakes() {
    let file = repository("../shared/seed/x-custom-jwt/decK/konnect.yaml");
    let Ok(text) = fs::read_to_string(&file) else {
        println!("skipped: {} is not there", file.display());
        return;
    };
    let run = check(&file);
    assert_eq!(run.code, Some(2), "{run:?}");
    let found = mistakes(&run, "konnect.yaml");
    // Its two variables are set where it runs.
    let references = ["{vault://env/sso-apim-clientid}", "{vault://env/sso-apim-clientsecret}"];
    assert_eq!(found.len(), 3, "{}", run.stdout);
    for culprit in references.into_iter().chain([AUTHORITY]) {
        let place = format!("{}: ", line_of(&text, culprit));
        assert!(
            found.iter().any(|line| line.starts_with(&place) && line.contains(culprit)),
            "{place}{culprit}: {found:?}"
        );
    }
    assert!(!run.stderr.contains("jwt_secrets"), "they are used: {}", run.stderr);
}

#[test]
fn every_example_of_the_repository_is_accepted() {
    let mut files: Vec<PathBuf> = Vec::new();
    for folder in fs::read_dir(repository("plugins/src")).unwrap().flatten() {
        files.extend(Some(folder.path().join("example.yaml")).filter(|file| file.is_file()));
    }
    for file in fs::read_dir(repository("conf")).unwrap().flatten().map(|entry| entry.path()) {
        let kong = fs::read_to_string(&file).is_ok_and(|text| text.contains("_format_version"));
        files.extend(Some(file).filter(|_| kong));
    }
    assert!(files.len() >= 6, "five plugins and the demo: {files:?}");
    let run = signet(["check".as_ref()].into_iter().chain(files.iter().map(|file| file.as_os_str())));
    assert_eq!(run.code, Some(0), "{}{}", run.stdout, run.stderr);
}

#[test]
fn a_good_file_gets_a_line_of_summary_and_a_bad_one_beside_it_is_still_named() {
    let folder = Folder::new();
    let good = folder.write(
        "good.yml",
        "_format_version: '3.0'\nservices: [{name: a, url: 'http://a.test', routes: [{name: r, paths: [/]}]}]\n",
    );
    let bad = folder.write("bad.yml", "_format_version: '3.0'\nservices: 5\n");
    let run = check(&good);
    assert_eq!((run.code, run.stdout.lines().count()), (Some(0), 1), "{run:?}");
    let run = signet(["check".as_ref(), good.as_os_str(), bad.as_os_str()]);
    assert_eq!(run.code, Some(2), "{run:?}");
    assert_eq!(mistakes(&run, "bad.yml").len(), 1, "{run:?}");
}

#[test]
fn what_is_legal_but_unwise_is_a_warning() {
    let folder = Folder::new();
    let jwk = test_key("rs256-private-jwk.json").to_string();
    let plugin = |more: &str| {
        format!(
            "_format_version: '3.0'\nservices:\n- name: a\n  url: http://a.test\n  plugins:\n  - name: x-custom-jwt\n    config:\n      private_jwk: '{jwk}'\n{more}"
        )
    };
    let run = check(&folder.write("request.yml", plugin("      identity_source: request\n")));
    assert_eq!(run.code, Some(0), "{run:?}");
    assert!(
        run.stderr.contains("request.yml:9: services[0].plugins[0].config.identity_source: warning: "),
        "{}",
        run.stderr
    );
    let run = check(&folder.write("key.yml", plugin("      apikey_client_id: key\n")));
    assert_eq!(run.code, Some(0), "{run:?}");
    assert!(run.stderr.contains("services[0].plugins[0].config.apikey_client_id: warning: "), "{}", run.stderr);
}

#[test]
fn mistakes_are_told_as_one_json_document_too() {
    let folder = Folder::new();
    let good = folder.write("good.yaml", "_format_version: '3.0'\nservices: [{name: a, url: 'http://a.test'}]\n");
    let bad = folder
        .write("bad.yaml", "_format_version: '3.0'\nservices:\n- {name: a, url: 'http://a.test', retries: many}\n");
    let run = signet(["check".as_ref(), "--format".as_ref(), "json".as_ref(), good.as_os_str(), bad.as_os_str()]);
    assert_eq!((run.code, run.stderr.as_str()), (Some(2), ""));
    let told: serde_json::Value = serde_json::from_str(&run.stdout).expect("JSON");
    let hash = told["files"][0]["hash"].as_str().expect("a hash").to_owned();
    assert_eq!(hash.len(), 64, "{hash}");
    let expected = serde_json::json!({"files": [
        {
            "file": good,
            "fine": true,
            "mistakes": [],
            "warnings": [],
            "counts": {"services": 1, "routes": 0, "plugins": 0, "consumers": 0},
            "hash": hash,
        },
        {
            "file": bad,
            "fine": false,
            "mistakes": [
                {"line": 3, "path": "services[0].retries", "reason": "expected an integer, found a string"},
            ],
            "warnings": [],
            "counts": null,
            "hash": null,
        },
    ]});
    assert_eq!(told, expected);
}

#[test]
fn a_report_says_what_of_a_kong_file_runs() {
    let folder = Folder::new();
    let text = "_format_version: '3.0'
services:
- {name: a, url: 'http://a.test', plugins: [{name: rate-limiting, config: {minute: 5}}, {name: corss}]}
plugins:
- {name: openid-connect, config: {issuer: 'https://idp.test', auth_methods: [bearer], session_secret: null, session_storage: cookie, http_version: 1.2}}
";
    let file = folder.write("kong.yaml", text);
    let run = signet(["check".as_ref(), "--report".as_ref(), file.as_os_str()]);
    assert_eq!(run.code, Some(2), "{}", run.stdout);
    for line in [
        "plugins/rate-limiting: 1, refused",
        "  refused: plugin `rate-limiting` is one of Kong's that is not available yet (line 3)",
        "  refused: plugin `corss` is not available; did you mean `cors`? (line 3)",
        "  at its default: config.session_storage",
        "  refused: config.http_version: this field of Kong's is not implemented; only its default (1.1) is accepted (line 5)",
        "services: 1",
        "3 things to change, in 3 places",
    ] {
        assert!(run.stdout.lines().any(|told| told == line), "{line}: {}", run.stdout);
    }
    let run = signet(["check".as_ref(), "--report".as_ref(), "--format=json".as_ref(), file.as_os_str()]);
    let told: serde_json::Value = serde_json::from_str(&run.stdout).expect("JSON");
    let report = &told["files"][0];
    assert_eq!((&report["runs"], &report["to_change"]), (&false.into(), &3.into()), "{told:#}");
    assert_eq!(report["kinds"]["plugins/openid-connect"]["runs"]["config.issuer"], 1, "{told:#}");
}

#[test]
fn a_file_that_runs_is_reported_as_one() {
    let run = signet(["check".as_ref(), "--report".as_ref(), repository("conf/demo.yaml").as_os_str()]);
    assert_eq!(run.code, Some(0), "{}", run.stdout);
    let verdict = run.stdout.lines().last().expect("a verdict");
    assert!(verdict.starts_with("this file runs"), "{}", run.stdout);
    assert!(!run.stdout.contains("refused"), "{}", run.stdout);
}
