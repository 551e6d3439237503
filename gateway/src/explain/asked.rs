//! A request that nobody sent, from the words of whoever asks about it.

use std::{net::IpAddr, sync::Arc};

use http::{HeaderName, HeaderValue, Method, Version};
use serde::Deserialize;
use signet_plugin_api::{CertificateChain, ClientCertificate, RequestHeader, TlsConnection};

use crate::proxy::Imagined;

/// What is asked about.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    /// The method.
    pub method: Method,
    /// The whole URL, as it was given.
    pub url: String,
    /// Which version of HTTP it is sent over.
    pub version: Version,
    /// Header fields in their order. `Host` stands for that of the URL.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// The body.
    pub body: bytes::Bytes,
    /// The address of the connection.
    pub client_ip: IpAddr,
    /// What the client shows in the handshake.
    pub certificate: Option<Arc<CertificateChain>>,
    /// A consumer that every authentication plugin is to find: by id, user name or custom id.
    pub consumer: Option<String>,
}

/// The JSON form: `{"method": "GET", "url": "https://…", "headers": {"name": "value"}}`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Posted {
    #[serde(default = "get")]
    method: String,
    url: String,
    #[serde(default)]
    headers: std::collections::BTreeMap<String, Values>,
    #[serde(default)]
    body: String,
    consumer: Option<String>,
    client_ip: Option<IpAddr>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Values {
    One(String),
    Many(Vec<String>),
}

/// Where a URL leads.
struct Place<'u> {
    https: bool,
    host: &'u str,
    port: Option<u16>,
    authority: &'u str,
    target: &'u str,
}

impl Asked {
    /// From `GET https://host/path`, optionally with `HTTP/1.0`, `HTTP/1.1` or `HTTP/2` behind it. Without a method it is a GET.
    ///
    /// # Errors
    /// What is wrong, as a sentence.
    pub(crate) fn parse(line: &str) -> Result<Self, String> {
        let words: Vec<&str> = line.split(' ').filter(|word| !word.is_empty()).collect();
        let (method, url, version) = match words.as_slice() {
            [url] => ("GET", *url, "HTTP/1.1"),
            [method, url] => (*method, *url, "HTTP/1.1"),
            [method, url, version] => (*method, *url, *version),
            _ => return Err("expected a request as in 'GET https://host/path'".to_owned()),
        };
        Self::of(method, url, version)
    }

    /// Adds a header from `name: value`.
    ///
    /// # Errors
    /// What is wrong, without the value: it may be a secret.
    pub(crate) fn header(&mut self, line: &str) -> Result<(), String> {
        let (name, value) = line.split_once(':').ok_or("expected a header as in 'name: value'")?;
        self.add(name, value.trim())
    }

    /// What it is over a connection.
    ///
    /// # Errors
    /// When that is no request.
    pub(crate) fn imagine(&self) -> Result<Imagined, String> {
        let place = Place::of(&self.url)?;
        let broken = |what: &str| format!("`{}` cannot be asked for: {what}", self.url);
        let mut head = RequestHeader::build(self.method.clone(), place.target.as_bytes(), None)
            .map_err(|_| broken("the path cannot stand in a request"))?;
        head.set_version(self.version);
        let says_host = self.headers.iter().any(|(name, _)| name == http::header::HOST);
        // `http://:8000/` is a request without a host to that port.
        if !says_host && !place.host.is_empty() {
            head.insert_header(http::header::HOST, place.authority).map_err(|_| broken("the host"))?;
        }
        for (name, value) in &self.headers {
            head.append_header(name.clone(), value.clone()).map_err(|_| broken("there are too many headers"))?;
        }
        let has_length = head.headers.contains_key(http::header::CONTENT_LENGTH);
        if !self.body.is_empty() && !has_length && !head.headers.contains_key(http::header::TRANSFER_ENCODING) {
            head.insert_header(http::header::CONTENT_LENGTH, self.body.len()).map_err(|_| broken("the body"))?;
        }
        let port = place.port.unwrap_or(if place.https { 443 } else { 80 });
        let tls = place.https.then(|| Arc::new(self.handshake(place.host)));
        Ok(Imagined { head, body: self.body.clone(), peer: self.client_ip, port, tls })
    }

    /// From its parts.
    ///
    /// # Errors
    /// What is wrong, as a sentence.
    pub(crate) fn of(method: &str, url: &str, version: &str) -> Result<Self, String> {
        let method = Method::from_bytes(method.as_bytes()).map_err(|_| format!("`{method}` is not a method"))?;
        let version = match version {
            "HTTP/1.0" => Version::HTTP_10,
            "HTTP/1.1" => Version::HTTP_11,
            "HTTP/2" | "HTTP/2.0" => Version::HTTP_2,
            other => return Err(format!("`{other}` is not a version of HTTP that the gateway speaks")),
        };
        Place::of(url)?;
        let client_ip = IpAddr::from([127, 0, 0, 1]);
        let (url, headers, body) = (url.to_owned(), Vec::new(), bytes::Bytes::new());
        Ok(Self { method, url, version, headers, body, client_ip, certificate: None, consumer: None })
    }

    fn add(&mut self, name: &str, value: &str) -> Result<(), String> {
        let parsed = HeaderName::from_bytes(name.as_bytes()).map_err(|_| format!("`{name}` is not a header name"))?;
        let value = HeaderValue::from_bytes(value.as_bytes())
            .map_err(|_| format!("the value of `{name}` cannot stand in a header"))?;
        self.headers.push((parsed, value));
        Ok(())
    }

    fn handshake(&self, host: &str) -> TlsConnection {
        let is_name = host.parse::<IpAddr>().is_err() && !host.starts_with('[') && !host.is_empty();
        TlsConnection {
            sni: is_name.then(|| host.to_ascii_lowercase().trim_end_matches('.').into()),
            version: "TLSv1.3",
            certificate: match &self.certificate {
                Some(chain) => ClientCertificate::Sent(Arc::clone(chain)),
                None => ClientCertificate::None,
            },
        }
    }
}

impl TryFrom<Posted> for Asked {
    type Error = String;

    fn try_from(posted: Posted) -> Result<Self, String> {
        let mut asked = Self::of(&posted.method, &posted.url, "HTTP/1.1")?;
        for (name, values) in posted.headers {
            let values = match values {
                Values::One(value) => vec![value],
                Values::Many(values) => values,
            };
            values.iter().try_for_each(|value| asked.add(&name, value))?;
        }
        asked.consumer = posted.consumer;
        asked.body = posted.body.into();
        asked.client_ip = posted.client_ip.unwrap_or(asked.client_ip);
        Ok(asked)
    }
}

impl<'u> Place<'u> {
    /// The path stays as it was written: what the gateway makes of it is a part of the answer.
    fn of(url: &'u str) -> Result<Self, String> {
        let (https, rest) = match url.split_once("://") {
            _ if url.starts_with('/') || url == "*" => (false, url),
            Some(("http", rest)) => (false, rest),
            Some(("https", rest)) => (true, rest),
            _ => return Err(format!("`{url}` is not a URL: it must begin with http://, https:// or a path")),
        };
        let (authority, target) = rest.split_at(rest.find(['/', '?', '*']).unwrap_or(rest.len()));
        let target = if target.is_empty() { "/" } else { target };
        let digits = |port: &str| !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
        let (host, port) = match authority.rsplit_once(':') {
            Some((host, port)) if digits(port) => (host, Some(port)),
            _ => (authority, None),
        };
        let port = match port.map(str::parse).transpose() {
            Ok(port) => port,
            Err(_) => return Err(format!("`{url}` has no port that exists")),
        };
        Ok(Self { https, host, port, authority, target })
    }
}

fn get() -> String {
    "GET".to_owned()
}
