//! What templates can name: facts that the gateway knows for sure, and what a client says.

use std::{borrow::Cow, fmt, net::IpAddr, sync::Arc};

use http::HeaderName;
use serde::Serialize as _;
use serde_json::value::RawValue;
use signet_plugin_api::{
    Client, Consumer, ConsumerGroup, Context, Identity, Proof, RequestHeader, Service, requested_host,
};

use super::{super::caller::Caller, path::member_at};

/// What a client says enters a token up to this many octets each; what is longer is as good as missing.
const LONGEST_SAID: usize = 1024;

/// Everything about a request that a token may tell.
pub(in super::super) struct Facts<'a> {
    pub(in super::super) caller: &'a Caller<'a>,
    pub(in super::super) service: &'a Service,
    pub(in super::super) cx: &'a Context,
    pub(in super::super) head: &'a RequestHeader,
    pub(in super::super) client: &'a Client,
}

/// One fact, as it is read.
pub(super) enum Fact<'a> {
    Text(Cow<'a, str>),
    Address(IpAddr),
    Tags(&'a [String]),
    Groups(&'a [Arc<ConsumerGroup>]),
    Names(&'a [Arc<str>]),
    /// JSON text.
    Json(&'a RawValue),
}

/// Where a fact comes from.
#[derive(Clone)]
pub(super) enum Source {
    Known(&'static Known),
    /// A claim of the verified token, or a member of one.
    Claim(Box<[Box<str>]>),
    Header(HeaderName),
    Query(Box<str>),
}

/// A fact that has a name of its own.
pub(super) struct Known {
    pub(super) name: &'static str,
    pub(super) origin: Origin,
    pub(super) is_list: bool,
    read: for<'a> fn(&Facts<'a>) -> Option<Fact<'a>>,
}

/// Who vouches for a fact.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Origin {
    /// The configuration or the connection.
    Gateway,
    /// The gateway, and it is another one for each request.
    EachRequest,
    /// An authentication plugin, on this request.
    Verified,
    /// The client alone.
    Client,
}

/// In the order in which people are told of them.
pub(super) const KNOWN: [Known; 20] = [
    text("consumer.id", Origin::Gateway, |facts| said(&consumer(facts)?.id)),
    text("consumer.username", Origin::Gateway, |facts| said(consumer(facts)?.username.as_deref()?)),
    text("consumer.custom_id", Origin::Gateway, |facts| said(consumer(facts)?.custom_id.as_deref()?)),
    list("consumer.tags", Origin::Gateway, |facts| Some(Fact::Tags(&consumer(facts)?.tags))),
    list("consumer.groups", Origin::Gateway, |facts| Some(Fact::Groups(&consumer(facts)?.groups))),
    text("identity.method", Origin::Verified, |facts| said(identity(facts)?.method)),
    list("identity.groups", Origin::Verified, |facts| Some(Fact::Names(identity(facts)?.groups.as_deref()?))),
    text("credential.id", Origin::Verified, |facts| said(identity(facts)?.credential_id.as_deref()?)),
    text("certificate.subject", Origin::Verified, |facts| match &identity(facts)?.proof {
        Proof::Certificate { subject, .. } => said(subject),
        _ => None,
    }),
    text("route.id", Origin::Gateway, |facts| said(&facts.cx.route()?.id)),
    text("route.name", Origin::Gateway, |facts| said(facts.cx.route()?.name.as_deref()?)),
    list("route.tags", Origin::Gateway, |facts| Some(Fact::Tags(&facts.cx.route()?.tags))),
    text("service.id", Origin::Gateway, |facts| said(&facts.service.id)),
    text("service.name", Origin::Gateway, |facts| said(facts.service.name.as_deref()?)),
    list("service.tags", Origin::Gateway, |facts| Some(Fact::Tags(&facts.service.tags))),
    text("client.ip", Origin::Gateway, |facts| Some(Fact::Address(facts.client.ip))),
    text("request.id", Origin::EachRequest, |facts| said(facts.cx.request_id().as_str())),
    text("request.method", Origin::Client, |facts| said(facts.head.method.as_str())),
    text("request.path", Origin::Client, |facts| said(facts.head.uri.path())),
    text("request.host", Origin::Client, |facts| said(requested_host(facts.head)?)),
];

impl Source {
    /// Who vouches for it.
    pub(super) fn origin(&self) -> Origin {
        match self {
            Self::Known(known) => known.origin,
            Self::Claim(_) => Origin::Verified,
            Self::Header(_) | Self::Query(_) => Origin::Client,
        }
    }

    /// Whether it is always a list, which cannot be a part of a text.
    pub(super) fn is_list(&self) -> bool {
        matches!(self, Self::Known(Known { is_list: true, .. }))
    }

    /// The fact of this request. An empty text is missing: it would look like a value.
    pub(super) fn read<'a>(&self, facts: &Facts<'a>) -> Option<Fact<'a>> {
        let fact = match self {
            Self::Known(known) => (known.read)(facts)?,
            Self::Claim(path) => Fact::Json(member_at(facts.caller.claims.as_deref()?, path)?),
            Self::Header(name) => only(facts.head.headers.get_all(name).iter())
                .and_then(|value| said(std::str::from_utf8(value.as_bytes()).ok()?))?,
            Self::Query(name) => {
                let pairs = form_urlencoded::parse(facts.head.uri.query()?.as_bytes());
                Fact::Text(only(pairs.filter(|(key, _)| key == &**name))?.1)
            }
        };
        match &fact {
            Fact::Text(text) if text.is_empty() => None,
            Fact::Text(text) if self.origin() == Origin::Client && text.len() > LONGEST_SAID => None,
            Fact::Json(json) if matches!(json.get(), "null" | "\"\"") => None,
            _ => Some(fact),
        }
    }
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Known(known) => f.write_str(known.name),
            Self::Claim(path) => write!(f, "claims{path:?}"),
            Self::Header(name) => write!(f, "request.header.{name}"),
            Self::Query(name) => write!(f, "request.query.{name}"),
        }
    }
}

impl Fact<'_> {
    /// Appends it as JSON of its own type.
    pub(super) fn write_json(&self, out: &mut Vec<u8>) -> Result<(), serde_json::Error> {
        let json = &mut serde_json::Serializer::new(&mut *out);
        match self {
            Self::Text(text) => text.serialize(json),
            Self::Address(address) => address.serialize(json),
            Self::Tags(tags) => tags.serialize(json),
            Self::Groups(groups) => serde::Serializer::collect_seq(json, groups.iter().map(|group| &*group.name)),
            Self::Names(names) => serde::Serializer::collect_seq(json, names.iter().map(|name| &**name)),
            Self::Json(text) => {
                out.extend_from_slice(text.get().as_bytes());
                Ok(())
            }
        }
    }

    /// Appends it inside a JSON string. False when it is neither a text, a number nor a boolean.
    pub(super) fn write_within(&self, out: &mut Vec<u8>) -> Result<bool, serde_json::Error> {
        match self {
            Self::Tags(_) | Self::Groups(_) | Self::Names(_) => return Ok(false),
            Self::Json(text) if text.get().starts_with(['[', '{']) => return Ok(false),
            _ => {}
        }
        let start = out.len();
        self.write_json(out)?;
        if out.get(start) == Some(&b'"') {
            out.pop();
            out.remove(start);
        }
        Ok(true)
    }
}

const fn text(name: &'static str, origin: Origin, read: for<'a> fn(&Facts<'a>) -> Option<Fact<'a>>) -> Known {
    Known { name, origin, is_list: false, read }
}

const fn list(name: &'static str, origin: Origin, read: for<'a> fn(&Facts<'a>) -> Option<Fact<'a>>) -> Known {
    Known { name, origin, is_list: true, read }
}

fn said(text: &str) -> Option<Fact<'_>> {
    Some(Fact::Text(Cow::Borrowed(text)))
}

fn consumer<'a>(facts: &Facts<'a>) -> Option<&'a Consumer> {
    facts.cx.consumer().map(|consumer| &**consumer)
}

fn identity<'a>(facts: &Facts<'a>) -> Option<&'a Identity> {
    facts.caller.identity
}

/// Of what stands twice nobody knows which one counts.
fn only<T>(mut all: impl Iterator<Item = T>) -> Option<T> {
    let first = all.next()?;
    all.next().is_none().then_some(first)
}
