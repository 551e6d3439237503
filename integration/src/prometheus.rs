//! A real Prometheus that scrapes one gateway.

use std::{fmt::Write, net::SocketAddr, path::Path, process::Command};

use serde_json::Value;

use crate::{Client, Folder, Request, poll::wait_until, process::Process};

/// A running Prometheus; ended when dropped.
#[derive(Debug)]
pub struct Prometheus {
    process: Process,
    address: SocketAddr,
    _folder: Folder,
}

impl Prometheus {
    /// Scrapes the status listener of a gateway twice a second, as job `signet`, and evaluates these rules.
    pub fn scraping(status: SocketAddr, rules: &Path) -> Self {
        let folder = Folder::new();
        let config = folder.write(
            "prometheus.yml",
            format!(
                "global: {{scrape_interval: 500ms, scrape_timeout: 500ms, evaluation_interval: 1s}}\n\
                 rule_files: ['{}']\n\
                 scrape_configs: [{{job_name: signet, static_configs: [{{targets: ['{status}']}}]}}]\n",
                rules.display()
            ),
        );
        let mut command = Command::new("prometheus");
        command.arg(format!("--config.file={}", config.display()));
        command.arg(format!("--storage.tsdb.path={}", folder.path().join("data").display()));
        command.arg("--web.listen-address=127.0.0.1:0");
        let process = Process::spawn(&mut command);
        let listening = |line: &str| {
            let (_, rest) = line.split_once("msg=\"Listening on\" address=")?;
            rest.split_whitespace().next()?.parse().ok()
        };
        let address = process.line("its address", listening);
        let is_ready = || Client::connect(address).send(&Request::get("/-/ready")).status == 200;
        wait_until(is_ready, || process.stderr());
        Self { process, address, _folder: folder }
    }

    /// The series that answer a query at this moment; or what Prometheus has against it.
    ///
    /// # Errors
    /// When it is no query.
    pub fn query(&self, query: &str) -> Result<Vec<Value>, String> {
        let mut encoded = String::new();
        for byte in query.bytes() {
            let _ = write!(encoded, "%{byte:02X}");
        }
        let answer = self.get(&format!("/api/v1/query?query={encoded}"))?;
        Ok(list(&answer, "result"))
    }

    /// Every rule that it has evaluated.
    ///
    /// # Errors
    /// When it does not answer.
    pub fn rules(&self) -> Result<Vec<Value>, String> {
        let groups = list(&self.get("/api/v1/rules")?, "groups");
        Ok(groups.iter().flat_map(|group| list(group, "rules")).collect())
    }

    fn get(&self, target: &str) -> Result<Value, String> {
        let response = Client::connect(self.address).send(&Request::get(target));
        if response.status != 200 {
            return Err(format!("{}: {}\n{}", response.status, response.text(), self.process.stderr()));
        }
        response.json().get("data").cloned().ok_or_else(|| response.text())
    }
}

fn list(object: &Value, member: &str) -> Vec<Value> {
    object.get(member).and_then(Value::as_array).cloned().unwrap_or_default()
}
