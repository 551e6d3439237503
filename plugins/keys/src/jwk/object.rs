//! A JWK on its way out: written once, into room that is wiped.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use zeroize::Zeroizing;

/// A JSON object that grows member by member. Its room is made beforehand, so that growing leaves no copy behind.
pub(crate) struct Object(Zeroizing<String>);

impl Object {
    /// Empty, with room for so many characters.
    pub(crate) fn with_room(characters: usize) -> Self {
        let mut text = Zeroizing::new(String::with_capacity(characters));
        text.push('{');
        Self(text)
    }

    /// A member whose value needs no escapes.
    pub(crate) fn text(mut self, name: &str, value: &str) -> Self {
        self.name(name);
        self.0.push('"');
        self.0.push_str(value);
        self.0.push('"');
        self
    }

    /// A member in base64url.
    pub(crate) fn octets(mut self, name: &str, octets: &[u8]) -> Self {
        self.name(name);
        self.0.push('"');
        URL_SAFE_NO_PAD.encode_string(octets, &mut self.0);
        self.0.push('"');
        self
    }

    /// A member whose value is JSON already.
    pub(crate) fn json(mut self, name: &str, value: &str) -> Self {
        self.name(name);
        self.0.push_str(value);
        self
    }

    /// A number, if there is one.
    pub(crate) fn number(self, name: &str, number: Option<u64>) -> Self {
        match number {
            Some(number) => self.json(name, &number.to_string()),
            None => self,
        }
    }

    /// The text.
    pub(crate) fn finish(mut self) -> Zeroizing<String> {
        self.0.push('}');
        self.0
    }

    fn name(&mut self, name: &str) {
        let separator = if self.0.len() > 1 { ",\"" } else { "\"" };
        self.0.push_str(separator);
        self.0.push_str(name);
        self.0.push_str("\":");
    }
}
