//! The records as they stand in their file.

use std::{fs, path::Path};

use serde_json::Value;

use super::{bare, mint::mint};

/// One exchange.
#[derive(Debug)]
pub(super) struct Record {
    pub(super) name: String,
    pub(super) config: String,
    pub(super) route: String,
    pub(super) settings: Vec<(String, String)>,
    pub(super) method: String,
    pub(super) evident_bug: bool,
    record: Value,
}

/// A file of the recording.
pub(super) fn path(name: &str) -> String {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("golden").join(name).display().to_string()
}

pub(super) fn read(name: &str) -> String {
    fs::read_to_string(path(name)).unwrap()
}

/// All of them.
pub(super) fn all() -> Vec<Record> {
    read("records.jsonl").lines().map(|line| Record::from(with_token(serde_json::from_str(line).unwrap()))).collect()
}

/// A token is valid for a time only: one like the recorded one is made.
fn with_token(record: Value) -> Value {
    match record.get("mint") {
        None => record,
        Some(order) => serde_json::from_str(&record.to_string().replace("{jwt}", &mint(order))).unwrap(),
    }
}

impl From<Value> for Record {
    fn from(record: Value) -> Self {
        let text = |name: &str| record[name].as_str().unwrap().to_owned();
        let settings = record["settings"].as_object();
        Self {
            name: text("name"),
            config: text("config"),
            route: text("route"),
            settings: settings
                .into_iter()
                .flatten()
                .map(|(key, value)| (key.clone(), value.as_str().unwrap().to_owned()))
                .collect(),
            method: record["request"]["method"].as_str().unwrap().to_owned(),
            evident_bug: record.get("evident_bug").is_some(),
            record,
        }
    }
}

impl Record {
    pub(super) fn request_bytes(&self) -> Vec<u8> {
        let request = &self.record["request"];
        if let Some(raw) = request["raw"].as_str() {
            return raw.as_bytes().to_vec();
        }
        let mut wanted = bare(&self.method, request["path"].as_str().unwrap());
        if request["version"] == "1.0" {
            wanted = wanted.http10();
        }
        for (name, value) in headers(&request["headers"]) {
            wanted = wanted.header(&name, &value);
        }
        if let Some(body) = request["body"].as_str() {
            wanted = wanted.body(body);
        }
        wanted.bytes()
    }

    /// The request target.
    pub(super) fn target(&self) -> &str {
        self.record["request"]["path"].as_str().unwrap()
    }

    /// `HTTP/1.1`
    pub(super) fn version(&self) -> &'static str {
        if self.record["request"]["version"] == "1.0" { "HTTP/1.0" } else { "HTTP/1.1" }
    }

    /// Header lines of the request.
    pub(super) fn sent_headers(&self) -> Vec<(String, String)> {
        headers(&self.record["request"]["headers"])
    }

    /// The body of the request.
    pub(super) fn sent_body(&self) -> Option<&str> {
        self.record["request"]["body"].as_str()
    }

    pub(super) fn status(&self) -> u16 {
        self.record["response"]["status"].as_u64().unwrap().try_into().unwrap()
    }

    pub(super) fn headers(&self) -> Vec<(String, String)> {
        headers(&self.record["response"]["headers"])
    }

    pub(super) fn body(&self) -> &str {
        self.record["response"]["body"].as_str().unwrap()
    }

    /// What the upstream saw, if anything.
    pub(super) fn upstream(&self) -> Option<&Value> {
        self.record.get("upstream")
    }

    /// Header and claims of the token.
    pub(super) fn token(&self) -> Option<(Value, Value)> {
        let token = self.record.get("token")?;
        Some((token["header"].clone(), serde_json::from_str(token["claims"].as_str().unwrap()).unwrap()))
    }
}

/// Name and value of each.
pub(super) fn headers(list: &Value) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    list.as_array().unwrap().iter().map(|pair| (text(&pair[0]), text(&pair[1]))).collect()
}
