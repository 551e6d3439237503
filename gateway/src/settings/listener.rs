//! `ADDRESS:PORT [flags]`: where the process listens, and what it speaks there.

use std::net::SocketAddr;

/// One address to listen on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listener {
    /// Port 0 takes a free one.
    pub address: SocketAddr,
    /// TLS; the plain protocol is refused.
    pub ssl: bool,
    /// HTTP/2, when the client wants it (ALPN). Only with `ssl`.
    pub http2: bool,
    /// `SO_REUSEPORT`.
    pub reuseport: bool,
    /// The queue of connections that wait to be accepted.
    pub backlog: Option<u32>,
}

impl Listener {
    /// An address for the plain protocol.
    pub fn plain(address: SocketAddr) -> Self {
        Self { address, ssl: false, http2: false, reuseport: false, backlog: None }
    }
}

/// All listeners of one setting; `off` alone is none.
pub(super) fn parse(items: &[String]) -> Result<Vec<Listener>, String> {
    if let [off] = items
        && off == "off"
    {
        return Ok(Vec::new());
    }
    let mut listeners: Vec<Listener> = Vec::with_capacity(items.len());
    for item in items {
        let listener = one(item).and_then(allowed).map_err(|reason| format!("`{item}`: {reason}"))?;
        if listener.address.port() != 0 && listeners.iter().any(|other| other.address == listener.address) {
            return Err(format!("`{item}`: the address stands twice"));
        }
        listeners.push(listener);
    }
    Ok(listeners)
}

fn one(text: &str) -> Result<Listener, String> {
    let mut words = text.split_whitespace();
    let address = words.next().unwrap_or_default();
    if address == "off" {
        return Err("`off` stands alone".to_owned());
    }
    if address.starts_with("unix:") {
        return Err("listening on a UNIX socket is not implemented yet".to_owned());
    }
    let address = address.parse().map_err(|_| {
        "expected an address and a port, as in `0.0.0.0:8000` or `[::1]:8000` (names are not looked up)".to_owned()
    })?;
    let mut listener = Listener::plain(address);
    for flag in words {
        match flag.split_once('=') {
            None if flag == "ssl" => listener.ssl = true,
            None if flag == "http2" => listener.http2 = true,
            None if flag == "reuseport" => listener.reuseport = true,
            Some(("backlog", number)) => match number.parse() {
                Ok(number) if number > 0 => listener.backlog = Some(number),
                _ => return Err("backlog is a number above 0".to_owned()),
            },
            _ => return Err(refused(flag)),
        }
    }
    Ok(listener)
}

fn allowed(listener: Listener) -> Result<Listener, String> {
    match (listener.ssl, listener.http2) {
        (false, true) => Err("`http2` needs `ssl`; HTTP/2 without TLS is not implemented yet".to_owned()),
        _ => Ok(listener),
    }
}

fn refused(flag: &str) -> String {
    let name = flag.split('=').next().unwrap_or(flag);
    match name {
        "proxy_protocol" | "deferred" | "bind" | "ipv6only" | "so_keepalive" => {
            format!("`{name}` is not implemented yet")
        }
        _ => format!("unknown flag `{flag}`; expected `ssl`, `http2`, `reuseport` or `backlog=N`"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(items: &[&str]) -> Result<Vec<Listener>, String> {
        parse(&items.iter().map(|item| (*item).to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn an_address_may_have_flags() {
        let listeners = parsed(&["0.0.0.0:8000 reuseport backlog=16384", "[::1]:0"]).expect("listeners");
        assert_eq!(
            listeners[0],
            Listener {
                address: ([0, 0, 0, 0], 8000).into(),
                ssl: false,
                http2: false,
                reuseport: true,
                backlog: Some(16384)
            }
        );
        assert_eq!(listeners[1].address.to_string(), "[::1]:0");
    }

    #[test]
    fn a_listener_may_speak_tls_and_http2() {
        let listeners = parsed(&["0.0.0.0:8443 http2 ssl", "0.0.0.0:8444 ssl"]).expect("listeners");
        assert_eq!(listeners.iter().map(|one| (one.ssl, one.http2)).collect::<Vec<_>>(), [(true, true), (true, false)]);
    }

    #[test]
    fn off_alone_is_none() {
        assert_eq!(parsed(&["off"]), Ok(Vec::new()));
        assert!(parsed(&["off", "0.0.0.0:1"]).is_err_and(|e| e.contains("stands alone")));
    }

    #[test]
    fn what_cannot_be_listened_on_is_told() {
        for (item, reason) in [
            ("8000", "expected an address and a port"),
            ("localhost:8000", "names are not looked up"),
            ("::1:8000", "expected an address"),
            ("0.0.0.0:70000", "expected an address"),
            ("0.0.0.0:8443 http2", "`http2` needs `ssl`"),
            ("0.0.0.0:8443 tls", "unknown flag `tls`"),
            ("0.0.0.0:8000 proxy_protocol", "`proxy_protocol` is not implemented yet"),
            ("unix:/run/signet.sock", "UNIX socket is not implemented yet"),
            ("0.0.0.0:8000 backlog=0", "backlog is a number"),
            ("0.0.0.0:8000 reuse", "unknown flag `reuse`"),
        ] {
            assert!(parsed(&[item]).is_err_and(|e| e.contains(reason)), "{item}: {:?}", parsed(&[item]));
        }
        assert!(parsed(&["0.0.0.0:1", "0.0.0.0:1"]).is_err_and(|e| e.contains("stands twice")));
        assert!(parsed(&["0.0.0.0:0", "0.0.0.0:0"]).is_ok());
    }
}
