//! What no log may show: the secrets of configurations and the credentials of requests, looked for in all that a gateway said.

use std::{
    collections::BTreeSet,
    sync::{Mutex, PoisonError},
};

/// Members of configurations whose values are secrets.
const MEMBERS: [&str; 4] = ["password", "secret", "client_secret", "key"];
/// Private members of a JWK (RFC 7518, 6).
const PRIVATE: [&str; 7] = ["d", "p", "q", "dp", "dq", "qi", "k"];
/// Arguments of queries in which tests send credentials.
const ARGUMENTS: [&str; 4] = ["apikey", "access_token", "jwt", "password"];
/// A shorter one is found everywhere.
const SHORTEST: usize = 8;

/// The secrets that a gateway was given and sent.
#[derive(Debug, Default)]
pub struct Secrets(Mutex<BTreeSet<String>>);

impl Secrets {
    /// Notes those of a declarative file, which is YAML or JSON.
    pub fn configured(&self, text: &str) {
        for (position, _) in text.match_indices(':') {
            let (before, after) = (&text[..position], &text[position + 1..]);
            let before = before.trim_end_matches(['"', '\\', '\'']);
            let name = &before[before.rfind(|c: char| !c.is_ascii_alphanumeric() && c != '_').map_or(0, |at| at + 1)..];
            let value = after.trim_start_matches([' ', '"', '\'', '\\', '[']);
            let value = &value[..value.find(['"', '\'', '\\', ',', '}', ']', '\n']).unwrap_or(value.len())];
            let is_secret = match name {
                // Elsewhere it names something public.
                "key" => before.rfind("keyauth_credentials").is_some_and(|from| !before[from..].contains("_secrets")),
                name if MEMBERS.contains(&name) => true,
                name => PRIVATE.contains(&name) && value.len() >= 20,
            };
            if is_secret {
                self.note(value);
            }
        }
        let mut private = false;
        for line in text.lines().map(str::trim) {
            if line.contains("-----BEGIN") || line.contains("-----END") {
                private = line.contains("-----BEGIN") && line.contains("PRIVATE KEY");
            } else if private && line.len() >= 40 {
                self.note(line);
            }
        }
    }

    /// Notes the credentials of a request, as it goes over the wire.
    pub fn sent(&self, request: &[u8]) {
        let request = String::from_utf8_lossy(request);
        let head = request.split("\r\n\r\n").next().unwrap_or_default();
        let mut lines = head.lines();
        let target = lines.next().and_then(|line| line.split(' ').nth(1)).unwrap_or_default();
        let query = target.split_once('?').map_or("", |(_, query)| query);
        for (name, value) in query.split('&').filter_map(|argument| argument.split_once('=')) {
            if ARGUMENTS.contains(&name) {
                self.note(value);
            }
        }
        for (name, value) in lines.filter_map(|line| line.split_once(':')) {
            match name.to_ascii_lowercase().as_str() {
                "authorization" | "proxy-authorization" => {
                    let token = value.trim().rsplit(' ').next().unwrap_or_default();
                    self.note(token);
                    // Whoever has the first two parts of a token still lacks the signature.
                    self.note(token.rsplit('.').next().unwrap_or_default());
                }
                "cookie" => {
                    value.split(';').filter_map(|pair| pair.split_once('=')).for_each(|(_, value)| self.note(value))
                }
                "apikey" | "x-api-key" => self.note(value),
                _ => {}
            }
        }
    }

    /// The first of them that a log shows.
    pub fn shown_by(&self, log: &str) -> Option<String> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.iter().find(|secret| log.contains(secret.as_str())).cloned()
    }

    fn note(&self, secret: &str) {
        let secret = secret.trim();
        let is_word = secret.bytes().all(|byte| byte.is_ascii_lowercase());
        let is_reference = secret.starts_with('{') || secret.starts_with('/');
        if secret.len() >= SHORTEST && !is_word && !is_reference {
            self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(secret.to_owned());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn planted_secrets_are_found_wherever_they_stood() {
        let secrets = Secrets::default();
        secrets.configured(
            "consumers:\n- username: alice\n  keyauth_credentials: [{key: planted-key-1}]\n  basicauth_credentials:\n  \
             - {username: alice-name, password: \"planted-password\"}\n  jwt_secrets:\n  - key: public-issuer\n    secret: planted-secret\n\
             plugins:\n- name: openid-connect\n  config: {client_secret: [planted-client]}\n- name: x-custom-jwt\n  config:\n    \
             private_jwk: '{\"kty\":\"OKP\",\"x\":\"public-member-of-a-key\",\"d\":\"planted-member-of-a-key\"}'\n\
             certificates:\n- key: |\n    -----BEGIN PRIVATE KEY-----\n    MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQplanted\n    -----END PRIVATE KEY-----\n",
        );
        secrets.sent(b"GET /a?apikey=planted-argument&b=public-argument HTTP/1.1\r\nAuthorization: Bearer aaaa.bbbb.planted-signature\r\nCookie: a=planted-cookie\r\nX-Public: public-header\r\n\r\npublic-body");
        for planted in [
            "planted-key-1",
            "planted-password",
            "planted-secret",
            "planted-client",
            "planted-member-of-a-key",
            "MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQplanted",
            "planted-argument",
            "aaaa.bbbb.planted-signature",
            "planted-signature",
            "planted-cookie",
        ] {
            assert!(secrets.shown_by(&format!("a line with {planted} in it")).is_some(), "{planted}");
        }
        let public = "alice alice-name public-issuer public-member-of-a-key public-argument public-header public-body";
        assert_eq!(secrets.shown_by(public), None);
    }
}
