//! An upstream that speaks TLS, and tells what it saw of each handshake.

use std::{
    io::{self, BufRead, BufReader, Write},
    net::{SocketAddr, TcpStream},
};

use openssl::{
    nid::Nid,
    pkey::PKey,
    ssl::{AlpnError, NameType, Ssl, SslContext, SslMethod, SslRef, SslStream, SslVerifyMode},
    x509::X509,
};
use serde_json::json;

use crate::{DEADLINE, acceptor::Acceptor, pki::Identity};

/// A listener; stops accepting when dropped.
#[derive(Debug)]
pub struct TlsUpstream(Acceptor);

impl TlsUpstream {
    /// Answers each request with JSON: `sni`, `client` (the common name of its certificate), `alpn`, and the number of the
    /// `connection`.
    pub fn telling(identity: &Identity) -> Self {
        Self::serve(identity, tell)
    }

    /// Any behaviour: `handle` is called for each connection, with its number from 0.
    pub fn serve(
        identity: &Identity,
        handle: impl Fn(SslStream<TcpStream>, usize) -> io::Result<()> + Send + Sync + 'static,
    ) -> Self {
        let context = context(identity);
        Self(Acceptor::start(move |stream, number| {
            stream.set_read_timeout(Some(DEADLINE)).expect("a read timeout");
            stream.set_nodelay(true).expect("no delay");
            let mut stream = SslStream::new(Ssl::new(&context).expect("a session"), stream).expect("a stream");
            // A gateway that does not trust us goes away; that is no failure of the upstream.
            if stream.accept().is_ok() {
                drop(handle(stream, number));
            }
        }))
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.0.address()
    }

    /// How many connections it has accepted.
    pub fn accepted(&self) -> usize {
        self.0.accepted()
    }
}

/// Asks for a client certificate and takes any, or none; agrees to HTTP/1.1 alone.
fn context(identity: &Identity) -> SslContext {
    let mut context = SslContext::builder(SslMethod::tls_server()).expect("a context");
    let chain = X509::stack_from_pem(identity.chain.as_bytes()).expect("certificates");
    let (leaf, intermediates) = chain.split_first().expect("a certificate");
    context.set_certificate(leaf).expect("its certificate");
    for certificate in intermediates {
        context.add_extra_chain_cert(certificate.clone()).expect("an intermediate");
    }
    let key = PKey::private_key_from_pem(identity.key.as_bytes()).expect("a key");
    context.set_private_key(&key).expect("the key of the certificate");
    context.set_verify_callback(SslVerifyMode::PEER, |_, _| true);
    context.set_session_id_context(b"upstream").expect("a session context");
    context.set_alpn_select_callback(|_, offered| {
        openssl::ssl::select_next_proto(b"\x08http/1.1", offered).ok_or(AlpnError::NOACK)
    });
    context.build()
}

fn tell(stream: SslStream<TcpStream>, number: usize) -> io::Result<()> {
    let seen = seen(stream.ssl(), number).to_string();
    let mut stream = BufReader::new(stream);
    loop {
        let mut line = String::new();
        while line != "\r\n" {
            line.clear();
            if stream.read_line(&mut line)? == 0 {
                return Ok(());
            }
        }
        write!(stream.get_mut(), "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{seen}", seen.len())?;
    }
}

fn seen(ssl: &SslRef, number: usize) -> serde_json::Value {
    let client = ssl.peer_certificate().and_then(|certificate| {
        let name = certificate.subject_name().entries_by_nid(Nid::COMMONNAME).next()?;
        Some(name.data().to_string().ok()?.to_string())
    });
    let alpn = ssl.selected_alpn_protocol().map(|alpn| String::from_utf8_lossy(alpn).into_owned());
    json!({ "sni": ssl.servername(NameType::HOST_NAME), "client": client, "alpn": alpn, "connection": number })
}
