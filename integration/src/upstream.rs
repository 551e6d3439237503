//! Upstreams: one that echoes and records, and the frame for those that misbehave.

use std::{
    io::{self, Write},
    net::{Shutdown, SocketAddr, TcpListener},
    sync::{Arc, Mutex, PoisonError},
};

use crate::{
    acceptor::Acceptor,
    wire::{Headers, Reader},
};

/// A request as an upstream saw it.
#[derive(Debug, Clone)]
pub struct Seen {
    /// `GET`.
    pub method: String,
    /// The request target as it came.
    pub path: String,
    /// `HTTP/1.1`.
    pub version: String,
    /// Header lines in their order.
    pub headers: Headers,
    /// The body, decoded when it was chunked.
    pub body: Vec<u8>,
    /// The head, byte by byte.
    pub raw: Vec<u8>,
    /// Which connection it came on, from 0.
    pub connection: usize,
}

impl Seen {
    /// The first header of that name.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)
    }
}

/// A listener with a behaviour; stops accepting when dropped.
#[derive(Debug)]
pub struct Upstream {
    acceptor: Acceptor,
    seen: Arc<Mutex<Vec<Seen>>>,
}

impl Upstream {
    /// Answers `{"ok":true}`, or what `X-Echo-Status`, `X-Echo-Body` and `X-Echo-Resp` ask for.
    pub fn echo() -> Self {
        Self::serve(|conversation| {
            while let Some(seen) = conversation.request()? {
                conversation.echo(&seen)?;
            }
            Ok(())
        })
    }

    /// Reads and never answers.
    pub fn silent() -> Self {
        Self::serve(|conversation| {
            while conversation.request()?.is_some() {}
            Ok(())
        })
    }

    /// Closes every connection before it has read a byte.
    pub fn closing() -> Self {
        Self::serve(|_| Ok(()))
    }

    /// Promises to keep each connection and closes it after one answer.
    pub fn breaking_its_promise() -> Self {
        Self::serve(|conversation| {
            let Some(seen) = conversation.request()? else { return Ok(()) };
            conversation.echo(&seen)
        })
    }

    /// Any behaviour: `handle` is called for each connection, which closes when it returns.
    pub fn serve(handle: impl Fn(&mut Conversation) -> io::Result<()> + Send + Sync + 'static) -> Self {
        let seen: Arc<Mutex<Vec<Seen>>> = Arc::default();
        let record = Arc::clone(&seen);
        let acceptor = Acceptor::start(move |stream, number| {
            let mut conversation = Conversation { reader: Reader::new(stream), number, seen: Arc::clone(&record) };
            // The gateway may go away in the middle; that is no failure of the upstream.
            drop(handle(&mut conversation));
        });
        Self { acceptor, seen }
    }

    /// An address where nothing listens.
    pub fn nowhere() -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        listener.local_addr().expect("its address")
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.acceptor.address()
    }

    /// How many connections it has accepted.
    pub fn accepted(&self) -> usize {
        self.acceptor.accepted()
    }

    /// The requests since the last call.
    pub fn take(&self) -> Vec<Seen> {
        std::mem::take(&mut *self.seen.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The only request since the last call.
    pub fn one(&self) -> Seen {
        let mut seen = self.take();
        assert_eq!(seen.len(), 1, "one request is expected: {seen:?}");
        seen.pop().expect("it has one")
    }
}

/// One connection from the gateway.
#[derive(Debug)]
pub struct Conversation {
    reader: Reader,
    /// Its number, from 0.
    pub number: usize,
    seen: Arc<Mutex<Vec<Seen>>>,
}

impl Conversation {
    /// Reads and records the next request with its body.
    ///
    /// # Errors
    /// When it is cut short.
    pub fn request(&mut self) -> io::Result<Option<Seen>> {
        let Some(mut seen) = self.head()? else { return Ok(None) };
        if seen.headers.lists("expect", "100-continue") {
            self.write("HTTP/1.1 100 Continue\r\n\r\n")?;
        }
        seen.body = self.body(&seen)?;
        self.record(seen.clone());
        Ok(Some(seen))
    }

    /// Reads the next head and records nothing.
    ///
    /// # Errors
    /// When it is cut short.
    pub fn head(&mut self) -> io::Result<Option<Seen>> {
        let Some(head) = self.reader.head()? else { return Ok(None) };
        let mut parts = head.start.split(' ').map(str::to_owned);
        let mut next = || parts.next().unwrap_or_default();
        Ok(Some(Seen {
            method: next(),
            path: next(),
            version: next(),
            headers: head.headers,
            body: Vec::new(),
            raw: head.raw,
            connection: self.number,
        }))
    }

    /// Reads the body that belongs to a head.
    ///
    /// # Errors
    /// When it is cut short.
    pub fn body(&mut self, seen: &Seen) -> io::Result<Vec<u8>> {
        if seen.headers.lists("transfer-encoding", "chunked") {
            return Ok(self.reader.chunked()?.0);
        }
        let length = seen.header("content-length").and_then(|text| text.parse().ok());
        self.reader.exact(length.unwrap_or(0))
    }

    /// Reads exactly so much of a body.
    ///
    /// # Errors
    /// When it is cut short.
    pub fn exact(&mut self, length: usize) -> io::Result<Vec<u8>> {
        self.reader.exact(length)
    }

    /// Records a request.
    pub fn record(&self, seen: Seen) {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).push(seen);
    }

    /// Answers as [`Upstream::echo`] does.
    ///
    /// # Errors
    /// When the gateway has gone.
    pub fn echo(&mut self, seen: &Seen) -> io::Result<()> {
        let status = seen.header("x-echo-status").unwrap_or("200 OK");
        let body = seen.header("x-echo-body").unwrap_or("{\"ok\":true}");
        let mut head = format!("HTTP/1.1 {status}\r\n");
        let extra: Vec<&str> = seen.headers.all("x-echo-resp").collect();
        if !extra.iter().any(|line| line.to_ascii_lowercase().starts_with("content-type:")) {
            head.push_str("Content-Type: application/json\r\n");
        }
        head.push_str("Server: echo/1\r\nDate: Mon, 01 Jan 2024 00:00:00 GMT\r\n");
        let bodiless = status.starts_with("204") || status.starts_with("304");
        if !bodiless {
            head.push_str(&format!("Content-Length: {}\r\n", body.len()));
        }
        for line in extra {
            head.push_str(&format!("{line}\r\n"));
        }
        head.push_str("\r\n");
        if !bodiless && seen.method != "HEAD" {
            head.push_str(body);
        }
        self.write(&head)
    }

    /// Sends bytes as they are.
    ///
    /// # Errors
    /// When the gateway has gone.
    pub fn write(&mut self, bytes: impl AsRef<[u8]>) -> io::Result<()> {
        self.reader.stream.write_all(bytes.as_ref())
    }

    /// Waits until the gateway closes.
    pub fn wait_for_end(&mut self) {
        let _ = self.reader.rest();
    }

    /// Says that nothing more will come, and goes on reading.
    pub fn finish(&mut self) {
        let _ = self.reader.stream.shutdown(Shutdown::Write);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Client, Request};

    #[test]
    fn the_echo_answers_and_records_what_was_sent() {
        let upstream = Upstream::echo();
        let mut client = Client::connect(upstream.address());
        let asked = Request::new("PUT", "/x?y").header("X-Echo-Status", "418 Teapot").header("X-Echo-Resp", "X-A: b");
        let response = client.send(&asked.body("hello"));
        assert_eq!(
            (response.status, response.header("x-a"), response.json()["ok"].as_bool()),
            (418, Some("b"), Some(true))
        );
        client.write(b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n");
        assert_eq!(client.read("POST").status, 200);
        let seen = upstream.take();
        assert_eq!(seen.len(), 2);
        assert!(seen.iter().all(|seen| seen.connection == 0));
        let bodies: Vec<&[u8]> = seen.iter().map(|seen| seen.body.as_slice()).collect();
        assert_eq!(bodies, [&b"hello"[..], b"abc"]);
    }

    #[test]
    fn an_upstream_that_breaks_its_promise_closes_after_one_answer() {
        let upstream = Upstream::breaking_its_promise();
        let mut client = Client::connect(upstream.address());
        assert_eq!(client.send(&Request::get("/")).status, 200);
        assert!(client.is_closed());
    }
}
