//! An HTTP/1.1 client that sends the bytes it is told to and shows the answer as it came.

use std::{
    io::{self, Write},
    net::{SocketAddr, TcpStream},
    sync::Arc,
};

use serde_json::Value;

use crate::{
    Secrets,
    wire::{Headers, Reader},
};

/// A request to be; `Host: gw.test` unless another is given.
#[derive(Debug, Clone)]
pub struct Request {
    method: String,
    target: String,
    version: &'static str,
    host: bool,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

impl Request {
    /// Any method.
    pub fn new(method: &str, target: &str) -> Self {
        Self {
            method: method.to_owned(),
            target: target.to_owned(),
            version: "1.1",
            host: true,
            headers: Vec::new(),
            body: Vec::new(),
        }
    }

    /// A GET.
    pub fn get(target: &str) -> Self {
        Self::new("GET", target)
    }

    /// Adds a header.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.host &= !name.eq_ignore_ascii_case("host");
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Adds `Authorization: Basic ...`.
    #[must_use]
    pub fn basic(self, username: &str, password: &str) -> Self {
        use base64::{Engine, engine::general_purpose::STANDARD};
        let value = format!("Basic {}", STANDARD.encode(format!("{username}:{password}")));
        self.header("Authorization", &value)
    }

    /// Asks for this host, unless another is given.
    #[must_use]
    pub fn or_host(self, host: &str) -> Self {
        if self.host { self.header("Host", host) } else { self }
    }

    /// Sends no Host header.
    #[must_use]
    pub fn without_host(mut self) -> Self {
        self.host = false;
        self
    }

    /// Says HTTP/1.0.
    #[must_use]
    pub fn http10(mut self) -> Self {
        self.version = "1.0";
        self
    }

    /// Sets the body, and its Content-Length when no header of that name is given.
    #[must_use]
    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        if !self.headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("content-length")) {
            self.headers.push(("Content-Length".to_owned(), self.body.len().to_string()));
        }
        self
    }

    /// As it goes over the wire.
    pub fn bytes(&self) -> Vec<u8> {
        let mut text = format!("{} {} HTTP/{}\r\n", self.method, self.target, self.version);
        if self.host {
            text.push_str("Host: gw.test\r\n");
        }
        for (name, value) in &self.headers {
            text.push_str(&format!("{name}: {value}\r\n"));
        }
        text.push_str("\r\n");
        let mut bytes = text.into_bytes();
        bytes.extend(&self.body);
        bytes
    }
}

/// An answer.
#[derive(Debug, Clone)]
pub struct Response {
    /// `HTTP/1.1 200 OK`.
    pub status_line: String,
    /// The code.
    pub status: u16,
    /// Header lines in their order.
    pub headers: Headers,
    /// The body, decoded when it was chunked.
    pub body: Vec<u8>,
    /// How many chunks it came in, if it was chunked.
    pub chunks: Option<usize>,
}

impl Response {
    /// The first header of that name.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("not JSON ({error}): {self:?}"))
    }
}

/// One connection to the gateway.
#[derive(Debug)]
pub struct Client {
    reader: Reader,
    secrets: Option<Arc<Secrets>>,
}

impl Client {
    /// Connects.
    pub fn connect(address: SocketAddr) -> Self {
        let reader = Reader::new(TcpStream::connect(address).expect("a connection to the gateway"));
        Self { reader, secrets: None }
    }

    /// What is sent is noted: no log may show the credentials in it.
    #[must_use]
    pub fn noted(mut self, secrets: &Arc<Secrets>) -> Self {
        self.secrets = Some(Arc::clone(secrets));
        self
    }

    /// Sends a request and reads its answer.
    pub fn send(&mut self, request: &Request) -> Response {
        self.write(&request.bytes());
        self.read(&request.method)
    }

    /// Sends bytes as they are.
    pub fn write(&mut self, bytes: &[u8]) {
        self.try_write(bytes).expect("the gateway reads");
    }

    /// Sends bytes as they are; the gateway may have closed.
    ///
    /// # Errors
    /// When it has.
    pub fn try_write(&mut self, bytes: &[u8]) -> io::Result<()> {
        if let Some(secrets) = &self.secrets {
            secrets.sent(bytes);
        }
        self.reader.stream.write_all(bytes)
    }

    /// Reads the answer to a request of that method; interim answers are passed over.
    pub fn read(&mut self, method: &str) -> Response {
        loop {
            let response = self.try_read(method).expect("an answer").expect("an answer before the end");
            if response.status >= 200 {
                return response;
            }
        }
    }

    /// Reads the next answer, be it interim (1xx); nothing when the gateway closed first.
    ///
    /// # Errors
    /// When the answer is cut short.
    pub fn try_read(&mut self, method: &str) -> io::Result<Option<Response>> {
        let Some(head) = self.reader.head()? else { return Ok(None) };
        let status = head.start.split(' ').nth(1).and_then(|code| code.parse().ok());
        let status = status.unwrap_or_else(|| panic!("not a status line: {}", head.start));
        let (mut body, mut chunks) = (Vec::new(), None);
        let length = head.headers.get("content-length").map(|text| text.parse().expect("a Content-Length"));
        if method == "HEAD" || status < 200 || status == 204 || status == 304 {
            // These have no body, whatever they say.
        } else if head.headers.lists("transfer-encoding", "chunked") {
            let (decoded, count) = self.reader.chunked()?;
            (body, chunks) = (decoded, Some(count));
        } else if let Some(length) = length {
            body = self.reader.exact(length)?;
        } else {
            body = self.reader.rest()?;
        }
        Ok(Some(Response { status_line: head.start, status, headers: head.headers, body, chunks }))
    }

    /// Waits until these bytes have come; they stay to be read.
    pub fn wait_for(&mut self, bytes: &[u8]) {
        self.reader.until(bytes).expect("the bytes before the end");
    }

    /// Whether the gateway has closed the connection (waits for it to do so, or to send something).
    pub fn is_closed(&mut self) -> bool {
        self.reader.at_end()
    }

    /// Sends nothing more.
    pub fn finish(&mut self) {
        self.reader.stream.shutdown(std::net::Shutdown::Write).expect("a half-closed connection");
    }
}
