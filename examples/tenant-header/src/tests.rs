//! Tests of `tenant-header`, without sockets: a configuration in, a request in, look at what goes upstream.

use std::net::Ipv4Addr;

use signet_plugin_api::{
    Body, BufferedBody, Client, Consumers, Identity, Proof, RawConfig, Registry, RequestHeader, RequestId, Resources,
};

use super::*;

/// `alice` belongs to acme, `bob` to nobody.
fn consumers() -> Vec<Arc<Consumer>> {
    let consumer = |name: &str, tags: &[&str]| {
        let tags = tags.iter().map(ToString::to_string).collect();
        Arc::new(Consumer::new(&format!("id-of-{name}"), Some(name), None, tags).expect("a consumer"))
    };
    vec![consumer("alice", &["vip", "tenant:acme", "team:acme-1"]), consumer("bob", &["vip"])]
}

type Compiled = Result<Arc<dyn Handler>, Vec<String>>;

/// Compiles as the engine does; gives the handler or the mistakes, and the warnings.
fn compile(config: &str) -> (Compiled, Vec<String>) {
    let mut known = Consumers::default();
    for consumer in consumers() {
        assert!(known.insert(consumer));
    }
    let resources = Resources { consumers: Arc::new(known), ..Resources::default() };
    let scope = Scope::new(&resources);
    let registry = Registry::new().with::<TenantHeader>();
    let plugin = registry.get("tenant-header").expect("it is registered");
    let config = RawConfig::new(serde_yaml::from_str(config).expect("the test's YAML"));
    let texts = |errors: Vec<ConfigError>| errors.iter().map(ToString::to_string).collect::<Vec<_>>();
    let result = plugin.compile(config, &scope).map_err(texts);
    (result, texts(scope.into_warnings()))
}

fn mistakes(config: &str) -> Vec<String> {
    compile(config).0.err().unwrap_or_default()
}

/// Who calls, and how that was established.
fn caller(name: &str, proof: Proof) -> Context {
    let consumer = consumers().into_iter().find(|consumer| consumer.username.as_deref() == Some(name));
    let mut cx = Context::new(RequestId::default(), None, None);
    cx.authenticate(Identity::new("test", consumer, proof));
    cx
}

fn verified(name: &str) -> Context {
    caller(name, Proof::Other { subject: name.into() })
}

/// Sends one request that claims to be of another tenant; gives the answer, and the tenants that the upstream would see.
async fn send(config: &str, mut cx: Context) -> (Flow, Vec<String>) {
    let handler = compile(config).0.expect("a configuration that compiles");
    let mut head = RequestHeader::build("GET", b"/", None).expect("a request line");
    head.append_header("x-tenant", "forged").expect("a header");
    head.append_header("X-Tenant", "twice").expect("a header");
    let client = Client::plain(Ipv4Addr::LOCALHOST, 8000);
    let mut body = BufferedBody::default();
    let flow = handler.on_request(&mut Request::new(&mut head, &client, &mut body), &mut cx).await.expect("it works");
    let seen = head.headers.get_all("x-tenant").iter().map(|value| value.to_str().expect("text").to_owned());
    (flow, seen.collect())
}

#[tokio::test]
async fn the_tenant_of_the_consumer_takes_the_place_of_what_the_client_claims() {
    let (flow, seen) = send("{}", verified("alice")).await;
    assert!(matches!(flow, Flow::Continue));
    assert_eq!(seen, ["acme"]);
}

#[tokio::test]
async fn another_prefix_reads_another_tag() {
    assert_eq!(send("{tag_prefix: 'team:'}", verified("alice")).await.1, ["acme-1"]);
}

#[tokio::test]
async fn who_belongs_to_no_tenant_is_refused() {
    for cx in [verified("bob"), caller("alice", Proof::Anonymous), Context::default()] {
        let (Flow::Respond(response), _) = send("{}", cx).await else { panic!("it passed") };
        assert_eq!(response.status, StatusCode::FORBIDDEN);
        assert!(matches!(response.body, Body::Error(message) if message == "You belong to no tenant"));
    }
}

#[tokio::test]
async fn the_default_is_for_those_who_belong_to_no_tenant() {
    for cx in [verified("bob"), caller("alice", Proof::Anonymous), Context::default()] {
        assert_eq!(send("{default: guests}", cx).await.1, ["guests"]);
    }
    assert_eq!(send("{default: guests}", verified("alice")).await.1, ["acme"]);
}

#[test]
fn a_configuration_that_cannot_work_does_not_compile() {
    for (config, mistake) in [
        ("{header: 'X Tenant'}", "header: `X Tenant` is not a header name"),
        ("{header: Host}", "header: `host` is the gateway's own"),
        ("{tag_prefix: ''}", "tag_prefix: must not be empty: every tag would be a tenant"),
        ("{tag_prefix: t, header: 5}", "header: expected a string, found integer `5`; put it in quotes"),
        ("{default: ' '}", "default: a tenant needs a name"),
        ("{default: \"a\\nb\"}", "default: `a\nb` cannot stand in a header"),
        (
            "{headers: X-A}",
            "headers: unknown field `headers`, expected one of `header`, `tag_prefix`, `default`; did you mean `header`?",
        ),
    ] {
        assert_eq!(mistakes(config), [mistake], "{config}");
    }
}

#[test]
fn a_consumer_of_two_tenants_is_a_mistake() {
    assert_eq!(
        mistakes("{tag_prefix: 'te'}"),
        ["tag_prefix: consumer `alice` has more than one tag that begins with `te`"]
    );
}

#[test]
fn a_prefix_that_no_consumer_has_is_a_warning_unless_there_is_a_default() {
    let warnings = compile("{tag_prefix: 'customer:'}").1;
    assert_eq!(warnings, ["tag_prefix: no consumer has a tag that begins with `customer:`: every request is refused"]);
    assert_eq!(compile("{tag_prefix: 'customer:', default: guests}").1, [""; 0]);
}
