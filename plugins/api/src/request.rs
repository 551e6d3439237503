//! The request as a plugin sees it: editable, not answerable, and constructible in a test without a socket.

use std::borrow::Cow;

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, Uri, uri::PathAndQuery};
use pingora_http::RequestHeader;

use crate::{BodyError, BodySource, Client, PluginError};

/// A view of the current request.
pub struct Request<'a> {
    source: Source<'a>,
    client: &'a Client,
}

/// Where the engine keeps a request: head and body in one place.
pub trait RequestSource: BodySource {
    /// Method, URI and headers.
    fn head(&self) -> &RequestHeader;
    /// The same, to edit.
    fn head_mut(&mut self) -> &mut RequestHeader;
}

enum Source<'a> {
    Parts { head: &'a mut RequestHeader, body: &'a mut dyn BodySource },
    Engine(&'a mut dyn RequestSource),
}

impl<'a> Request<'a> {
    /// A request from its parts: for tests.
    pub fn new(head: &'a mut RequestHeader, client: &'a Client, body: &'a mut dyn BodySource) -> Self {
        Self { source: Source::Parts { head, body }, client }
    }

    /// The engine's view of a connection.
    pub fn of(source: &'a mut dyn RequestSource, client: &'a Client) -> Self {
        Self { source: Source::Engine(source), client }
    }

    /// Method, URI and headers.
    pub fn head(&self) -> &RequestHeader {
        match &self.source {
            Source::Parts { head, .. } => head,
            Source::Engine(source) => source.head(),
        }
    }

    /// The same, to edit what goes upstream.
    pub fn head_mut(&mut self) -> &mut RequestHeader {
        match &mut self.source {
            Source::Parts { head, .. } => head,
            Source::Engine(source) => source.head_mut(),
        }
    }

    /// The client's address, scheme and listener.
    pub fn client(&self) -> &Client {
        self.client
    }

    /// The request's method.
    pub fn method(&self) -> &Method {
        &self.head().method
    }

    /// The path as the client sent it, without the query.
    pub fn path(&self) -> &str {
        self.head().uri.path()
    }

    /// The first value of a header.
    pub fn header(&self, name: &HeaderName) -> Option<&HeaderValue> {
        self.head().headers.get(name)
    }

    /// The `Host` header of HTTP/1, or the authority of HTTP/2, with a port if the client sent one.
    pub fn host(&self) -> Option<&str> {
        requested_host(self.head())
    }

    /// The first value of a query parameter, decoded.
    pub fn query_value(&self, name: &str) -> Option<Cow<'_, str>> {
        self.query_pairs().find(|(key, _)| key == name).map(|(_, value)| value)
    }

    /// All query parameters, decoded, in order.
    pub fn query_pairs(&self) -> impl Iterator<Item = (Cow<'_, str>, Cow<'_, str>)> {
        form_urlencoded::parse(self.head().uri.query().unwrap_or("").as_bytes())
    }

    /// Removes every query parameter of this name; the others keep the bytes that the client sent.
    ///
    /// # Errors
    /// When the rest is not a URI, which cannot come from removing whole parameters.
    pub fn remove_query(&mut self, name: &str) -> Result<(), PluginError> {
        let Some(query) = self.head().uri.query() else { return Ok(()) };
        let is_named = |pair: &&str| form_urlencoded::parse(pair.as_bytes()).next().is_some_and(|(key, _)| key == name);
        let rest: Vec<&str> = query.split('&').filter(|pair| !is_named(pair)).collect();
        let path_and_query =
            if rest.is_empty() { self.path().to_owned() } else { format!("{}?{}", self.path(), rest.join("&")) };
        let mut parts = self.head().uri.clone().into_parts();
        parts.path_and_query = Some(
            PathAndQuery::try_from(path_and_query)
                .map_err(|error| PluginError::with_source("the query cannot be edited", error))?,
        );
        let uri =
            Uri::from_parts(parts).map_err(|error| PluginError::with_source("the query cannot be edited", error))?;
        self.head_mut().set_uri(uri);
        Ok(())
    }

    /// The whole body, if it has at most `max` bytes. Asking for it makes the engine hold it; all other bodies stream.
    ///
    /// # Errors
    /// [`BodyError::TooLarge`] past `max` or 64 KiB, [`BodyError::Broken`] when the client fails.
    pub async fn body(&mut self, max: usize) -> Result<Bytes, BodyError> {
        match &mut self.source {
            Source::Parts { body, .. } => body.read(max).await,
            Source::Engine(source) => source.read(max).await,
        }
    }

    /// Sends `body` upstream in place of the client's.
    pub fn set_body(&mut self, body: Bytes) {
        match &mut self.source {
            Source::Parts { body: source, .. } => source.replace(body),
            Source::Engine(source) => source.replace(body),
        }
    }
}

/// The `Host` header of HTTP/1, or the authority of HTTP/2, as the client sent it.
pub fn requested_host(head: &RequestHeader) -> Option<&str> {
    match head.uri.authority() {
        Some(authority) => Some(authority.as_str()),
        None => head.headers.get(http::header::HOST)?.to_str().ok(),
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;
    use crate::BufferedBody;

    fn with_request(uri: &str, test: impl FnOnce(&mut Request<'_>)) {
        let mut head = RequestHeader::build("GET", uri.as_bytes(), None).expect("a head");
        let client = Client::plain(Ipv4Addr::LOCALHOST, 8000);
        let mut body = BufferedBody::default();
        test(&mut Request::new(&mut head, &client, &mut body));
    }

    #[test]
    fn query_values_are_decoded() {
        with_request("/p?a=1&k=x%20y+z&k=2", |request| {
            assert_eq!(request.query_value("k").as_deref(), Some("x y z"));
            assert_eq!(request.query_value("none"), None);
        });
    }

    #[test]
    fn removing_a_parameter_keeps_the_bytes_of_the_others() {
        with_request("/p?a=%2f&k=1&b=x+y&k=2", |request| {
            request.remove_query("k").expect("removed");
            assert_eq!(request.head().uri.to_string(), "/p?a=%2f&b=x+y");
        });
        with_request("/p?%6b=1", |request| {
            request.remove_query("k").expect("removed");
            assert_eq!(request.head().uri.to_string(), "/p");
        });
    }
}
