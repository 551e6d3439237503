//! Connections to other servers: names as the gateway looks them up, TLS with the OpenSSL that it links.

use std::{
    future::Future,
    io,
    pin::Pin,
    sync::{Arc, OnceLock},
    task::{Context, Poll},
};

use http::{Uri, uri::Scheme};
use hyper_util::{
    client::legacy::connect::{Connected, Connection},
    rt::TokioIo,
};
use openssl::{
    error::ErrorStack,
    ssl::{SslConnector, SslMethod, SslVerifyMode, SslVersion},
};
use signet_plugin_api::Names;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
};
use tokio_openssl::SslStream;
use tower_service::Service;

/// Makes connections.
#[derive(Clone)]
pub(super) struct Connector(Arc<Inner>);

struct Inner {
    names: Arc<dyn Names>,
    verify: bool,
    /// Made by the first connection: it reads the authorities that the system trusts.
    tls: OnceLock<Result<SslConnector, ErrorStack>>,
}

trait Io: AsyncRead + AsyncWrite + Send {}

impl<T: AsyncRead + AsyncWrite + Send> Io for T {}

/// A connection, plain or TLS.
pub(super) struct Stream(Pin<Box<dyn Io>>);

impl Connector {
    /// Connects nothing yet.
    pub(super) fn new(names: Arc<dyn Names>, verify: bool) -> Self {
        Self(Arc::new(Inner { names, verify, tls: OnceLock::new() }))
    }
}

impl Service<Uri> for Connector {
    type Response = TokioIo<Stream>;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<TokioIo<Stream>>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let inner = Arc::clone(&self.0);
        Box::pin(async move { Ok(TokioIo::new(inner.connect(&uri).await?)) })
    }
}

impl Inner {
    async fn connect(&self, uri: &Uri) -> io::Result<Stream> {
        let is_tls = uri.scheme() == Some(&Scheme::HTTPS);
        let host = uri.host().ok_or_else(|| io::Error::other("a URL without a host"))?;
        let port = uri.port_u16().unwrap_or(if is_tls { 443 } else { 80 });
        let tcp = self.tcp(host, port).await?;
        if !is_tls {
            return Ok(Stream(Box::pin(tcp)));
        }
        let literal = host.trim_start_matches('[').trim_end_matches(']');
        let mut tls = SslStream::new(self.handshake(literal)?, tcp)?;
        Pin::new(&mut tls).connect().await.map_err(io::Error::other)?;
        Ok(Stream(Box::pin(tls)))
    }

    async fn tcp(&self, host: &str, port: u16) -> io::Result<TcpStream> {
        let mut failure = io::Error::from(io::ErrorKind::NotFound);
        for address in self.names.addresses(host, port).await? {
            match TcpStream::connect(address).await {
                Ok(stream) => {
                    // Questions are small and are to leave when they are written.
                    stream.set_nodelay(true)?;
                    return Ok(stream);
                }
                Err(error) => failure = io::Error::new(error.kind(), format!("{address}: {error}")),
            }
        }
        Err(failure)
    }

    /// The name is sent and, unless nothing is verified, must be the certificate's.
    fn handshake(&self, host: &str) -> io::Result<openssl::ssl::Ssl> {
        let connector = self.tls.get_or_init(|| connector(self.verify)).as_ref();
        let mut configured = connector.map_err(|error| io::Error::other(error.clone()))?.configure()?;
        configured.set_verify_hostname(self.verify);
        Ok(configured.into_ssl(host)?)
    }
}

fn connector(verify: bool) -> Result<SslConnector, ErrorStack> {
    let mut builder = SslConnector::builder(SslMethod::tls_client())?;
    builder.set_min_proto_version(Some(SslVersion::TLS1_2))?;
    if verify {
        // The OpenSSL that is built along with us does not know where the system keeps its authorities.
        let found = openssl_probe::probe();
        if found.cert_file.is_some() || found.cert_dir.is_some() {
            builder.load_verify_locations(found.cert_file.as_deref(), found.cert_dir.as_deref())?;
        }
    } else {
        builder.set_verify(SslVerifyMode::NONE);
    }
    Ok(builder.build())
}

impl Connection for Stream {
    fn connected(&self) -> Connected {
        Connected::new()
    }
}

impl AsyncRead for Stream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.0.as_mut().poll_read(cx, buf)
    }
}

impl AsyncWrite for Stream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.0.as_mut().poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.as_mut().poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.as_mut().poll_shutdown(cx)
    }
}
