//! A real identity provider that is not ours: `oidc-provider` from npm, as a process.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::Value;

use crate::{Client, Request, Response, process::Process};

/// A running identity provider; killed when dropped.
#[derive(Debug)]
pub struct IdentityProvider {
    process: Process,
    issuer: String,
    address: SocketAddr,
    variables: Vec<(String, String)>,
}

impl IdentityProvider {
    /// Starts one on a free port, with keys of its own.
    pub fn start() -> Self {
        Self::with(&[])
    }

    /// The same with variables that `integration/oidc/server.mjs` knows.
    pub fn with(variables: &[(&str, &str)]) -> Self {
        Self::spawn(variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect())
    }

    fn spawn(variables: Vec<(String, String)>) -> Self {
        let folder = folder();
        assert!(
            folder.join("node_modules/oidc-provider").is_dir(),
            "`npm ci --prefix integration/oidc` installs the identity provider; `make test` does that"
        );
        let mut command = Command::new("node");
        command.arg(folder.join("server.mjs")).envs(variables.iter().map(|(name, value)| (name, value)));
        let process = Process::spawn(&mut command);
        let said =
            |line: &str| line.strip_prefix("issuer ")?.split_once(" at ").map(|(a, b)| (a.to_owned(), b.to_owned()));
        let (issuer, address) = process.line("the issuer", said);
        let port = address.rsplit(':').next().and_then(|port| port.parse().ok()).expect("the issuer's port");
        Self { process, issuer, address: SocketAddr::from(([127, 0, 0, 1], port)), variables }
    }

    /// Its name: a URL.
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Ends it; its address is then free.
    pub fn stop(mut self) -> Stopped {
        self.process.signal("KILL");
        self.process.wait();
        let mut variables = std::mem::take(&mut self.variables);
        variables.retain(|(name, _)| name != "PORT");
        variables.push(("PORT".to_owned(), self.address.port().to_string()));
        Stopped { port: self.address.port(), variables }
    }

    /// What it has written.
    pub fn log(&self) -> String {
        self.process.stdout() + &self.process.stderr()
    }

    /// The secret of one of its clients.
    pub fn secret(client: &str) -> String {
        format!("{client}-secret-of-at-least-32-characters")
    }

    /// An access token for one of its clients.
    pub fn token(&self, client: &str, scope: &str) -> String {
        let form = format!("grant_type=client_credentials&scope={scope}");
        let answer = self.post("/token", client, &form);
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.json().get("access_token").and_then(Value::as_str).expect("a token").to_owned()
    }

    /// Revokes a token.
    pub fn revoke(&self, client: &str, token: &str) {
        let answer = self.post("/token/revocation", client, &format!("token={token}"));
        assert_eq!(answer.status, 200, "{answer:?}");
    }

    fn post(&self, path: &str, client: &str, form: &str) -> Response {
        let request = Request::new("POST", path)
            .header("Host", &self.address.to_string())
            .basic(client, &Self::secret(client))
            .header("Content-Type", "application/x-www-form-urlencoded")
            .body(form);
        Client::connect(self.address).send(&request)
    }
}

/// One that has ended, and can come back at the same address with new keys and without a memory.
#[derive(Debug)]
pub struct Stopped {
    port: u16,
    variables: Vec<(String, String)>,
}

impl Stopped {
    /// The port at which it was and will be.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Starts it again.
    pub fn start(self) -> IdentityProvider {
        IdentityProvider::spawn(self.variables)
    }
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("oidc")
}
