//! The library that signs, and keys that only one of them takes.

use serde_json::{Value, json};
use signet_integration::{Folder, Gateway, Request, Upstream, signet};

use crate::{
    jose::verify,
    setup::{CONSUMERS, service, test_key, x_custom_jwt_with},
};

/// An RSA key without the members that ring needs.
fn bare_key() -> Value {
    let mut key = test_key("rs256-private-jwk.json");
    for member in ["p", "q", "dp", "dq", "qi"] {
        key.as_object_mut().unwrap().remove(member);
    }
    key
}

fn config(upstream: &Upstream) -> String {
    let plugins = format!("{{name: key-auth}}, {}", x_custom_jwt_with(&bare_key(), ", apikey_client_id: consumer"));
    service(upstream, &format!("- {{name: x, paths: [/x], plugins: [{plugins}]}}")) + CONSUMERS
}

const MISTAKE: &str = "services[0].routes[0].plugins[1].config.private_jwk: ring does not sign with an RSA key without \
                       `p`, `q`, `dp`, `dq` and `qi`; `signing_backend: openssl` does";

#[test]
fn a_key_that_ring_does_not_take_signs_where_openssl_was_chosen() {
    let upstream = Upstream::echo();
    let config = config(&upstream);
    let run = Gateway::with(&config).run();
    assert_eq!(run.code, Some(2));
    assert!(run.stderr.contains(MISTAKE), "{}", run.stderr);

    let gateway = Gateway::with(&config).setting("signing_backend", "openssl").start();
    assert_eq!(gateway.send(&Request::get("/x").header("apikey", "alice-key")).status, 200);
    let token = verify(upstream.one().header("X-Custom-Jwt").unwrap(), &test_key("rs256-jwks.json"));
    assert_eq!(token.claims["client_id"], "alice-at-home");
}

#[test]
fn a_key_set_signs_with_the_chosen_library_too() {
    let upstream = Upstream::echo();
    let plugin = "{name: x-custom-jwt, config: {key_set: signing, apikey_client_id: consumer}}";
    let set = json!([{"name": "signing", "keys": [{"kid": "signet-rs256", "jwk": bare_key().to_string()}]}]);
    let config = service(&upstream, &format!("- {{name: x, paths: [/x], plugins: [{{name: key-auth}}, {plugin}]}}"))
        + CONSUMERS
        + &format!("key_sets: {set}\n");
    let run = Gateway::with(&config).run();
    assert_eq!(run.code, Some(2));
    assert!(run.stderr.contains("key_sets[0].keys[0].jwk: ring does not sign with "), "{}", run.stderr);

    let gateway = Gateway::with(&config).setting("signing_backend", "openssl").start();
    assert_eq!(gateway.send(&Request::get("/x").header("apikey", "alice-key")).status, 200);
    verify(upstream.one().header("X-Custom-Jwt").unwrap(), &test_key("rs256-jwks.json"));
}

#[test]
fn check_takes_the_settings_with_which_the_file_will_be_served() {
    let folder = Folder::new();
    let file = folder.write("kong.yml", config(&Upstream::echo()));
    let check = |settings: Option<&str>| {
        let settings = settings.map(|yaml| folder.write("signet.yaml", yaml));
        let option = settings.iter().flat_map(|path| ["-s".as_ref(), path.as_os_str()]);
        signet(["check".as_ref()].into_iter().chain(option).chain([file.as_os_str()]))
    };
    let run = check(None);
    assert_eq!(run.code, Some(2));
    assert!(run.stdout.contains(MISTAKE), "{}", run.stdout);
    let run = check(Some("signing_backend: openssl"));
    assert_eq!((run.code, run.stderr.as_str()), (Some(0), ""));
    let run = check(Some("signing_backend: gnutls"));
    assert_eq!(run.code, Some(2));
    assert!(run.stderr.contains("signet.yaml:1: signing_backend: expected `ring` or `openssl`"), "{}", run.stderr);
}
