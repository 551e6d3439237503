//! Passwords at rest: `signet hash-password`, hashes of other programs, and who waits for the threads that verify them.

use signet_integration::{
    Folder, Gateway, Request, Response, Run, Start, Upstream, signet, signet_reading, wait_until,
};

use crate::setup::{printed, service};

/// About 3 GiB times passes: nobody verifies this in less than seconds.
pub(crate) const SLOW: &str = "$argon2id$v=19$m=8192,t=400,p=1$c29tZXNhbHQ$KiUpkNXkW0iek3f66642bafVuX6jLM4L5GStYqwn32c";

fn hash_password(input: &str, args: &[&str]) -> String {
    let run = signet_reading(input.as_bytes(), ["hash-password"].iter().chain(args));
    assert_eq!((run.code, run.stderr.as_str()), (Some(0), ""), "{run:?}");
    assert_eq!(run.stdout.lines().count(), 1, "{run:?}");
    run.stdout.trim_end().to_owned()
}

/// A route behind basic-auth for these user names and passwords.
fn configuration(upstream: &Upstream, users: &[(&str, &str)]) -> String {
    let credential = |(name, password): &(&str, &str)| format!("  - {{username: {name}, password: '{password}'}}\n");
    let credentials: String = users.iter().map(credential).collect();
    service(upstream, "- {name: all, paths: [/], plugins: [{name: basic-auth}]}")
        + "consumers:\n- username: owner\n  basicauth_credentials:\n"
        + &credentials
}

fn start(upstream: &Upstream, users: &[(&str, &str)]) -> Start {
    Gateway::with(&configuration(upstream, users)).setting("hashing_threads", "1")
}

fn login(gateway: &Gateway, username: &str, password: &str) -> Response {
    gateway.send(&Request::get("/x").basic(username, password))
}

fn metric(gateway: &Gateway, name: &str) -> u64 {
    let text = gateway.get_status("/metrics").text();
    let value = text.lines().find_map(|line| line.strip_prefix(name)?.trim().parse().ok());
    value.unwrap_or_else(|| panic!("no {name} in {text}"))
}

pub(crate) fn wait_for(gateway: &Gateway, name: &str, value: u64) {
    wait_until(|| metric(gateway, name) == value, || format!("{name} does not become {value}"));
}

#[test]
fn what_hash_password_prints_lets_its_password_in() {
    let upstream = Upstream::echo();
    let argon2id = hash_password("pässword: 1\n", &[]);
    assert!(argon2id.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{argon2id}");
    let bcrypt = hash_password("pässword: 1", &["--bcrypt", "10"]);
    assert!(bcrypt.starts_with("$2b$10$"), "{bcrypt}");
    assert!(hash_password("x\r\n", &["--bcrypt"]).starts_with("$2b$12$"));
    assert_ne!(hash_password("pässword: 1\n", &[]), argon2id, "each has a salt of its own");

    let gateway = start(&upstream, &[("argon", &argon2id), ("blowfish", &bcrypt)]).start();
    for user in ["argon", "blowfish"] {
        assert_eq!(login(&gateway, user, "pässword: 1").status, 200, "{user}");
        assert_eq!(upstream.one().header("X-Credential-Identifier"), Some(user));
        for wrong in ["pässword: 2", "pässword: 1 ", "", &argon2id, &bcrypt] {
            assert_eq!(login(&gateway, user, wrong).status, 401, "{user} {wrong}");
        }
    }
    let run = gateway.terminate();
    for secret in ["pässword", argon2id.as_str(), bcrypt.as_str()] {
        assert!(!run.stderr.contains(secret) && !run.stdout.contains(secret), "{run:?}");
    }
}

#[test]
fn hashes_of_other_programs_are_verified() {
    let upstream = Upstream::echo();
    let argon2 = ["0123456789abcdef", "-id", "-t", "2", "-k", "19456", "-p", "2", "-e"];
    let argon2 = printed("argon2", &argon2, "pass word");
    let htpasswd = printed("htpasswd", &["-niBC", "10", "user"], "pass word");
    let htpasswd = htpasswd.strip_prefix("user:").expect("user:hash");
    assert!(argon2.starts_with("$argon2id$") && htpasswd.starts_with("$2y$10$"), "{argon2} {htpasswd}");
    let gateway = start(&upstream, &[("argon", &argon2), ("apache", htpasswd)]).start();
    assert!(!gateway.stderr().contains("warning"), "{}", gateway.stderr());
    for user in ["argon", "apache"] {
        assert_eq!(login(&gateway, user, "pass word").status, 200, "{user}");
        assert_eq!(login(&gateway, user, "pass Word").status, 401, "{user}");
    }
}

#[test]
fn a_good_client_pays_once_and_guesses_always_pay() {
    let upstream = Upstream::echo();
    let hash = hash_password("right", &[]);
    let gateway = start(&upstream, &[("alice", &hash), ("bob", "plain")]).start();
    let paid = || metric(&gateway, "signet_hashing_jobs_total");
    for _ in 0..5 {
        assert_eq!(login(&gateway, "alice", "right").status, 200);
        assert_eq!(login(&gateway, "bob", "plain").status, 200);
    }
    assert_eq!(paid(), 1);
    // A reload that leaves his credential as it is costs him nothing.
    gateway.reload(&configuration(&upstream, &[("alice", &hash), ("bob", "plain"), ("carol", "plain")]));
    assert_eq!(login(&gateway, "carol", "plain").status, 200);
    assert_eq!(login(&gateway, "alice", "right").status, 200);
    assert_eq!(paid(), 1);
    for guesses in 1..=3 {
        assert_eq!(login(&gateway, "alice", "wrong").status, 401);
        assert_eq!(paid(), 1 + guesses);
    }
}

#[test]
fn a_flood_of_guesses_is_told_to_wait_and_does_not_touch_who_is_known() {
    let upstream = Upstream::echo();
    let hash = hash_password("right", &["--bcrypt", "10"]);
    let users = [("alice", hash.as_str()), ("bob", &hash), ("slow", SLOW)];
    let gateway = start(&upstream, &users).setting("hashing_queue", "1").start();
    assert_eq!(login(&gateway, "alice", "right").status, 200);

    // One guess is at work and one waits for seconds: there is room for no other.
    let mut guesses = (gateway.client(), gateway.client());
    guesses.0.write(&Request::get("/").basic("slow", "guess 1").bytes());
    wait_for(&gateway, "signet_hashing_jobs_total", 2);
    guesses.1.write(&Request::get("/").basic("slow", "guess 2").bytes());
    wait_for(&gateway, "signet_hashing_queue_depth", 1);

    for (user, password) in [("bob", "right"), ("bob", "wrong"), ("alice", "wrong"), ("slow", "guess 3")] {
        let response = login(&gateway, user, password);
        assert_eq!((response.status, response.header("Retry-After")), (503, Some("1")), "{user} {password}");
        assert_eq!(response.json()["message"], "too many passwords are waiting to be verified");
    }
    for _ in 0..20 {
        assert_eq!(login(&gateway, "alice", "right").status, 200);
    }
    assert_eq!(metric(&gateway, "signet_hashing_refused_total"), 4);
    assert_eq!(metric(&gateway, "signet_hashing_jobs_total"), 2, "the guesses were there all the time");
    assert_eq!(metric(&gateway, "signet_hashing_queue_depth"), 1);
}

#[test]
fn check_tells_which_hashes_cannot_be_verified_and_which_are_weak() {
    let upstream = Upstream::echo();
    let folder = Folder::new();
    let check = |users: &[(&str, &str)]| -> (Run, String) {
        let file = folder.write("kong.yml", configuration(&upstream, users));
        let name = file.display().to_string();
        (signet(["check", name.as_str()]), name)
    };
    let sha1 = "a9993e364706816aba3e25717850c26c9cd0d89d";
    let weak = printed("htpasswd", &["-niB", "user"], "x").replace("user:", "");
    let (run, file) = check(&[("weak", weak.as_str()), ("kong", sha1)]);
    assert_eq!(run.code, Some(0), "{run:?}");
    let told: Vec<&str> = run.stderr.lines().collect();
    let at = format!("{file}:10: consumers[0].basicauth_credentials[0].password: warning: bcrypt with a cost of 5");
    assert!(told.iter().any(|line| line.starts_with(&at)), "{run:?}");
    let at =
        format!("{file}:11: consumers[0].basicauth_credentials[1].password: warning: looks like a hash out of Kong");
    assert!(told.iter().any(|line| line.starts_with(&at)), "{run:?}");

    let huge = SLOW.replace("m=8192", "m=4194304");
    let (run, file) = check(&[("i", &SLOW.replace("argon2id", "argon2i")), ("huge", &huge), ("cut", "$2b$12$abc")]);
    assert_eq!(run.code, Some(2), "{run:?}");
    for (position, reason) in
        ["of the Argon2 family only argon2id", "argon2id with m=4194304", "begins like a bcrypt hash"]
            .into_iter()
            .enumerate()
    {
        let at = format!("{file}:{}: consumers[0].basicauth_credentials[{position}].password: {reason}", position + 10);
        assert!(run.stdout.lines().any(|line| line.starts_with(&at)), "{at}: {run:?}");
    }
}

#[test]
fn hash_password_refuses_what_is_no_password() {
    let long = "x".repeat(73);
    let endless = "x".repeat(4097);
    for (input, args, reason) in [
        ("", &[][..], "empty"),
        ("\n", &[], "empty"),
        ("\r\n", &["--bcrypt"], "empty"),
        ("one\ntwo\n", &[], "one line"),
        ("\nx", &[], "one line"),
        (&endless, &[], "4096"),
        (&long, &["--bcrypt"], "72 bytes"),
        ("a\0b", &["--bcrypt"], "zero byte"),
        ("x", &["--bcrypt", "9"], "10..=16"),
        ("x", &["--bcrypt", "17"], "10..=16"),
        ("x", &["password"], "unexpected argument"),
    ] {
        let run = signet_reading(input.as_bytes(), ["hash-password"].iter().chain(args));
        assert_eq!((run.code, run.stdout.as_str()), (Some(2), ""), "{args:?} {run:?}");
        assert!(run.stderr.contains(reason), "{args:?} {run:?}");
    }
    assert!(hash_password(&long, &[]).starts_with("$argon2id$"));
    assert!(signet(["hash-password", "--help"]).stdout.contains("standard input"));
}
