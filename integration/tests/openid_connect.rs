//! The plugin openid-connect, against an identity provider that is not ours and against some that lie.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use signet_integration::{
    Folder, Gateway, IdentityProvider, Request, Response, Seen, Upstream, poll, signet, wait_until,
};

use crate::{
    jose::{jose, public_half, verify},
    setup::{service, test_key, x_custom_jwt},
};

/// Consumers by the ids of the provider's clients and by the names of its users.
const CONSUMERS: &str = "
consumers:
- {username: app, id: 11111111-1111-4111-8111-111111111111, keyauth_credentials: [{key: app-key}]}
- {username: opaque, id: 22222222-2222-4222-8222-222222222222}
- {username: Joe, id: 33333333-3333-4333-8333-333333333333}
- {username: shop@example.test, custom_id: shop-1, id: 55555555-5555-4555-8555-555555555555}
- {username: guest, id: 44444444-4444-4444-8444-444444444444}
";

/// A route `/NAME` with the plugin; `config` is more of its members.
fn route(name: &str, issuer: &str, config: &str) -> String {
    format!(
        "- {{name: {name}, paths: [/{name}], plugins: [{{name: openid-connect, config: {{issuer: '{issuer}', rediscovery_lifetime: 1, {config}}}}}]}}\n"
    )
}

/// The gateway's own client at the provider.
fn client(name: &str) -> String {
    format!("client_id: [{name}], client_secret: [{}]", IdentityProvider::secret(name))
}

fn gateway(upstream: &Upstream, routes: &str) -> Gateway {
    Gateway::start(&(service(upstream, routes) + CONSUMERS))
}

fn bearer(path: &str, token: &str) -> Request {
    Request::get(path).header("Authorization", &format!("Bearer {token}"))
}

/// Sends until the answer is another than the one that says that the provider is not known yet.
fn settled(gateway: &Gateway, request: &Request) -> Response {
    until(gateway, request, |response| response.status != 503)
}

fn until(gateway: &Gateway, request: &Request, wanted: impl Fn(&Response) -> bool) -> Response {
    poll(|| {
        let response = gateway.send(request);
        if wanted(&response) { Ok(response) } else { Err(format!("{response:?}\n{}", gateway.stderr())) }
    })
}

/// Waits until the log has it.
fn logged(gateway: &Gateway, text: &str) {
    wait_until(|| gateway.stderr().contains(text), || format!("{text}: {}", gateway.stderr()));
}

fn passes(gateway: &Gateway, upstream: &Upstream, request: &Request) -> Seen {
    let response = settled(gateway, request);
    assert_eq!(response.status, 200, "{request:?}: {response:?}\n{}", gateway.stderr());
    upstream.one()
}

fn refused(gateway: &Gateway, request: &Request, status: u16) -> Response {
    let response = settled(gateway, request);
    assert_eq!(response.status, status, "{request:?}: {response:?}\n{}", gateway.stderr());
    response
}

#[test]
fn a_token_of_the_provider_passes_whatever_its_algorithm() {
    let (idp, upstream) = (IdentityProvider::start(), Upstream::echo());
    let config = "auth_methods: [bearer], consumer_claim: [clientId], consumer_optional: true, \
                  upstream_headers_claims: [client_id, realm], upstream_headers_names: [X-Client, X-Realm], \
                  downstream_headers_claims: [client_id], downstream_headers_names: [X-You]";
    let gateway = gateway(&upstream, &route("oidc", idp.issuer(), config));
    for client in ["app", "app-PS256", "app-ES256", "app-EdDSA"] {
        let token = idp.token(client, "read");
        for _ in 0..2 {
            let request = bearer("/oidc", &token).header("X-Client", "forged").header("X-Realm", "forged");
            let response = settled(&gateway, &request);
            assert_eq!((response.status, response.header("X-You")), (200, Some(client)), "{}", gateway.stderr());
            let seen = upstream.one();
            assert_eq!(seen.header("Authorization"), Some(&*format!("Bearer {token}")));
            assert_eq!(seen.header("X-Client"), Some(client));
            assert_eq!(seen.header("X-Realm"), Some(r#"{"roles":["reader"]}"#));
            assert_eq!(seen.header("X-Credential-Identifier"), Some(client));
            assert_eq!(seen.header("X-Consumer-Username"), (client == "app").then_some("app"));
        }
    }
}

#[test]
fn anything_else_is_refused_with_a_challenge() {
    let (idp, upstream) = (IdentityProvider::start(), Upstream::echo());
    let other = IdentityProvider::start();
    let gateway = gateway(&upstream, &route("oidc", idp.issuer(), "auth_methods: [bearer]"));
    let good = idp.token("app", "read");
    let (signed, _) = good.rsplit_once('.').unwrap();
    let response = refused(&gateway, &Request::get("/oidc"), 401);
    assert_eq!(response.header("WWW-Authenticate"), Some("Bearer realm=\"127.0.0.1\""));
    assert_eq!(response.json()["message"], "Unauthorized");
    for token in [
        &other.token("app", "read"),
        &idp.token("opaque", "read"),
        signed,
        &format!("{signed}."),
        &format!("{good}x"),
        "eyJhbGciOiJub25lIn0.eyJpc3MiOiJ4In0.",
    ] {
        let response = refused(&gateway, &bearer("/oidc", token), 401);
        let challenge = "Bearer realm=\"127.0.0.1\", error=\"invalid_token\"";
        assert_eq!(response.header("WWW-Authenticate"), Some(challenge), "{token}");
        assert_eq!(response.json()["message"], "Unauthorized");
    }
    let basic = Request::get("/oidc").basic("app", &IdentityProvider::secret("app"));
    assert_eq!(gateway.send(&basic).status, 401, "the method is not enabled");
    assert!(upstream.take().is_empty());
}

#[test]
fn a_secret_is_exchanged_once_and_a_wrong_one_never_passes() {
    let (idp, upstream) = (IdentityProvider::start(), Upstream::echo());
    let config = "auth_methods: [client_credentials], consumer_claim: [clientId], scopes: [read]";
    let gateway = gateway(&upstream, &route("oidc", idp.issuer(), config));
    let secret = IdentityProvider::secret("app");
    let seen = passes(&gateway, &upstream, &Request::get("/oidc").basic("app", &secret));
    let token = seen.header("Authorization").unwrap().to_owned();
    assert!(token.starts_with("Bearer ey"), "{token}");
    assert_eq!(seen.header("X-Consumer-Username"), Some("app"));
    let again = passes(&gateway, &upstream, &Request::get("/oidc").basic("app", &secret));
    assert_eq!(again.header("Authorization"), Some(&*token), "the same token");

    refused(&gateway, &Request::get("/oidc").basic("app", "wrong"), 401);
    refused(&gateway, &Request::get("/oidc").basic("nobody", &secret), 401);
    // Its token names a client that is no consumer.
    let response =
        refused(&gateway, &Request::get("/oidc").basic("app-ES256", &IdentityProvider::secret("app-ES256")), 403);
    assert_eq!(response.json()["message"], "Forbidden");
    assert!(upstream.take().is_empty());
    drop(idp.stop());
    let again = passes(&gateway, &upstream, &Request::get("/oidc").basic("app", &secret));
    assert_eq!(again.header("Authorization"), Some(&*token), "the provider is not needed for it any more");
    assert_eq!(gateway.send(&Request::get("/oidc").basic("app-ES256", &secret)).status, 503);
    assert_eq!(gateway.send(&Request::get("/oidc").basic("app", "still wrong")).status, 503);
    assert!(!gateway.stderr().contains(&secret), "{}", gateway.stderr());
}

#[test]
fn what_the_provider_said_outlasts_a_reload_that_is_not_about_it() {
    let (idp, upstream) = (IdentityProvider::start(), Upstream::echo());
    let config = "auth_methods: [client_credentials, bearer], consumer_claim: [clientId], scopes: [read]";
    let routes = route("oidc", idp.issuer(), config);
    let gateway = gateway(&upstream, &routes);
    let secret = Request::get("/oidc").basic("app", &IdentityProvider::secret("app"));
    let token = passes(&gateway, &upstream, &secret).header("Authorization").unwrap().to_owned();
    drop(idp.stop());
    gateway.reload(&(service(&upstream, &(routes + "- {name: new, paths: [/new]}\n")) + CONSUMERS));
    assert_eq!(gateway.get("/new").status, 200);
    upstream.take();
    // Its keys, and the token that it gave for the secret.
    for request in [Request::get("/oidc").header("Authorization", &token), secret] {
        assert_eq!(gateway.send(&request).status, 200, "{}", gateway.stderr());
        assert_eq!(upstream.one().header("Authorization"), Some(&*token));
    }
}

/// A token endpoint that refuses everything for this reason.
fn refusing(code: &'static str) -> Upstream {
    Upstream::serve(move |conversation| {
        let body = json!({"error": code}).to_string();
        while conversation.request()?.is_some() {
            let head = format!("HTTP/1.1 400 Bad Request\r\nContent-Length: {}\r\n\r\n", body.len());
            conversation.write(head + &body)?;
        }
        Ok(())
    })
}

#[test]
fn a_refused_credential_is_sent_to_the_provider_once() {
    let (idp, upstream, tokens) = (IdentityProvider::start(), Upstream::echo(), refusing("invalid_grant"));
    let endpoint = format!("token_endpoint: 'http://{}/token', auth_methods", tokens.address());
    let routes = route("password", idp.issuer(), &format!("{endpoint}: [password, introspection], {}", client("app")))
        + &route("client", idp.issuer(), &format!("{endpoint}: [client_credentials]"));
    let gateway = gateway(&upstream, &routes);
    for path in ["/password", "/client"] {
        let wrong = Request::get(path).basic("joe", "wrong");
        assert_eq!(settled(&gateway, &wrong).status, 401);
        assert_eq!(tokens.take().len(), 1, "{path}");
        // Remembered.
        refused(&gateway, &wrong, 401);
        assert_eq!(tokens.take().len(), 0, "{path}");
        refused(&gateway, &Request::get(path).basic("joe", "wrong, too"), 401);
        assert_eq!(tokens.take().len(), 1, "{path}");
    }
    assert_eq!(upstream.take().len(), 0);
}

#[test]
fn a_user_is_not_told_that_the_password_is_wrong_where_the_gateway_s_own_client_is() {
    let (idp, upstream) = (IdentityProvider::start(), Upstream::echo());
    let routes = route("users", idp.issuer(), "auth_methods: [password], client_id: [app], client_secret: [wrong]")
        + &route("machines", idp.issuer(), "auth_methods: [client_credentials]");
    let gateway = gateway(&upstream, &routes);
    // A client that proves itself wrongly is the caller's affair.
    assert_eq!(settled(&gateway, &Request::get("/machines").basic("app", "wrong")).status, 401);
    assert_eq!(gateway.send(&Request::get("/users").basic("joe", "joe-password")).status, 503);
    logged(&gateway, "refuses the gateway's own client: invalid_client");
    assert_eq!(upstream.take().len(), 0);
}

#[test]
fn a_new_token_is_asked_for_when_the_old_one_ends() {
    let (idp, upstream) = (IdentityProvider::with(&[("TTL", "3")]), Upstream::echo());
    let gateway =
        gateway(&upstream, &route("oidc", idp.issuer(), "auth_methods: [client_credentials], scopes: [read]"));
    let request = Request::get("/oidc").basic("app", &IdentityProvider::secret("app"));
    let first = passes(&gateway, &upstream, &request).header("Authorization").unwrap().to_owned();
    let is_renewed = || passes(&gateway, &upstream, &request).header("Authorization") != Some(&first);
    wait_until(is_renewed, || "still the token that has expired".to_owned());
}

#[test]
fn a_token_that_was_kept_does_not_outlive_the_keys_that_signed_it() {
    let (idp, upstream) = (IdentityProvider::start(), Upstream::echo());
    let routes = route("bearer", idp.issuer(), "auth_methods: [bearer]")
        + &route("client", idp.issuer(), "auth_methods: [client_credentials], scopes: [read]");
    let gateway = gateway(&upstream, &routes);
    let request = Request::get("/client").basic("app", &IdentityProvider::secret("app"));
    let first = passes(&gateway, &upstream, &request).header("Authorization").unwrap().to_owned();
    let idp = idp.stop().start();
    until(&gateway, &bearer("/bearer", &idp.token("app", "read")), |response| response.status == 200);
    upstream.take();
    let second = passes(&gateway, &upstream, &request).header("Authorization").unwrap().to_owned();
    assert_ne!(second, first);
    assert_eq!(passes(&gateway, &upstream, &request).header("Authorization"), Some(&*second));
}

#[test]
fn credentials_stand_where_the_configuration_says_and_can_be_hidden() {
    let (idp, upstream) = (IdentityProvider::start(), Upstream::echo());
    let hidden = "hide_credentials: true, upstream_access_token_header: x-token";
    let routes = route("token", idp.issuer(), &format!("auth_methods: [bearer], {hidden}"))
        + &route("client", idp.issuer(), &format!("auth_methods: [client_credentials], scopes: [read], {hidden}"))
        + &route(
            "cookie",
            idp.issuer(),
            &format!(
                "auth_methods: [bearer], bearer_token_param_type: [cookie], bearer_token_cookie_name: t, {hidden}"
            ),
        )
        + &route("header", idp.issuer(), "auth_methods: [bearer], bearer_token_param_type: [header]");
    let gateway = gateway(&upstream, &routes);
    let token = idp.token("app", "read");
    let secret = IdentityProvider::secret("app");
    let form = |path, body: String| {
        Request::new("POST", path).header("Content-Type", "application/x-www-form-urlencoded").body(body)
    };

    let seen = passes(&gateway, &upstream, &bearer("/token", &token));
    assert_eq!((seen.header("Authorization"), seen.header("X-Token")), (None, Some(&*token)));
    let seen = passes(&gateway, &upstream, &Request::get("/token").header("X-Access-Token", &token));
    assert_eq!((seen.header("X-Access-Token"), seen.header("X-Token")), (None, Some(&*token)));
    let seen = passes(&gateway, &upstream, &Request::get(&format!("/token?a=1&access_token={token}&b=2")));
    assert_eq!(seen.path, "/base?a=1&b=2");
    let seen = passes(&gateway, &upstream, &form("/token", format!("a=1&access_token={token}")));
    assert_eq!(String::from_utf8_lossy(&seen.body), "a=1");
    let seen = passes(&gateway, &upstream, &Request::get("/cookie").header("Cookie", &format!("a=1; t={token}; b=2")));
    assert_eq!(seen.header("Cookie"), Some("a=1; b=2"));

    let seen = passes(&gateway, &upstream, &Request::get(&format!("/client?client_id=app&client_secret={secret}&b=2")));
    assert_eq!(seen.path, "/base?b=2");
    let seen = passes(&gateway, &upstream, &form("/client", format!("client_id=app&a=1&client_secret={secret}")));
    assert_eq!(String::from_utf8_lossy(&seen.body), "a=1");
    assert!(seen.header("X-Token").is_some_and(|token| token.starts_with("ey")));

    refused(&gateway, &Request::get(&format!("/header?access_token={token}")), 401);
    refused(&gateway, &bearer("/cookie", &token), 401);
}

#[test]
fn what_an_earlier_plugin_took_out_of_a_body_stays_out() {
    let (idp, upstream) = (IdentityProvider::start(), Upstream::echo());
    let both = format!(
        "- {{name: both, paths: [/both], plugins: [{{name: key-auth, config: {{key_in_body: true, hide_credentials: true}}}}, \
         {{name: openid-connect, config: {{issuer: '{}', auth_methods: [bearer], hide_credentials: true}}}}]}}\n",
        idp.issuer()
    );
    let gateway = gateway(&upstream, &both);
    let request = Request::new("POST", "/both")
        .header("Content-Type", "application/x-www-form-urlencoded")
        .body(format!("apikey=app-key&a=1&access_token={}", idp.token("app", "read")));
    assert_eq!(String::from_utf8_lossy(&passes(&gateway, &upstream, &request).body), "a=1");
}

#[test]
fn opaque_tokens_are_introspected_until_they_are_revoked() {
    let (idp, upstream) = (IdentityProvider::start(), Upstream::echo());
    let base = format!("auth_methods: [introspection], consumer_claim: [client_id], {}", client("app"));
    let routes = route("fresh", idp.issuer(), &format!("{base}, cache_introspection: false"))
        + &route("kept", idp.issuer(), &base);
    let gateway = gateway(&upstream, &routes);
    let token = idp.token("opaque", "read");
    for path in ["/fresh", "/kept"] {
        let seen = passes(&gateway, &upstream, &bearer(path, &token));
        assert_eq!(seen.header("X-Consumer-Username"), Some("opaque"));
    }
    refused(&gateway, &bearer("/fresh", "made-up"), 401);
    // This provider does not look JWTs up; one that did not come from here would do no better.
    refused(&gateway, &bearer("/fresh", &idp.token("app", "read")), 401);

    idp.revoke("opaque", &token);
    refused(&gateway, &bearer("/fresh", &token), 401);
    passes(&gateway, &upstream, &bearer("/kept", &token));
    drop(idp.stop());
    passes(&gateway, &upstream, &bearer("/kept", &token));
    for request in [bearer("/fresh", &token), bearer("/kept", "another")] {
        let response = gateway.send(&request);
        assert_eq!(response.status, 503, "{request:?}");
        assert_eq!(response.header("Retry-After"), Some("5"));
    }
    assert!(upstream.take().is_empty());
}

#[test]
fn tokens_that_verify_can_be_revoked_all_the_same() {
    let (idp, upstream) = (IdentityProvider::start(), Upstream::echo());
    // Says of every other token that it is active.
    let introspection = Upstream::serve(|conversation| {
        let mut active = true;
        while conversation.request()?.is_some() {
            let answer = json!({"active": active, "sub": "somebody else"}).to_string();
            conversation.write(format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{answer}", answer.len()))?;
            active = !active;
        }
        Ok(())
    });
    let config = format!(
        "auth_methods: [bearer, introspection], introspect_jwt_tokens: true, cache_introspection: false, \
         introspection_endpoint: 'http://{}/', introspection_post_args_names: [a], introspection_post_args_values: [b], {}",
        introspection.address(),
        client("app")
    );
    let gateway = gateway(&upstream, &route("oidc", idp.issuer(), &config));
    let token = idp.token("app", "read");
    let seen = passes(&gateway, &upstream, &bearer("/oidc", &token));
    assert_eq!(seen.header("X-Credential-Identifier"), Some("app"), "what the token says is what was signed");
    refused(&gateway, &bearer("/oidc", &token), 401);
    let asked = introspection.take();
    assert_eq!(asked.len(), 2);
    let form = format!("token={token}&token_type_hint=access_token&a=b");
    assert_eq!(String::from_utf8_lossy(&asked[0].body), form);
    assert!(asked[0].header("Authorization").is_some_and(|value| value.starts_with("Basic ")));
    refused(&gateway, &bearer("/oidc", &format!("{token}x")), 401);
    assert!(introspection.take().is_empty(), "nobody is asked about a forgery");
}

#[test]
fn the_gateway_proves_who_it_is_in_four_ways() {
    let folder = Folder::new();
    let made = jose("keys", &Value::Null);
    // Those that the provider takes without being asked to.
    let usual = |key: &&Value| ["RS256", "PS256", "ES256", "EdDSA"].iter().any(|alg| key["alg"] == *alg);
    let own: Vec<&Value> = made.as_array().unwrap().iter().filter(usual).collect();
    let keys = json!({"keys": own.iter().map(|key| public_half(key)).collect::<Vec<_>>()});
    let file = folder.write("keys.json", keys.to_string());
    let idp = IdentityProvider::with(&[("CLIENT_KEYS", file.to_str().unwrap())]);
    let upstream = Upstream::echo();
    let mut ways = vec![
        ("basic", client("app") + ", client_auth: [client_secret_basic]"),
        ("post", client("post") + ", client_auth: [client_secret_post]"),
        (
            "shared",
            client("shared") + ", verify_parameters: true, introspection_endpoint_auth_method: client_secret_jwt",
        ),
        ("longer", client("longer") + ", client_alg: [HS512], introspection_endpoint_auth_method: client_secret_jwt"),
    ];
    for key in own {
        let client = format!("client_id: [key], client_auth: [private_key_jwt], client_jwk: [{key}]");
        ways.push((key["alg"].as_str().unwrap(), client));
    }
    let routes: String = ways
        .iter()
        .map(|(name, client)| route(name, idp.issuer(), &format!("auth_methods: [introspection], {client}")))
        .collect();
    let gateway = gateway(&upstream, &routes);
    for (name, _) in ways {
        let seen = passes(&gateway, &upstream, &bearer(&format!("/{name}"), &idp.token("opaque", "read")));
        assert_eq!(seen.header("X-Credential-Identifier"), None, "the token has no subject");
    }
}

#[test]
fn passwords_are_exchanged_and_user_info_names_the_user() {
    let (idp, upstream) = (IdentityProvider::start(), Upstream::echo());
    let password = format!(
        "auth_methods: [password, introspection], consumer_claim: [sub], by_username_ignore_case: true, {}",
        client("app")
    );
    let routes = route("password", idp.issuer(), &password)
        + &route(
            "userinfo",
            idp.issuer(),
            "auth_methods: [userinfo], authenticated_groups_claim: [groups], consumer_claim: [sub], by_username_ignore_case: true",
        );
    let gateway = gateway(&upstream, &routes);
    let seen = passes(&gateway, &upstream, &Request::get("/password").basic("joe", "joe-password"));
    assert_eq!(seen.header("X-Consumer-Username"), Some("Joe"));
    assert_eq!(seen.header("X-Credential-Identifier"), Some("joe"));
    let token = seen.header("Authorization").unwrap().to_owned();
    refused(&gateway, &Request::get("/password").basic("joe", "wrong"), 401);
    let seen = passes(&gateway, &upstream, &Request::get("/userinfo").header("Authorization", &token));
    assert_eq!(seen.header("X-Consumer-Username"), Some("Joe"));
    refused(&gateway, &bearer("/userinfo", "made-up"), 401);
}

#[test]
fn what_a_route_requires_must_be_in_the_token() {
    let (idp, upstream) = (IdentityProvider::start(), Upstream::echo());
    let required = |name: &str, fields: &str| route(name, idp.issuer(), &format!("auth_methods: [bearer], {fields}"));
    let routes = required("scope", "scopes_required: ['read write', 'openid']")
        + &required("audience", "audience_required: ['urn:test:api']")
        + &required("other", "audience_required: ['urn:other']")
        + &required("role", "roles_required: [reader], roles_claim: [realm, roles]")
        + &required("group", "groups_required: [nobody], forbidden_error_message: Go away, display_errors: true")
        + &required("issuer", "issuers_allowed: ['https://elsewhere.test']");
    let gateway = gateway(&upstream, &routes);
    let (one, both) = (idp.token("app", "read"), idp.token("app", "read%20write"));
    let response = refused(&gateway, &bearer("/scope", &one), 403);
    let challenge = "Bearer realm=\"127.0.0.1\", error=\"insufficient_scope\"";
    assert_eq!(response.header("WWW-Authenticate"), Some(challenge));
    assert_eq!(response.json()["message"], "Forbidden");
    for (path, token) in [("/scope", &both), ("/audience", &one), ("/role", &one)] {
        passes(&gateway, &upstream, &bearer(path, token));
    }
    refused(&gateway, &bearer("/other", &one), 403);
    refused(&gateway, &bearer("/issuer", &one), 401);
    let response = refused(&gateway, &bearer("/group", &one), 403);
    assert_eq!(response.json()["message"], "Go away (a group is missing)");
}

#[test]
fn new_keys_of_the_provider_are_found_and_old_ones_forgotten() {
    let (idp, upstream) = (IdentityProvider::start(), Upstream::echo());
    let gateway = gateway(&upstream, &route("oidc", idp.issuer(), "auth_methods: [bearer]"));
    let old = bearer("/oidc", &idp.token("app", "read"));
    passes(&gateway, &upstream, &old);
    let stopped = idp.stop();
    passes(&gateway, &upstream, &old);
    let idp = stopped.start();
    let new = bearer("/oidc", &idp.token("app", "read"));
    // `rediscovery_lifetime` is a second: the first tries may come too early.
    until(&gateway, &new, |response| response.status == 200);
    refused(&gateway, &old, 401);
    assert_eq!(upstream.take().len(), 1);
}

#[test]
fn a_provider_that_comes_late_is_waited_for() {
    let upstream = Upstream::echo();
    let stopped = IdentityProvider::start().stop();
    let issuer = format!("http://127.0.0.1:{}", stopped.port());
    let routes = route("oidc", &issuer, "auth_methods: [bearer]")
        + &route("anonymous", &issuer, "auth_methods: [bearer], anonymous: guest");
    let gateway = gateway(&upstream, &routes);
    for request in [Request::get("/oidc"), bearer("/oidc", "x"), bearer("/anonymous", "x")] {
        let response = gateway.send(&request);
        assert_eq!((response.status, response.header("Retry-After")), (503, Some("5")), "{response:?}");
    }
    assert_eq!(gateway.get("/anonymous").status, 200);
    assert_eq!(upstream.one().header("X-Consumer-Username"), Some("guest"));
    let idp = stopped.start();
    passes(&gateway, &upstream, &bearer("/oidc", &idp.token("app", "read")));
    let seen = passes(&gateway, &upstream, &bearer("/anonymous", "wrong").header("X-Consumer-Username", "forged"));
    assert_eq!(
        (seen.header("X-Consumer-Username"), seen.header("X-Anonymous-Consumer")),
        (Some("guest"), Some("true"))
    );
}

#[test]
fn a_provider_that_does_not_answer_holds_no_request_longer_than_its_timeout() {
    let (silent, upstream) = (Upstream::silent(), Upstream::echo());
    let idp = IdentityProvider::start();
    let slow = format!("introspection_endpoint: 'http://{}/introspect'", silent.address());
    let routes = route("unknown", &format!("http://{}", silent.address()), "auth_methods: [bearer], timeout: 200")
        + &route(
            "slow",
            idp.issuer(),
            &format!("auth_methods: [introspection], timeout: 300, {slow}, {}", client("app")),
        );
    let gateway = gateway(&upstream, &routes);
    refused(&gateway, &Request::get("/slow"), 401);
    for path in ["/unknown", "/slow"] {
        let start = Instant::now();
        assert_eq!(gateway.send(&bearer(path, "token")).status, 503, "{path}");
        assert!(start.elapsed() < Duration::from_secs(10), "{path}: {:?}", start.elapsed());
    }
    assert!(upstream.take().is_empty());
}

#[test]
fn a_connection_that_the_provider_drops_is_not_the_caller_s_trouble() {
    let (idp, upstream) = (IdentityProvider::start(), Upstream::echo());
    // Answers the first question on each connection and hangs up on the second.
    let introspection = Upstream::serve(|conversation| {
        conversation.request()?;
        let answer = json!({"active": true}).to_string();
        conversation.write(format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{answer}", answer.len()))?;
        conversation.head().map(drop)
    });
    let endpoint = format!("introspection_endpoint: 'http://{}/', {}", introspection.address(), client("app"));
    let gateway =
        gateway(&upstream, &route("oidc", idp.issuer(), &format!("auth_methods: [introspection], {endpoint}")));
    for number in 0..4 {
        passes(&gateway, &upstream, &bearer("/oidc", &format!("token-{number}")));
    }
    assert_eq!(introspection.accepted(), 4, "every second question had to be asked again");
}

#[test]
fn a_provider_that_lies_or_cannot_do_what_is_needed_is_not_used() {
    let (idp, upstream) = (IdentityProvider::start(), Upstream::echo());
    let issuer = idp.issuer().to_owned();
    // It passes the real one's document off as its own: the keys in it are real, but not its own.
    let liar = Upstream::serve(move |conversation| {
        while conversation.request()?.is_some() {
            let document = json!({"issuer": issuer, "jwks_uri": format!("{issuer}/jwks")}).to_string();
            conversation.write(format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{document}", document.len()))?;
        }
        Ok(())
    });
    let endless = Upstream::serve(|conversation| {
        while conversation.request()?.is_some() {
            conversation.write("HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n")?;
            while conversation.write([b' '; 65536]).is_ok() {}
        }
        Ok(())
    });
    let moving = Upstream::serve(move |conversation| {
        while conversation.request()?.is_some() {
            conversation.write("HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n")?;
        }
        Ok(())
    });
    let bearer_route = |name: &str, upstream: &Upstream| {
        route(name, &format!("http://{}", upstream.address()), "auth_methods: [bearer]")
    };
    let demanding = "auth_methods: [client_credentials], scopes: [openid, admin], verify_parameters: true";
    let routes = bearer_route("liar", &liar) + &bearer_route("endless", &endless) + &bearer_route("moving", &moving);
    let gateway = gateway(&upstream, &(routes + &route("poor", idp.issuer(), demanding)));
    let token = idp.token("app", "read");
    for (path, reason) in [
        ("/liar", "another issuer"),
        ("/endless", "more than 524288 bytes"),
        ("/moving", "302 Found"),
        ("/poor", "the scope `admin`"),
    ] {
        logged(&gateway, reason);
        assert_eq!(gateway.send(&bearer(path, &token)).status, 503, "{path}");
    }
    assert!(upstream.take().is_empty());
}

#[test]
fn the_certificate_of_a_provider_is_verified_where_that_is_asked_for() {
    let upstream = Upstream::echo();
    let folder = Folder::new();
    let (cert, key) = certificate(&folder, "idp.test");
    // Its name, its port and its path are none of the machine's: `--resolve` leads to it.
    let issuer = "https://idp.test:8443/auth/realms/shop";
    let idp = IdentityProvider::with(&[("TLS_CERT", &cert), ("TLS_KEY", &key), ("ISSUER", issuer)]);
    let elsewhere = issuer.replace("idp.test", "other.test");
    let routes = route("unverified", issuer, "auth_methods: [client_credentials], scopes: [read], ssl_verify: false")
        + &route("verified", issuer, "auth_methods: [client_credentials], scopes: [read], ssl_verify: true")
        + &route("misnamed", &elsewhere, "auth_methods: [client_credentials], ssl_verify: true");
    let start = || {
        Gateway::with(&(service(&upstream, &routes) + CONSUMERS))
            .resolve("idp.test:8443", idp.address())
            .resolve("other.test:8443", idp.address())
    };
    let with_secret = |path| Request::get(path).basic("app", &IdentityProvider::secret("app"));
    let trusting = start().variable("SSL_CERT_FILE", &cert).start();
    for path in ["/unverified", "/verified"] {
        passes(&trusting, &upstream, &with_secret(path));
    }
    // Without the verification the reason would be another: it is the document of another issuer.
    logged(&trusting, "certificate verify failed");
    assert_eq!(trusting.send(&with_secret("/misnamed")).status, 503);
    let stranger = start().start();
    passes(&stranger, &upstream, &with_secret("/unverified"));
    logged(&stranger, "certificate verify failed");
    assert_eq!(stranger.send(&with_secret("/verified")).status, 503);
}

/// A certificate that signs itself, and its key, made by the command `openssl`.
fn certificate(folder: &Folder, name: &str) -> (String, String) {
    let (cert, key) = (folder.path().join("cert.pem"), folder.path().join("key.pem"));
    let made = std::process::Command::new("openssl")
        .args(["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", &format!("/CN={name}")])
        .args(["-addext", &format!("subjectAltName=DNS:{name}"), "-out"])
        .arg(&cert)
        .arg("-keyout")
        .arg(&key)
        .output()
        .expect("the command `openssl`");
    assert!(made.status.success(), "{made:?}");
    (cert.to_str().unwrap().to_owned(), key.to_str().unwrap().to_owned())
}

#[test]
fn the_token_of_x_custom_jwt_names_the_client_whose_secret_was_exchanged() {
    const CLIENT: &str = "shop@example.test";
    let (idp, upstream) = (IdentityProvider::with(&[("CLIENT", CLIENT)]), Upstream::echo());
    let config = format!(
        "issuer: '{}', auth_methods: [client_credentials, introspection], consumer_claim: [clientId], {}",
        idp.issuer(),
        client("app")
    );
    let crafted = x_custom_jwt("rs256-private-jwk.json", "");
    let routes = format!(
        "- {{name: oidc, paths: [/oidc], plugins: [{{name: openid-connect, config: {{{config}}}}}, {crafted}]}}\n"
    );
    let gateway = gateway(&upstream, &routes);
    let request = Request::get("/oidc").basic(CLIENT, &IdentityProvider::secret(CLIENT));
    let seen = passes(&gateway, &upstream, &request);
    let jwks = test_key("rs256-jwks.json");
    let token = verify(seen.header("X-Custom-Jwt").expect("a token"), &jwks);
    assert_eq!(token.claims["client_id"], CLIENT);
    assert_eq!(token.claims["act"]["client_id"], "shop-1", "the consumer");
    assert_eq!(token.claims["realm"], json!({"roles": ["reader"]}), "all claims are copied");
    assert_eq!(token.claims["iss"], "https://gw.test/x-custom-jwt");
}

#[test]
fn a_field_that_is_not_there_is_named_by_check() {
    let folder = Folder::new();
    let file = |config: &str| {
        let text = format!(
            "_format_version: \"3.0\"\nplugins:\n- name: openid-connect\n  config: {{issuer: 'https://a.test', {config}}}\n"
        );
        folder.write("kong.yml", text)
    };
    for (config, expected) in [
        ("", "auth_methods: Kong's default contains authorization_code"),
        ("auth_methods: [authorization_code]", "`authorization_code` needs sessions of browsers"),
        ("auth_methods: [bearer], verify_signature: false", "verify_signature: must be true"),
        ("auth_methods: [bearer], session_secret: x", "session_secret: this field of Kong's is not implemented"),
        ("auth_methods: [introspection]", "client_id: `introspection` needs a client"),
        ("auth_methods: [bearer], client_id: [a, b]", "client_id: several clients are not implemented"),
    ] {
        let run = signet(["check".as_ref(), file(config).as_os_str()]);
        assert_eq!(run.code, Some(2), "{config}");
        assert!(run.stdout.contains(expected), "{config}: {}", run.stdout);
    }
    let run = signet(["check".as_ref(), file("auth_methods: [bearer]").as_os_str()]);
    assert_eq!(run.code, Some(0), "{}", run.stdout);
    assert!(run.stderr.contains("ssl_verify: warning: with false"), "{}", run.stderr);
}
