//! One request of an operator: its path in segments, its arguments, and its body up to a bound.

use std::{borrow::Cow, time::Duration};

use http::{HeaderMap, Method, StatusCode, header};
use percent_encoding::percent_decode_str;
use pingora::protocols::http::ServerSession;
use tokio::time::timeout;
use zeroize::Zeroizing;

use super::Answer;

/// The longest body of most resources.
const SMALL: usize = 1024 * 1024;

/// How long a caller may pause within a body, and take for the whole of it.
const PAUSE: Duration = Duration::from_secs(30);
const WHOLE: Duration = Duration::from_secs(300);

/// A request whose head is complete.
pub(crate) struct Call<'a> {
    session: &'a mut ServerSession,
    segments: Vec<String>,
    arguments: Vec<(String, String)>,
}

impl<'a> Call<'a> {
    /// A request that was read; None when its path is no text.
    pub(super) fn new(session: &'a mut ServerSession) -> Option<Self> {
        let uri = &session.req_header().uri;
        let decoded = |segment: &str| percent_decode_str(segment).decode_utf8().ok().map(Cow::into_owned);
        let segments = uri.path().trim_matches('/').split('/').map(decoded).collect::<Option<Vec<_>>>()?;
        let arguments = form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes()).into_owned().collect();
        Some(Self { session, segments, arguments })
    }

    /// The path, decoded: `/services/a/routes` is `["services", "a", "routes"]`, `/` is `[""]`.
    pub(crate) fn segments(&self) -> Vec<String> {
        self.segments.clone()
    }

    /// The first argument of that name in the query.
    pub(crate) fn argument(&self, name: &str) -> Option<&str> {
        self.arguments.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// Whether an argument is one of Kong's words for yes.
    pub(crate) fn wants(&self, name: &str) -> bool {
        self.argument(name).is_some_and(is_yes)
    }

    /// The headers.
    pub(crate) fn headers(&self) -> &HeaderMap {
        &self.session.req_header().headers
    }

    /// The method as it was asked for.
    pub(crate) fn asked(&self) -> &Method {
        &self.session.req_header().method
    }

    /// The type of the body, in lower case and without its parameters.
    pub(crate) fn media_type(&self) -> Option<String> {
        let media = self.headers().get(header::CONTENT_TYPE)?.to_str().ok()?;
        Some(media.split(';').next().unwrap_or_default().trim().to_ascii_lowercase())
    }

    /// The method, when the resource has it; HEAD is GET. `methods` are as `Allow` lists them: `GET, HEAD, OPTIONS`.
    ///
    /// # Errors
    /// The answer to any other, and to OPTIONS.
    pub(crate) fn method(&self, methods: &'static str) -> Result<Method, Answer> {
        let method = &self.session.req_header().method;
        if !methods.split(", ").any(|known| known == method.as_str()) {
            return Err(Answer::NotAllowed(methods));
        }
        match *method {
            Method::OPTIONS => Err(Answer::Options(methods)),
            Method::HEAD => Ok(Method::GET),
            _ => Ok(method.clone()),
        }
    }

    /// `GET`, and nothing else.
    ///
    /// # Errors
    /// As [`Call::method`].
    pub(crate) fn get(&self) -> Result<(), Answer> {
        self.method("GET, HEAD, OPTIONS").map(|_| ())
    }

    /// `POST`, and nothing else.
    ///
    /// # Errors
    /// As [`Call::method`].
    pub(crate) fn post(&self) -> Result<(), Answer> {
        self.method("OPTIONS, POST").map(|_| ())
    }

    /// The body as JSON, up to 1 MiB.
    ///
    /// # Errors
    /// The answer to what is none.
    pub(crate) async fn json(&mut self) -> Result<serde_json::Value, Answer> {
        let body = self.body(SMALL).await?;
        serde_json::from_slice(&body).map_err(|_| Answer::message(StatusCode::BAD_REQUEST, "Cannot parse JSON body"))
    }

    /// The whole body; it is wiped afterwards, as it may hold secrets.
    ///
    /// # Errors
    /// The answer to one that is longer than `max`, broken, or too slow.
    pub(crate) async fn body(&mut self, max: usize) -> Result<Zeroizing<Vec<u8>>, Answer> {
        let too_long = || Answer::last(StatusCode::PAYLOAD_TOO_LARGE, "Request body too large");
        let announced =
            self.headers().get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
        let announced: usize = announced.unwrap_or(0);
        if announced > max {
            return Err(too_long());
        }
        let read = timeout(WHOLE, self.read(announced, max)).await;
        match read.unwrap_or(Err(Broken::Slow)) {
            Ok(body) => Ok(body),
            Err(Broken::Long) => Err(too_long()),
            Err(Broken::Slow) => Err(Answer::last(StatusCode::REQUEST_TIMEOUT, "Request timeout")),
            Err(Broken::Off) => Err(Answer::last(StatusCode::BAD_REQUEST, "Cannot read the request body")),
        }
    }

    async fn read(&mut self, announced: usize, max: usize) -> Result<Zeroizing<Vec<u8>>, Broken> {
        if self.headers().contains_key(header::EXPECT) {
            self.session.write_continue_response().await.map_err(|_| Broken::Off)?;
        }
        let mut body = Zeroizing::new(Vec::with_capacity(announced));
        loop {
            let part = timeout(PAUSE, self.session.read_request_body()).await.map_err(|_| Broken::Slow)?;
            let Some(part) = part.map_err(|_| Broken::Off)? else { return Ok(body) };
            if body.len() + part.len() > max {
                return Err(Broken::Long);
            }
            extend(&mut body, &part);
        }
    }
}

/// Why there is no body.
enum Broken {
    Long,
    Slow,
    Off,
}

/// Kong's words for yes.
pub(crate) fn is_yes(word: &str) -> bool {
    ["true", "1", "on", "yes"].iter().any(|yes| word.eq_ignore_ascii_case(yes))
}

/// What a vector leaves behind when it grows would not be wiped.
fn extend(body: &mut Zeroizing<Vec<u8>>, part: &[u8]) {
    if body.capacity() - body.len() < part.len() {
        let mut larger = Zeroizing::new(Vec::with_capacity((body.len() + part.len()).max(body.capacity() * 2)));
        larger.extend_from_slice(body);
        *body = larger;
    }
    body.extend_from_slice(part);
}
