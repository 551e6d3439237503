//! What a directory holds, and what is wrong with it.

use std::{
    fs::{self, File, FileTimes, Permissions},
    os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink},
    process::Command,
};

use super::*;

#[test]
fn keys_are_read_from_every_form_and_other_names_are_passed_over() {
    let folder = Folder::new();
    folder.write("b.jwk", &jwk("b", Some(5)));
    folder.write("a.json", &jwk("a", None));
    let pem = PrivateKey::generate(Algorithm::Rs256, 2048).unwrap();
    folder.write("c.pem", &pem.to_pem().unwrap());
    for name in [".d.jwk", "e.txt", "f.jwk~", "jwk", "README.md", ".lock"] {
        folder.write(name, "no key");
    }
    let reading = Directory::new(folder.path(), Some(Algorithm::Ps384), SigningBackend::Openssl).read().unwrap();
    assert_eq!(kids(&reading), ["a", "b", &pem.thumbprint()]);
    assert_eq!((reading.mistakes, reading.warnings), (vec![], vec![]));
    let facts: Vec<_> = reading.keys.iter().map(|key| (key.algorithm, key.signer.alg(), key.not_before)).collect();
    let expected = [(ALGORITHM, "EdDSA", None), (ALGORITHM, "EdDSA", Some(5)), (Algorithm::Ps384, "PS384", None)];
    assert_eq!(facts, expected);
    assert!(reading.keys.iter().all(|key| key.public.is_some()));
}

#[test]
fn a_directory_that_is_not_there_is_an_error_and_so_is_a_file_in_its_place() {
    let folder = Folder::new();
    let missing = Directory::new(folder.path().join("none"), None, SigningBackend::Ring).read().unwrap_err();
    assert!(missing.to_string().contains("/none: cannot read the directory: No such file"), "{missing}");
    let file = Directory::new(folder.write("file", ""), None, SigningBackend::Ring).read().unwrap_err();
    assert_eq!(told(&[file]), ["file: is no directory"]);
}

#[test]
fn a_file_that_cannot_be_used_is_named_and_the_others_go_on() {
    let folder = Folder::new();
    folder.write("a.jwk", &jwk("a", None));
    folder.write("b.jwk", "{");
    folder.write("c.json", r#"{"kty":"oct","alg":"HS256","k":"c2VjcmV0"}"#);
    folder.write("d.pem", "-----BEGIN NOTHING-----\n-----END NOTHING-----\n");
    folder.write("e.pem", &"x".repeat(70_000));
    fs::write(folder.path().join("f.jwk"), [0xff, 0xfe]).unwrap();
    folder.allow("f.jwk", 0o600);
    fs::create_dir(folder.path().join("g.jwk")).unwrap();
    symlink("nowhere", folder.path().join("h.jwk")).unwrap();
    let fifo = folder.path().join("i.jwk");
    assert!(Command::new("mkfifo").args(["-m", "600"]).arg(&fifo).status().unwrap().success());
    let reading = directory(&folder).read().unwrap();
    assert_eq!(kids(&reading), ["a"]);
    let told = told(&reading.mistakes);
    let names: String = told.iter().map(|line| &line[..1]).collect();
    assert_eq!(names, "bcdefghi", "{told:#?}");
    assert_eq!(told[3], "e.pem: is longer than 65536 octets, which is no key");
    assert_eq!(told[4], "f.jwk: is neither a JWK nor PEM: it is no text");
    assert_eq!((&*told[5], &*told[7]), ("g.jwk: is no file", "i.jwk: is no file"));
    assert!(told[6].starts_with("h.jwk: cannot be read: No such file"), "{told:#?}");
    assert!(told.iter().all(|line| !line.contains("c2VjcmV0")), "{told:#?}");
}

#[test]
fn only_who_removes_a_file_takes_its_key_away() {
    let folder = Folder::new();
    let text = jwk("a", None);
    let path = folder.write("a.jwk", &text);
    let directory = directory(&folder);
    assert_eq!(kids(&directory.read().unwrap()), ["a"]);
    folder.write("a.jwk", &text[..text.len() / 2]);
    let half = directory.read().unwrap();
    assert_eq!((kids(&half), half.mistakes.len()), (vec!["a".to_owned()], 1));
    folder.write("a.jwk", &text);
    folder.allow("a.jwk", 0o606);
    let open = directory.read().unwrap();
    assert_eq!((kids(&open), open.mistakes.len()), (vec!["a".to_owned()], 1));
    folder.allow("a.jwk", 0o600);
    assert!(directory.read().unwrap().mistakes.is_empty());
    fs::remove_file(path).unwrap();
    assert!(directory.read().unwrap().keys.is_empty());
}

#[test]
fn a_file_that_stays_as_it_is_is_not_read_again() {
    let folder = Folder::new();
    folder.write("a.jwk", &jwk("a", None));
    folder.write("b.jwk", &jwk("b", Some(1)));
    let directory = directory(&folder);
    let before = directory.read().unwrap();
    folder.write("b.jwk", &jwk("b", Some(2)));
    let after = directory.read().unwrap();
    assert!(Arc::ptr_eq(&before.keys[0], &after.keys[0]));
    assert_eq!(after.keys[1].not_before, Some(2));
}

#[test]
fn another_file_of_the_same_size_and_time_is_noticed() {
    let folder = Folder::new();
    let path = folder.write("a.jwk", &jwk("a", Some(1)));
    let directory = directory(&folder);
    directory.read().unwrap();
    let (modified, size) = (fs::metadata(&path).unwrap().modified().unwrap(), fs::metadata(&path).unwrap().len());
    let other = folder.write("other", &jwk("a", Some(2)));
    File::options().write(true).open(&other).unwrap().set_times(FileTimes::new().set_modified(modified)).unwrap();
    fs::rename(&other, &path).unwrap();
    assert_eq!(
        (fs::metadata(&path).unwrap().modified().unwrap(), fs::metadata(&path).unwrap().len()),
        (modified, size)
    );
    assert_eq!(directory.read().unwrap().keys[0].not_before, Some(2));
}

#[test]
fn of_two_files_with_one_kid_the_first_by_name_is_used() {
    let folder = Folder::new();
    folder.write("b.jwk", &jwk("same", Some(2)));
    folder.write("a.jwk", &jwk("same", Some(1)));
    let reading = directory(&folder).read().unwrap();
    assert_eq!(told(&reading.mistakes), ["b.jwk: has the kid `same` of another file, which is used"]);
    assert_eq!(reading.keys.iter().map(|key| key.not_before).collect::<Vec<_>>(), [Some(1)]);
}

#[test]
fn who_may_read_keys_is_warned_about_and_who_may_write_them_is_not_served() {
    let folder = Folder::new();
    for (name, mode) in [("a.jwk", 0o600), ("b.jwk", 0o400), ("c.jwk", 0o640), ("d.jwk", 0o660), ("e.jwk", 0o602)] {
        folder.write(name, &jwk(name, Some(1)));
        folder.allow(name, mode);
    }
    folder.allow(".", 0o750);
    let reading = directory(&folder).read().unwrap();
    assert_eq!(kids(&reading), ["a.jwk", "b.jwk", "c.jwk", "d.jwk"]);
    let warnings = told(&reading.warnings);
    assert!(warnings[0].ends_with("others may read the directory: its mode is 750, `chmod 700` makes it private"));
    assert_eq!(warnings[1], "c.jwk: others may read it: its mode is 640, `chmod 600` makes it private");
    assert_eq!(warnings[2], "d.jwk: others may write it: its mode is 660, `chmod 600` makes it private");
    assert_eq!(warnings.len(), 3);
    assert_eq!(told(&reading.mistakes), ["e.jwk: everybody may write it: its mode is 602, `chmod 600` makes it safe"]);
    folder.allow(".", 0o707);
    let error = directory(&folder).read().unwrap_err();
    assert_eq!(error.reason, "everybody may put keys there: its mode is 707, `chmod 700` makes it safe");
}

#[test]
fn where_everybody_may_add_files_but_not_replace_them_only_those_of_the_owner_count() {
    let folder = Folder::new();
    folder.write("a.jwk", &jwk("a", Some(1)));
    folder.allow(".", 0o1777);
    let reading = directory(&folder).read().unwrap();
    assert_eq!((kids(&reading), reading.warnings.len()), (vec!["a".to_owned()], 1), "as mounted secrets are");
    let path = folder.write("b.jwk", &jwk("b", Some(2)));
    symlink(folder.path().join("a.jwk"), folder.path().join("c.jwk")).unwrap();
    if fs::metadata(&path).unwrap().uid() != 0 {
        println!("skipped: only root can give files away");
        return;
    }
    chown(&path, Some(4711), None).unwrap();
    std::os::unix::fs::lchown(folder.path().join("c.jwk"), Some(4711), None).unwrap();
    let reading = directory(&folder).read().unwrap();
    assert_eq!(kids(&reading), ["a"]);
    let reason = "is not of the owner of its directory, where everybody may put files";
    assert_eq!(told(&reading.mistakes), [format!("b.jwk: {reason}"), format!("c.jwk: {reason}")]);
    fs::set_permissions(folder.path(), Permissions::from_mode(0o700)).unwrap();
    assert_eq!(kids(&directory(&folder).read().unwrap()), ["a", "b"]);
}

#[test]
fn links_are_followed_and_what_they_lead_to_may_change() {
    let (folder, elsewhere) = (Folder::new(), Folder::new());
    let (one, two) = (elsewhere.write("1", &jwk("a", Some(1))), elsewhere.write("2", &jwk("a", Some(2))));
    symlink(one, elsewhere.path().join("now")).unwrap();
    symlink(elsewhere.path().join("now"), folder.path().join("a.jwk")).unwrap();
    let directory = directory(&folder);
    assert_eq!(directory.read().unwrap().keys[0].not_before, Some(1));
    symlink(two, elsewhere.path().join("next")).unwrap();
    fs::rename(elsewhere.path().join("next"), elsewhere.path().join("now")).unwrap();
    assert_eq!(directory.read().unwrap().keys[0].not_before, Some(2));
}

#[test]
fn nothing_of_a_key_is_shown_for_debugging() {
    let folder = Folder::new();
    let text = jwk("a", None);
    folder.write("a.jwk", &text);
    let directory = directory(&folder);
    let shown = format!("{:?} {directory:?}", directory.read().unwrap());
    let object: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert!(shown.contains("SetKey") && !shown.contains(object["d"].as_str().unwrap()), "{shown}");
}
