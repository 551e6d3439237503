//! What the plugins of one request tell each other and the engine.

use std::{
    any::{Any, TypeId},
    fmt,
    sync::Arc,
};

use http::HeaderValue;
use smallvec::SmallVec;

use crate::{Consumer, Identity, Route, Service};

/// The id of a request, 32 hexadecimal digits, kept as the header value of `X-Kong-Request-Id`: cloning it is cheap.
#[derive(Debug, Clone)]
pub struct RequestId(HeaderValue);

impl RequestId {
    /// Takes a value that the engine made.
    pub fn new(value: HeaderValue) -> Self {
        Self(value)
    }

    /// As a header value.
    pub fn as_header(&self) -> &HeaderValue {
        &self.0
    }

    /// As text.
    pub fn as_str(&self) -> &str {
        self.0.to_str().unwrap_or("")
    }
}

impl Default for RequestId {
    fn default() -> Self {
        Self(HeaderValue::from_static(""))
    }
}

impl From<&'static str> for RequestId {
    fn from(id: &'static str) -> Self {
        Self(HeaderValue::from_static(id))
    }
}

/// The state of one request: its route, the verified caller, and a map from types to the facts that plugins leave.
#[derive(Default)]
pub struct Context {
    request_id: RequestId,
    route: Option<Arc<Route>>,
    service: Option<Arc<Service>>,
    identity: Option<Identity>,
    facts: SmallVec<[(TypeId, Box<dyn Any + Send + Sync>); 2]>,
}

impl Context {
    /// The context of a request that was routed.
    pub fn new(request_id: RequestId, route: Option<Arc<Route>>, service: Option<Arc<Service>>) -> Self {
        Self { request_id, route, service, identity: None, facts: SmallVec::new() }
    }

    /// The request's id.
    pub fn request_id(&self) -> &RequestId {
        &self.request_id
    }

    /// The route that matched.
    pub fn route(&self) -> Option<&Arc<Route>> {
        self.route.as_ref()
    }

    /// The service of the route.
    pub fn service(&self) -> Option<&Arc<Service>> {
        self.service.as_ref()
    }

    /// The caller, once an authentication plugin has run.
    pub fn identity(&self) -> Option<&Identity> {
        self.identity.as_ref()
    }

    /// The consumer, authenticated or anonymous.
    pub fn consumer(&self) -> Option<&Arc<Consumer>> {
        self.identity.as_ref()?.consumer.as_ref()
    }

    /// Whether an earlier plugin verified a credential on this request.
    pub fn is_authenticated(&self) -> bool {
        self.identity.as_ref().is_some_and(Identity::is_authenticated)
    }

    /// Records who the caller is. Only for authentication plugins; the last one counts, as in Kong. Groups that an earlier
    /// one verified stay, unless this one brings its own.
    pub fn authenticate(&mut self, mut identity: Identity) {
        if identity.groups.is_none() {
            identity.groups = self.identity.take().and_then(|earlier| earlier.groups);
        }
        self.identity = Some(identity);
    }

    /// Leaves a fact for later plugins, in place of an earlier one of the same type.
    pub fn insert<T: Any + Send + Sync>(&mut self, fact: T) {
        let id = TypeId::of::<T>();
        match self.facts.iter_mut().find(|(known, _)| *known == id) {
            Some((_, slot)) => *slot = Box::new(fact),
            None => self.facts.push((id, Box::new(fact))),
        }
    }

    /// The fact of this type that an earlier plugin left.
    pub fn get<T: Any + Send + Sync>(&self) -> Option<&T> {
        let id = TypeId::of::<T>();
        self.facts.iter().find(|(known, _)| *known == id)?.1.downcast_ref()
    }

    /// The same, to add to it.
    pub fn get_mut<T: Any + Send + Sync>(&mut self) -> Option<&mut T> {
        let id = TypeId::of::<T>();
        self.facts.iter_mut().find(|(known, _)| *known == id)?.1.downcast_mut()
    }
}

impl fmt::Debug for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Context")
            .field("request_id", &self.request_id)
            .field("identity", &self.identity)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Proof;

    fn identity(method: &'static str, groups: Option<&[&str]>) -> Identity {
        let groups = groups.map(|names| names.iter().map(|name| Arc::from(*name)).collect());
        Identity { groups, ..Identity::new(method, None, Proof::Other { subject: "somebody".into() }) }
    }

    #[test]
    fn verified_groups_outlast_a_later_authentication_that_has_none() {
        let mut cx = Context::default();
        let groups = |cx: &Context| {
            let identity = cx.identity().expect("an identity");
            (identity.method, identity.groups.as_ref().map(|names| names.join(" ")))
        };
        cx.authenticate(identity("certificate", Some(&["staff", "admins"])));
        cx.authenticate(identity("key", None));
        assert_eq!(groups(&cx), ("key", Some("staff admins".to_owned())));
        cx.authenticate(identity("token", Some(&[])));
        assert_eq!(groups(&cx), ("token", Some(String::new())));
    }
}
