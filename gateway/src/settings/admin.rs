//! The admin listener and who may use it, and the certificates of listeners that have their own.

use std::{fmt, fs, path::PathBuf};

use openssl::{memcmp, sha::sha256};
use zeroize::Zeroizing;

use super::{Listener, PemSource, TlsSettings, source::Source, tls, values};
use crate::config;

/// A shorter token could be guessed.
const SHORTEST: usize = 16;

/// The admin listener.
#[derive(Debug, Clone, PartialEq)]
pub struct AdminSettings {
    /// Where it listens; nowhere when `off`.
    pub listen: Vec<Listener>,
    /// How it speaks TLS, and which clients it then wants.
    pub tls: OwnTls,
    /// What its clients have to know.
    pub token: Option<AdminToken>,
    /// It may be off the loopback interface without a token and without client certificates.
    pub allow_unprotected: bool,
}

/// The certificates of one kind of listener; everything else is as for the others.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct OwnTls {
    /// None: one is made at start.
    pub certificates: Vec<PemSource>,
    /// One for each of them.
    pub keys: Vec<PemSource>,
    /// A client must show a certificate of one of these; nobody is asked when there are none.
    pub client_authorities: Vec<PemSource>,
}

/// What a client of the admin listener has to know. Only its digest is kept.
#[derive(Clone)]
pub struct AdminToken([u8; 32]);

impl AdminToken {
    /// Of this text.
    pub fn of(token: &str) -> Self {
        Self(sha256(token.as_bytes()))
    }

    /// Whether it is this one, in a time that does not tell how much of it is right.
    pub fn is(&self, token: &[u8]) -> bool {
        memcmp::eq(&self.0, &sha256(token))
    }
}

impl PartialEq for AdminToken {
    fn eq(&self, other: &Self) -> bool {
        memcmp::eq(&self.0, &other.0)
    }
}

impl fmt::Debug for AdminToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AdminToken")
    }
}

impl OwnTls {
    /// The settings of a listener with these certificates that speaks TLS as the others do.
    pub fn settings(&self, others: &TlsSettings) -> TlsSettings {
        TlsSettings { certificates: self.certificates.clone(), keys: self.keys.clone(), ..others.clone() }
    }
}

pub(super) fn decode(source: &mut Source) -> AdminSettings {
    let listen = source.listeners("admin_listen", &["127.0.0.1:8001"]);
    let tls = tls::own(source, "admin_ssl_cert", "admin_ssl_cert_key", Some("admin_client_ca"));
    let in_file = source.has("admin_token_file");
    let token = source.value("admin_token", token);
    if in_file && token.is_some() {
        source.contradicts("admin_token_file", "give the token or the file that holds it, not both");
    }
    let token = source.value("admin_token_file", token_file).or(token);
    let allow_unprotected = source.value("admin_allow_unprotected", values::flag).unwrap_or(false);
    let settings = AdminSettings { listen, tls, token, allow_unprotected };
    vet(source, &settings);
    settings
}

/// Nobody may find the listener open because a setting was forgotten.
fn vet(source: &mut Source, settings: &AdminSettings) {
    let wants_certificates = !settings.tls.client_authorities.is_empty();
    if wants_certificates && settings.listen.iter().any(|listener| !listener.ssl) {
        source.contradicts(
            "admin_client_ca",
            "clients show certificates over TLS only: write `ssl` behind each address of `admin_listen`",
        );
    }
    let mut reachable = settings.listen.iter().filter(|listener| !listener.address.ip().is_loopback()).peekable();
    if reachable.peek().is_none() {
        return;
    }
    if settings.token.is_none() && !wants_certificates && !settings.allow_unprotected {
        let reason = "others than this machine can reach it: set `admin_token` (or `admin_token_file`) or `admin_client_ca`; \
                      `admin_allow_unprotected: on` if something else protects it";
        source.contradicts("admin_listen", reason);
    } else if settings.token.is_some() && reachable.any(|listener| !listener.ssl) {
        source.warn("admin_listen", "the token and the secrets of `POST /config` travel in clear text: add `ssl`");
    }
}

/// The token itself, or a reference to a variable that holds it. A reason never quotes it.
fn token(text: &str) -> Result<AdminToken, String> {
    let referred = config::reference(text, &config::process_env)?.map(Zeroizing::new);
    checked(referred.as_ref().map_or(text, |referred| referred))
}

fn token_file(text: &str) -> Result<AdminToken, String> {
    let file = PathBuf::from(text);
    let text = fs::read_to_string(&file).map(Zeroizing::new);
    checked(text.map_err(|error| format!("{}: {error}", file.display()))?.trim())
}

fn checked(token: &str) -> Result<AdminToken, String> {
    if token.len() < SHORTEST {
        return Err(format!("a token has {SHORTEST} characters at least, as `openssl rand -hex 32` makes"));
    }
    match token.bytes().all(|byte| byte.is_ascii_graphic()) {
        true => Ok(AdminToken::of(token)),
        false => Err("a token is made of visible ASCII characters, so that it can stand in a header".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::Settings;

    fn load(settings: &[(&str, &str)]) -> Result<AdminSettings, Vec<String>> {
        let env = settings.iter().map(|(key, value)| (format!("SIGNET_{key}"), (*value).to_owned()));
        let loaded = Settings::load(None, env);
        loaded.map(|loaded| loaded.settings.admin).map_err(|wrong| wrong.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn by_default_it_listens_on_this_machine_only() {
        let admin = load(&[]).expect("settings");
        assert_eq!(admin.listen, [Listener::plain(([127, 0, 0, 1], 8001).into())]);
        assert_eq!((admin.token, admin.allow_unprotected), (None, false));
        assert_eq!(load(&[("ADMIN_LISTEN", "off")]).expect("settings").listen, []);
    }

    #[test]
    fn off_this_machine_it_needs_a_protection_or_the_operators_word() {
        let reachable = ("ADMIN_LISTEN", "127.0.0.1:8001, 0.0.0.0:8002");
        let refused = load(&[reachable]).expect_err("a mistake");
        assert!(refused[0].starts_with("SIGNET_ADMIN_LISTEN: others than this machine"), "{refused:?}");
        assert!(load(&[reachable, ("ADMIN_TOKEN", "0123456789abcdef")]).is_ok());
        assert!(load(&[reachable, ("ADMIN_ALLOW_UNPROTECTED", "on")]).is_ok());
        let ca = ("ADMIN_CLIENT_CA", "ca.pem");
        assert!(load(&[("ADMIN_LISTEN", "0.0.0.0:8002 ssl"), ca]).is_ok());
        let refused = load(&[reachable, ca]).expect_err("a mistake");
        assert!(refused[0].starts_with("SIGNET_ADMIN_CLIENT_CA: clients show certificates over TLS"), "{refused:?}");
    }

    #[test]
    fn a_token_is_long_and_never_shown() {
        for wrong in ["hunter2", "a token with blanks in it", "tökentökentökentöken"] {
            let refused = load(&[("ADMIN_TOKEN", wrong)]).expect_err("a mistake");
            assert!(!refused[0].contains(wrong), "{refused:?}");
        }
        let admin = load(&[("ADMIN_TOKEN", "0123456789abcdef")]).expect("settings");
        assert!(!format!("{admin:?}").contains("0123456789abcdef"));
        assert!(admin.token.is_some_and(|token| token.is(b"0123456789abcdef") && !token.is(b"0123456789abcdeg")));
    }

    #[test]
    fn a_token_may_stand_in_a_file_or_in_a_variable() {
        let file = std::env::temp_dir().join(format!("signet-token-{}", std::process::id()));
        fs::write(&file, "0123456789abcdef\n").expect("a file");
        let path = file.display().to_string();
        let from_file = load(&[("ADMIN_TOKEN_FILE", &path)]).expect("settings").token;
        let both = load(&[("ADMIN_TOKEN_FILE", &path), ("ADMIN_TOKEN", "0123456789abcdef")]);
        fs::remove_file(&file).expect("removed");
        assert!(from_file.is_some_and(|token| token.is(b"0123456789abcdef")));
        assert!(both.is_err_and(|wrong| wrong[0].contains("not both")));
        let missing = load(&[("ADMIN_TOKEN_FILE", "/nonexistent/token")]).expect_err("a mistake");
        assert!(missing[0].contains("/nonexistent/token: "), "{missing:?}");
        let unset = load(&[("ADMIN_TOKEN", "{vault://env/signet-no-such-variable}")]).expect_err("a mistake");
        assert!(unset[0].contains("SIGNET_NO_SUCH_VARIABLE is not set"), "{unset:?}");
    }
}
