//! Passwords as a file may keep them: Argon2id and bcrypt.

use std::fmt;

use argon2::{Algorithm, Argon2, Params, Version, password_hash::phc};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

/// The most memory that one verification may take, in KiB.
const MAX_MEMORY: u32 = 1024 * 1024;

/// The most memory times passes: some seconds of a core.
const MAX_WORK: u64 = 4 * 1024 * 1024;

/// The weakest parameters of the OWASP Password Storage Cheat Sheet, in KiB, and in KiB times passes.
const ADVISED_MEMORY: u32 = 7 * 1024;
const ADVISED_WORK: u64 = 5 * 7 * 1024;

/// The same for bcrypt: its least cost by OWASP, and what takes some seconds.
const ADVISED_BCRYPT: u32 = 10;
const MAX_BCRYPT: u32 = 16;
const MIN_BCRYPT: u32 = 4;

/// bcrypt looks at no more bytes than these.
const BCRYPT_PASSWORD: usize = 72;

/// A hash that was parsed when the configuration was loaded, so that a request only computes.
pub(super) struct PasswordHash {
    /// What verifying it costs.
    pub(super) cost: Cost,
    function: Function,
}

/// What a verification costs: equal costs take equal time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Cost {
    /// Rounds, as a power of two.
    Bcrypt { cost: u32 },
    /// KiB, passes, lanes.
    Argon2id { memory: u32, passes: u32, lanes: u32 },
}

/// The hash could not be computed: there is no memory for it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct NotComputed;

enum Function {
    Argon2id(Box<Argon2id>),
    Bcrypt(Box<str>),
}

struct Argon2id {
    function: Argon2<'static>,
    salt: phc::Salt,
    output: phc::Output,
}

impl PasswordHash {
    /// Parses a password that says by its beginning that it is a hash; None for one in plain text.
    ///
    /// # Errors
    /// What is wrong with it, without the hash itself.
    pub(super) fn parse(password: &str) -> Result<Option<Self>, String> {
        if password.starts_with("$argon2") {
            return argon2id(password).map(Some);
        }
        if ["$2a$", "$2b$", "$2y$"].iter().any(|prefix| password.starts_with(prefix)) {
            return bcrypt(password).map(Some);
        }
        if password.starts_with("$2x$") {
            return Err("a `$2x$` hash was made by a faulty bcrypt; make a new one".to_owned());
        }
        Ok(None)
    }

    /// Whether this is the password. Takes as long as [`Cost`] says.
    pub(super) fn matches(&self, password: &[u8]) -> Result<bool, NotComputed> {
        match &self.function {
            Function::Argon2id(argon2id) => argon2id.matches(password),
            // What bcrypt does not look at must not be free to choose.
            Function::Bcrypt(_) if password.len() > BCRYPT_PASSWORD || password.contains(&0) => Ok(false),
            Function::Bcrypt(hash) => bcrypt::verify(password, hash).map_err(|_| NotComputed),
        }
    }
}

impl Argon2id {
    fn matches(&self, password: &[u8]) -> Result<bool, NotComputed> {
        let mut computed = Zeroizing::new([0; phc::Output::MAX_LENGTH]);
        let computed = computed.get_mut(..self.output.len()).ok_or(NotComputed)?;
        self.function.hash_password_into(password, &self.salt, computed).map_err(|_| NotComputed)?;
        Ok((*computed).ct_eq(self.output.as_bytes()).into())
    }
}

impl Cost {
    /// Whether a thief of the hash would have it too easy.
    pub(super) fn is_weak(self) -> bool {
        match self {
            Self::Bcrypt { cost } => cost < ADVISED_BCRYPT,
            Self::Argon2id { memory, passes, .. } => memory < ADVISED_MEMORY || work(memory, passes) < ADVISED_WORK,
        }
    }
}

impl fmt::Display for Cost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bcrypt { cost } => write!(f, "bcrypt with a cost of {cost}"),
            Self::Argon2id { memory, passes, lanes } => write!(f, "argon2id with m={memory},t={passes},p={lanes}"),
        }
    }
}

fn argon2id(text: &str) -> Result<PasswordHash, String> {
    let malformed = || "begins like an Argon2 hash, but is malformed".to_owned();
    let hash = phc::PasswordHash::new(text).map_err(|_| malformed())?;
    if hash.algorithm.as_str() != "argon2id" {
        return Err("of the Argon2 family only argon2id is taken".to_owned());
    }
    if hash.version != Some(Version::V0x13.into()) {
        return Err("of Argon2 only version 1.3 (`v=19`) is taken".to_owned());
    }
    let (Some(salt), Some(output)) = (hash.salt, hash.hash) else { return Err(malformed()) };
    let parameter = |name: &str| hash.params.get_decimal(name);
    let (Some(memory), Some(passes), Some(lanes), 3) =
        (parameter("m"), parameter("t"), parameter("p"), hash.params.iter().count())
    else {
        return Err("an Argon2 hash must say `m`, `t` and `p`, and nothing else".to_owned());
    };
    let cost = Cost::Argon2id { memory, passes, lanes };
    if memory > MAX_MEMORY || work(memory, passes) > MAX_WORK {
        return Err(format!("{cost} costs too much: at most m={MAX_MEMORY} (KiB), and m times t at most {MAX_WORK}"));
    }
    let params = Params::new(memory, passes, lanes, Some(output.len()))
        .map_err(|_| format!("{cost} is none of Argon2's: m is at least 8 times p, t and p at least 1"))?;
    let function = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
    Ok(PasswordHash { cost, function: Function::Argon2id(Box::new(Argon2id { function, salt, output })) })
}

fn bcrypt(text: &str) -> Result<PasswordHash, String> {
    let parts: bcrypt::HashParts =
        text.parse().map_err(|_| "begins like a bcrypt hash, but is malformed".to_owned())?;
    let cost = parts.get_cost();
    if !(MIN_BCRYPT..=MAX_BCRYPT).contains(&cost) {
        return Err(format!("a bcrypt cost of {cost} is not taken, only {MIN_BCRYPT} to {MAX_BCRYPT}"));
    }
    Ok(PasswordHash { cost: Cost::Bcrypt { cost }, function: Function::Bcrypt(text.into()) })
}

fn work(memory: u32, passes: u32) -> u64 {
    u64::from(memory) * u64::from(passes)
}

#[cfg(test)]
mod tests {
    use super::*;

    // Made by the command `argon2` of the reference implementation, and by `htpasswd`.
    const ARGON2ID: &str = "$argon2id$v=19$m=19456,t=2,p=1$c29tZXNhbHQ$KiUpkNXkW0iek3f66642bafVuX6jLM4L5GStYqwn32c";
    const BCRYPT: &str = "$2y$10$rXTslp2yxVZqsFIcpV5L1efKOUzgOczi4g9rcZKwcoAhi3yamN/qu";

    fn parse(text: &str) -> PasswordHash {
        PasswordHash::parse(text).unwrap_or_else(|reason| panic!("{reason}: {text}")).expect("a hash")
    }

    #[test]
    fn hashes_of_other_programs_match_their_password_only() {
        for hash in [ARGON2ID, BCRYPT, &BCRYPT.replace("$2y$", "$2a$"), &BCRYPT.replace("$2y$", "$2b$")] {
            let parsed = parse(hash);
            assert_eq!(parsed.matches(b"pw"), Ok(true), "{hash}");
            for wrong in [&b"pW"[..], b"", b"pw ", b"pw\0", b"pw\0pw", hash.as_bytes()] {
                assert_eq!(parsed.matches(wrong), Ok(false), "{hash} {wrong:?}");
            }
        }
    }

    #[test]
    fn what_bcrypt_would_cut_off_does_not_match() {
        let long = "x".repeat(72);
        let hash = parse(&bcrypt::hash(&long, 4).expect("a hash"));
        assert_eq!(hash.matches(long.as_bytes()), Ok(true));
        assert_eq!(hash.matches("x".repeat(73).as_bytes()), Ok(false));
    }

    #[test]
    fn every_shape_of_argon2id_is_computed() {
        for (memory, passes, lanes, length) in [(8, 1, 1, 10), (64, 3, 4, 64), (100, 2, 3, 32)] {
            let params = Params::new(memory, passes, lanes, Some(length)).expect("parameters");
            let function = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
            let text = argon2::PasswordHasher::hash_password(&function, b"pw").expect("a hash").to_string();
            let parsed = parse(&text);
            assert_eq!(parsed.cost, Cost::Argon2id { memory, passes, lanes });
            assert_eq!((parsed.matches(b"pw"), parsed.matches(b"no")), (Ok(true), Ok(false)), "{text}");
        }
    }

    #[test]
    fn what_is_no_hash_is_plain_text() {
        for plain in ["", "pw", "$", "$2", "$2c$10$", "$6$salt$hash", "argon2id", "x$2b$10$", " $argon2id$"] {
            assert!(matches!(PasswordHash::parse(plain), Ok(None)), "{plain}");
        }
    }

    #[test]
    fn hashes_that_cannot_be_verified_are_refused_with_a_reason() {
        let argon2 = |from: &str, to: &str| {
            assert!(ARGON2ID.contains(from));
            ARGON2ID.replacen(from, to, 1)
        };
        let bcrypt = |cost: &str| BCRYPT.replacen("$10$", &format!("${cost}$"), 1);
        for (hash, reason) in [
            ("$argon2".to_owned(), "only argon2id"),
            ("$argon2id$".to_owned(), "malformed"),
            (argon2("argon2id", "argon2i"), "only argon2id"),
            (argon2("argon2id", "argon2d"), "only argon2id"),
            (argon2("$v=19", ""), "only version 1.3"),
            (argon2("v=19", "v=16"), "only version 1.3"),
            (argon2("m=19456,", ""), "must say `m`, `t` and `p`"),
            (argon2("p=1", "p=1,keyid=abcd"), "must say `m`, `t` and `p`"),
            (argon2("m=19456", "m=1048577"), "costs too much"),
            (argon2("m=19456,t=2", "m=1048576,t=5"), "costs too much"),
            (argon2("t=2", "t=4294967295"), "costs too much"),
            (argon2("t=2", "t=4294967296"), "must say `m`, `t` and `p`"),
            (argon2("t=2", "t=0"), "none of Argon2's"),
            (argon2("p=1", "p=0"), "none of Argon2's"),
            (argon2("m=19456", "m=7"), "none of Argon2's"),
            (argon2("p=1", "p=2433"), "none of Argon2's"),
            (argon2("$c29tZXNhbHQ", "$c2FsdA"), "malformed"),
            (argon2("$c29tZXNhbHQ", "$c29tZXNhb!"), "malformed"),
            (argon2("$KiUpkNXkW0iek3f66642bafVuX6jLM4L5GStYqwn32c", ""), "malformed"),
            (format!("{ARGON2ID}\n"), "malformed"),
            (format!("{ARGON2ID}$x"), "malformed"),
            (bcrypt("17"), "cost of 17 is not taken"),
            (bcrypt("03"), "cost of 3 is not taken"),
            (bcrypt("xx"), "malformed"),
            ("$2b$10$short".to_owned(), "malformed"),
            (format!("{BCRYPT}\n"), "malformed"),
            (BCRYPT.replace("$2y$", "$2x$"), "faulty"),
        ] {
            let told = PasswordHash::parse(&hash).err().unwrap_or_else(|| panic!("{hash} is taken"));
            assert!(told.contains(reason), "{hash}: {told}");
            assert!(!told.contains("KiUpk") && !told.contains("rXTsl"), "{told}");
        }
    }

    #[test]
    fn what_owasp_advises_is_not_weak_and_less_is() {
        let argon2id = |memory, passes| Cost::Argon2id { memory, passes, lanes: 1 };
        for advised in
            [argon2id(47104, 1), argon2id(19456, 2), argon2id(12288, 3), argon2id(9216, 4), argon2id(7168, 5)]
        {
            assert!(!advised.is_weak(), "{advised}");
        }
        for weak in [argon2id(19456, 1), argon2id(4096, 3), argon2id(1024, 100), Cost::Bcrypt { cost: 9 }] {
            assert!(weak.is_weak(), "{weak}");
        }
        assert!(!Cost::Bcrypt { cost: 10 }.is_weak());
    }
}
