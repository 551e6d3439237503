//! The `aud` claim: the service, or what the configuration says in its place.

use std::fmt;

use serde::Serializer as _;
use signet_plugin_api::{ConfigError, Service};

use super::{config::Audience, expression::is_template, template::string};

/// For whom tokens are.
pub(super) enum Aud {
    /// The service of the route.
    Service,
    /// JSON text.
    Fixed(String),
}

impl Aud {
    /// What `audience` says.
    ///
    /// # Errors
    /// When it names nobody.
    pub(super) fn new(audience: Option<&Audience>) -> Result<Self, ConfigError> {
        match audience {
            None => Ok(Self::Service),
            Some(Audience::One(name)) => reviewed("audience".to_owned(), name).map(|()| Self::Fixed(string(name))),
            Some(Audience::Several(names)) if names.is_empty() => {
                Err(ConfigError::new("audience", "an audience is needed, or none of this field"))
            }
            Some(Audience::Several(names)) => {
                for (at, name) in names.iter().enumerate() {
                    reviewed(format!("audience[{at}]"), name)?;
                }
                let names: Vec<String> = names.iter().map(|name| string(name)).collect();
                Ok(Self::Fixed(format!("[{}]", names.join(","))))
            }
        }
    }

    /// Appends its JSON text.
    pub(super) fn write(&self, out: &mut Vec<u8>, service: &Service) -> Result<(), serde_json::Error> {
        match self {
            Self::Service => serde_json::Serializer::new(out).collect_str(&Url(service)),
            Self::Fixed(json) => {
                out.extend_from_slice(json.as_bytes());
                Ok(())
            }
        }
    }
}

fn reviewed(field: String, name: &str) -> Result<(), ConfigError> {
    if name.is_empty() {
        return Err(ConfigError::new(field, "must not be empty"));
    }
    if is_template(name) {
        return Err(ConfigError::new(field, "an audience is a text as it stands, not a template"));
    }
    Ok(())
}

/// The service's URL as configured, without the ports 80 and 443, whatever the protocol: as Kong's plugin writes it.
struct Url<'a>(&'a Service);

impl fmt::Display for Url<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(service) = self;
        write!(f, "{}://{}", service.protocol.as_str(), service.host)?;
        if !matches!(service.port, 80 | 443) {
            write!(f, ":{}", service.port)?;
        }
        f.write_str(service.path.as_deref().unwrap_or(""))
    }
}
