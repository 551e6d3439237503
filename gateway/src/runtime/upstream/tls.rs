//! The TLS of an upstream: what it is asked for, and the proof that a connection was made under just these terms.
//!
//! Pingora knows neither depths nor addresses, leaves a certificate unverified when it has no name to ask for, tells its
//! pooled connections apart by less than what was verified, and OpenSSL does not say why it refused one. So the handshake
//! ends first; then the chain is verified here, by OpenSSL, and what came of it stays with the connection. A request goes
//! only over a connection that carries the proof for its own terms and name.

use std::{
    any::Any,
    fmt,
    net::IpAddr,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

use pingora::{
    protocols::Digest,
    tls::{
        error::ErrorStack,
        pkey::{PKey, Private},
        ssl::{NameType, SslRef},
        x509::{
            X509, X509PurposeId, X509StoreContext, X509VerifyResult,
            store::{X509Store, X509StoreBuilder},
            verify::{X509CheckFlags, X509VerifyParam},
        },
    },
    upstreams::peer::{ALPN, HttpPeer, Scheme},
    utils::tls::CertKey,
};
use ring::digest::{Context, SHA256};

/// OpenSSL's own default: keys of 112 bits of security, no SHA-1.
const SECURITY_LEVEL: i32 = 2;

/// What is asked of an upstream's TLS, and shown to it.
#[derive(Debug, Default)]
pub struct TlsTerms {
    /// How its certificate is verified; `None` accepts any.
    pub verify: Option<Verification>,
    /// The certificate that the gateway shows when it is asked for one.
    pub client: Option<Arc<CertKey>>,
}

impl TlsTerms {
    /// Shows this certificate, with those that lead to its authority, to an upstream that asks for one.
    pub fn show(&mut self, leaf: X509, intermediates: Vec<X509>, key: PKey<Private>) {
        let chain = std::iter::once(leaf).chain(intermediates).collect();
        self.client = Some(Arc::new(CertKey::new(chain, key)));
    }
}

/// Whose certificates are accepted.
#[derive(Clone)]
pub struct Verification {
    /// The trusted authorities.
    pub authorities: Arc<[X509]>,
    /// How many authorities may stand between a certificate and a trusted one (OpenSSL's verify depth).
    pub depth: u8,
}

/// The authorities that the operating system trusts, read when the first service needs them.
#[derive(Debug, Default)]
pub struct SystemAuthorities(OnceLock<Arc<[X509]>>);

/// The terms of one service, ready for its connections.
#[derive(Debug)]
pub(super) struct UpstreamTls {
    terms: Arc<Terms>,
    /// Kept apart from others in Pingora's pools by this.
    group_key: u64,
    /// Pingora keeps connections of HTTP/2 that were refused: each refusal begins a new group.
    refused: AtomicU64,
}

/// What a handshake is held against.
#[derive(Debug)]
struct Terms {
    verify: Option<Verification>,
    /// The service's host when it is an address, which is never asked for by name.
    address: Option<IpAddr>,
    h2: bool,
    /// SHA-256 of all that these terms say.
    digest: [u8; 32],
}

/// What came of a handshake; it stays with its connection.
struct Handshake {
    terms: [u8; 32],
    /// The name that was asked for.
    name: Option<Box<str>>,
    outcome: Result<(), String>,
}

impl UpstreamTls {
    /// Prepares `template` for TLS to a service of this host; `h2` asks for HTTP/2 and nothing else.
    pub(super) fn prepare(terms: TlsTerms, host: &str, h2: bool, template: &mut HttpPeer) -> Self {
        let TlsTerms { verify, client } = terms;
        let mut said = Context::new(&SHA256);
        let mut say = |bytes: &[u8]| {
            said.update(&(bytes.len() as u64).to_be_bytes());
            said.update(bytes);
        };
        let address = host.parse::<IpAddr>().ok();
        say(&[u8::from(h2), u8::from(address.is_some()), u8::from(verify.is_some()), u8::from(client.is_some())]);
        say(address.map(|address| address.to_string()).unwrap_or_default().as_bytes());
        if let Some(Verification { authorities, depth }) = &verify {
            say(&[*depth]);
            authorities.iter().for_each(|authority| say(&authority.to_der().unwrap_or_default()));
        }
        for certificate in client.iter().flat_map(|client| std::iter::once(client.leaf()).chain(client.intermediates()))
        {
            say(&certificate.to_der().unwrap_or_default());
        }
        let mut digest = [0; 32];
        digest.copy_from_slice(said.finish().as_ref());
        let terms = Arc::new(Terms { verify, address, h2, digest });

        template.scheme = Scheme::HTTPS;
        template.sni = host.trim_end_matches('.').to_owned();
        template.client_cert_key = client;
        let options = &mut template.options;
        options.alpn = if h2 { ALPN::H2 } else { ALPN::H1 };
        // Not OpenSSL's, which ends the handshake without a reason: `Terms::judge` does.
        (options.verify_cert, options.verify_hostname) = (false, false);
        let judge = Arc::clone(&terms);
        options.upstream_tls_handshake_complete_hook = Some(Arc::new(move |ssl| Some(judge.proof(ssl))));
        let [a, b, c, d, e, f, g, h, ..] = digest;
        Self { terms, group_key: u64::from_be_bytes([a, b, c, d, e, f, g, h]), refused: AtomicU64::new(0) }
    }

    /// Addresses a connection: by the `Host` of a client where the route preserves it, as far as that is a name.
    pub(super) fn address(&self, peer: &mut HttpPeer, preserved_host: Option<&str>) {
        if let Some(name) = preserved_host.and_then(server_name) {
            peer.sni = name.to_owned();
        }
        peer.group_key = self.group_key.wrapping_add(self.refused.load(Relaxed));
    }

    /// Whether a connection was made under these terms, for the name of `peer`, and proved right.
    ///
    /// # Errors
    /// The reason to use it for nothing.
    pub(super) fn vet(&self, peer: &HttpPeer, digest: Option<&Digest>) -> Result<(), String> {
        let proof = digest.and_then(|digest| digest.ssl_digest.as_ref()?.extension.get::<Handshake>());
        let vetted = match proof {
            None => Err("the connection has no proof of its handshake".to_owned()),
            Some(proof) if proof.terms != self.terms.digest || !proof.is_for(&peer.sni) => {
                Err("the connection was made under other terms".to_owned())
            }
            Some(proof) => proof.outcome.clone(),
        };
        if vetted.is_err() {
            self.refused.fetch_add(1, Relaxed);
        }
        vetted
    }
}

impl Terms {
    fn proof(&self, ssl: &SslRef) -> Arc<dyn Any + Send + Sync> {
        let name = ssl.servername(NameType::HOST_NAME).map(Box::from);
        let outcome = self.judge(ssl, name.as_deref());
        Arc::new(Handshake { terms: self.digest, name, outcome })
    }

    fn judge(&self, ssl: &SslRef, name: Option<&str>) -> Result<(), String> {
        if self.h2 && ssl.selected_alpn_protocol() != Some(b"h2") {
            return Err("the upstream does not agree to HTTP/2".to_owned());
        }
        let Some(verification) = &self.verify else { return Ok(()) };
        let verified = verification.verify(ssl, name, self.address);
        verified
            .map_err(|error| format!("its certificate cannot be verified: {error}"))?
            .map_err(|result| format!("its certificate is not accepted: {}", result.error_string()))
    }
}

impl Handshake {
    /// Addresses are never asked for by name.
    fn is_for(&self, sni: &str) -> bool {
        self.name.as_deref().map_or_else(|| sni.parse::<IpAddr>().is_ok(), |name| name == sni)
    }
}

impl Verification {
    /// By these authorities, DER. One that cannot be read is trusted by nobody.
    pub fn by<'d>(authorities: impl Iterator<Item = &'d [u8]>, depth: u8) -> Self {
        Self { authorities: authorities.filter_map(|der| X509::from_der(der).ok()).collect(), depth }
    }

    /// Verifies the chain that the upstream has shown, for a name or else an address.
    fn verify(
        &self,
        ssl: &SslRef,
        name: Option<&str>,
        address: Option<IpAddr>,
    ) -> Result<Result<(), X509VerifyResult>, ErrorStack> {
        let refused = Ok(Err(X509VerifyResult::APPLICATION_VERIFICATION));
        let (Some(leaf), Some(chain)) = (ssl.peer_certificate(), ssl.peer_cert_chain()) else { return refused };
        let mut param = X509VerifyParam::new()?;
        match (name, address) {
            (Some(name), _) => param.set_host(name)?,
            (None, Some(address)) => param.set_ip(address)?,
            (None, None) => return refused,
        }
        param.set_hostflags(X509CheckFlags::NO_PARTIAL_WILDCARDS);
        param.set_purpose(X509PurposeId::SSL_SERVER)?;
        param.set_depth(i32::from(self.depth));
        param.set_auth_level(SECURITY_LEVEL);
        let store = self.store(&param)?;
        X509StoreContext::new()?.init(&store, &leaf, chain, |context| {
            Ok(if context.verify_cert()? { Ok(()) } else { Err(context.error()) })
        })
    }

    fn store(&self, param: &X509VerifyParam) -> Result<X509Store, ErrorStack> {
        let mut store = X509StoreBuilder::new()?;
        for authority in self.authorities.iter() {
            store.add_cert(authority.clone())?;
        }
        store.set_param(param)?;
        Ok(store.build())
    }
}

/// The part of a `Host` header that can be asked for in a handshake: a name, and no address.
fn server_name(host: &str) -> Option<&str> {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    };
    let name = name.strip_suffix('.').unwrap_or(name);
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
    };
    let is_name = name.len() <= 253 && name.split('.').all(is_label) && name.parse::<IpAddr>().is_err();
    is_name.then_some(name)
}

impl SystemAuthorities {
    /// All of them; none when the system has no list.
    pub fn get(&self) -> Arc<[X509]> {
        Arc::clone(self.0.get_or_init(|| {
            let found = openssl_probe::probe();
            let folder = found.cert_dir.and_then(|folder| std::fs::read_dir(folder).ok());
            let files: Vec<_> = match found.cert_file {
                Some(file) => vec![file],
                None => folder.into_iter().flatten().flatten().map(|entry| entry.path()).collect(),
            };
            let texts = files.iter().filter_map(|file| std::fs::read(file).ok());
            texts.flat_map(|text| X509::stack_from_pem(&text).unwrap_or_default()).collect()
        }))
    }
}

impl fmt::Debug for Verification {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Verification")
            .field("authorities", &self.authorities.len())
            .field("depth", &self.depth)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_are_asked_for() {
        for (host, name) in [
            ("a.test", Some("a.test")),
            ("a.test:8443", Some("a.test")),
            ("a_b.test.", Some("a_b.test")),
            ("127.0.0.1", None),
            ("127.0.0.1:80", None),
            ("[::1]:80", None),
            ("::1", None),
            ("", None),
            (".test", None),
            ("*.test", None),
            ("a..test", None),
        ] {
            assert_eq!(server_name(host), name, "{host}");
        }
    }

    fn prepared(terms: TlsTerms, host: &str, h2: bool) -> (UpstreamTls, HttpPeer) {
        let mut peer = HttpPeer::new(std::net::SocketAddr::from(([127, 0, 0, 1], 1)), false, String::new());
        let tls = UpstreamTls::prepare(terms, host, h2, &mut peer);
        tls.address(&mut peer, None);
        (tls, peer)
    }

    fn verified(depth: u8) -> TlsTerms {
        TlsTerms { verify: Some(Verification { authorities: Arc::default(), depth }), client: None }
    }

    #[test]
    fn other_terms_are_another_group_and_the_same_terms_the_same() {
        let group = |terms, host, h2| prepared(terms, host, h2).1.group_key;
        let one = group(verified(1), "a", false);
        assert_eq!(one, group(verified(1), "a", false));
        for other in [
            group(TlsTerms::default(), "a", false),
            group(verified(2), "a", false),
            group(verified(1), "a", true),
            group(verified(1), "::1", false),
        ] {
            assert_ne!(one, other);
        }
    }

    #[test]
    fn a_connection_without_a_proof_is_refused_and_not_met_again() {
        let (tls, mut peer) = prepared(TlsTerms::default(), "a", true);
        let first = peer.group_key;
        assert!(tls.vet(&peer, None).is_err());
        tls.address(&mut peer, None);
        assert_ne!(peer.group_key, first);
    }

    #[test]
    fn a_proof_is_for_its_name_alone() {
        let proof = |name: Option<&str>| Handshake { terms: [0; 32], name: name.map(Box::from), outcome: Ok(()) };
        assert!(proof(Some("a")).is_for("a") && proof(None).is_for("::1"));
        assert!(!proof(Some("a")).is_for("b") && !proof(None).is_for("a") && !proof(Some("a")).is_for("::1"));
    }

    #[test]
    fn a_client_chooses_the_name_only_where_it_is_one() {
        let (tls, mut peer) = prepared(TlsTerms::default(), "service.test.", false);
        assert_eq!(peer.sni, "service.test");
        tls.address(&mut peer, Some("10.0.0.1"));
        assert_eq!(peer.sni, "service.test");
        tls.address(&mut peer, Some("client.test:1"));
        assert_eq!(peer.sni, "client.test");
    }
}
