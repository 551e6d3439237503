//! The plugins that Signet ships with.

use signet_plugin_api::Registry;

mod shared;
#[cfg(test)]
mod testing;

/// Every built-in plugin. A gateway of your own adds to it: `builtin().with::<acme::Geo>()`.
pub fn builtin() -> Registry {
    Registry::new()
}
