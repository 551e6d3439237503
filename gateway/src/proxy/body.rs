//! The request body: streamed, unless a plugin asked for it.

use std::time::Duration;

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use http::{
    HeaderValue, StatusCode, Version,
    header::{CONTENT_LENGTH, EXPECT, TRANSFER_ENCODING},
};
use pingora::ErrorType;
use pingora_http::RequestHeader;
use pingora_proxy::Session;
use signet_plugin_api::{BodyError, BodySource, RequestSource};
use tokio::time::timeout;

/// What Pingora keeps for a retry, and with it the most that a plugin can see of a body.
pub(super) const MAX_BUFFERED: usize = 64 * 1024;

/// What became of the body of one request.
#[derive(Debug, Default)]
pub(crate) struct RequestBody {
    /// Read before the upstream was chosen. `whole` says whether that was all of it.
    read: Option<Bytes>,
    whole: bool,
    /// What a plugin put in its place.
    replaced: Option<Bytes>,
    prefix_sent: bool,
    forwarded: u64,
    broken: Option<(StatusCode, &'static str)>,
}

impl RequestBody {
    /// Gives the head for the upstream the length of the body that replaces the client's, if one does.
    ///
    /// # Errors
    /// When there are too many headers.
    pub(super) fn reframe(&self, head: &mut RequestHeader) -> pingora::Result<()> {
        let Some(replaced) = &self.replaced else { return Ok(()) };
        head.remove_header(&TRANSFER_ENCODING);
        head.insert_header(CONTENT_LENGTH, HeaderValue::from(replaced.len()))
    }

    /// A new attempt sends the body from its beginning.
    pub(crate) fn rewind(&mut self) {
        self.prefix_sent = false;
        self.forwarded = 0;
    }

    /// Puts what was read ahead, or its replacement, where Pingora expects the client's bytes. Pingora replays a whole
    /// body from its retry buffer; a prefix of a longer one is ours to send first.
    pub(crate) fn forward(&mut self, body: &mut Option<Bytes>, end: bool) {
        if let Some(replacement) = &self.replaced {
            *body = if end { Some(replacement.clone()).filter(|body| !body.is_empty()) } else { Some(Bytes::new()) };
        } else if !self.whole
            && !self.prefix_sent
            && let Some(prefix) = &self.read
        {
            self.prefix_sent = true;
            let mut joined = BytesMut::from(&**prefix);
            joined.extend_from_slice(body.as_deref().unwrap_or_default());
            *body = Some(joined.freeze());
        }
        // An empty last part would be written as a second last chunk, and desynchronise the upstream connection.
        if end && body.as_ref().is_some_and(Bytes::is_empty) {
            *body = None;
        }
    }

    /// Counts forwarded bytes against `limit`.
    ///
    /// # Errors
    /// Past the limit.
    pub(crate) fn count(&mut self, length: usize, limit: Option<u64>) -> Result<(), ()> {
        self.forwarded = self.forwarded.saturating_add(length as u64);
        if limit.is_some_and(|limit| self.forwarded > limit) { Err(()) } else { Ok(()) }
    }

    /// What to answer when it could not be read to its end. Nothing that follows it on the connection can be trusted, and
    /// nothing of it may be forwarded, whatever the plugin made of it.
    pub(super) fn broken(&self) -> Option<(StatusCode, &'static str)> {
        self.broken
    }

    /// Whether bytes were read that Pingora will not replay.
    pub(crate) fn has_prefix(&self) -> bool {
        self.read.is_some() && !self.whole
    }
}

/// A connection as plugins see it.
pub(super) struct Incoming<'a> {
    /// The connection.
    pub session: &'a mut Session,
    /// How long the client may pause within it.
    pub pause: Option<Duration>,
    /// What is kept of its body.
    pub body: &'a mut RequestBody,
}

/// The length of the body, if the client said it beforehand.
pub(super) fn announced_length(head: &RequestHeader) -> Option<u64> {
    head.headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

impl RequestSource for Incoming<'_> {
    fn head(&self) -> &RequestHeader {
        self.session.req_header()
    }

    fn head_mut(&mut self) -> &mut RequestHeader {
        self.session.req_header_mut()
    }
}

#[async_trait]
impl BodySource for Incoming<'_> {
    async fn read(&mut self, max: usize) -> Result<Bytes, BodyError> {
        if self.body.read.is_none() {
            self.read_ahead().await?;
        }
        // What a plugin took away is no longer there for the next one either.
        match self.body.replaced.as_ref().or(self.body.read.as_ref()) {
            Some(read) if self.body.whole && read.len() <= max => Ok(read.clone()),
            _ => Err(BodyError::TooLarge),
        }
    }

    fn replace(&mut self, body: Bytes) {
        self.body.replaced = Some(body);
    }
}

impl Incoming<'_> {
    async fn read_ahead(&mut self) -> Result<(), BodyError> {
        if announced_length(self.session.req_header()).is_some_and(|length| length > MAX_BUFFERED as u64) {
            return Err(BodyError::TooLarge);
        }
        let read = self.collect().await.map_err(|error| {
            self.body.broken = Some(match error.etype() {
                ErrorType::ReadTimedout => (StatusCode::REQUEST_TIMEOUT, "Request timeout"),
                _ => (StatusCode::BAD_REQUEST, "Bad request"),
            });
            BodyError::Broken(error.to_string())
        })?;
        self.body.whole = read.len() <= MAX_BUFFERED;
        self.body.read = Some(read);
        if !self.body.whole && self.session.as_mut().is_body_done() {
            // Pingora would neither replay such a body nor call the filter that could send ours.
            self.body.broken = Some((StatusCode::PAYLOAD_TOO_LARGE, "Payload too large"));
            return Err(BodyError::Broken("it has no Content-Length and is longer than 64 KiB".into()));
        }
        Ok(())
    }

    /// Reads to the end, or to where no plugin may see more.
    async fn collect(&mut self) -> pingora::Result<Bytes> {
        self.session.as_mut().enable_retry_buffering();
        if expects_continue(self.session) {
            self.session.write_continue_response().await?;
        }
        let mut read = BytesMut::new();
        while read.len() <= MAX_BUFFERED {
            match self.next_part().await? {
                Some(part) => read.extend_from_slice(&part),
                None => break,
            }
        }
        Ok(read.freeze())
    }

    /// Pingora bounds the pauses of HTTP/1 only.
    async fn next_part(&mut self) -> pingora::Result<Option<Bytes>> {
        let bound = self.pause.filter(|_| self.session.as_downstream().as_http1().is_none());
        let part = self.session.as_mut().read_request_body();
        let Some(bound) = bound else { return part.await };
        timeout(bound, part).await.unwrap_or_else(|_| pingora::Error::err(ErrorType::ReadTimedout))
    }
}

/// HTTP/1.0 does not know the interim answer (RFC 9110, 10.1.1).
fn expects_continue(session: &Session) -> bool {
    let head = session.req_header();
    head.version > Version::HTTP_10
        && head.headers.get(EXPECT).is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"100-continue"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(text: &'static str) -> Option<Bytes> {
        Some(Bytes::from_static(text.as_bytes()))
    }

    #[test]
    fn a_body_that_nobody_asked_for_passes_untouched() {
        let mut body = RequestBody::default();
        let mut part = bytes("abc");
        body.forward(&mut part, false);
        assert_eq!(part, bytes("abc"));
    }

    #[test]
    fn an_empty_last_part_becomes_none() {
        let mut part = bytes("");
        RequestBody::default().forward(&mut part, true);
        assert_eq!(part, None);
    }

    #[test]
    fn a_replacement_is_sent_once_at_the_end() {
        let mut body = RequestBody { replaced: bytes("new"), ..RequestBody::default() };
        let (mut first, mut last) = (bytes("old"), bytes("er"));
        body.forward(&mut first, false);
        body.forward(&mut last, true);
        assert_eq!((first, last), (bytes(""), bytes("new")));
    }

    #[test]
    fn a_prefix_that_was_read_goes_first_on_every_attempt() {
        let mut body = RequestBody { read: bytes("ab"), ..RequestBody::default() };
        for _ in 0..2 {
            let (mut first, mut last) = (bytes("cd"), bytes("ef"));
            body.forward(&mut first, false);
            body.forward(&mut last, true);
            assert_eq!((first, last), (bytes("abcd"), bytes("ef")));
            body.rewind();
        }
    }

    #[test]
    fn the_limit_counts_what_is_forwarded() {
        let mut body = RequestBody::default();
        assert!(body.count(10, Some(10)).is_ok());
        assert!(body.count(1, Some(10)).is_err());
        assert!(body.count(1, None).is_ok());
    }
}
