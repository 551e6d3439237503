//! Key sets and keys: what a file says of them.

use super::*;

const A_SET: &str = "
key_sets:
- name: one
  tags: [t]
  created_at: 1700000000
  keys:
  - name: first
    kid: a
    jwk: '{vault://env/some-host}'
    not_before: 2026-01-31T09:00:00+01:00
  - kid: b
    pem: {private_key: PRIVATE, public_key: PUBLIC}
    not_after: 1769846400
- id: 0E4D0B1E-72AD-4E26-8B6C-7A3CC45B2A10
  directory: keys
  algorithm: EdDSA
  rotate_every: 3600
  publish_before: 60
  retire_after: 120
keys:
- set: {name: one}
  file: c.pem
- kid: a
  set: null
  file: d.pem
";

#[test]
fn sets_and_keys_are_read_wherever_they_stand() {
    let model = loaded(A_SET).model;
    let [one, two] = &model.key_sets[..] else { panic!("two sets") };
    assert_eq!((one.name.as_deref(), one.directory.as_deref(), one.rotate_every), (Some("one"), None, None));
    assert_eq!((one.publish_before, one.retire_after, one.stamp.tags.len()), (86_400, 86_400, 1));
    assert_eq!((&*two.id, two.name.as_deref()), ("0e4d0b1e-72ad-4e26-8b6c-7a3cc45b2a10", None));
    assert_eq!((two.rotate_every, two.publish_before, two.retire_after), (Some(3600), 60, 120));
    assert_eq!(
        (two.directory.as_deref(), two.algorithm),
        (Some(Path::new("keys")), Some(signet_keys::Algorithm::EdDsa))
    );
    let sets: Vec<_> = model.keys.iter().map(|key| (key.set, key.kid.as_deref())).collect();
    assert_eq!(sets, [(Some(0), Some("a")), (Some(0), Some("b")), (Some(0), None), (None, Some("a"))]);
}

#[test]
fn times_are_seconds_or_rfc_3339() {
    let model = loaded(A_SET).model;
    assert_eq!((model.keys[0].not_before, model.keys[1].not_after), (Some(1_769_846_400), Some(1_769_846_400)));
}

#[test]
fn a_key_is_kept_where_nothing_shows_it() {
    let model = loaded(A_SET).model;
    let Some(KeyMaterial::Jwk(jwk)) = &model.keys[0].material else { panic!("a JWK") };
    assert_eq!(jwk.as_str(), "secret.test");
    let Some(KeyMaterial::Pem { private: Some(private), public: Some(_) }) = &model.keys[1].material else {
        panic!("a PEM")
    };
    assert_eq!(private.as_str(), "PRIVATE");
    let shown = format!("{:?}", model.keys);
    assert!(!shown.contains("secret.test") && !shown.contains("PRIVATE"), "{shown}");
}

#[test]
fn ids_of_sets_and_keys_are_those_that_kong_derives() {
    let model = loaded(A_SET).model;
    assert_eq!(model.key_sets[0].id, ids::derive("key_sets", "one"));
    assert_eq!(model.keys[0].id, ids::derive("keys", "first"));
    // Without a name by `kid` and set, as the file refers to it.
    assert_eq!(model.keys[1].id, ids::derive("keys", &format!("keys:*:b:{}", model.key_sets[0].id)));
    assert_eq!(model.keys[3].id, ids::derive("keys", "keys:*:a:"));
}
