//! Connections for requests that ask to change the protocol: an answer is not read before the request is over.
//!
//! Pingora tells its sending half of the end of a request through a queue. When a quick upstream has answered 101 before
//! that message is taken, which is common over TLS, it passes for the end of the new protocol, and the connection is
//! closed. Here the first read after a write always waits for one turn, in which the message is taken.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
};

use async_trait::async_trait;
use pingora::{
    ErrorType, OkOrErr, OrErr, Result,
    connectors::L4Connect,
    protocols::l4::{
        socket::SocketAddr,
        stream::Stream,
        virt::{VirtualSockOpt, VirtualSocket, VirtualSocketStream},
    },
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
};

/// Makes them.
#[derive(Debug)]
pub(super) struct Unhurried;

#[async_trait]
impl L4Connect for Unhurried {
    async fn connect(&self, address: &SocketAddr) -> Result<Stream> {
        let address = address.as_inet().or_err(ErrorType::InternalError, "not an address of the Internet")?;
        let tcp = TcpStream::connect(address).await.or_err(ErrorType::ConnectError, "cannot connect")?;
        Ok(VirtualSocketStream::new(Box::new(Socket { tcp, wrote: false })).into())
    }
}

#[derive(Debug)]
struct Socket {
    tcp: TcpStream,
    wrote: bool,
}

impl VirtualSocket for Socket {
    fn set_socket_option(&self, option: VirtualSockOpt) -> io::Result<()> {
        match option {
            VirtualSockOpt::NoDelay => self.tcp.set_nodelay(true),
            // Nothing else is ever asked for.
            _ => Ok(()),
        }
    }
}

impl AsyncRead for Socket {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if std::mem::take(&mut self.wrote) {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        Pin::new(&mut self.tcp).poll_read(cx, buf)
    }
}

impl AsyncWrite for Socket {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.wrote = true;
        Pin::new(&mut self.tcp).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_shutdown(cx)
    }
}
