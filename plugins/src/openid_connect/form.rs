//! The form in which an identity provider is asked (RFC 6749, appendix B).

use bytes::Bytes;
use form_urlencoded::Serializer;

/// The parameters of a question, as they are sent.
#[derive(Default)]
pub(super) struct Form(String);

impl Form {
    /// Adds a parameter.
    pub(super) fn append(&mut self, name: &str, value: &str) -> &mut Self {
        Serializer::new(&mut self.0).append_pair(name, value);
        self
    }
}

impl From<Form> for Bytes {
    fn from(Form(text): Form) -> Self {
        text.into()
    }
}
