//! The request body, for the few plugins that need it.

use async_trait::async_trait;
use bytes::Bytes;

/// Why a plugin did not get the body.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BodyError {
    /// It is longer than the plugin's bound or the engine's (64 KiB). It is still forwarded.
    #[error("the request body is too large to be read by a plugin")]
    TooLarge,
    /// The client went away, or sent a malformed body.
    #[error("the request body cannot be read: {0}")]
    Broken(String),
}

/// Where the engine keeps the body of the current request. Bodies that nobody asks for are streamed, never held.
#[async_trait]
pub trait BodySource: Send {
    /// The whole body, at most `max` bytes of it; what an earlier plugin put in its place, if one did.
    ///
    /// # Errors
    /// [`BodyError::TooLarge`] past `max`, [`BodyError::Broken`] when the client fails.
    async fn read(&mut self, max: usize) -> Result<Bytes, BodyError>;

    /// Sends `body` upstream in place of the client's, with its own Content-Length.
    fn replace(&mut self, body: Bytes);
}

/// A body that is already in memory: for tests, and for requests without one.
#[derive(Debug, Default)]
pub struct BufferedBody {
    /// What [`BodySource::read`] gives.
    pub body: Bytes,
    /// What a plugin put in its place.
    pub replaced: Option<Bytes>,
}

#[async_trait]
impl BodySource for BufferedBody {
    async fn read(&mut self, max: usize) -> Result<Bytes, BodyError> {
        let body = self.replaced.as_ref().unwrap_or(&self.body);
        if body.len() > max { Err(BodyError::TooLarge) } else { Ok(body.clone()) }
    }

    fn replace(&mut self, body: Bytes) {
        self.replaced = Some(body);
    }
}
