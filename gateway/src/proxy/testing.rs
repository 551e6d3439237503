//! What the tests of this folder share: a gateway with plugins of their own, and connections in memory.

use std::{
    path::Path,
    sync::{Arc, atomic::AtomicUsize},
};

use http::HeaderValue;
use pingora_proxy::Session;
use signet_plugin_api::{
    ConfigError, Context, Flow, Handler, Phase, Plugin, PluginError, Registry, Request, Response, ResponseHeader,
    Scope, StatusCode, async_trait,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};

use super::{Exchange, Gateway, Policy};
use crate::{
    compile::Engine,
    config::{self, Known},
    prepare::settle,
    runtime::Current,
    settings::Settings,
};

/// More than any message of these tests.
const PIPE: usize = 256 * 1024;

/// Routes by what happens on them.
const KONG: &str = "
_format_version: '3.0'
services:
- {name: s, host: 127.0.0.1, port: 9, retries: 1, routes: [
    {name: plain, paths: [/plain]},
    {name: stamped, paths: [/stamped], plugins: [{name: stamp}]},
    {name: failing, paths: [/failing], plugins: [{name: failing, config: {phase: response}}]},
    {name: panicking, paths: [/panicking], plugins: [{name: failing, config: {phase: request}}]},
    {name: tls, hosts: [tls.test], protocols: [https], https_redirect_status_code: 308}]}
routes:
- {name: lonely, paths: [/lonely]}
";

/// Marks every response.
struct Stamp;

/// Fails on the response, or panics on the request.
struct Failing(String);

#[derive(serde::Deserialize, schemars::JsonSchema)]
struct Nothing {}

#[derive(serde::Deserialize, schemars::JsonSchema)]
struct When {
    phase: String,
}

impl Plugin for Stamp {
    const NAME: &'static str = "stamp";
    const PRIORITY: u32 = 2;
    const PHASES: &'static [Phase] = &[Phase::Response];
    type Config = Nothing;

    fn compile(_: Nothing, _: &Scope<'_>) -> Result<Self, ConfigError> {
        Ok(Self)
    }
}

#[async_trait]
impl Handler for Stamp {
    async fn on_response(&self, head: &mut ResponseHeader, _: &mut Context) -> Result<(), PluginError> {
        Ok(head.insert_header("x-stamp", "1")?)
    }
}

impl Plugin for Failing {
    const NAME: &'static str = "failing";
    const PRIORITY: u32 = 1;
    const PHASES: &'static [Phase] = &[Phase::Request, Phase::Response];
    type Config = When;

    fn compile(config: When, _: &Scope<'_>) -> Result<Self, ConfigError> {
        Ok(Self(config.phase))
    }
}

#[async_trait]
impl Handler for Failing {
    async fn on_request(&self, _: &mut Request<'_>, _: &mut Context) -> Result<Flow, PluginError> {
        assert_ne!(self.0, "request", "a plugin panics in a test");
        Ok(Flow::Continue)
    }

    async fn on_response(&self, _: &mut ResponseHeader, _: &mut Context) -> Result<(), PluginError> {
        if self.0 == "response" { Err(PluginError::new("secret cause")) } else { Ok(()) }
    }
}

/// A gateway with the settings' defaults.
pub(super) fn gateway() -> Gateway {
    let registry = Registry::new().with::<Stamp>().with::<Failing>();
    let engine = Engine::at_rest(&registry).expect("a resolver");
    let loaded = config::from_text(KONG.into(), Path::new("kong.yml"), &Known::of(&registry), &|_| None);
    let prepared = settle(loaded, &engine).unwrap_or_else(|errors| panic!("{:#?}", errors.mistakes));
    let current = Arc::new(Current::new(prepared.snapshot));
    let (policy, in_flight) = (Policy::of(&Settings::default()), Arc::new(AtomicUsize::new(0)));
    Gateway { current, policy, in_flight, leaving: Arc::default(), access_log: None }
}

/// A request that has pinned its configuration and is not routed yet.
pub(super) fn exchange(gateway: &Gateway) -> Exchange {
    let mut exchange = Exchange::begin(Arc::clone(&gateway.in_flight));
    exchange.pin(gateway.current.pin());
    exchange
}

/// A request on the route of this name.
pub(super) fn routed(gateway: &Gateway, name: &str) -> Exchange {
    let mut exchange = exchange(gateway);
    let snapshot = gateway.current.pin();
    let position = snapshot.routes.iter().position(|entry| entry.route.name.as_deref() == Some(name));
    exchange.routed(position.and_then(|position| position.try_into().ok()).expect("a route of this name"));
    exchange
}

/// The gateway's end of a connection on which this head was read, and the client's end.
pub(super) async fn session(sent: &str) -> (Session, DuplexStream) {
    let (mut client, server) = tokio::io::duplex(PIPE);
    client.write_all(sent.as_bytes()).await.expect("room in the pipe");
    let mut session = Session::new_h1(Box::new(server));
    assert!(session.as_downstream_mut().read_request().await.expect("a request"), "{sent}");
    (session, client)
}

/// Everything that the client got, once the gateway has let go of the connection.
pub(super) async fn received(session: Session, mut client: DuplexStream) -> String {
    drop(session);
    let mut text = String::new();
    client.read_to_string(&mut text).await.expect("text");
    text
}

/// An answer with a body.
pub(super) fn answer(status: u16, body: &'static str) -> Response {
    Response::new(StatusCode::from_u16(status).expect("a status"))
        .with_header("x-own".parse().expect("a name"), HeaderValue::from_static("1"))
        .with_body(body)
}
