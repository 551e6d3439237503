//! Every record that we do not follow, with its reason.

use super::{Mode, Mode::Request, Mode::Verified, record::Record};

/// What we want instead of what was recorded.
#[derive(Debug, Clone, Copy)]
pub(super) enum Want {
    /// Another status; the rest is not compared.
    Status(u16),
    /// 401 from x-custom-jwt, and nothing for the upstream.
    Refused,
    /// A token for this client.
    Token(&'static str),
    /// The same, but for these headers (in small letters).
    Except(&'static [&'static str]),
}

/// Name, mode, reason, what we do.
const DIFFERENCES: &[(&str, Mode, &str, Want)] = &[
    ("routing/host H1.TEST GET /x", Verified, "hosts have no case", Want::Status(200)),
    ("error/header too large", Verified, "the limit for a header block is 32 KiB", Want::Status(200)),
    ("error/uri too long", Verified, "the limit for a request target is 16 KiB", Want::Status(200)),
    (
        "error/bad request line",
        Verified,
        "a control character in the target is escaped as %01, then routed",
        Want::Status(404),
    ),
    (
        "error/bad content-length",
        Verified,
        "what cannot be parsed gets a bare 400 before any phase runs",
        Want::Status(400),
    ),
    (
        "plain/http1.0 no host",
        Verified,
        "Kong names its own server block when the client names no host",
        Want::Except(&["x-forwarded-host"]),
    ),
    ("acl/spoofed groups hidden", Verified, "a client's own groups never pass", Want::Except(&["x-consumer-groups"])),
    ("introspect/client_id number", Verified, "a key is a string; Kong fails with 500", Want::Status(401)),
    ("introspect2/client_id number", Verified, "a key is a string; Kong fails with 500", Want::Status(401)),
    ("xcj/bearer client claim = \"\"", Request, "an empty client_id names nobody", Want::Refused),
    ("xcj/bearer client claim = {\"a\":1}", Request, "a client_id is a string or a number", Want::Refused),
    ("xcj/bearer client claim = [\"a\"]", Request, "a client_id is a string or a number", Want::Refused),
    ("xcj/bearer act = \"str\"", Request, "an `act` that is no object is replaced", Want::Token("c")),
    ("xcj/bearer nested depth 900", Request, "an empty array stays an array at any depth", Want::Token("c")),
    (
        "xcj/bearer JSON string payload, claim \"len\" (string method)",
        Request,
        "a payload that is no object has no claims",
        Want::Refused,
    ),
    (
        "xcj/basic password with colon via basic-auth plugin",
        Verified,
        "a password may hold colons",
        Want::Token("colon"),
    ),
    (
        "xcj/basic password with colon via basic-auth plugin",
        Request,
        "a password may hold colons",
        Want::Token("colon"),
    ),
    (
        "xcj/bearer bad base64 payload",
        Request,
        "the verbose text quotes the parser, and ours is another",
        Want::Refused,
    ),
    (
        "xcj/bearer JSON trailing garbage",
        Request,
        "the verbose text quotes the parser, and ours is another",
        Want::Refused,
    ),
    (
        "xcj/bearer JSON with leading BOM",
        Request,
        "the verbose text quotes the parser, and ours is another",
        Want::Refused,
    ),
    ("xcj/basic empty username", Request, "an empty client_id names nobody", Want::Refused),
    ("xcj/basic only colon", Request, "an empty client_id names nobody", Want::Refused),
    ("xcj/basic two spaces", Request, "basic-auth takes several spaces, so do we", Want::Token("alice")),
    (
        "xcj/apikey in query with key-auth",
        Verified,
        "what key-auth verified is the identity, wherever the key stood",
        Want::Token("012345AZERTY!"),
    ),
    ("xcj/apikey in query with key-auth", Request, "only the header is looked at in this mode", Want::Refused),
    (
        "xcj/upstream header authorization (lower-case config)",
        Request,
        "header names have no case: the value begins with `Bearer `",
        Want::Token("alice"),
    ),
    (
        "xcj/downstream header, upstream also returns it",
        Request,
        "the upstream's value is replaced (x_custom_jwt.rs has the test)",
        Want::Except(&["x-down-jwt"]),
    ),
];

/// Routes whose consumer is verified, or whose refusal does not depend on it.
const VERIFIED_ROUTES: [&str; 7] =
    ["basicAuth", "basicAuthHide", "apiKey", "apiKeyHide", "noauth", "noauthQuiet", "jwtAuth"];

/// The HMAC key is the text of `k`: an evident bug that is kept on purpose.
const KEPT: [&str; 2] = ["xcj/key/conf hs256", "xcj/key/conf hs512"];

/// What we want of this record, if not the same.
pub(super) fn difference(record: &Record, mode: Mode) -> Option<Want> {
    let named = DIFFERENCES.iter().find(|(name, of, ..)| *name == record.name && *of == mode);
    if let Some((.., want)) = named {
        return Some(*want);
    }
    let unverified = record.config == "x-custom-jwt.json" && !VERIFIED_ROUTES.contains(&record.route.as_str());
    // 400 is the answer to a request that no plugin sees.
    if mode == Verified && unverified && record.status() != 400 {
        return Some(Want::Refused);
    }
    let kept = KEPT.contains(&record.name.as_str());
    assert!(!record.evident_bug || kept, "{}: an evident bug needs a line in the table", record.name);
    None
}

#[test]
fn every_difference_names_a_record() {
    let records = super::record::all();
    for (name, ..) in DIFFERENCES {
        assert!(records.iter().any(|record| record.name == *name), "{name}");
    }
}
