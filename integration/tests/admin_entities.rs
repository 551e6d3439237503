//! What the admin listener shows of a configuration: Kong's paths, shapes and pages, and never a secret.

use serde_json::{Value, json};
use signet_integration::{Certificate, Client, Gateway, Request};

const PLAIN: &str = "
_format_version: '3.0'
services:
- name: one
  url: http://one.test:8080/base
  tags: [team, a]
  created_at: 1700000000
  routes:
  - {name: first, paths: [/first], tags: [team], plugins: [{name: key-auth, instance_name: guard}]}
  - {name: second, paths: [/second], methods: [GET]}
- {name: two, host: two.test, tags: [team, b]}
routes:
- {name: lonely, paths: [/lonely]}
consumers:
- username: alice
  custom_id: a-1
  tags: [people]
  groups: [{name: gold}]
  keyauth_credentials: [{key: alice-key-s3cret, tags: [k]}]
  acls: [{group: users}]
- {custom_id: b-2}
consumer_groups: [{name: gold}]
plugins: [{name: cors, tags: [people]}]
";

fn gateway(yaml: &str) -> Gateway {
    Gateway::with(yaml).with_admin().start()
}

fn get(gateway: &Gateway, path: &str) -> Value {
    let response = gateway.get_admin(path);
    assert_eq!(response.status, 200, "{path}: {response:?}");
    response.json()
}

/// The values of a field in a list.
fn each(list: &Value, field: &str) -> Vec<String> {
    let items = list["data"].as_array().unwrap_or_else(|| panic!("no list: {list}"));
    let mut values: Vec<_> = items.iter().map(|item| item[field].as_str().unwrap_or("null").to_owned()).collect();
    values.sort();
    values
}

#[test]
fn a_service_has_kongs_fields_and_defaults() {
    let gateway = gateway(PLAIN);
    let mut service = get(&gateway, "/services/two");
    assert!(service["created_at"].as_i64().is_some_and(|made| made > 1_700_000_000), "{service}");
    assert_eq!(service["created_at"], service["updated_at"]);
    let members = service.as_object_mut().unwrap();
    for name in ["created_at", "updated_at", "id"] {
        members.remove(name).unwrap();
    }
    let expected = json!({
        "name": "two", "protocol": "http", "host": "two.test", "port": 80, "path": null, "retries": 5,
        "connect_timeout": 60000, "write_timeout": 60000, "read_timeout": 60000, "enabled": true,
        "client_certificate": null, "tls_verify": null, "tls_verify_depth": null, "ca_certificates": null,
        "tags": ["team", "b"],
    });
    assert_eq!(service, expected);
    let one = get(&gateway, "/services/one");
    assert_eq!((&one["created_at"], &one["updated_at"]), (&json!(1_700_000_000), &json!(1_700_000_000)));
    assert_eq!((&one["host"], &one["port"], &one["path"]), (&json!("one.test"), &json!(8080), &json!("/base")));
}

#[test]
fn a_route_a_consumer_and_a_plugin_have_kongs_fields_and_defaults() {
    let gateway = gateway(PLAIN);
    let without = |path: &str| {
        let mut entity = get(&gateway, path);
        let members = entity.as_object_mut().unwrap();
        for name in ["created_at", "updated_at", "id"] {
            members.remove(name).unwrap();
        }
        entity
    };
    let service = get(&gateway, "/services/one")["id"].clone();
    let expected = json!({
        "name": "second", "protocols": ["http", "https"], "methods": ["GET"], "hosts": null, "paths": ["/second"],
        "headers": null, "snis": null, "sources": null, "destinations": null, "https_redirect_status_code": 426,
        "regex_priority": 0, "strip_path": true, "path_handling": "v0", "preserve_host": false,
        "request_buffering": true, "response_buffering": true, "tags": null, "service": {"id": service},
    });
    assert_eq!(without("/routes/second"), expected);
    assert_eq!(without("/routes/lonely")["service"], Value::Null);
    assert_eq!(without("/consumers/alice"), json!({"username": "alice", "custom_id": "a-1", "tags": ["people"]}));
    let plugin = without("/plugins/guard");
    assert_eq!(plugin["route"], json!({"id": get(&gateway, "/routes/first")["id"]}));
    assert_eq!(
        (&plugin["service"], &plugin["consumer"], &plugin["enabled"]),
        (&Value::Null, &Value::Null, &json!(true))
    );
    assert_eq!(plugin["config"]["key_names"], json!(["apikey"]), "{plugin}");
    assert_eq!(plugin["protocols"], json!(["grpc", "grpcs", "http", "https", "ws", "wss"]));
}

#[test]
fn entities_are_found_below_what_they_belong_to() {
    let gateway = gateway(PLAIN);
    assert_eq!(each(&get(&gateway, "/services"), "name"), ["one", "two"]);
    assert_eq!(each(&get(&gateway, "/services/one/routes"), "name"), ["first", "second"]);
    assert_eq!(each(&get(&gateway, "/services/two/routes"), "name"), [""; 0]);
    assert_eq!(get(&gateway, "/services/one/routes/first")["name"], "first");
    assert_eq!(get(&gateway, "/routes/first/service")["name"], "one");
    assert_eq!(each(&get(&gateway, "/routes/first/plugins"), "name"), ["key-auth"]);
    assert_eq!(get(&gateway, "/plugins/guard/route")["name"], "first");
    assert_eq!(each(&get(&gateway, "/consumers/alice/acls"), "group"), ["users"]);
    let keys = get(&gateway, "/consumers/alice/key-auth");
    assert_eq!((each(&keys, "key"), keys["data"][0]["updated_at"].is_null()), (vec!["***".to_owned()], true));
    assert_eq!(get(&gateway, "/key-auths"), keys);
    let id = keys["data"][0]["id"].as_str().unwrap();
    assert_eq!(get(&gateway, &format!("/key-auths/{id}/consumer"))["username"], "alice");
    assert_eq!(each(&get(&gateway, "/consumer_groups/gold/consumers"), "username"), ["alice"]);
    assert_eq!(each(&get(&gateway, "/consumers/alice/consumer_groups"), "name"), ["gold"]);
    assert_eq!(each(&get(&gateway, "/consumers?custom_id=b-2"), "custom_id"), ["b-2"]);
    for empty in ["/upstreams", "/certificates", "/snis", "/ca_certificates", "/key-sets", "/keys", "/vaults", "/jwts"]
    {
        assert_eq!(get(&gateway, empty), json!({"data": [], "next": null}), "{empty}");
    }
    let missing = [
        "/services/none",
        "/routes/lonely/service",
        "/services/two/routes/first",
        "/services/one/nothing",
        "/nothing/x",
    ];
    for path in missing {
        let response = gateway.get_admin(path);
        assert_eq!((response.status, response.json()), (404, json!({"message": "Not found"})), "{path}");
    }
}

#[test]
fn lists_come_in_pages() {
    let routes: String = (0..250).map(|n| format!("- {{name: r{n}, paths: [/r{n}], tags: [all]}}\n")).collect();
    let gateway = gateway(&format!("_format_version: '3.0'\nroutes:\n{routes}"));
    let walk = |first: &str| {
        let (mut path, mut sizes, mut names) = (first.to_owned(), Vec::new(), Vec::new());
        loop {
            let page = get(&gateway, &path);
            let found = each(&page, "name");
            sizes.push(found.len());
            names.extend(found);
            let Some(next) = page["next"].as_str() else { break };
            assert!(page["offset"].is_string(), "{page}");
            path = next.to_owned();
        }
        names.sort();
        names.dedup();
        (sizes, names.len())
    };
    assert_eq!(walk("/routes"), (vec![100, 100, 50], 250));
    assert_eq!(walk("/routes?size=125&tags=all"), (vec![125, 125], 250));
    assert_eq!(walk("/routes?size=1000"), (vec![250], 250));
    let refused = |query: &str| {
        let response = gateway.get_admin(&format!("/routes?{query}"));
        assert_eq!(response.status, 400, "{query}");
        response.json()
    };
    let message = "'x' is not a valid offset: bad base64 encoding";
    assert_eq!(refused("offset=x"), json!({"code": 7, "name": "invalid offset", "message": message}));
    let size = |message: &str| json!({"code": 9, "name": "invalid size", "message": message});
    assert_eq!(refused("size=x"), size("size must be a number"));
    for wrong in ["size=0", "size=1001", "size=1.5", "size=-1"] {
        assert_eq!(refused(wrong), size("size must be an integer between 1 and 1000"), "{wrong}");
    }
}

#[test]
fn lists_are_chosen_from_by_tags() {
    let gateway = gateway(PLAIN);
    assert_eq!(each(&get(&gateway, "/services?tags=team"), "name"), ["one", "two"]);
    assert_eq!(each(&get(&gateway, "/services?tags=team,a"), "name"), ["one"]);
    assert_eq!(each(&get(&gateway, "/services?tags=a/b"), "name"), ["one", "two"]);
    assert_eq!(each(&get(&gateway, "/services?tags=a,b"), "name"), [""; 0]);
    assert_eq!(gateway.get_admin("/services?tags=a,b/c").status, 400);
    assert_eq!(gateway.get_admin("/services?tags=").status, 400);
    assert_eq!(each(&get(&gateway, "/tags"), "tag").len(), 8);
    assert_eq!(each(&get(&gateway, "/tags/people"), "entity_name"), ["consumers", "plugins"]);
}

#[test]
fn what_needs_a_database_is_refused_in_kongs_words() {
    let gateway = gateway(PLAIN);
    let ask = |method: &str, path: &str| {
        let response = gateway.send_admin(&Request::new(method, path).body("{}"));
        assert!(response.header("allow").is_some(), "{response:?}");
        (response.status, response.json())
    };
    let unsupported = |what: &str| {
        let message = format!("cannot {what} when not using a database");
        (405, json!({"code": 12, "name": "operation unsupported", "message": message}))
    };
    let plain = (405, json!({"message": "Method not allowed"}));
    let id = get(&gateway, "/routes/first")["id"].as_str().unwrap().to_owned();
    assert_eq!(ask("POST", "/routes"), unsupported("create 'routes' entities"));
    assert_eq!(ask("POST", "/services/one/routes"), unsupported("create 'routes' entities"));
    assert_eq!(ask("PUT", &format!("/routes/{id}")), unsupported("create or update 'routes' entities"));
    assert_eq!(ask("PATCH", "/routes/first"), unsupported("update 'routes' entities by 'name'"));
    assert_eq!(ask("DELETE", "/consumers/alice"), unsupported("remove 'consumers' entities by 'username'"));
    assert_eq!(ask("POST", &format!("/routes/{id}")), plain);
    assert_eq!(ask("DELETE", "/routes"), plain);
}

#[test]
fn the_process_describes_itself() {
    let gateway = gateway(PLAIN);
    let root = get(&gateway, "/");
    assert_eq!(root["plugins"]["available_on_server"]["key-auth"]["priority"], 1250);
    assert_eq!(root["plugins"]["enabled_in_cluster"], json!(["cors", "key-auth"]));
    assert!(root["version"].is_string() && root["hostname"].is_string(), "{root}");
    assert_eq!(root["configuration"]["database"], "off");
    assert!(root["configuration"]["declarative_config"].is_string(), "what -c names: {root}");
    let plugins = get(&gateway, "/plugins/enabled");
    assert!(plugins["enabled_plugins"].as_array().unwrap().contains(&json!("x-custom-jwt")), "{plugins}");
}

#[test]
fn a_plugins_configuration_is_validated_without_being_loaded() {
    let gateway = gateway(PLAIN);
    let validate = |plugin: Value| {
        let request = Request::new("POST", "/schemas/plugins/validate").header("Content-Type", "application/json");
        let response = gateway.send_admin(&request.body(plugin.to_string()));
        (response.status, response.json())
    };
    let right = validate(json!({"name": "key-auth", "config": {"key_names": ["k"]}}));
    assert_eq!(right, (200, json!({"message": "schema validation successful"})));
    assert_eq!(validate(json!({"name": "cors"})).0, 200);
    let (status, wrong) = validate(json!({"name": "key-auth", "config": {"kyes": 1}}));
    assert_eq!((status, &wrong["code"], &wrong["name"]), (400, &json!(2), &json!("schema violation")));
    assert!(wrong["fields"]["config"]["kyes"].as_str().is_some_and(|why| why.contains("unknown field")), "{wrong}");
    assert!(wrong["message"].as_str().is_some_and(|why| why.starts_with("schema violation (config.kyes: ")), "{wrong}");
    assert_eq!(
        validate(json!({"name": "key-oath"})).1["fields"]["name"].as_str().map(|why| &why[..17]),
        Some("plugin 'key-oath'")
    );
    assert_eq!(validate(json!({})).1["fields"], json!({"name": "required field missing"}));
    assert_eq!(validate(json!([])).0, 400);
}

#[test]
fn schemas_are_shown_in_kongs_form() {
    let gateway = gateway(PLAIN);
    let field = |schema: &Value, name: &str| {
        let fields = schema["fields"].as_array().unwrap_or_else(|| panic!("no fields: {schema}"));
        fields.iter().find_map(|field| field.get(name)).cloned().unwrap_or_else(|| panic!("no {name}: {schema}"))
    };
    let plugin = field(&get(&gateway, "/schemas/plugins/key-auth"), "config");
    assert_eq!(field(&plugin, "key_names")["default"], json!(["apikey"]));
    assert_eq!(field(&get(&gateway, "/schemas/services"), "retries")["default"], 5);
    for (path, message) in [("plugins/none", "No plugin named 'none'"), ("none", "No entity named 'none'")] {
        let answer = gateway.get_admin(&format!("/schemas/{path}"));
        assert_eq!((answer.status, answer.json()), (404, json!({"message": message})));
    }
}

/// Everything that holds a secret, each of them with `s3cret` in it.
fn rich() -> (String, Vec<String>) {
    let issued = Certificate::named("a.test").self_signed();
    let key_line = issued.key.lines().nth(1).unwrap().to_owned();
    let oct = "czNjcmV0LXMzY3JldC1zM2NyZXQtczNjcmV0LXMzY3JldA";
    let yaml = format!(
        "_format_version: '3.0'
vaults: [{{name: env, prefix: mine, config: {{prefix: SHOWN_}}}}]
certificates:
-
{pem}  snis: [{{name: a.test}}]
key_sets:
- name: signing
  keys: [{{name: k1, kid: k1, jwk: '{{\"kty\":\"oct\",\"alg\":\"HS256\",\"k\":\"{oct}\"}}'}}]
services: [{{name: s, url: 'http://s.test', routes: [{{name: r, paths: [/r], plugins: [
  {{name: x-custom-jwt, config: {{iss: 'https://gw.test', key_set: signing, jku: 'https://gw.test/jwks'}}}},
  {{name: openid-connect, config: {{issuer: 'https://idp.test', client_id: [c], client_secret: [oidc-s3cret],
    auth_methods: [bearer]}}}},
  {{name: openid-connect, enabled: false, consumer: c, config: {{client_secret: [off-s3cret]}}}},
  {{name: request-termination, config: {{message: '{{vault://env/shown-message}}'}}}}]}}]}}]
consumers:
- username: c
  keyauth_credentials: [{{key: key-s3cret}}]
  basicauth_credentials: [{{username: c, password: basic-s3cret}}]
  jwt_secrets: [{{key: issuer, algorithm: HS256, secret: jwt-s3cret-jwt-s3cret-jwt-s3cret}}]
",
        pem = issued.yaml(2)
    );
    (yaml, vec!["s3cret".to_owned(), key_line, oct.to_owned(), "PRIVATE".to_owned(), "vaulted-text".to_owned()])
}

#[test]
fn no_answer_shows_a_secret() {
    let (yaml, secrets) = rich();
    let gateway = Gateway::with(&yaml)
        .with_admin()
        .variable("SHOWN_MESSAGE", "vaulted-text")
        .setting("admin_token", "admin-s3cret-0123456789")
        .start();
    let mut client = Client::connect(gateway.admin());
    let mut ask = |request: Request| {
        client.send(&request.header("Host", "localhost").header("Kong-Admin-Token", "admin-s3cret-0123456789"))
    };
    let lists = [
        "services",
        "routes",
        "consumers",
        "plugins",
        "certificates",
        "ca_certificates",
        "snis",
        "upstreams",
        "key-sets",
        "keys",
        "vaults",
        "consumer_groups",
        "key-auths",
        "basic-auths",
        "jwts",
        "acls",
        "mtls-auths",
    ];
    let mut paths: Vec<String> =
        ["", "status", "config/status", "metrics", "tags", "plugins/enabled"].map(String::from).into();
    for list in lists {
        let answer = ask(Request::get(&format!("/{list}")));
        assert_eq!(answer.status, 200, "{list}");
        let entities = answer.json()["data"].as_array().unwrap().clone();
        paths.extend(entities.iter().map(|entity| format!("{list}/{}", entity["id"].as_str().unwrap())));
        paths.push(list.to_owned());
    }
    paths.push("consumers/c/key-auth".to_owned());
    assert!(paths.len() > 30, "{paths:?}");
    let mut shown = String::new();
    for path in &paths {
        let answer = ask(Request::get(&format!("/{path}")));
        assert_eq!(answer.status, 200, "{path}");
        shown += &answer.text();
    }
    // The same file again, and one that is wrong where its secrets are.
    for text in [yaml.clone(), yaml.replace("password:", "pasword:").replace("secret: jwt", "algorithn: jwt")] {
        for flatten in ["", "?flatten_errors=1"] {
            let request = Request::new("POST", &format!("/config{flatten}")).header("Content-Type", "text/yaml");
            shown += &ask(request.body(text.as_str())).text();
        }
    }
    for secret in &secrets {
        assert!(!shown.contains(secret.as_str()), "{secret} is shown");
    }
    assert!(shown.contains("***") && shown.contains("{vault://env/shown-message}"), "{shown}");
    assert!(shown.contains("BEGIN CERTIFICATE"), "the certificate itself is public");
    assert_eq!(ask(Request::get("/config")).status, 405);
}
