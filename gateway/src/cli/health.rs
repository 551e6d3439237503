//! `signet health`: asks the status listener whether the gateway is ready.

use std::{
    io::{self, BufRead, BufReader, Read, Write},
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream},
    path::PathBuf,
    process::ExitCode,
    time::Duration,
};

use openssl::ssl::{SslConnector, SslMethod, SslStream, SslVerifyMode};

use super::{fail, say, settings};

/// How long the gateway may take for its answer.
const PATIENCE: Duration = Duration::from_secs(5);
/// The longest answer that is read.
const MAX_ANSWER: u64 = 64 * 1024;

/// What `signet health` is told.
#[derive(clap::Args)]
pub(super) struct Arguments {
    /// The process settings of the running gateway, which name its `status_listen`
    #[arg(short = 's', value_name = "SETTINGS")]
    settings: Option<PathBuf>,
}

/// Asks the first address of `status_listen`.
pub(super) fn run(arguments: &Arguments) -> ExitCode {
    let settings = match settings(arguments.settings.as_deref()) {
        Ok(settings) => settings,
        Err(code) => return code,
    };
    let Some(listener) = settings.status_listen.first() else {
        return fail(2, format_args!("status_listen is off: there is nobody to ask"));
    };
    let address = listener.address;
    if address.port() == 0 {
        return fail(2, format_args!("status_listen takes any free port: it cannot be found from here"));
    }
    match ask(reachable(address), listener.ssl) {
        Ok((true, message)) => {
            say(message);
            ExitCode::SUCCESS
        }
        Ok((false, message)) => fail(1, format_args!("not ready: {message}")),
        Err(error) => fail(1, format_args!("status_listen: {address}: {error}")),
    }
}

/// Who listens on all addresses is reached at this machine's own.
fn reachable(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, address.port())
}

/// Whether the gateway is ready, and what it says.
fn ask(address: SocketAddr, ssl: bool) -> io::Result<(bool, String)> {
    let stream = TcpStream::connect_timeout(&address, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    if ssl { exchange(encrypted(stream)?, address) } else { exchange(stream, address) }
}

/// The certificate is for a name that nobody says here, or was made at start. Nothing secret is asked: whoever listens there is believed,
/// as without TLS.
fn encrypted(stream: TcpStream) -> io::Result<SslStream<TcpStream>> {
    let mut connector = SslConnector::builder(SslMethod::tls_client())?;
    connector.set_verify(SslVerifyMode::NONE);
    let handshake = connector.build().configure()?.verify_hostname(false).use_server_name_indication(false);
    handshake.connect("", stream).map_err(|error| io::Error::other(error.to_string()))
}

/// One request, and as much of its answer as it takes.
fn exchange(mut stream: impl Read + Write, address: SocketAddr) -> io::Result<(bool, String)> {
    stream.write_all(format!("GET /status/ready HTTP/1.1\r\nHost: {address}\r\n\r\n").as_bytes())?;
    let mut answer = BufReader::new(stream.take(MAX_ANSWER));
    let first = line(&mut answer)?;
    // The connection is kept: only the length says where the body ends.
    let mut length = 0;
    loop {
        let header = line(&mut answer)?.to_ascii_lowercase();
        if header.is_empty() {
            break;
        }
        if let Some(value) = header.strip_prefix("content-length:") {
            length = value.trim().parse().map_err(io::Error::other)?;
        }
    }
    let mut body = String::new();
    answer.take(length).read_to_string(&mut body)?;
    let message = serde_json::from_str::<serde_json::Value>(&body);
    let message = message.ok().and_then(|body| body.get("message")?.as_str().map(str::to_owned));
    Ok((first.split(' ').nth(1) == Some("200"), message.unwrap_or(first)))
}

fn line(from: &mut impl BufRead) -> io::Result<String> {
    let mut line = String::new();
    match from.read_line(&mut line)? {
        0 => Err(io::ErrorKind::UnexpectedEof.into()),
        _ => Ok(line.trim_end().to_owned()),
    }
}
