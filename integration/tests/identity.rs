//! The main promise: who called is verified, signed, and cannot be forged.

use std::fs;

use serde_json::{Value, json};
use signet_integration::{Gateway, Process, Request, Upstream};

use crate::{
    jose::verify,
    setup::{CONSUMERS, repository, service, test_key, x_custom_jwt},
};

/// The demo as `make run` starts it, on ports of its own.
struct Demo {
    gateway: Gateway,
    _echo: Process,
}

impl Demo {
    fn start() -> Self {
        let echo = Process::start(["echo", "--listen", "127.0.0.1:0"]);
        let address = echo.line("the echo upstream", |line| line.split_once("http://")?.1.trim().parse().ok());
        let file = repository("conf/demo.yaml");
        let mut start = Gateway::of(&file);
        let config: Value = serde_yaml::from_str(&fs::read_to_string(&file).unwrap()).unwrap();
        for service in config["services"].as_array().unwrap() {
            start = start.resolve(&authority(service), address);
        }
        Self { gateway: start.start(), _echo: echo }
    }

    /// The headers that reached the upstream.
    fn echoed(&self, request: &Request) -> Value {
        let response = self.gateway.send(request);
        assert_eq!(response.status, 200, "{response:?}");
        response.json()["headers"].clone()
    }

    fn jwks(&self) -> Value {
        let response = self.gateway.get("/x-custom-jwt/jwks");
        assert_eq!(response.status, 200, "{response:?}");
        response.json()
    }
}

/// `host:port` of a service.
fn authority(service: &Value) -> String {
    if let Some(url) = service["url"].as_str() {
        let authority = url.split("//").nth(1).unwrap().split('/').next().unwrap();
        return if authority.contains(':') { authority.to_owned() } else { format!("{authority}:80") };
    }
    format!("{}:{}", service["host"].as_str().unwrap(), service["port"].as_u64().unwrap_or(80))
}

#[test]
fn the_demo_turns_a_password_into_a_token_that_its_own_keys_verify() {
    let demo = Demo::start();
    let headers = demo.echoed(&Request::get("/basicAuth").basic("my-user", "My p@ssword!"));
    let token = verify(headers["X-Custom-Jwt"].as_str().unwrap(), &demo.jwks());
    assert_eq!(token.claims["client_id"], "my-user");
    assert!(token.claims["act"]["client_id"].is_string());
    assert_eq!(token.claims["exp"].as_i64().unwrap() - token.claims["iat"].as_i64().unwrap(), 1800);
    assert_eq!(token.header.typ.as_deref(), Some("JWT"));
}

#[test]
fn the_demo_turns_an_api_key_into_a_token_that_its_own_keys_verify() {
    let demo = Demo::start();
    let headers = demo.echoed(&Request::get("/apiKey").header("apikey", "012345AZERTY!"));
    let token = verify(headers["X-Custom-Jwt"].as_str().unwrap(), &demo.jwks());
    assert_eq!(token.claims["client_id"], "012345AZERTY!");
    assert_ne!(token.claims["jti"], Value::Null);
}

#[test]
fn the_demo_s_key_set_can_be_fetched_by_a_page_of_any_origin() {
    let demo = Demo::start();
    let response = demo.gateway.send(&Request::get("/x-custom-jwt/jwks").header("Origin", "https://jwt.io"));
    assert_eq!(response.header("Access-Control-Allow-Origin"), Some("*"));
    for key in response.json()["keys"].as_array().unwrap() {
        for private in ["d", "p", "q", "dp", "dq", "qi", "k"] {
            assert!(key.get(private).is_none(), "`{private}` is published");
        }
    }
}

fn key_auth_route(upstream: &Upstream) -> Gateway {
    let plugins = format!("{{name: key-auth}}, {}", x_custom_jwt("rs256-private-jwk.json", ""));
    let routes = format!("- {{name: keyed, paths: [/keyed], plugins: [{plugins}]}}\n- {{name: open, paths: [/open]}}");
    Gateway::start(&(service(upstream, &routes) + CONSUMERS))
}

/// `{"clientId":"admin","role":"root","act":{"client_id":"admin"}}` in a token that nobody signed.
const FORGED: &str = "Bearer eyJhbGciOiJub25lIn0.eyJjbGllbnRJZCI6ImFkbWluIiwicm9sZSI6InJvb3QiLCJhY3QiOnsiY2xpZW50X2lkIjoiYWRtaW4ifX0.c2ln";

#[test]
fn a_forged_bearer_token_beside_a_valid_key_adds_no_claim() {
    let upstream = Upstream::echo();
    let gateway = key_auth_route(&upstream);
    let claims_of = |request: Request| {
        assert_eq!(gateway.send(&request).status, 200);
        let token = upstream.one().header("X-Custom-Jwt").unwrap().to_owned();
        let mut claims = verify(&token, &test_key("rs256-jwks.json")).claims;
        claims.as_object_mut().unwrap().retain(|name, _| !["jti", "iat", "exp"].contains(&name.as_str()));
        claims
    };
    let honest = claims_of(Request::get("/keyed").header("apikey", "alice-key"));
    assert_eq!(honest["client_id"], "alice-key");
    assert_eq!(honest["act"], json!({"client_id": "alice-at-home"}));
    for other in [FORGED, "Basic YWRtaW46YWRtaW4="] {
        let forged = claims_of(Request::get("/keyed").header("apikey", "alice-key").header("Authorization", other));
        assert_eq!(forged, honest, "{other}");
    }
}

#[test]
fn a_forged_token_alone_is_refused() {
    let upstream = Upstream::echo();
    let gateway = key_auth_route(&upstream);
    assert_eq!(gateway.send(&Request::get("/keyed").header("Authorization", FORGED)).status, 401);
    assert!(upstream.take().is_empty());
}

#[test]
fn a_client_s_own_token_header_is_replaced() {
    let upstream = Upstream::echo();
    let gateway = key_auth_route(&upstream);
    let request = Request::get("/keyed")
        .header("apikey", "bob-key")
        .header("x-custom-jwt", "a.b.c")
        .header("X-CUSTOM-JWT", "d.e.f");
    assert_eq!(gateway.send(&request).status, 200);
    let seen = upstream.one();
    let values: Vec<&str> = seen.headers.all("x-custom-jwt").collect();
    assert_eq!(values.len(), 1);
    assert_eq!(verify(values[0], &test_key("rs256-jwks.json")).claims["client_id"], "bob-key");
}

#[test]
fn identity_headers_of_a_client_never_reach_the_upstream() {
    let upstream = Upstream::echo();
    let gateway = key_auth_route(&upstream);
    let forged = |path: &str| {
        Request::get(path)
            .header("X-Consumer-ID", "forged")
            .header("x-consumer-username", "forged")
            .header("X-CONSUMER-CUSTOM-ID", "forged")
            .header("X-Credential-Identifier", "forged")
            .header("X-Anonymous-Consumer", "true")
    };
    assert_eq!(gateway.send(&forged("/open")).status, 200);
    let seen = upstream.one();
    for (name, value) in &seen.headers.0 {
        let name = name.to_ascii_lowercase();
        assert!(
            !name.starts_with("x-consumer-") && !name.contains("credential") && !name.contains("anonymous"),
            "{name}: {value}"
        );
    }
    assert_eq!(gateway.send(&forged("/keyed").header("apikey", "bob-key")).status, 200);
    let seen = upstream.one();
    let all = |name| seen.headers.all(name).collect::<Vec<_>>();
    assert_eq!(all("X-Consumer-ID"), ["22222222-2222-4222-8222-222222222222"]);
    assert_eq!(all("X-Consumer-Username"), ["bob"]);
    assert_eq!(all("X-Credential-Identifier"), ["aaaaaaaa-0000-4000-8000-000000000002"]);
    assert!(all("X-Consumer-Custom-ID").is_empty() && all("X-Anonymous-Consumer").is_empty());
}

#[test]
fn no_secret_is_written_to_the_log() {
    let upstream = Upstream::echo();
    let plugins = format!("{{name: key-auth}}, {}", x_custom_jwt("rs256-private-jwk.json", ""));
    let routes = format!(
        "- {{name: keyed, paths: [/keyed], plugins: [{plugins}]}}\n- {{name: basic, paths: [/basic], plugins: [{{name: basic-auth}}]}}"
    );
    let gateway = Gateway::with(&(service(&upstream, &routes) + CONSUMERS)).setting("log_level", "debug").start();
    gateway.send(&Request::get("/keyed").header("apikey", "alice-key"));
    gateway.send(&Request::get("/keyed").header("apikey", "a-wrong-key"));
    gateway.send(&Request::get("/basic").basic("alice", "p@ss:word"));
    gateway.send(&Request::get("/basic").basic("alice", "a-wrong-password"));
    let token = upstream.take().first().unwrap().header("X-Custom-Jwt").unwrap().to_owned();
    let private = test_key("rs256-private-jwk.json")["d"].as_str().unwrap().to_owned();
    let run = gateway.terminate();
    for secret in ["alice-key", "a-wrong-key", "p@ss:word", "a-wrong-password", &token, &private, "YWxpY2U6"] {
        assert!(!run.stderr.contains(secret) && !run.stdout.contains(secret), "`{secret}` is in the log");
    }
}
