//! A TLS connection that is kept: several requests for one handshake, for whatever host each of them names.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
};

use openssl::{
    ssl::{SslConnector, SslMethod, SslStream, SslVerifyMode},
    x509::X509,
};

use crate::DEADLINE;

/// A connection over HTTP/1.1 to a listener whose certificate is not verified.
#[derive(Debug)]
pub struct Kept(SslStream<TcpStream>);

impl Kept {
    /// Connects, and asks for a server by its name.
    pub fn open(address: SocketAddr, server_name: &str) -> Self {
        let mut builder = SslConnector::builder(SslMethod::tls_client()).expect("a client");
        builder.set_verify(SslVerifyMode::NONE);
        let stream = TcpStream::connect(address).expect("a connection to the gateway");
        stream.set_read_timeout(Some(DEADLINE)).expect("a read timeout");
        Self(builder.build().connect(server_name, stream).expect("a handshake"))
    }

    /// What the gateway presented.
    pub fn certificate(&self) -> X509 {
        self.0.ssl().peer_certificate().expect("a certificate")
    }

    /// The first part of its subject.
    pub fn subject(&self) -> String {
        let certificate = self.certificate();
        let part = certificate.subject_name().entries().next().expect("a subject");
        part.data().to_string().expect("text")
    }

    /// The status of a GET. The gateway must answer with a `Content-Length`, and keep the connection until then.
    pub fn get(&mut self, host: &str, path: &str) -> u16 {
        write!(self.0, "GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n").expect("the gateway reads");
        let mut seen = Vec::new();
        while !seen.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            self.0.read_exact(&mut byte).expect("the head of an answer");
            seen.extend(byte);
        }
        let head = String::from_utf8(seen).expect("text").to_lowercase();
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).expect("a length");
        let mut body = vec![0; length.trim().parse().expect("a number")];
        self.0.read_exact(&mut body).expect("the whole body");
        head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status")
    }
}
