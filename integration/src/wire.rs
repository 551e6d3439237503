//! HTTP/1.1 as it stands on the wire, read by the client and by the upstreams.

use std::{
    io::{self, Read},
    net::TcpStream,
    time::Duration,
};

use crate::DEADLINE;

/// How long a side that should close is given: only ever waited for in a failure.
const PATIENCE: Duration = Duration::from_secs(5);

/// Header lines in their order, names as they were sent.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Headers(pub Vec<(String, String)>);

impl Headers {
    /// The value of the first header of that name, whatever its case.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// The values of all headers of that name.
    pub fn all<'a, 'b>(&'a self, name: &'b str) -> impl Iterator<Item = &'a str> + use<'a, 'b> {
        self.0.iter().filter(move |(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// Whether a list-valued header such as `Connection` names `token`.
    pub fn lists(&self, name: &str, token: &str) -> bool {
        self.all(name).flat_map(|value| value.split(',')).any(|part| part.trim().eq_ignore_ascii_case(token))
    }
}

/// The first line and the headers of a message.
#[derive(Debug, Clone)]
pub(crate) struct Head {
    pub(crate) start: String,
    pub(crate) headers: Headers,
    pub(crate) raw: Vec<u8>,
}

/// Reads messages from a connection.
#[derive(Debug)]
pub(crate) struct Reader {
    pub(crate) stream: TcpStream,
    buffer: Vec<u8>,
}

impl Reader {
    pub(crate) fn new(stream: TcpStream) -> Self {
        stream.set_read_timeout(Some(DEADLINE)).expect("a read timeout");
        stream.set_write_timeout(Some(DEADLINE)).expect("a write timeout");
        // Small messages are to leave when they are written.
        stream.set_nodelay(true).expect("no delay");
        Self { stream, buffer: Vec::new() }
    }

    /// The next head, or nothing when the other side closed first.
    pub(crate) fn head(&mut self) -> io::Result<Option<Head>> {
        loop {
            if let Some(end) = find(&self.buffer, b"\r\n\r\n") {
                let raw: Vec<u8> = self.buffer.drain(..end + 4).collect();
                return Ok(Some(parse(raw)));
            }
            if self.fill()? == 0 {
                return if self.buffer.is_empty() { Ok(None) } else { Err(io::ErrorKind::UnexpectedEof.into()) };
            }
        }
    }

    /// Exactly `length` bytes.
    pub(crate) fn exact(&mut self, length: usize) -> io::Result<Vec<u8>> {
        while self.buffer.len() < length {
            if self.fill()? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        Ok(self.buffer.drain(..length).collect())
    }

    /// A chunked body, decoded; with the number of its chunks.
    pub(crate) fn chunked(&mut self) -> io::Result<(Vec<u8>, usize)> {
        let (mut body, mut chunks) = (Vec::new(), 0);
        loop {
            let line = self.line()?;
            let size = line.split(';').next().unwrap_or_default().trim();
            let size = usize::from_str_radix(size, 16).map_err(|_| io::Error::other(format!("chunk size `{line}`")))?;
            if size == 0 {
                while !self.line()?.is_empty() {}
                return Ok((body, chunks));
            }
            body.extend(self.exact(size)?);
            chunks += 1;
            if !self.line()?.is_empty() {
                return Err(io::Error::other("a chunk is longer than it says"));
            }
        }
    }

    /// Everything until the other side closes.
    pub(crate) fn rest(&mut self) -> io::Result<Vec<u8>> {
        while self.fill()? != 0 {}
        Ok(std::mem::take(&mut self.buffer))
    }

    /// Reads on until `part` has come; consumes nothing.
    pub(crate) fn until(&mut self, part: &[u8]) -> io::Result<()> {
        while find(&self.buffer, part).is_none() {
            if self.fill()? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        Ok(())
    }

    /// Whether the other side closes and leaves nothing unread.
    pub(crate) fn at_end(&mut self) -> bool {
        self.stream.set_read_timeout(Some(PATIENCE)).expect("a read timeout");
        let end = if self.buffer.is_empty() { self.fill() } else { Ok(self.buffer.len()) };
        self.stream.set_read_timeout(Some(DEADLINE)).expect("a read timeout");
        match end {
            Ok(length) => length == 0,
            // A reset says the same: nothing comes any more.
            Err(error) => error.kind() != io::ErrorKind::TimedOut,
        }
    }

    fn line(&mut self) -> io::Result<String> {
        loop {
            if let Some(end) = find(&self.buffer, b"\r\n") {
                let line: Vec<u8> = self.buffer.drain(..end + 2).take(end).collect();
                return Ok(String::from_utf8_lossy(&line).into_owned());
            }
            if self.fill()? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
    }

    fn fill(&mut self) -> io::Result<usize> {
        let mut piece = [0; 64 * 1024];
        let length = self.stream.read(&mut piece).map_err(|error| match error.kind() {
            io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => {
                let so_far = String::from_utf8_lossy(&self.buffer);
                io::Error::new(io::ErrorKind::TimedOut, format!("nothing more came; so far: {so_far:?}"))
            }
            _ => error,
        })?;
        self.buffer.extend(piece.iter().take(length));
        Ok(length)
    }
}

fn find(text: &[u8], part: &[u8]) -> Option<usize> {
    text.windows(part.len()).position(|window| window == part)
}

fn parse(raw: Vec<u8>) -> Head {
    let text = String::from_utf8_lossy(&raw).into_owned();
    let mut lines = text.split("\r\n");
    let start = lines.next().unwrap_or_default().to_owned();
    let headers = lines
        .filter(|line| !line.is_empty())
        .map(|line| {
            let (name, value) = line.split_once(':').unwrap_or((line, ""));
            (name.to_owned(), value.trim().to_owned())
        })
        .collect();
    Head { start, headers: Headers(headers), raw }
}
