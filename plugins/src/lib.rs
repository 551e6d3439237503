//! The plugins that Signet ships with.

use signet_plugin_api::Registry;

mod acl;
mod basic_auth;
mod cors;
mod file_log;
mod http_log;
mod jwks;
mod jwt;
mod key_auth;
mod mtls_auth;
mod openid_connect;
mod opentelemetry;
mod prometheus;
mod request_termination;
#[cfg(test)]
mod schemas;
mod shared;
#[cfg(test)]
mod testing;
mod x_custom_jwt;

#[doc(hidden)]
pub use x_custom_jwt::TokenParts;

/// Every built-in plugin. A gateway of your own adds to it: `builtin().with::<acme::Geo>()`.
pub fn builtin() -> Registry {
    Registry::new()
        .with::<acl::Acl>()
        .with::<basic_auth::BasicAuth>()
        .with::<cors::Cors>()
        .with::<file_log::FileLog>()
        .with::<http_log::HttpLog>()
        .with::<jwks::Jwks>()
        .with::<jwt::Jwt>()
        .with::<key_auth::KeyAuth>()
        .with::<mtls_auth::MtlsAuth>()
        .with::<openid_connect::OpenidConnect>()
        .with::<opentelemetry::Opentelemetry>()
        .with::<prometheus::Prometheus>()
        .with::<request_termination::RequestTermination>()
        .with::<x_custom_jwt::XCustomJwt>()
}
