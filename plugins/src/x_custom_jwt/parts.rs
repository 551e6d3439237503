//! The parts of a token one by one, for the bench.

use std::{error::Error, net::Ipv4Addr};

use signet_plugin_api::{Claims, Client, Context, RequestHeader, Resources, Scope, Service};

use super::{
    caller::{Caller, ClientId},
    claims::{Facts, Mint},
    config::Config,
    issuer::Issuer,
    issuing::Issuing,
};
use crate::shared::clock;

/// What the plugin does for one caller with a verified token, in steps. Not part of the contract.
pub struct TokenParts {
    mint: Mint,
    issuing: Issuing,
    service: Service,
    claims: Claims,
    cx: Context,
    head: RequestHeader,
    client: Client,
}

impl TokenParts {
    /// Tokens signed with this key, for this service, with a copy of these claims.
    ///
    /// # Errors
    /// When the key or the claims cannot be used.
    pub fn new(private_jwk: &str, service: Service, claims: &str) -> Result<Self, Box<dyn Error>> {
        let mut config: Config = serde_json::from_value(serde_json::json!({ "private_jwk": private_jwk }))?;
        let resources = Resources::default();
        let scope = Scope::new(&resources);
        let mint = Mint::new(&config, &scope)?;
        let issuing = Issuer::new(&mut config, &scope)?.current()?.ok_or("no key")?;
        let head = RequestHeader::build("GET", b"/", None)?;
        let (cx, client) = (Context::default(), Client::plain(Ipv4Addr::LOCALHOST, 8000));
        Ok(Self { mint, issuing, service, claims: serde_json::from_str(claims)?, cx, head, client })
    }

    /// The claims as JSON text.
    ///
    /// # Errors
    /// Never, in memory.
    pub fn claims(&self) -> Result<Vec<u8>, serde_json::Error> {
        let caller = Caller {
            client_id: ClientId::Text("my-user".into()),
            actor: "contact@example.test",
            claims: Some(std::borrow::Cow::Borrowed(&self.claims)),
            identity: None,
        };
        let Self { service, cx, head, client, .. } = self;
        let facts = Facts { caller: &caller, service, cx, head, client };
        let mut out = Vec::with_capacity(512);
        self.mint.write_lasting(&mut out, &facts)?;
        self.mint.write_issue(&mut out, clock::now());
        Ok(out)
    }

    /// Header and claims, encoded.
    pub fn encode(&self, claims: Vec<u8>) -> Vec<u8> {
        self.issuing.encode(claims).into_text()
    }
}
