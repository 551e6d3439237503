//! Configurations that several topics start from.

use std::{
    fs,
    io::Write,
    path::Path,
    process::{Command, Stdio},
};

use serde_json::Value;
use signet_integration::Upstream;

/// A file of the repository.
pub(crate) fn repository(path: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path).canonicalize().unwrap_or_else(|_| path.into())
}

/// One service with these routes (a YAML list) in front of an upstream.
pub(crate) fn service(upstream: &Upstream, routes: &str) -> String {
    service_with(upstream, "", routes)
}

/// The same with more fields of the service.
pub(crate) fn service_with(upstream: &Upstream, fields: &str, routes: &str) -> String {
    let fields = indented(fields.trim());
    format!(
        "_format_version: \"3.0\"\nservices:\n- name: echo\n  url: http://{}/base\n{fields}  routes:\n{}",
        upstream.address(),
        indented(routes.trim())
    )
}

/// Two consumers: `alice` with a password, an API key and a custom id; `bob` with a key alone.
pub(crate) const CONSUMERS: &str = "
consumers:
- username: alice
  id: 11111111-1111-4111-8111-111111111111
  custom_id: alice-at-home
  basicauth_credentials: [{username: alice, password: 'p@ss:word'}]
  keyauth_credentials: [{id: aaaaaaaa-0000-4000-8000-000000000001, key: alice-key}]
- username: bob
  id: 22222222-2222-4222-8222-222222222222
  keyauth_credentials: [{id: aaaaaaaa-0000-4000-8000-000000000002, key: bob-key}]
";

/// A file of `test-keys/`.
pub(crate) fn test_key(name: &str) -> Value {
    serde_json::from_str(&fs::read_to_string(repository("test-keys").join(name)).unwrap()).unwrap()
}

/// The plugin x-custom-jwt with a private key of `test-keys/` and more members of its config, as one line of YAML.
pub(crate) fn x_custom_jwt(key: &str, more: &str) -> String {
    x_custom_jwt_with(&test_key(key), more)
}

/// The same with this JWK.
pub(crate) fn x_custom_jwt_with(jwk: &Value, more: &str) -> String {
    // JSON is YAML, and a JSON string is a YAML string.
    let key = Value::String(jwk.to_string());
    let issuer = "iss: 'https://gw.test/x-custom-jwt', jku: 'https://gw.test/x-custom-jwt/jwks'";
    format!("{{name: x-custom-jwt, config: {{{issuer}, private_jwk: {key}{more}}}}}")
}

/// What another program prints when it is given this on its standard input.
pub(crate) fn printed(program: &str, args: &[&str], input: &str) -> String {
    let mut child = Command::new(program)
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("`{program}` (`make test` installs it): {error}"));
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{program}: {output:?}");
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

fn indented(text: &str) -> String {
    text.lines().map(|line| format!("  {line}\n")).collect()
}
