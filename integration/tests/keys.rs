//! `signet keys`: what it makes, other programs take, and it takes what they make.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::Path,
    time::{SystemTime, UNIX_EPOCH},
};

use serde_json::{Value, json};
use signet_integration::{Folder, Run, signet, signet_reading};

use crate::{
    jose::jose,
    setup::{printed, repository},
};

const ALGORITHMS: [&str; 12] =
    ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "EdDSA", "HS256", "HS384", "HS512"];

/// Runs `signet keys` and returns what it prints.
fn keys(args: &[&str]) -> String {
    let run = run(args);
    assert_eq!((run.code, run.stderr.as_str()), (Some(0), ""), "{args:?}");
    run.stdout
}

fn run(args: &[&str]) -> Run {
    signet(["keys"].iter().chain(args))
}

/// The exit code and what it says.
fn refusal(args: &[&str]) -> (Option<i32>, String) {
    let run = run(args);
    assert_eq!(run.stdout, "", "{args:?}");
    (run.code, run.stderr.trim_end().to_owned())
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

fn parsed(json: &str) -> Value {
    serde_json::from_str(json).unwrap_or_else(|error| panic!("{error}: {json}"))
}

fn openssl(args: &[&str], input: &str) -> String {
    printed("openssl", args, input)
}

#[test]
fn another_library_takes_what_is_generated_for_every_algorithm_in_every_form() {
    let folder = Folder::new();
    let mut made = Vec::new();
    let mut asymmetric = Vec::new();
    for algorithm in ALGORITHMS {
        let jwk = keys(&["generate", "--alg", algorithm]);
        let path = folder.write(&format!("{algorithm}.jwk"), &jwk);
        let mut key = json!({"algorithm": algorithm, "jwk": parsed(&jwk)});
        if !algorithm.starts_with("HS") {
            key["pem"] = keys(&["pem", text(&path)]).into();
            key["spki"] = keys(&["pem", "--public", text(&path)]).into();
            asymmetric.push(path);
        }
        made.push(key);
    }
    let files: Vec<_> = ["jwks"].into_iter().chain(asymmetric.iter().map(|path| text(path))).collect();
    let jwks = parsed(&keys(&files));
    let kids: Vec<_> = made.iter().map(|key| key["jwk"]["kid"].clone()).collect();
    assert_eq!(jose("tryKeys", &json!({"keys": made, "jwks": jwks})), json!(kids), "the thumbprints");
}

#[test]
fn openssl_takes_what_is_generated() {
    for algorithm in ["RS256", "PS384", "ES256", "ES384", "EdDSA"] {
        let pem = keys(&["generate", "--alg", algorithm, "--format", "pem"]);
        assert!(pem.starts_with("-----BEGIN PRIVATE KEY-----\n"), "{algorithm}");
        assert_eq!(openssl(&["pkey", "-check", "-noout"], &pem), "Key is valid", "{algorithm}");
        let public = signet_reading(pem.as_bytes(), ["keys", "jwks", "--alg", algorithm, "-"]).stdout;
        let jwk = parsed(&public)["keys"][0].to_string();
        let spki = signet_reading(jwk.as_bytes(), ["keys", "pem", "-"]).stdout;
        assert_eq!(spki.trim(), openssl(&["pkey", "-pubout"], &pem), "{algorithm}");
    }
    let size = |bits: &str| {
        let pem = keys(&["generate", "--alg", "RS512", "--bits", bits, "--format", "pem"]);
        openssl(&["pkey", "-text", "-noout"], &pem).lines().next().unwrap().to_owned()
    };
    assert_eq!(
        [size("2048"), size("3072")],
        ["2048", "3072"].map(|bits| format!("Private-Key: ({bits} bit, 2 primes)"))
    );
}

#[test]
fn what_openssl_makes_is_taken_in_every_form() {
    let folder = Folder::new();
    let rsa = openssl(&["genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"], "");
    let elliptic = openssl(&["ecparam", "-name", "secp384r1", "-genkey"], "");
    assert!(elliptic.starts_with("-----BEGIN EC PARAMETERS-----"), "parameters first, then the key");
    let ed25519 = openssl(&["genpkey", "-algorithm", "ed25519"], "");
    let certificate = |key: &str| {
        let key = folder.write("key.pem", key);
        openssl(&["req", "-x509", "-new", "-key", text(&key), "-subj", "/CN=test", "-days", "30"], "")
    };
    let forms = [
        ("RS256", vec![openssl(&["rsa", "-traditional"], &rsa), openssl(&["rsa", "-RSAPublicKey_out"], &rsa)], rsa),
        ("ES384", vec![openssl(&["pkcs8", "-topk8", "-nocrypt"], &elliptic)], elliptic),
        ("EdDSA", Vec::new(), ed25519),
    ];
    for (algorithm, mut others, key) in forms {
        others.extend([openssl(&["pkey", "-pubout"], &key), certificate(&key), certificate(&key) + "\n" + &key]);
        let set = keys(&["jwks", text(&folder.write("key.pem", &key))]);
        assert_eq!(parsed(&set)["keys"][0]["alg"], algorithm);
        for other in others {
            assert_eq!(keys(&["jwks", text(&folder.write("other.pem", &other))]), set, "{other}");
        }
    }
}

#[test]
fn a_key_goes_from_one_form_to_the_other_and_back() {
    let folder = Folder::new();
    for algorithm in ALGORITHMS.into_iter().filter(|algorithm| !algorithm.starts_with("HS")) {
        for half in [&[][..], &["--public"]] {
            let jwk = folder.write("a.jwk", keys(&["generate", "--alg", algorithm]));
            let pem = folder.write("a.pem", keys(&[&["pem", text(&jwk)], half].concat()));
            let back = folder.write("b.jwk", keys(&["pem", "--alg", algorithm, text(&pem)]));
            assert_eq!(keys(&["jwks", text(&back)]), keys(&["jwks", text(&jwk)]));
            assert_eq!(parsed(&fs::read_to_string(&back).unwrap()).get("d").is_some(), half.is_empty(), "{algorithm}");
            assert_eq!(keys(&["pem", text(&back)]), fs::read_to_string(&pem).unwrap());
        }
    }
}

#[test]
fn a_file_is_for_its_owner_only_and_takes_the_place_of_none() {
    let folder = Folder::new();
    let path = folder.path().join("key.jwk");
    let run_once = || run(&["generate", "--alg", "ES256", "--kid", "mine", "--out", text(&path)]);
    let first = run_once();
    assert_eq!((first.code, first.stdout.as_str()), (Some(0), ""));
    assert_eq!(first.stderr, format!("{}: ES256, kid mine\n", path.display()));
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    let key = fs::read_to_string(&path).unwrap();
    assert_eq!(parsed(&key)["kid"], "mine");
    let second = run_once();
    assert_eq!(second.code, Some(1));
    assert_eq!(
        second.stderr,
        format!("signet: cannot write {}: there is such a file, and none is overwritten\n", path.display())
    );
    assert_eq!(fs::read_to_string(&path).unwrap(), key);
    std::os::unix::fs::symlink(folder.path().join("nowhere"), folder.path().join("link")).unwrap();
    for place in ["link", "no-folder/key.jwk"] {
        let place = folder.path().join(place);
        assert_eq!(refusal(&["pem", text(&path), "--out", text(&place)]).0, Some(1), "{}", place.display());
    }
    let names: Vec<_> = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names.len(), 2, "nothing unfinished is left behind: {names:?}");
}

#[test]
fn a_jwk_says_when_it_was_made_and_when_it_signs() {
    let now = || SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let before = now();
    let times = ["--not-before", "2027-01-01T01:00:00+01:00", "--not-after", "1798765200"];
    let jwk = parsed(&keys(&[&["generate", "--alg", "EdDSA"], &times[..]].concat()));
    assert!((before..=now()).contains(&jwk["iat"].as_u64().unwrap()), "{}", jwk["iat"]);
    assert_eq!((&jwk["nbf"], &jwk["exp"]), (&json!(1_798_761_600), &json!(1_798_765_200)));
}

#[test]
fn a_set_has_its_keys_in_the_order_of_the_files() {
    let folder = Folder::new();
    let generate = |kid: &str| folder.write(kid, keys(&["generate", "--alg", "EdDSA", "--kid", kid]));
    let [a, b, c, d] = ["a", "b", "c", "d"].map(generate);
    let kids = |set: &str| {
        let set = parsed(set);
        let keys = set["keys"].as_array().unwrap().iter();
        keys.map(|key| key["kid"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let set = folder.write("set", keys(&["jwks", text(&d), text(&a)]));
    let joined = keys(&["jwks", text(&c), text(&set), text(&b)]);
    assert_eq!(kids(&joined), ["c", "d", "a", "b"]);
    assert!(!joined.contains("\"d\":"), "{joined}");
    let (code, reason) = refusal(&["jwks", text(&a), text(&set)]);
    let (set, a) = (set.display(), a.display());
    assert_eq!((code, reason), (Some(2), format!("signet: {set}: the kid `a` is that of a key of {a}, too")));
}

#[test]
fn what_cannot_be_used_is_said_with_the_file_and_the_reason() {
    let folder = Folder::new();
    let secret = repository("test-keys/hs256-jwk.json");
    let set = repository("test-keys/rs256-jwks.json");
    let half = folder.write("half.jwk", r#"{"kty":"EC","crv":"P-256","x":"AA","y":"AA","d":"AA"}"#);
    let octets = folder.write("octets", [0xff, 0xfe]);
    let long = folder.write("long", vec![b' '; 1024 * 1024 + 1]);
    let nowhere = folder.path().join("nowhere");
    let cases = [
        (vec!["jwks", text(&secret)], 2, "a shared secret (`kty` `oct`) has no public half"),
        (vec!["pem", text(&secret)], 2, "a shared secret has no PEM form"),
        (vec!["pem", text(&set)], 2, "this is a set of keys; one key (JWK) is needed"),
        (vec!["jwks", text(&half)], 2, "`x` and `y` are not a point of the curve P-256"),
        (vec!["pem", text(&octets)], 2, "not text; a JWK or PEM is needed"),
        (vec!["pem", text(&long)], 2, "too long for a key"),
    ];
    for (args, code, reason) in cases {
        assert_eq!(refusal(&args), (Some(code), format!("signet: {}: {reason}", args[1])));
    }
    let (code, reason) = refusal(&["jwks", text(&nowhere)]);
    let expected = format!("signet: cannot read {}: No such file or directory (os error 2)", nowhere.display());
    assert_eq!((code, reason), (Some(1), expected));
    let cases = [
        (vec!["--alg", "HS256", "--format", "pem"], "a shared secret, as HS256 needs it, has no PEM form"),
        (
            vec!["--alg", "RS256", "--format", "pem", "--kid", "a"],
            "--kid, --not-before and --not-after have no place in PEM",
        ),
        (
            vec!["--alg", "ES256", "--not-before", "1970-01-01T00:00:10Z", "--not-after", "10"],
            "--not-after must be later than --not-before",
        ),
        (vec!["--alg", "ES256", "--bits", "2048"], "--bits is for RSA; the size of a key for ES256 is fixed"),
        (vec!["--alg", "PS256", "--bits", "1024"], "an RSA key has 2048 to 8192 bits, a multiple of 512; not 1024"),
    ];
    for (args, reason) in cases {
        assert_eq!(refusal(&[&["generate"], &args[..]].concat()), (Some(2), format!("signet: {reason}")));
    }
    let usage = [
        &["generate", "--alg", "none"][..],
        &["generate", "--alg", "ES512"],
        &["generate", "--alg", "ES256", "--kid", ""],
        &["generate", "--alg", "ES256", "--not-before", "tomorrow"],
        &["jwks"],
        &["pem"],
        &[],
    ];
    for args in usage {
        assert_eq!(refusal(args).0, Some(2), "{args:?}");
    }
}
