//! Clients that speak TLS: curl, and `openssl s_client` for what curl does not show.

use std::{
    io::Write,
    net::SocketAddr,
    path::Path,
    process::{Command, Stdio},
};

use crate::{Folder, Issued};

/// A request by curl to a listener for TLS, which is reached by whatever name is asked for.
#[derive(Debug)]
pub struct Curl {
    address: SocketAddr,
    arguments: Vec<String>,
    folder: Folder,
}

/// What curl got.
#[derive(Debug)]
pub struct Answer {
    /// The code; 0 when there was no answer.
    pub status: u16,
    /// `1.1` or `2`.
    pub version: String,
    /// Header lines as they came.
    pub head: String,
    /// The body as text.
    pub body: String,
    /// curl's own words when something went wrong.
    pub error: String,
}

impl Curl {
    /// To this listener, whatever its certificate.
    pub fn to(address: SocketAddr) -> Self {
        Self { address, arguments: Vec::new(), folder: Folder::new() }.argument("--insecure")
    }

    /// To this listener, whose certificate must be from this authority, and for the name that is asked for.
    pub fn trusting(address: SocketAddr, authority: &Issued) -> Self {
        let curl = Self { address, arguments: Vec::new(), folder: Folder::new() };
        let file = curl.folder.write("authority.pem", &authority.cert);
        curl.argument("--cacert").argument(path(&file))
    }

    /// With a client certificate, and what leads from it to its authority.
    #[must_use]
    pub fn certificate(self, client: &Issued, chain: &[&Issued]) -> Self {
        let (cert, key) =
            (self.folder.write("client.pem", client.with_chain(chain)), self.folder.write("client.key", &client.key));
        self.argument("--cert").argument(path(&cert)).argument("--key").argument(path(&key))
    }

    /// One more argument.
    #[must_use]
    pub fn argument(mut self, argument: impl Into<String>) -> Self {
        self.arguments.push(argument.into());
        self
    }

    /// A header.
    #[must_use]
    pub fn header(self, name: &str, value: &str) -> Self {
        self.argument("--header").argument(format!("{name}: {value}"))
    }

    /// HTTP/1.1 alone.
    #[must_use]
    pub fn http1(self) -> Self {
        self.argument("--http1.1")
    }

    /// Asks for a path of a host by its name.
    pub fn get(self, host: &str, path: &str) -> Answer {
        let mut answers = self.get_all(host, &[path]);
        answers.pop().expect("an answer")
    }

    /// Asks for several paths, or whole URLs, on one connection where that is possible.
    pub fn get_all(self, host: &str, paths: &[&str]) -> Vec<Answer> {
        let port = self.address.port();
        let mut command = Command::new("curl");
        command.args(["--silent", "--show-error", "--max-time", "60", "--noproxy", "*"]).args(&self.arguments);
        // Every name is at this address.
        command.args(["--connect-to", &format!("::{}", self.address)]);
        for (number, path) in paths.iter().enumerate() {
            let file = |name: &str| self.folder.path().join(format!("{number}.{name}")).display().to_string();
            let url = match path.starts_with('/') {
                true => format!("https://{host}:{port}{path}"),
                false => (*path).to_owned(),
            };
            command.args([&url, "--output", &file("body"), "--dump-header", &file("head")]);
        }
        command.args(["--write-out", "%{http_code} %{http_version}\n"]);
        let output = command.output().expect("curl");
        let (out, error) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        let read = |number: usize, name: &str| {
            std::fs::read(self.folder.path().join(format!("{number}.{name}"))).unwrap_or_default()
        };
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        let answers = out.lines().enumerate().map(|(number, line)| {
            let (status, version) = line.split_once(' ').unwrap_or((line, ""));
            Answer {
                status: status.parse().unwrap_or_default(),
                version: version.to_owned(),
                head: text(read(number, "head")),
                body: text(read(number, "body")),
                error: error.to_string(),
            }
        });
        answers.collect()
    }
}

/// Runs `openssl s_client` with these arguments to its end, and gives what it wrote to standard output and error.
pub fn s_client(address: SocketAddr, arguments: &[&str], sent: &str) -> String {
    let mut child = Command::new("openssl")
        .args(["s_client", "-connect", &address.to_string(), "-ign_eof"])
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("openssl");
    // It may have been refused before it read anything.
    let _ = child.stdin.take().expect("its input").write_all(sent.as_bytes());
    let output = child.wait_with_output().expect("its output");
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

fn path(path: &Path) -> String {
    path.display().to_string()
}
