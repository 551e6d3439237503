//! Vault entities: other names for the environment, with a prefix of their own.

use super::{VaultDecl, checks, draft::Draft, fields::Fields, ids};

impl Draft<'_> {
    /// Reads all vaults of a file, before anything that may refer to them.
    pub(super) fn vaults(&mut self, top: &mut Fields<'_>) {
        for (at, value) in top.entities("vaults") {
            let Some(mut fields) = Fields::open(self.cx, at, value) else { continue };
            if fields.text("name").as_deref() != Some("env") {
                // The fields of other vaults are not known here: one mistake tells all.
                fields.wrong("name", "expected `env`, the one vault that is implemented");
                continue;
            }
            let has_prefix = fields.has("prefix");
            let prefix = fields.checked("prefix", checks::vault_prefix);
            let variables = fields.take("config").and_then(|config| {
                let mut config = Fields::open(self.cx, fields.at.key("config"), config)?;
                let variables = config.checked("prefix", checks::variable_prefix);
                config.not_implemented("base64_decode", Some(false.into()));
                config.finish();
                variables
            });
            match prefix {
                Some(prefix) if prefix == "env" => fields.wrong("prefix", "`env` is the name of the vault itself"),
                Some(prefix) => {
                    let variables = variables.unwrap_or_default();
                    if !self.cx.vaults.add(prefix.clone(), variables.clone()) {
                        fields.wrong("prefix", format!("prefix `{prefix}` is taken by another vault"));
                    }
                    let id = fields.id().unwrap_or_else(|| ids::derive("vaults", &prefix));
                    let (description, stamp) = (fields.text("description"), fields.stamp());
                    self.model.vaults.push(VaultDecl { id, prefix, description, variables, stamp });
                }
                None if has_prefix => {}
                None => fields.cx.notes.mistake(fields.at.clone(), "a vault needs a `prefix`"),
            }
            let _ = (fields.id(), fields.text("description"), fields.tags());
            let _ = (fields.timestamp("created_at"), fields.timestamp("updated_at"));
            fields.finish();
        }
    }
}
