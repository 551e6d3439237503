//! `config.propagation` and what it replaced: in which headers a trace's context is read and written.

use http::HeaderName;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use signet_plugin_api::ConfigError;

use crate::shared::names::settable_header;

/// A way to write a trace's context into headers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum Format {
    W3c,
    B3,
    #[serde(rename = "b3-single")]
    B3Single,
    Jaeger,
    Ot,
    Datadog,
    Aws,
    Gcp,
    Instana,
}

/// What is written for the upstream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum Injected {
    /// The format in which the caller wrote.
    Preserve,
    W3c,
    B3,
    #[serde(rename = "b3-single")]
    B3Single,
    Jaeger,
    Ot,
    Datadog,
    Aws,
    Gcp,
    Instana,
}

/// `config.header_type`, which `propagation` replaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum HeaderType {
    /// The caller's format.
    #[default]
    Preserve,
    /// What the caller says does not count.
    Ignore,
    B3,
    #[serde(rename = "b3-single")]
    B3Single,
    W3c,
    Jaeger,
    Ot,
    Aws,
    Gcp,
    Datadog,
    Instana,
}

/// `config.propagation`
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Propagation {
    /// The formats that are looked for, in their order; the first one that is there counts.
    extract: Option<Vec<Format>>,
    /// Headers that the upstream does not get.
    clear: Option<Vec<String>>,
    /// The formats that the upstream gets; `preserve` is the caller's.
    inject: Option<Vec<Injected>>,
    /// What `preserve` is where the caller said nothing.
    default_format: Format,
}

/// Where the context is read and written.
#[derive(Debug)]
pub(super) struct Headers {
    /// The formats that are looked for, in their order.
    pub(super) extract: Vec<Format>,
    /// What the upstream does not get.
    pub(super) clear: Vec<HeaderName>,
    /// What it gets.
    pub(super) inject: Vec<Injected>,
    /// What `preserve` is where the caller wrote nothing.
    pub(super) default_format: Format,
}

impl Injected {
    /// None for the caller's.
    pub(super) fn format(self) -> Option<Format> {
        Some(match self {
            Self::Preserve => return None,
            Self::W3c => Format::W3c,
            Self::B3 => Format::B3,
            Self::B3Single => Format::B3Single,
            Self::Jaeger => Format::Jaeger,
            Self::Ot => Format::Ot,
            Self::Datadog => Format::Datadog,
            Self::Aws => Format::Aws,
            Self::Gcp => Format::Gcp,
            Self::Instana => Format::Instana,
        })
    }
}

impl From<Format> for Injected {
    fn from(format: Format) -> Self {
        match format {
            Format::W3c => Self::W3c,
            Format::B3 => Self::B3,
            Format::B3Single => Self::B3Single,
            Format::Jaeger => Self::Jaeger,
            Format::Ot => Self::Ot,
            Format::Datadog => Self::Datadog,
            Format::Aws => Self::Aws,
            Format::Gcp => Self::Gcp,
            Format::Instana => Self::Instana,
        }
    }
}

impl HeaderType {
    /// What Kong makes of it: the formats that are read, and those that are written.
    fn headers(self, default_format: Format) -> (Vec<Format>, Vec<Injected>) {
        let also = match self {
            Self::Ignore => return (Vec::new(), vec![default_format.into()]),
            Self::Preserve => None,
            Self::B3 => Some(Injected::B3),
            Self::B3Single => Some(Injected::B3Single),
            Self::W3c => Some(Injected::W3c),
            Self::Jaeger => Some(Injected::Jaeger),
            Self::Ot => Some(Injected::Ot),
            Self::Aws => Some(Injected::Aws),
            Self::Gcp => Some(Injected::Gcp),
            Self::Datadog => Some(Injected::Datadog),
            Self::Instana => Some(Injected::Instana),
        };
        let all = [
            Format::B3,
            Format::W3c,
            Format::Jaeger,
            Format::Ot,
            Format::Datadog,
            Format::Aws,
            Format::Gcp,
            Format::Instana,
        ];
        (all.to_vec(), std::iter::once(Injected::Preserve).chain(also).collect())
    }
}

impl Propagation {
    /// With what `header_type` says, where this says nothing but its default format.
    ///
    /// # Errors
    /// When a header or a format cannot stand where it does.
    pub(super) fn headers(self, header_type: HeaderType) -> Result<Headers, ConfigError> {
        let Self { extract, clear, inject, default_format } = self;
        if extract.iter().flatten().any(|format| *format == Format::B3Single) {
            return Err(ConfigError::new(
                "propagation.extract",
                "`b3` reads both forms of B3; there is no `b3-single`",
            ));
        }
        let (extract, inject) = match (extract, &clear, inject) {
            (None, None, None) => header_type.headers(default_format),
            (extract, _, inject) => (extract.unwrap_or_default(), inject.unwrap_or_default()),
        };
        let parsed = |(at, name): (usize, &String)| {
            settable_header(name).map_err(|reason| ConfigError::new(format!("propagation.clear[{at}]"), reason))
        };
        let clear = clear.iter().flatten().enumerate().map(parsed).collect::<Result<_, _>>()?;
        Ok(Headers { extract, clear, inject, default_format })
    }
}

impl Default for Propagation {
    fn default() -> Self {
        Self { extract: None, clear: None, inject: None, default_format: Format::W3c }
    }
}
