//! Routes and services with Kong's field names: what a file declares, what a plugin may look at.

use std::{collections::BTreeMap, sync::Arc};

use serde::{Deserialize, Serialize};

/// `protocols` of routes and plugins, `protocol` of services.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[expect(missing_docs, reason = "the names say it")]
pub enum Protocol {
    Http,
    Https,
    Grpc,
    Grpcs,
    Ws,
    Wss,
    Tcp,
    Tls,
    #[serde(rename = "tls_passthrough")]
    TlsPassthrough,
    Udp,
}

/// How the service's path and the request's are joined (Kong: `path_handling`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(rename_all = "lowercase")]
pub enum PathHandling {
    /// Joined with one slash.
    #[default]
    V0,
    /// As `v0` under the `traditional_compatible` rules.
    V1,
}

/// Header conditions of a route: name to accepted values (a value that begins with `~*` is a regular expression).
pub type Headers = BTreeMap<String, Vec<String>>;

/// A route, defaults filled in. Serialised, it has the shape of Kong's entity.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[expect(missing_docs, reason = "the fields are Kong's")]
pub struct Route {
    pub id: Arc<str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<Arc<str>>,
    pub protocols: Vec<Protocol>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub methods: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hosts: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub paths: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub headers: Option<Headers>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub snis: Option<Vec<String>>,
    pub https_redirect_status_code: u16,
    pub regex_priority: u64,
    pub strip_path: bool,
    pub path_handling: PathHandling,
    pub preserve_host: bool,
    pub request_buffering: bool,
    pub response_buffering: bool,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub created_at: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub updated_at: Option<i64>,
}

/// A service, defaults filled in. Serialised, it has the shape of Kong's entity.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[expect(missing_docs, reason = "the fields are Kong's")]
pub struct Service {
    pub id: Arc<str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<Arc<str>>,
    pub protocol: Protocol,
    pub host: String,
    pub port: u16,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    pub retries: u32,
    /// Milliseconds.
    pub connect_timeout: u64,
    /// Milliseconds.
    pub write_timeout: u64,
    /// Milliseconds.
    pub read_timeout: u64,
    pub enabled: bool,
    /// Whether the certificate of the upstream is verified. `None`: the file does not say, which counts as no.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls_verify: Option<bool>,
    /// How many authorities may stand between the certificate and a trusted one. `None` counts as 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls_verify_depth: Option<u8>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub created_at: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub updated_at: Option<i64>,
}

impl Route {
    /// A route without conditions, with Kong's defaults: for tests, and for whoever makes one without a file.
    pub fn new(id: impl Into<Arc<str>>) -> Self {
        Self {
            id: id.into(),
            name: None,
            protocols: vec![Protocol::Http, Protocol::Https],
            methods: None,
            hosts: None,
            paths: None,
            headers: None,
            snis: None,
            https_redirect_status_code: 426,
            regex_priority: 0,
            strip_path: true,
            path_handling: PathHandling::V0,
            preserve_host: false,
            request_buffering: true,
            response_buffering: true,
            tags: Vec::new(),
            created_at: None,
            updated_at: None,
        }
    }
}

impl Service {
    /// A service at port 80 of a host, with Kong's defaults: for tests, and for whoever makes one without a file.
    pub fn new(id: impl Into<Arc<str>>, host: impl Into<String>) -> Self {
        Self {
            id: id.into(),
            name: None,
            protocol: Protocol::Http,
            host: host.into(),
            port: 80,
            path: None,
            retries: 5,
            connect_timeout: 60_000,
            write_timeout: 60_000,
            read_timeout: 60_000,
            enabled: true,
            tls_verify: None,
            tls_verify_depth: None,
            tags: Vec::new(),
            created_at: None,
            updated_at: None,
        }
    }
}

impl Protocol {
    /// Whether requests of this protocol come, or go, over TLS.
    pub fn is_tls(self) -> bool {
        matches!(self, Self::Https | Self::Grpcs | Self::Wss | Self::Tls | Self::TlsPassthrough)
    }

    /// Whether its messages are gRPC calls.
    pub fn is_grpc(self) -> bool {
        matches!(self, Self::Grpc | Self::Grpcs)
    }

    /// Whether its requests open WebSockets.
    pub fn is_websocket(self) -> bool {
        matches!(self, Self::Ws | Self::Wss)
    }

    /// Whether it is one of streams, which have no requests.
    pub fn is_stream(self) -> bool {
        matches!(self, Self::Tcp | Self::Tls | Self::TlsPassthrough | Self::Udp)
    }

    /// The name in a file.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
            Self::Grpc => "grpc",
            Self::Grpcs => "grpcs",
            Self::Ws => "ws",
            Self::Wss => "wss",
            Self::Tcp => "tcp",
            Self::Tls => "tls",
            Self::TlsPassthrough => "tls_passthrough",
            Self::Udp => "udp",
        }
    }
}
