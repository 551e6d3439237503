//! `claims.add`, `claims.copy` and `claims.remove`, compiled: which claims are written, and which are not taken over.

use std::collections::BTreeSet;

use serde_json::Value;
use signet_plugin_api::{ConfigError, Scope};

use super::{
    super::config::{Config, IdentitySource, ReadHeader},
    config::{Act, Place, TokenType},
    expression::is_template,
    facts::{Origin, Source},
    template::{Template, string},
};

/// The claims of ours, each with what sets it.
const OURS: [(&str, &str); 8] = [
    ("iss", "`iss` sets it"),
    ("iat", "it is the time of signing"),
    ("exp", "`expires_in` sets it"),
    ("nbf", "`not_before` sets it"),
    ("jti", "it is made for each token"),
    ("aud", "`audience` sets it"),
    ("act", "`claims.act` shapes it"),
    ("client_id", "it follows from how the caller authenticated"),
];

/// What no token is without.
const NEEDED: [&str; 3] = ["iss", "iat", "exp"];

/// What access tokens have beyond that (RFC 9068, 2.2).
const OF_ACCESS_TOKENS: [&str; 4] = ["sub", "aud", "client_id", "jti"];

/// What the configuration says about single claims.
pub(super) struct Plan {
    /// `claims.copy`
    pub(super) copied: Vec<Copied>,
    /// `claims.add`
    pub(super) added: Vec<Template>,
    /// Names, sorted, of incoming claims that are not taken over.
    replaced: Vec<Box<str>>,
    removed: BTreeSet<Box<str>>,
}

/// A claim that is copied under a name of its own.
pub(super) struct Copied {
    /// A comma, the name and a colon.
    pub(super) start: String,
    /// Names that lead to it.
    pub(super) from: Box<[Box<str>]>,
}

impl Plan {
    pub(super) fn new(config: &Config, scope: &Scope<'_>) -> Result<Self, ConfigError> {
        let removed = removed(config)?;
        let copied = config.claims.copy.iter().map(|(name, from)| copied(config, name, from));
        let copied: Vec<Copied> = copied.collect::<Result<_, _>>()?;
        let added = config.claims.add.iter().map(|(name, value)| added(config, name, value));
        let added: Vec<Template> = added.collect::<Result<_, _>>()?;
        warn_of_hearsay(config, &added, scope);
        warn_of_what_access_tokens_lack(config, &removed, scope);
        let written = config.claims.copy.keys().chain(config.claims.add.keys()).map(|name| name.as_str().into());
        // An incoming claim never stands in for one of ours that could not be written.
        let mut replaced: Vec<Box<str>> = asked_for(config).map(|(name, _)| name.into()).chain(written).collect();
        replaced.extend(OURS.iter().map(|(name, _)| *name).filter(|name| *name != "nbf").map(Into::into));
        replaced.extend(removed.iter().cloned());
        replaced.sort_unstable();
        Ok(Self { copied, added, replaced, removed })
    }

    /// Whether no token has a claim of this name, unless it is copied or added.
    pub(super) fn removes(&self, name: &str) -> bool {
        self.removed.contains(name)
    }

    /// Whether an incoming claim of this name is not taken over.
    pub(super) fn replaces(&self, name: &str) -> bool {
        self.replaced.binary_search_by(|known| (**known).cmp(name)).is_ok()
    }

    /// Whether something that is added differs for every request, or as the client likes.
    pub(super) fn varies_by_request(&self) -> bool {
        let mut origins = self.added.iter().flat_map(Template::sources).map(Source::origin);
        origins.any(|origin| matches!(origin, Origin::EachRequest | Origin::Client))
    }
}

/// Claims that are written only where a field asks for them.
fn asked_for(config: &Config) -> impl Iterator<Item = (&'static str, &'static str)> {
    let claims = &config.claims;
    [
        ("amr", "claims.amr", claims.amr),
        ("cnf", "claims.cnf", claims.cnf),
        ("act", "claims.act", claims.act != Act::default()),
        ("aud", "audience", config.audience.is_some()),
        ("nbf", "not_before", config.not_before.is_some()),
    ]
    .into_iter()
    .filter(|(_, _, wanted)| *wanted)
    .map(|(name, field, _)| (name, field))
}

fn removed(config: &Config) -> Result<BTreeSet<Box<str>>, ConfigError> {
    let mut removed = BTreeSet::new();
    for (at, name) in config.claims.remove.iter().enumerate() {
        let mistake = |reason: String| Err(ConfigError::new(format!("claims.remove[{at}]"), reason));
        if name.is_empty() {
            return mistake("the name of a claim is needed".to_owned());
        }
        if NEEDED.contains(&name.as_str()) {
            return mistake(format!("no token is without `{name}`"));
        }
        if let Some((_, field)) = asked_for(config).find(|(asked, _)| asked == name) {
            return mistake(format!("`{field}` asks for `{name}`"));
        }
        if !removed.insert(name.as_str().into()) {
            return mistake(format!("`{name}` stands twice"));
        }
    }
    Ok(removed)
}

fn copied(config: &Config, name: &str, from: &Place) -> Result<Copied, ConfigError> {
    let mistake = |reason: &str| Err(ConfigError::new(field("copy", name), reason));
    let from = match from {
        Place::Name(name) => std::slice::from_ref(name),
        Place::Path(path) => path.as_slice(),
    };
    writable("copy", config, name)?;
    if config.identity_source == IdentitySource::Request {
        return mistake("what is copied was verified, and with `identity_source: request` nothing needs to be");
    }
    if from.is_empty() || from.iter().any(String::is_empty) {
        return mistake("the name of a claim is needed");
    }
    if from.iter().any(|name| is_template(name)) {
        return mistake("names of claims stand here as they are, without `${…}`");
    }
    Ok(Copied { start: start(name), from: from.iter().map(|name| name.as_str().into()).collect() })
}

fn added(config: &Config, name: &str, value: &Value) -> Result<Template, ConfigError> {
    let mistake = |reason: String| ConfigError::new(field("add", name), reason);
    writable("add", config, name)?;
    if config.claims.copy.contains_key(name) {
        return Err(mistake("`claims.copy` writes it, too".to_owned()));
    }
    if value.is_null() {
        return Err(mistake("JSON has no such number".to_owned()));
    }
    let template = Template::compile(start(name), value).map_err(mistake)?;
    template.sources().try_for_each(|source| allowed(config, source)).map_err(mistake)?;
    Ok(template)
}

fn writable(list: &str, config: &Config, name: &str) -> Result<(), ConfigError> {
    let mistake = |reason: String| Err(ConfigError::new(field(list, name), reason));
    if name.is_empty() {
        return mistake("the name of a claim is needed".to_owned());
    }
    if is_template(name) {
        return mistake("the name of a claim cannot be a template".to_owned());
    }
    if let Some((_, setter)) = OURS.iter().find(|(ours, _)| *ours == name) {
        return mistake(format!("`{name}` is the gateway's own claim: {setter}"));
    }
    match asked_for(config).find(|(asked, _)| *asked == name) {
        Some((_, setter)) => mistake(format!("`{setter}` writes it, too")),
        None => Ok(()),
    }
}

fn allowed(config: &Config, source: &Source) -> Result<(), String> {
    let ReadHeader(apikey) = &config.apikey_header;
    match (source, source.origin()) {
        (Source::Header(name), _) if name == apikey => {
            Err(format!("the header `{name}` holds a secret of the client, which has no place in a token"))
        }
        // key-auth looks for its keys in the query, too.
        (Source::Query(name), _) if name.eq_ignore_ascii_case(apikey.as_str()) => {
            Err(format!("the parameter `{name}` holds a secret of the client, which has no place in a token"))
        }
        (_, Origin::Client) if !config.claims.unverified => Err(format!(
            "`{source:?}` is what a client says, and nobody verified it; `claims.unverified: true` lets it into tokens"
        )),
        (_, Origin::Verified) if config.identity_source == IdentitySource::Request => {
            Err(format!("`{source:?}` is what was verified, and with `identity_source: request` nothing needs to be"))
        }
        _ => Ok(()),
    }
}

fn warn_of_hearsay(config: &Config, added: &[Template], scope: &Scope<'_>) {
    let is_hearsay = |template: &Template| template.sources().any(|source| source.origin() == Origin::Client);
    let names = config.claims.add.keys().zip(added).filter(|(_, template)| is_hearsay(template));
    let names: Vec<String> = names.map(|(name, _)| format!("`{name}`")).collect();
    if !names.is_empty() {
        let names = names.join(", ");
        let reason =
            format!("the token says in {names} what a client sends: an upstream must not take it for verified");
        scope.warn("claims.unverified", reason);
    }
}

fn warn_of_what_access_tokens_lack(config: &Config, removed: &BTreeSet<Box<str>>, scope: &Scope<'_>) {
    if config.typ != TokenType::AccessToken {
        return;
    }
    let is_written = |name: &str| config.claims.add.contains_key(name) || config.claims.copy.contains_key(name);
    for name in OF_ACCESS_TOKENS.into_iter().filter(|name| !is_written(name)) {
        let reason = match (name, removed.contains(name)) {
            (_, true) => format!("RFC 9068 asks for `{name}`, which `claims.remove` takes away"),
            ("sub", false) => "RFC 9068 asks for `sub`, which only a caller's own token would bring; `claims.add` or \
                               `claims.copy` can write it"
                .to_owned(),
            (_, false) => continue,
        };
        scope.warn("typ", reason);
    }
}

fn start(name: &str) -> String {
    format!(",{}:", string(name))
}

/// The path of one claim; in quotes when its name could be taken for more than one step.
fn field(list: &str, name: &str) -> String {
    match name.is_empty() || name.contains(['.', '[', ']', '"', ' ', ':']) {
        true => format!("claims.{list}.{name:?}"),
        false => format!("claims.{list}.{name}"),
    }
}
