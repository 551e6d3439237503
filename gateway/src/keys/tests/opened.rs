//! What a file becomes when it is loaded.

use std::sync::Arc;

use super::*;

const GENERATED: &str = "key_sets: [{name: s, directory: made/keys, algorithm: ES256, rotate_every: 100, publish_before: 20, retire_after: 30}]\n";

#[test]
fn keys_of_a_file_are_sorted_into_their_states() {
    let (folder, registry) = (Folder::new(), Registry::new());
    folder.write("b.jwk", &key("b", Some(now() + 1000)));
    let text = format!(
        "key_sets: [{{name: s, keys: [{{jwk: '{}'}}, {{file: b.jwk}}]}}]\nkeys:\n- {{set: s, kid: c, file: c.jwk, not_before: 5}}\n",
        key("a", None)
    );
    folder.write("c.jwk", &key("c", None));
    let prepared = load(folder.path(), &text, &engine(&registry, Purpose::Check)).expect("no mistake");
    assert_eq!(active(&prepared).as_deref(), Some("c"));
    let set = prepared.snapshot.key_sets[0].set();
    let states: Vec<_> = set.keys().states.iter().map(|key| (key.kid.to_string(), key.state.as_str())).collect();
    assert_eq!(states, [("a", "retired"), ("c", "active"), ("b", "next")].map(|(kid, state)| (kid.to_owned(), state)));
    assert_eq!(published(&prepared), ["c", "b"]);
    assert!(set.overlap.is_some() && !set.symmetric);
}

#[test]
fn a_set_that_never_changes_promises_nothing_about_time() {
    let (folder, registry) = (Folder::new(), Registry::new());
    let text = format!("key_sets: [{{name: s, keys: [{{jwk: '{}'}}]}}]\n", key("a", None));
    let prepared = load(folder.path(), &text, &engine(&registry, Purpose::Check)).expect("no mistake");
    assert_eq!(prepared.snapshot.key_sets[0].set().overlap, None);
}

#[test]
fn checking_writes_nothing_and_takes_a_directory_that_is_not_there_yet() {
    let (folder, registry) = (Folder::new(), Registry::new());
    let prepared = load(folder.path(), GENERATED, &engine(&registry, Purpose::Check)).expect("no mistake");
    assert!(!folder.path().join("made").exists());
    assert_eq!(active(&prepared), None);
}

#[test]
fn a_generated_set_has_its_first_key_before_it_is_served() {
    let (folder, registry) = (Folder::new(), Registry::new());
    let prepared = load(folder.path(), GENERATED, &engine(&registry, Purpose::Serve)).expect("no mistake");
    let kid = active(&prepared).expect("a key");
    assert_eq!(folder.keys("made/keys"), 1);
    assert!(prepared.warnings[0].reason.contains(&kid), "{:?}", prepared.warnings);
    let again = load(folder.path(), GENERATED, &engine(&registry, Purpose::Serve)).expect("no mistake");
    assert_eq!(again.warnings.len(), 0);
    let overlap = prepared.snapshot.key_sets[0].set().overlap.expect("a schedule");
    assert!(overlap.longest_cache < 20 && overlap.longest_token == 29);
}

#[test]
fn a_directory_that_cannot_be_made_and_holds_no_key_is_a_mistake() {
    let (folder, registry) = (Folder::new(), Registry::new());
    folder.write("made", "a file");
    let told = mistakes(folder.path(), GENERATED, &engine(&registry, Purpose::Serve));
    assert!(matches!(&told[..], [one] if one.starts_with("2: key_sets[0].directory: ")), "{told:?}");
}

#[test]
fn files_that_cannot_be_read_are_mistakes_that_name_them() {
    let (folder, registry) = (Folder::new(), Registry::new());
    folder.write("a.jwk", &key("a", None));
    folder.write("bad.pem", "no key");
    let text = "key_sets:\n- {name: d, directory: ./}\n- {name: e, directory: none}\nkeys:\n- file: gone.pem\n- file: bad.pem\n";
    let told = mistakes(folder.path(), text, &engine(&registry, Purpose::Serve));
    let ends = ["bad.pem", "none", "gone.pem", "bad.pem"].map(|name| folder.path().join(name).display().to_string());
    let begins = ["3: key_sets[0].directory: ", "4: key_sets[1].directory: ", "6: keys[0].file: ", "7: keys[1].file: "];
    assert_eq!(told.len(), 4, "{told:?}");
    for ((told, begin), path) in told.iter().zip(begins).zip(ends) {
        assert!(told.starts_with(begin), "{told}");
        assert!(told.contains(&path) || begin.starts_with("7"), "{told}");
    }
}

#[test]
fn a_key_of_no_set_is_checked_and_remarked_on() {
    let (folder, registry) = (Folder::new(), Registry::new());
    let public = "{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo\"}";
    let text = format!("keys:\n- jwk: '{}'\n- {{kid: x, jwk: '{public}'}}\n", key("a", None));
    let prepared = load(folder.path(), &text, &engine(&registry, Purpose::Check)).expect("no mistake");
    let told: Vec<_> = prepared.warnings.iter().map(ToString::to_string).collect();
    assert_eq!(
        told,
        [3, 4].map(|line| format!("{line}: keys[{}]: nothing uses a key that belongs to no set", line - 3))
    );
}

#[test]
fn a_set_is_the_same_over_reloads_until_something_of_it_changes() {
    let (folder, registry) = (Folder::new(), Registry::new());
    let engine = engine(&registry, Purpose::Serve);
    let (one, other) = (key("a", None), key("a", None));
    let file = |key: &str, more: &str| format!("key_sets: [{{name: s, keys: [{{jwk: '{key}'}}]{more}}}]\n");
    let first = load(folder.path(), &file(&one, ""), &engine).expect("no mistake");
    let signer = |prepared: &Prepared| prepared.snapshot.key_sets[0].set().active().expect("a key");
    let again = load(folder.path(), &format!("services: [{{host: h}}]\n{}", file(&one, ", tags: [x]")), &engine);
    let again = again.expect("no mistake");
    assert!(Arc::ptr_eq(&first.snapshot.key_sets[0], &again.snapshot.key_sets[0]));
    assert!(Arc::ptr_eq(&signer(&first), &signer(&again)));
    for text in [file(&other, ""), file(&one, ", retire_after: 5")] {
        let changed = load(folder.path(), &text, &engine).expect("no mistake");
        assert!(!Arc::ptr_eq(&first.snapshot.key_sets[0], &changed.snapshot.key_sets[0]), "{text}");
    }
}

#[test]
fn a_time_from_which_no_key_signs_is_remarked_on() {
    let (folder, registry) = (Folder::new(), Registry::new());
    let of = |one: &str, other: &str| {
        let (a, b) = (key("a", None), key("b", Some(5_000_000_000)));
        let text = format!("key_sets: [{{name: s, keys: [{{jwk: '{a}'{one}}}, {{jwk: '{b}'{other}}}]}}]\n");
        let prepared = load(folder.path(), &text, &engine(&registry, Purpose::Check)).expect("no mistake");
        prepared.warnings.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    let told = |time: &str| [format!("2: key_sets[0]: no key signs from {time} on: another one is needed by then")];
    assert_eq!(of("", ""), [""; 0]);
    assert_eq!(of(", not_after: 4102444800", ""), told("2100-01-01T00:00:00Z"));
    assert_eq!(of("", ", not_after: 5000000001"), told("2128-06-11T08:53:21Z"));
}

#[test]
fn one_directory_by_two_paths_is_still_one() {
    let (folder, registry) = (Folder::new(), Registry::new());
    std::os::unix::fs::symlink(folder.path(), folder.path().join("link")).unwrap();
    let rotates = "algorithm: ES256, rotate_every: 50, publish_before: 2, retire_after: 2";
    for (one, other) in [("keys", "link/keys"), ("keys", "./a/../keys"), ("a/../keys", "link/b/../keys"), (".", "link")]
    {
        let text = format!(
            "key_sets: [{{name: s, directory: {one}, {rotates}}}, {{name: t, directory: {other}, {rotates}}}]\n"
        );
        for purpose in [Purpose::Check, Purpose::Serve] {
            let told = mistakes(folder.path(), &text, &engine(&registry, purpose));
            assert!(told.iter().any(|told| told.contains("is the directory of")), "{one} {other}: {told:?}");
        }
    }
}
