//! What the process says of itself: `/`, `/plugins/enabled`, `/endpoints`.

use std::{collections::BTreeSet, fs};

use serde_json::{Map, Value, json};

use super::{Answer, Call, Node};
use crate::{
    schema::HIDDEN,
    settings::{Listener, Settings},
};

/// `/`
///
/// # Errors
/// The answer to another method.
pub(super) async fn root(node: &Node, call: &Call<'_>) -> Result<Answer, Answer> {
    call.get()?;
    let version = env!("CARGO_PKG_VERSION");
    // A plugin that is built in is as old as the gateway.
    let available: Map<String, Value> = node
        .registry
        .iter()
        .map(|plugin| (plugin.name.to_owned(), json!({"version": version, "priority": plugin.priority})))
        .collect();
    Ok(Answer::ok(json!({
        "tagline": "Welcome to signet",
        "version": version,
        "edition": "community",
        "hostname": hostname(),
        "plugins": {"available_on_server": available, "enabled_in_cluster": enabled(node).await?},
        "configuration": configuration(&node.settings),
        "pids": {"master": std::process::id()},
    })))
}

/// `/plugins/enabled`
///
/// # Errors
/// The answer to another method.
pub(super) fn plugins(node: &Node, call: &Call<'_>) -> Result<Answer, Answer> {
    call.get()?;
    let names: Vec<_> = node.registry.iter().map(|plugin| plugin.name).collect();
    Ok(Answer::ok(json!({"enabled_plugins": names})))
}

/// The names of the plugins that the configuration uses.
async fn enabled(node: &Node) -> Result<BTreeSet<String>, Answer> {
    let inventory = node.inventory().await.ok_or_else(Answer::unexpected)?;
    let plugins = inventory.collection("plugins").into_iter().flat_map(|collection| &collection.entities);
    let name = |json: &str| Some(serde_json::from_str::<Value>(json).ok()?.get("name")?.as_str()?.to_owned());
    Ok(plugins.filter_map(|plugin| name(&plugin.json)).collect())
}

/// The settings that people look for here. Nothing of keys, nothing of the token but whether there is one.
fn configuration(settings: &Settings) -> Value {
    let listeners = |listeners: &[Listener]| listeners.iter().map(written).collect::<Vec<_>>();
    json!({
        "database": "off",
        "router_flavor": "traditional_compatible",
        "proxy_listen": listeners(&settings.proxy_listen),
        "status_listen": listeners(&settings.status_listen),
        "admin_listen": listeners(&settings.admin.listen),
        "admin_token": settings.admin.token.as_ref().map(|_| HIDDEN),
        "declarative_config": settings.declarative_config,
        "threads": settings.threads,
        "signing_threads": settings.signing_threads,
        "signing_queue": settings.signing_queue,
        "hashing_threads": settings.hashing_threads,
        "hashing_queue": settings.hashing_queue,
        "trusted_ips": settings.trusted_ips.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "real_ip_header": settings.real_ip_header.as_str(),
        "real_ip_recursive": settings.real_ip_recursive,
        "client_max_body_size": settings.client_max_body_size.unwrap_or(0),
        "client_max_header_size": settings.client_max_header_size,
        "client_max_uri_size": settings.client_max_uri_size,
        "upstream_keepalive_pool_size": settings.upstream_keepalive_pool_size,
        "upstream_keepalive_idle_timeout": settings.upstream_keepalive_idle_timeout.map_or(0, |it| it.as_secs()),
        "drain_timeout": settings.drain_timeout.as_secs(),
    })
}

fn written(listener: &Listener) -> String {
    let flags = [(listener.ssl, " ssl"), (listener.http2, " http2"), (listener.reuseport, " reuseport")];
    let flags: String = flags.iter().filter(|(set, _)| *set).map(|(_, flag)| *flag).collect();
    format!("{}{flags}", listener.address)
}

fn hostname() -> Option<String> {
    let name = fs::read_to_string("/proc/sys/kernel/hostname").ok()?;
    Some(name.trim().to_owned())
}
