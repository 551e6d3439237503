//! The plugin jwks: what it serves, and that foreign libraries find and believe it.

use std::{
    fs,
    io::Write,
    process::{Command, Stdio},
};

use serde_json::{Value, json};
use signet_integration::{Folder, Gateway, Request, Upstream, wait_until};

use crate::{
    jose::libraries,
    setup::{CONSUMERS, service, test_key},
};

/// All that can be published.
const ALGORITHMS: [&str; 9] = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "EdDSA"];
const PATH: &str = "/x-custom-jwt";

/// A set for each algorithm, with a key that the gateway makes, a route that signs with it, and all keys of this issuer.
fn config(upstream: &Upstream, keys: &Folder, issuer: &str) -> String {
    let directory = |algorithm: &str| keys.path().join(algorithm).display().to_string();
    let set = |algorithm: &&str| {
        format!(
            "- {{name: {algorithm}, algorithm: {algorithm}, rotate_every: 86400, directory: '{}'}}\n",
            directory(algorithm)
        )
    };
    let route = |algorithm: &&str| {
        let token = format!(
            "{{name: x-custom-jwt, config: {{iss: '{issuer}', key_set: {algorithm}, apikey_client_id: consumer}}}}"
        );
        format!("- {{name: {algorithm}, paths: [/{algorithm}], plugins: [{{name: key-auth}}, {token}]}}\n")
    };
    let (sets, routes): (String, String) =
        (ALGORITHMS.iter().map(set).collect(), ALGORITHMS.iter().map(route).collect());
    format!(
        "{}{CONSUMERS}\nkey_sets:\n{sets}\nroutes:\n- name: jwks\n  paths: ['{PATH}', '/.well-known/oauth-authorization-server{PATH}']\n  \
         plugins:\n  - {{name: jwks, config: {{key_sets: [{}], metadata: {{issuer: '{issuer}'}}}}}}\n",
        service(upstream, &routes),
        ALGORITHMS.join(", ")
    )
}

/// A gateway that is its own issuer, under the address that it got.
fn issuer(upstream: &Upstream, keys: &Folder) -> (Gateway, String) {
    let gateway = Gateway::start(&config(upstream, keys, "https://gw.test"));
    let issuer = format!("http://{}{PATH}", gateway.proxy());
    gateway.reload(&config(upstream, keys, &issuer));
    (gateway, issuer)
}

/// What a verifier of another make says, when it knows an issuer and some tokens.
fn discovered(program: &mut Command, issuer: &str, tokens: &[String]) -> Value {
    // Whatever stands between this machine and the world has no part in this.
    for name in ["http_proxy", "https_proxy", "all_proxy"] {
        program.env_remove(name).env_remove(name.to_uppercase());
    }
    let program = program.current_dir(libraries()).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut process = program.spawn().expect("`make test` installs it");
    let order = json!({"issuer": issuer, "tokens": tokens}).to_string();
    process.stdin.take().unwrap().write_all(order.as_bytes()).unwrap();
    let run = process.wait_with_output().unwrap();
    assert!(run.status.success(), "{program:?}");
    serde_json::from_slice(&run.stdout).unwrap()
}

#[test]
fn two_foreign_libraries_find_the_keys_by_the_issuer_and_believe_every_algorithm() {
    let (upstream, keys) = (Upstream::echo(), Folder::new());
    let (gateway, issuer) = issuer(&upstream, &keys);
    let token = |algorithm: &&str| {
        let response = gateway.send(&Request::get(&format!("/{algorithm}")).header("apikey", "alice-key"));
        assert_eq!(response.status, 200, "{algorithm}: {}\n{}", response.text(), gateway.stderr());
        upstream.one().header("X-Custom-Jwt").unwrap().to_owned()
    };
    let tokens: Vec<String> = ALGORITHMS.iter().map(token).collect();
    let jose = discovered(Command::new("node").arg("discover.mjs"), &issuer, &tokens);
    // Debian's, for which the packages are made.
    let pyjwt = discovered(Command::new("/usr/bin/python3").arg("discover.py"), &issuer, &tokens);
    for (said, forged) in [(&jose, "ERR_JWS_SIGNATURE_VERIFICATION_FAILED"), (&pyjwt, "InvalidSignatureError")] {
        let verified = said["verified"].as_array().unwrap();
        assert_eq!(verified.len(), ALGORITHMS.len());
        for (token, algorithm) in verified.iter().zip(ALGORITHMS) {
            assert_eq!(token["header"]["alg"], algorithm);
            assert_eq!(
                (&token["claims"]["client_id"], &token["refused"]),
                (&json!("alice-at-home"), &json!(forged)),
                "{algorithm}"
            );
        }
    }
    for metadata in [&jose["metadata"]["oidc"], &jose["metadata"]["oauth2"], &pyjwt["metadata"]] {
        assert_eq!(metadata["issuer"], json!(issuer));
        assert_eq!(metadata["jwks_uri"], json!(format!("{issuer}/jwks")));
    }
}

/// A route with CORS for the keys, without the plugin that answers.
const ROUTE: &str = "_format_version: \"3.0\"
routes:
- name: jwks
  paths: [/x-custom-jwt/jwks]
  plugins:
  - {name: cors, config: {origins: ['*']}}
";

/// It with the plugin, and the key of the reference in a set.
fn of_the_reference() -> String {
    let key = Value::String(test_key("rs256-private-jwk.json").to_string());
    format!(
        "{ROUTE}  - {{name: jwks, config: {{key_set: signing}}}}\n\
         key_sets:\n- {{name: signing, keys: [{{kid: signet-rs256, jwk: {key}}}]}}\n"
    )
}

#[test]
fn the_keys_are_served_with_what_caches_need() {
    let gateway = Gateway::start(&of_the_reference());
    let path = format!("{PATH}/jwks");
    let answer = gateway.get(&path);
    assert_eq!((answer.status, answer.header("content-type")), (200, Some("application/jwk-set+json")));
    assert_eq!(answer.header("cache-control"), Some("public, max-age=300"));
    assert_eq!(answer.json(), test_key("rs256-jwks.json"));

    let etag = answer.header("etag").expect("a tag");
    let mut client = gateway.client();
    let head = client.send(&Request::new("HEAD", &path));
    assert_eq!((head.status, head.header("etag")), (200, Some(etag)));
    assert_eq!(head.header("content-length"), Some(answer.body.len().to_string().as_str()));
    let known = client.send(&Request::get(&path).header("If-None-Match", &format!("\"other\", W/{etag}")));
    assert_eq!((known.status, known.body.len(), known.header("etag")), (304, 0, Some(etag)));
    let posted = client.send(&Request::new("POST", &path).body("{}"));
    assert_eq!((posted.status, posted.header("allow")), (405, Some("GET, HEAD")));
    assert_eq!(client.send(&Request::get(&path)).status, 200, "the connection is in step");
}

#[test]
fn the_private_keys_stay_in_their_files() {
    let (upstream, keys) = (Upstream::echo(), Folder::new());
    let (gateway, _) = issuer(&upstream, &keys);
    let paths = [format!("{PATH}/jwks"), format!("{PATH}/.well-known/openid-configuration")];
    let answers = || paths.iter().map(|path| gateway.get(path).text()).collect::<String>();
    let mut compared = 0;
    for algorithm in ALGORITHMS {
        for path in fs::read_dir(keys.path().join(algorithm)).unwrap().map(|file| file.unwrap().path()) {
            if path.extension().is_none_or(|end| end != "jwk") {
                continue;
            }
            let key: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
            // The next keys are made while the first one signs.
            wait_until(|| answers().contains(key["kid"].as_str().unwrap()), || format!("{path:?} is published"));
            let told = answers() + &gateway.stderr() + &gateway.stdout() + &gateway.get_status("/metrics").text();
            for member in ["d", "p", "q", "dp", "dq", "qi"] {
                let Some(secret) = key[member].as_str() else { continue };
                assert!(!told.contains(&secret[1..secret.len() - 1]), "{member} of {path:?}");
                compared += 1;
            }
        }
    }
    // Six of each RSA key, one of the others.
    assert!(compared >= 6 * 6 + 3, "{compared}");
}

#[test]
fn what_breaks_verifiers_is_refused_with_the_field_to_change() {
    let keys = Folder::new();
    let file = |max_age: &str, set: &str| {
        format!(
            "_format_version: \"3.0\"\nkey_sets:\n- {{name: fast, algorithm: ES256, directory: '{}', {set}}}\n\
             routes:\n- name: jwks\n  paths: [/jwks]\n  plugins:\n  - name: jwks\n    config:\n      key_set: fast\n      max_age: {max_age}\n",
            keys.path().display()
        )
    };
    let refused = Gateway::with(&file("300", "rotate_every: 60, publish_before: 60, retire_after: 60")).run();
    assert_eq!(refused.code, Some(2), "{refused:?}");
    assert!(refused.stderr.contains("routes[0].plugins[0].config.max_age: "), "{}", refused.stderr);
    assert!(refused.stderr.contains("publish_before"), "{}", refused.stderr);
    let gateway = Gateway::start(&file("30", "rotate_every: 60, publish_before: 60, retire_after: 60"));
    assert_eq!(gateway.get("/jwks").header("cache-control"), Some("public, max-age=30"));
}

#[test]
fn the_route_of_the_reference_may_become_this_plugin_without_a_verifier_noticing() {
    let pasted = Value::String(test_key("rs256-jwks.json").to_string());
    let answer = format!("{{status_code: 200, content_type: application/json, body: {pasted}}}");
    let before = format!("{ROUTE}  - {{name: request-termination, config: {answer}}}\n");
    let gateway = Gateway::start(&before);
    let asked = Request::get("/x-custom-jwt/jwks").header("Origin", "https://other.test");
    let old = gateway.send(&asked);
    gateway.reload(&of_the_reference());
    let new = gateway.send(&asked);
    assert_eq!((old.status, new.status), (200, 200), "{}", gateway.stderr());
    assert_eq!(old.json(), new.json());
    for answer in [&old, &new] {
        assert_eq!(answer.header("access-control-allow-origin"), Some("*"));
    }
    let preflight = Request::new("OPTIONS", "/x-custom-jwt/jwks")
        .header("Origin", "https://other.test")
        .header("Access-Control-Request-Method", "GET");
    assert_eq!(gateway.send(&preflight).status, 200);

    // Then the same key is the first one of a directory in which others follow.
    let keys = Folder::new();
    keys.write("signet-rs256.jwk", test_key("rs256-private-jwk.json").to_string());
    let set =
        format!("{{name: signing, algorithm: RS256, rotate_every: 86400, directory: '{}'}}", keys.path().display());
    gateway.reload(&format!("{ROUTE}  - {{name: jwks, config: {{key_set: signing}}}}\nkey_sets: [{set}]\n"));
    let published = || gateway.send(&asked).json()["keys"].as_array().unwrap().clone();
    wait_until(|| published().len() == 2, || format!("a second key: {:?}", published()));
    assert_eq!(published()[0], old.json()["keys"][0]);
    let list = gateway.get_status("/metrics").text();
    let active = list.lines().find(|line| line.starts_with("signet_signing_key_not_after") && line.contains("active"));
    assert!(active.is_some_and(|line| line.contains("signet-rs256")), "{list}");
}
