//! Key sets: tokens signed by keys of the file, of files beside it, and of directories that change.

use std::{
    fs::{self, DirBuilder, Permissions},
    os::unix::fs::{DirBuilderExt, PermissionsExt},
    path::Path,
    time::{SystemTime, UNIX_EPOCH},
};

use jsonwebtoken::{Algorithm, TokenData};
use serde_json::Value;
use signet_integration::{Folder, Gateway, Upstream, poll, signet, wait_until};

use crate::{
    jose::verify,
    setup::{CONSUMERS, service},
};

/// One route `/x` for alice, whose tokens are signed by the key set `signing`.
fn file(upstream: &Upstream, key_sets: &str) -> String {
    let plugins = "{name: key-auth}, {name: x-custom-jwt, config: {iss: 'https://gw.test', jku: 'https://gw.test/jwks', \
                   key_set: signing, expires_in: 1}}";
    service(upstream, &format!("- {{name: x, paths: [/x], plugins: [{plugins}]}}")) + CONSUMERS + key_sets
}

fn in_directory(folder: &Folder, fields: &str) -> String {
    format!("\nkey_sets:\n- {{name: signing, directory: {}, {fields}}}\n", folder.path().join("keys").display())
}

/// A directory of an operator.
fn keys_in(folder: &Folder) {
    DirBuilder::new().mode(0o700).create(folder.path().join("keys")).unwrap();
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

/// Makes a key into a file, and gives its public half.
fn generate(out: &Path, algorithm: &str, kid: &str) -> Value {
    let run = signet(["keys", "generate", "--alg", algorithm, "--kid", kid, "--out", out.to_str().unwrap()]);
    assert_eq!(run.code, Some(0), "{run:?}");
    public(&[out])
}

/// The public set of these files.
fn public(files: &[&Path]) -> Value {
    let arguments = ["keys", "jwks"].into_iter().chain(files.iter().map(|file| file.to_str().unwrap()));
    let run = signet(arguments);
    assert_eq!(run.code, Some(0), "{run:?}");
    serde_json::from_str(&run.stdout).unwrap()
}

/// A key that signs from then on: it appears whole, as whoever writes it should see to.
fn add(folder: &Folder, kid: &str, not_before: u64) {
    let made = folder.path().join(kid);
    generate(&made, "ES256", kid);
    let mut key: Value = serde_json::from_str(&fs::read_to_string(&made).unwrap()).unwrap();
    key["nbf"] = not_before.into();
    fs::write(&made, key.to_string()).unwrap();
    fs::rename(made, folder.path().join(format!("keys/{kid}.jwk"))).unwrap();
}

/// One request, and its token.
fn token(gateway: &Gateway, upstream: &Upstream) -> String {
    let request = signet_integration::Request::get("/x").header("apikey", "alice-key");
    assert_eq!(gateway.send(&request).status, 200, "{}", gateway.stderr());
    upstream.one().header("X-Custom-Jwt").unwrap().to_owned()
}

fn kid(token: &str) -> String {
    jsonwebtoken::decode_header(token).unwrap().kid.unwrap()
}

fn verified(gateway: &Gateway, upstream: &Upstream, jwks: &Value) -> TokenData<Value> {
    verify(&token(gateway, upstream), jwks)
}

fn metric(gateway: &Gateway, beginning: &str) -> Option<String> {
    let metrics = gateway.get_status("/metrics").text();
    metrics.lines().find(|line| line.starts_with(beginning)).map(ToOwned::to_owned)
}

#[test]
fn keys_of_the_file_in_every_form_sign() {
    let (upstream, folder) = (Upstream::echo(), Folder::new());
    let [jwk, pem] = ["a.jwk", "b.pem"].map(|name| folder.path().join(name));
    let first = generate(&jwk, "EdDSA", "a");
    let run = signet(["keys", "generate", "--alg", "RS256", "--format", "pem", "--out", pem.to_str().unwrap()]);
    assert_eq!(run.code, Some(0), "{run:?}");
    let second = public(&[&pem]);
    let text = Value::from(fs::read_to_string(&pem).unwrap());
    let sets = [
        ("jwk: '{vault://env/signing-key}'".to_owned(), &first, Algorithm::EdDSA),
        (format!("pem: {{private_key: {text}}}"), &second, Algorithm::RS256),
        (format!("file: {}", pem.display()), &second, Algorithm::RS256),
    ];
    for (key, jwks, algorithm) in sets {
        let key_sets = format!("\nkey_sets: [{{name: signing}}]\nkeys: [{{name: k, set: signing, {key}}}]\n");
        let text = file(&upstream, &key_sets);
        let secret = fs::read_to_string(&jwk).unwrap();
        let gateway = Gateway::with(&text).variable("SIGNING_KEY", &secret).start();
        let token = verified(&gateway, &upstream, jwks);
        assert_eq!(token.header.alg, algorithm);
        assert_eq!(token.header.kid.as_deref(), jwks["keys"][0]["kid"].as_str());
        let told = gateway.stderr() + &gateway.stdout();
        assert!(!told.contains("PRIVATE") && !told.contains("\"d\""), "{told}");
    }
}

#[test]
fn a_path_is_relative_to_the_configuration_file() {
    let (upstream, folder) = (Upstream::echo(), Folder::new());
    let jwks = generate(&folder.path().join("a.jwk"), "ES384", "a");
    let text = file(&upstream, "\nkey_sets: [{name: signing, keys: [{file: a.jwk}]}]\n");
    let gateway = Gateway::of(folder.write("kong.yml", text)).start();
    assert_eq!(verified(&gateway, &upstream, &jwks).header.alg, Algorithm::ES384);
}

#[test]
fn a_generated_set_makes_its_keys_where_only_their_owner_reads_them_and_keeps_them_over_reloads() {
    let (upstream, folder) = (Upstream::echo(), Folder::new());
    let fields = "algorithm: ES256, rotate_every: 1000, publish_before: 100, retire_after: 100";
    let text = file(&upstream, &in_directory(&folder, fields));
    let gateway = Gateway::start(&text);
    let directory = folder.path().join("keys");
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    let key = directory.join(format!("{}.jwk", kid(&token(&gateway, &upstream))));
    assert_eq!((mode(&directory), mode(&key)), (0o700, 0o600));
    let jwks = public(&[&key]);
    verified(&gateway, &upstream, &jwks);
    gateway.reload(&(text.clone() + "\nconsumer_groups: [{name: unrelated}]\n"));
    verified(&gateway, &upstream, &jwks);
    drop(gateway);
    let gateway = Gateway::start(&text);
    verified(&gateway, &upstream, &jwks);
    let rotation = || metric(&gateway, "signet_signing_key_rotation_timestamp_seconds{key_set=\"signing\"}");
    assert_eq!(rotation(), None, "the next key is made when its time comes near");
    let since = || metric(&gateway, "signet_signing_key_not_before_timestamp_seconds{");
    wait_until(|| since().is_some(), || "the age of the key is shown".to_owned());
    assert!(since().unwrap().contains("state=\"active\""), "{:?}", since());
}

#[test]
fn checking_makes_no_key() {
    let (upstream, folder) = (Upstream::echo(), Folder::new());
    let text = file(&upstream, &in_directory(&folder, "rotate_every: 86400"));
    let run = signet(["check", folder.write("kong.yml", text).to_str().unwrap()]);
    assert_eq!(run.code, Some(0), "{run:?}");
    assert!(!folder.path().join("keys").exists());
}

#[test]
fn a_file_that_is_put_into_the_directory_signs_when_its_time_has_come() {
    let (upstream, folder) = (Upstream::echo(), Folder::new());
    keys_in(&folder);
    add(&folder, "a", 5);
    let gateway = Gateway::start(&file(&upstream, &in_directory(&folder, "publish_before: 2, retire_after: 5")));
    assert_eq!(kid(&token(&gateway, &upstream)), "a");
    let from = now() + 4;
    add(&folder, "b", from);
    // Every request on the way has a token.
    let signed = poll(|| match kid(&token(&gateway, &upstream)) {
        kid if kid == "a" => Err("a signs".to_owned()),
        kid => Ok(kid),
    });
    assert_eq!(signed, "b");
    assert!(now() >= from);
    let told = || gateway.stderr() + &gateway.stdout();
    wait_until(|| told().lines().any(|line| line.contains("a key changed its state") && line.contains("active")), told);
}

#[test]
fn a_file_that_cannot_be_used_is_told_once_and_counted_while_the_others_go_on() {
    let (upstream, folder) = (Upstream::echo(), Folder::new());
    keys_in(&folder);
    add(&folder, "a", 5);
    let text = file(&upstream, &in_directory(&folder, "publish_before: 2, retire_after: 5"));
    let gateway = Gateway::start(&text);
    folder.write("keys/bad.pem", "SECRET-OF-A-FILE");
    let failures = || {
        let line = metric(&gateway, "signet_signing_key_failures_total{key_set=\"signing\"}")?;
        line.rsplit(' ').next()?.parse::<u64>().ok()
    };
    wait_until(|| failures().is_some_and(|count| count >= 3), || format!("it is counted: {:?}", failures()));
    let told = gateway.stderr() + &gateway.stdout();
    assert_eq!(told.lines().filter(|line| line.contains("ERROR") && line.contains("bad.pem")).count(), 1, "{told}");
    assert!(!told.contains("SECRET-OF-A-FILE"), "{told}");
    assert_eq!(kid(&token(&gateway, &upstream)), "a");
    // Loaded again it is a mistake, and nothing changes.
    gateway.hang_up();
    let told = gateway.stderr();
    assert!(told.lines().any(|line| line.contains("key_sets[0].directory: ") && line.contains("bad.pem")), "{told}");
    assert_eq!(kid(&token(&gateway, &upstream)), "a");
    fs::remove_file(folder.path().join("keys/bad.pem")).unwrap();
    add(&folder, "b", 10);
    gateway.hang_up();
    assert_eq!(kid(&token(&gateway, &upstream)), "b", "what is there signs at once when the file is loaded again");
}

#[test]
fn a_set_that_changes_in_the_file_signs_with_its_new_key() {
    let (upstream, folder) = (Upstream::echo(), Folder::new());
    let [one, other] = ["one", "other"].map(|name| folder.path().join(name));
    let keys = [generate(&one, "ES256", "one"), generate(&other, "ES256", "other")];
    let with = |path: &Path| format!("\nkey_sets: [{{name: signing, keys: [{{file: {}}}]}}]\n", path.display());
    let gateway = Gateway::start(&file(&upstream, &with(&one)));
    verified(&gateway, &upstream, &keys[0]);
    gateway.reload(&file(&upstream, &with(&other)));
    verified(&gateway, &upstream, &keys[1]);
    // The same path, another key in it.
    fs::copy(&one, &other).unwrap();
    gateway.hang_up();
    verified(&gateway, &upstream, &keys[0]);
}

#[test]
fn a_set_that_nobody_can_sign_with_is_not_served() {
    let (upstream, folder) = (Upstream::echo(), Folder::new());
    folder.write("keys", "no directory");
    let generated = Gateway::with(&file(&upstream, &in_directory(&folder, "rotate_every: 86400"))).run();
    assert_eq!(generated.code, Some(2));
    assert!(generated.stderr.contains("key_sets[0].directory: "), "{}", generated.stderr);
    let empty = Gateway::with(&file(&upstream, "\nkey_sets: [{name: signing}]\n"));
    let empty = empty.setting("invalid_entities", "quarantine").run();
    assert_eq!(empty.code, Some(2), "it concerns the whole file");
    assert!(empty.stderr.contains("key_sets[0]: has no key"), "{}", empty.stderr);
    let mode = Permissions::from_mode(0o777);
    fs::remove_file(folder.path().join("keys")).unwrap();
    keys_in(&folder);
    fs::set_permissions(folder.path().join("keys"), mode).unwrap();
    let open = Gateway::with(&file(&upstream, &in_directory(&folder, "rotate_every: 86400"))).run();
    assert_eq!(open.code, Some(2));
    assert!(open.stderr.contains("everybody may put keys there"), "{}", open.stderr);
}
