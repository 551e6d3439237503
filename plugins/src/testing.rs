//! What the unit tests of the plugins share: a configuration in YAML, and one request at a time through one handler.

use std::{net::Ipv4Addr, sync::Arc};

use serde_yaml::{Mapping, Value};
use signet_plugin_api::{
    Body, BufferedBody, Busy, Bytes, CaCertificate, CaCertificates, Client, ClientCertificate, Consumer, ConsumerGroup,
    Consumers, Context, CredentialStores, Flow, Handler, HeaderName, HeaderValue, Job, JobQueue, PluginError,
    RawConfig, RawCredential, Registry, Request, RequestHeader, RequestId, Resources, Response, ResponseHeader, Route,
    Scheme, Scope, Service, TlsConnection, WorkPool, http::HeaderMap,
};

use crate::builtin;

/// A configuration file with its consumers and credentials compiled, to compile single plugins against.
pub(crate) struct World {
    registry: Registry,
    /// What plugins are lent; tests may edit it.
    pub(crate) resources: Resources,
    /// What is unwise about credentials.
    pub(crate) credential_warnings: Vec<String>,
    file: Value,
}

impl World {
    /// Without consumers.
    pub(crate) fn empty() -> Self {
        Self::load("{}")
    }

    /// Reads `ca_certificates` and `consumers`, with the credentials nested in them, from a file in Kong's format.
    pub(crate) fn load(yaml: &str) -> Self {
        Self::try_load(yaml).unwrap_or_else(|mistakes| panic!("{mistakes:?}"))
    }

    /// The same; the mistakes in credentials as texts.
    pub(crate) fn try_load(yaml: &str) -> Result<Self, Vec<String>> {
        let registry = builtin();
        let file: Value = serde_yaml::from_str(yaml).expect("the test's YAML");
        let owners = owners(&file);
        let mut consumers = Consumers::default();
        for (consumer, _) in &owners {
            assert!(consumers.insert(Arc::clone(consumer)), "two equal consumers in a test");
        }
        let mut credentials = CredentialStores::default();
        let mut credential_warnings = Vec::new();
        for kind in registry.iter().flat_map(|registration| registration.credentials) {
            let texts =
                |all: Vec<(usize, _)>| all.iter().map(|(at, error)| format!("[{at}].{error}")).collect::<Vec<_>>();
            let unwise = credentials.add(*kind, raw_credentials(&owners, kind.collection)).map_err(texts)?;
            credential_warnings.extend(texts(unwise));
        }
        let resources = Resources {
            consumers: Arc::new(consumers),
            credentials: Arc::new(credentials),
            ca_certificates: Arc::new(authorities(&file)),
            ..Resources::default()
        };
        Ok(Self { registry, resources, credential_warnings, file })
    }

    /// Compiles one plugin as the engine does; `config` is the YAML of its `config`.
    pub(crate) fn compile(&self, name: &str, config: &str) -> Arc<dyn Handler> {
        self.try_compile(name, mapping(config)).unwrap_or_else(|mistakes| panic!("{mistakes:?}"))
    }

    /// The mistakes of a configuration that must not compile.
    pub(crate) fn mistakes(&self, name: &str, config: &str) -> Vec<String> {
        match self.try_compile(name, mapping(config)) {
            Ok(_) => panic!("this compiles: {config}"),
            Err(mistakes) => mistakes,
        }
    }

    /// Compiles every plugin that the file declares anywhere, and gives their names.
    pub(crate) fn compile_file(&self) -> Vec<String> {
        let mut plugins = Vec::new();
        collect_plugins(&self.file, &mut plugins);
        for (name, config) in &plugins {
            self.try_compile(name, config.clone()).unwrap_or_else(|mistakes| panic!("{name}: {mistakes:?}"));
        }
        plugins.into_iter().map(|(name, _)| name).collect()
    }

    /// What the operator is told of a configuration that compiles.
    pub(crate) fn warnings(&self, name: &str, config: &str) -> Vec<String> {
        let scope = Scope::new(&self.resources);
        let registration = self.registry.get(name).expect("a built-in plugin");
        assert!(registration.compile(RawConfig::new(mapping(config)), &scope).is_ok(), "{config} does not compile");
        scope.into_warnings().iter().map(ToString::to_string).collect()
    }

    fn try_compile(&self, name: &str, config: Mapping) -> Result<Arc<dyn Handler>, Vec<String>> {
        let config = RawConfig::new(config);
        let mut digest = [0; 32];
        digest.copy_from_slice(ring::digest::digest(&ring::digest::SHA256, config.content().as_bytes()).as_ref());
        let scope = Scope::new(&self.resources).with_digest(digest);
        let registration = self.registry.get(name).expect("a built-in plugin");
        registration.compile(config, &scope).map_err(|errors| errors.iter().map(ToString::to_string).collect())
    }
}

/// One request with its context.
pub(crate) struct Exchange {
    /// The head that goes upstream.
    pub(crate) head: RequestHeader,
    /// The body, and what a plugin put in its place.
    pub(crate) body: BufferedBody,
    /// What the plugins left.
    pub(crate) cx: Context,
    client: Client,
}

impl Exchange {
    /// A GET.
    pub(crate) fn get(uri: &str) -> Self {
        Self::new("GET", uri)
    }

    /// A request on the route and service of [`route`] and [`service`].
    pub(crate) fn new(method: &str, uri: &str) -> Self {
        let head = RequestHeader::build(method, uri.as_bytes(), None).expect("a request line");
        let client = Client::plain(Ipv4Addr::LOCALHOST, 8000);
        let cx = Context::new(RequestId::default(), Some(Arc::new(route())), Some(Arc::new(service())));
        Self { head, body: BufferedBody::default(), cx, client }.header("host", "gw.test")
    }

    /// Adds a header; an earlier one of that name stays.
    pub(crate) fn header(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        let value = HeaderValue::from_bytes(value.as_ref()).expect("a header value");
        self.head.append_header(name.to_owned(), value).expect("a header");
        self
    }

    /// Makes it a request over TLS, where this became of the client's certificate.
    pub(crate) fn over_tls(mut self, certificate: ClientCertificate) -> Self {
        let tls = TlsConnection { sni: Some("gw.test".into()), version: "TLSv1.3", certificate };
        self.client = Client { scheme: Scheme::Https, port: 8443, tls: Some(Arc::new(tls)), ..self.client };
        self
    }

    /// Sets the body and its type.
    pub(crate) fn body(mut self, content_type: &str, body: impl AsRef<[u8]>) -> Self {
        self.body.body = Bytes::copy_from_slice(body.as_ref());
        self.header("content-type", content_type)
    }

    /// Runs `on_request`.
    pub(crate) async fn run(&mut self, handler: &Arc<dyn Handler>) -> Flow {
        self.try_run(handler).await.expect("a working plugin")
    }

    /// Runs `on_request` of a plugin that may be broken.
    pub(crate) async fn try_run(&mut self, handler: &Arc<dyn Handler>) -> Result<Flow, PluginError> {
        handler.on_request(&mut Request::new(&mut self.head, &self.client, &mut self.body), &mut self.cx).await
    }

    /// Runs `on_request`, which must let the request pass.
    pub(crate) async fn passes(&mut self, handler: &Arc<dyn Handler>) {
        match self.run(handler).await {
            Flow::Continue => {}
            Flow::Respond(response) => panic!("answered {response:?}"),
        }
    }

    /// Runs `on_request`, which must answer.
    pub(crate) async fn answer(&mut self, handler: &Arc<dyn Handler>) -> Response {
        match self.run(handler).await {
            Flow::Continue => panic!("the request passed"),
            Flow::Respond(response) => response,
        }
    }

    /// Runs `on_upstream_request` over the head, as for one attempt.
    pub(crate) async fn sends(&mut self, handler: &Arc<dyn Handler>) {
        handler.on_upstream_request(&mut self.head, &mut self.cx).await.expect("a working plugin");
    }

    /// Runs `on_response` over a response with these headers.
    pub(crate) async fn response(
        &mut self,
        handler: &Arc<dyn Handler>,
        headers: &[(&'static str, &'static str)],
    ) -> ResponseHeader {
        let mut head = ResponseHeader::build(200, None).expect("a response");
        for (name, value) in headers {
            head.append_header(*name, *value).expect("a header");
        }
        handler.on_response(&mut head, &mut self.cx).await.expect("a working plugin");
        head
    }

    /// A header as it goes upstream.
    pub(crate) fn upstream(&self, name: &str) -> Option<&str> {
        self.head.headers.get(name).map(|value| value.to_str().expect("ASCII"))
    }

    /// The user name of the consumer, authenticated or anonymous.
    pub(crate) fn consumer(&self) -> Option<&str> {
        self.cx.consumer()?.username.as_deref()
    }
}

/// All values of a header, joined with `|`; empty when there is none.
pub(crate) fn values(headers: &HeaderMap, name: &str) -> String {
    headers.get_all(name).iter().map(|value| value.to_str().expect("ASCII")).collect::<Vec<_>>().join("|")
}

/// A header of an answer.
pub(crate) fn answered<'a>(response: &'a Response, name: &str) -> Option<&'a str> {
    let name = HeaderName::from_bytes(name.as_bytes()).expect("a header name");
    response.headers.iter().find(|(known, _)| *known == name).map(|(_, value)| value.to_str().expect("ASCII"))
}

/// The message or the bytes of an answer.
pub(crate) fn text(response: &Response) -> String {
    match &response.body {
        Body::Empty => String::new(),
        Body::Bytes(bytes) => String::from_utf8(bytes.to_vec()).expect("UTF-8"),
        Body::Error(message) => message.to_string(),
    }
}

/// The route of every [`Exchange`].
pub(crate) fn route() -> Route {
    Route {
        name: Some("demo".into()),
        paths: Some(vec!["/demo".to_owned()]),
        ..Route::new("7846979c-e83a-51e7-935f-444ff5f40833")
    }
}

/// The service of every [`Exchange`].
pub(crate) fn service() -> Service {
    Service {
        name: Some("main".into()),
        port: 18100,
        path: Some("/base".to_owned()),
        ..Service::new("8027b672-cb4d-5059-bc59-7d67b683008e", "httpbin.test")
    }
}

/// A configuration as the engine gives it to a plugin.
pub(crate) fn mapping(yaml: &str) -> Mapping {
    serde_yaml::from_str(yaml).expect("the test's YAML")
}

fn sequence<'a>(value: &'a Value, name: &str) -> &'a [Value] {
    value.get(name).and_then(Value::as_sequence).map_or(&[], Vec::as_slice)
}

fn authorities(file: &Value) -> CaCertificates {
    let authority = |value: &Value| {
        let text = |name| value.get(name).and_then(Value::as_str).expect("a CA certificate's field");
        let certificate = openssl::x509::X509::from_pem(text("cert").as_bytes()).expect("a certificate");
        let id: Arc<str> = text("id").into();
        let der = certificate.to_der().expect("DER").into();
        (Arc::clone(&id), Arc::new(CaCertificate { id, der }))
    };
    sequence(file, "ca_certificates").iter().map(authority).collect()
}

/// Threads in whose queue nothing has a place any more.
pub(crate) fn full_pool() -> WorkPool {
    struct Full;
    impl JobQueue for Full {
        fn submit(&self, _: Job) -> Result<(), Busy> {
            Err(Busy)
        }
    }
    WorkPool::new(Arc::new(Full))
}

fn owners(file: &Value) -> Vec<(Arc<Consumer>, Value)> {
    let text = |value: &Value, name: &str| value.get(name).and_then(Value::as_str).map(ToOwned::to_owned);
    let consumer = |(at, value): (usize, &Value)| {
        let id = text(value, "id").unwrap_or_else(|| format!("consumer-{at}"));
        let consumer =
            Consumer::new(&id, text(value, "username").as_deref(), text(value, "custom_id").as_deref(), Vec::new());
        let mut consumer = consumer.expect("a consumer");
        for group in sequence(value, "groups") {
            let name: Arc<str> = text(group, "name").expect("a group's name").into();
            consumer.groups.push(Arc::new(ConsumerGroup { id: Arc::clone(&name), name, tags: Vec::new() }));
        }
        (Arc::new(consumer), value.clone())
    };
    sequence(file, "consumers").iter().enumerate().map(consumer).collect()
}

/// What the engine does before a credential reaches its kind: the id and the common fields are taken away.
fn raw_credentials(owners: &[(Arc<Consumer>, Value)], collection: &str) -> Vec<RawCredential> {
    let mut all = Vec::new();
    for (consumer, value) in owners {
        for fields in sequence(value, collection) {
            let mut fields = fields.as_mapping().expect("a credential").clone();
            let id = fields.remove("id").and_then(|id| id.as_str().map(Into::into));
            let id: Arc<str> = id.unwrap_or_else(|| format!("{collection}-{}", all.len()).into());
            all.push(RawCredential { id, consumer: Arc::clone(consumer), fields: RawConfig::new(fields) });
        }
    }
    all
}

fn collect_plugins(value: &Value, plugins: &mut Vec<(String, Mapping)>) {
    for plugin in sequence(value, "plugins") {
        let name = plugin.get("name").and_then(Value::as_str).expect("a plugin's name");
        let config = plugin.get("config").and_then(Value::as_mapping).cloned().unwrap_or_default();
        plugins.push((name.to_owned(), config));
    }
    for inner in ["services", "routes", "consumers"].iter().flat_map(|name| sequence(value, name)) {
        collect_plugins(inner, plugins);
    }
}
