//! The plugins that Signet ships with.

use signet_plugin_api::Registry;

mod basic_auth;
mod shared;
#[cfg(test)]
mod testing;
mod x_custom_jwt;

/// Every built-in plugin. A gateway of your own adds to it: `builtin().with::<acme::Geo>()`.
pub fn builtin() -> Registry {
    Registry::new()
        .with::<basic_auth::BasicAuth>()
        .with::<x_custom_jwt::XCustomJwt>()
}
