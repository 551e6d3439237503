//! Clients that ask without a pause and write down what became of every single request.

use std::{
    io::{self, BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
    },
    thread::{self, JoinHandle},
};

use openssl::ssl::{SslConnector, SslMethod, SslVerifyMode};

use crate::{DEADLINE, poll::wait_until};

/// How a client uses its connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Manner {
    /// One for each request.
    Single,
    /// One for as many requests as the gateway allows; it is not asked on again after `Connection: close`.
    Kept,
}

/// What became of the requests.
#[derive(Debug, Default)]
pub struct Tally {
    /// Their ids (`X-Id`) that were answered with 200 and a whole body.
    pub answered: Vec<String>,
    /// Those on a connection that closed before the first byte of an answer.
    pub unanswered: Vec<String>,
    /// Everything else, in words.
    pub failures: Vec<String>,
}

/// Clients at work.
#[derive(Debug)]
pub struct Load {
    stopped: Arc<AtomicBool>,
    answered: Arc<AtomicUsize>,
    clients: Vec<JoinHandle<Tally>>,
}

trait Connection: Read + Write {}
impl<T: Read + Write> Connection for T {}

enum Answer {
    Whole { closes: bool },
    None,
}

impl Load {
    /// Nobody yet.
    pub fn none() -> Self {
        Self { stopped: Arc::default(), answered: Arc::default(), clients: Vec::new() }
    }

    /// A client more, over plain HTTP.
    #[must_use]
    pub fn with(self, manner: Manner, address: SocketAddr) -> Self {
        self.client(manner, move || Ok(Box::new(connect(address)?)))
    }

    /// A client more, over TLS.
    #[must_use]
    pub fn with_tls(self, manner: Manner, address: SocketAddr) -> Self {
        let mut connector = SslConnector::builder(SslMethod::tls_client()).expect("a client");
        connector.set_verify(SslVerifyMode::NONE);
        let connector = connector.build();
        self.client(manner, move || {
            let stream = connector.connect("a.test", connect(address)?);
            Ok(Box::new(stream.map_err(io::Error::other)?))
        })
    }

    /// Waits until so many more requests have been answered.
    pub fn wait_for(&self, more: usize) {
        let enough = self.answered.load(SeqCst) + more;
        let clients_work = || assert!(!self.clients.iter().all(JoinHandle::is_finished), "all clients have ended");
        let is_so = || {
            clients_work();
            self.answered.load(SeqCst) >= enough
        };
        wait_until(is_so, || format!("{} of {enough} requests are answered", self.answered.load(SeqCst)));
    }

    /// Ends them and says what they have seen.
    pub fn stop(self) -> Tally {
        self.stopped.store(true, SeqCst);
        let mut all = Tally::default();
        for client in self.clients {
            let Tally { answered, unanswered, failures } = client.join().expect("a client that ends");
            all.answered.extend(answered);
            all.unanswered.extend(unanswered);
            all.failures.extend(failures);
        }
        all
    }

    fn client(
        mut self,
        manner: Manner,
        connect: impl Fn() -> io::Result<Box<dyn Connection>> + Send + 'static,
    ) -> Self {
        let (stopped, answered, number) = (Arc::clone(&self.stopped), Arc::clone(&self.answered), self.clients.len());
        self.clients.push(thread::spawn(move || {
            let mut tally = Tally::default();
            while !stopped.load(SeqCst) {
                let mut connection = match connect() {
                    Ok(stream) => BufReader::new(stream),
                    Err(error) => {
                        tally.failures.push(format!("no connection: {error}"));
                        continue;
                    }
                };
                loop {
                    let id =
                        format!("{number}-{}", tally.answered.len() + tally.unanswered.len() + tally.failures.len());
                    let last = match ask(&mut connection, &id, manner) {
                        Ok(Answer::Whole { closes }) => {
                            tally.answered.push(id);
                            answered.fetch_add(1, SeqCst);
                            closes
                        }
                        Ok(Answer::None) => {
                            tally.unanswered.push(id);
                            true
                        }
                        Err(error) => {
                            tally.failures.push(format!("{id}: {error}"));
                            true
                        }
                    };
                    if last || manner == Manner::Single || stopped.load(SeqCst) {
                        break;
                    }
                }
            }
            tally
        }));
        self
    }
}

fn connect(address: SocketAddr) -> io::Result<TcpStream> {
    let stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(DEADLINE))?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

fn ask(connection: &mut BufReader<Box<dyn Connection>>, id: &str, manner: Manner) -> io::Result<Answer> {
    let close = if manner == Manner::Single { "Connection: close\r\n" } else { "" };
    let request = format!("GET /load HTTP/1.1\r\nHost: a.test\r\nX-Id: {id}\r\nX-Echo-Body: {id}\r\n{close}\r\n");
    // Who has closed meanwhile may show it here or at the first byte of the answer.
    let sent = connection.get_mut().write_all(request.as_bytes());
    let first = sent.and_then(|()| connection.fill_buf().map(<[u8]>::len));
    match first {
        Ok(0) => return Ok(Answer::None),
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Err(error),
        Err(_) => return Ok(Answer::None),
    }
    let (mut line, mut length, mut closes) = (String::new(), None, false);
    connection.read_line(&mut line)?;
    if line != "HTTP/1.1 200 OK\r\n" {
        return Err(io::Error::other(format!("answered {line:?}")));
    }
    loop {
        line.clear();
        if connection.read_line(&mut line)? == 0 {
            return Err(io::Error::other("cut off in the head"));
        }
        let lower = line.trim_end().to_ascii_lowercase();
        if lower.is_empty() {
            break;
        }
        closes |= lower == "connection: close";
        length = lower.strip_prefix("content-length: ").and_then(|text| text.parse().ok()).or(length);
    }
    let mut body = vec![0; length.ok_or_else(|| io::Error::other("no length"))?];
    connection.read_exact(&mut body)?;
    if body != id.as_bytes() {
        return Err(io::Error::other(format!("the answer to another: {:?}", String::from_utf8_lossy(&body))));
    }
    Ok(Answer::Whole { closes })
}
