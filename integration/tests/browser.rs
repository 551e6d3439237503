//! A page on another origin, in a real browser: it fetches the keys through CORS and verifies a token with WebCrypto.

use std::{
    fs,
    net::SocketAddr,
    process::{Child, Command, Stdio},
    sync::mpsc,
    time::Duration,
};

use serde_json::Value;
use signet_integration::{Folder, Gateway, Request, Upstream};

use crate::setup::repository;

/// A browser takes long to start when every core is busy.
const PATIENCE: Duration = Duration::from_secs(120);

#[test]
fn a_page_on_another_origin_verifies_a_token_with_the_keys_of_the_gateway() {
    let upstream = Upstream::echo();
    let gateway =
        Gateway::of(repository("conf/demo.yaml")).with_tls().resolve("httpbin.test:80", upstream.address()).start();
    let sent = gateway.send(&Request::get("/basicAuth").header("authorization", "Basic bXktdXNlcjpNeSBwQHNzd29yZCE="));
    assert_eq!(sent.status, 200, "{sent:?}");
    let token = upstream.one().header("x-custom-jwt").expect("a token").to_owned();

    for listener in [format!("https://{}", gateway.tls()), format!("http://{}", gateway.proxy())] {
        let outcome = verified_by_browser(&format!("{listener}/x-custom-jwt/jwks"), &token);
        assert_eq!(outcome["verified"], true, "{listener}: {outcome}");
        assert_eq!(outcome["tampered"], false, "{listener}: {outcome}");
        assert_eq!(outcome["claims"]["client_id"], "my-user", "{listener}: {outcome}");
    }
}

#[test]
fn a_page_may_not_read_what_the_gateway_does_not_allow_it() {
    let upstream = Upstream::echo();
    let gateway = Gateway::of(repository("conf/demo.yaml")).resolve("httpbin.test:80", upstream.address()).start();
    let outcome = verified_by_browser(&format!("http://{}/apiKey", gateway.proxy()), "e30.e30.e30");
    assert!(outcome["error"].as_str().is_some_and(|error| error.contains("Failed to fetch")), "{outcome}");
}

/// What the page said.
fn verified_by_browser(jwks: &str, token: &str) -> Value {
    let (sender, outcome) = mpsc::channel();
    let page = fs::read(repository("integration/browser/verify.html")).unwrap();
    let origin = Upstream::serve(move |conversation| {
        while let Some(head) = conversation.head()? {
            let body = conversation.body(&head)?;
            let answer: &[u8] = match head.path.split('?').next() {
                Some("/verify") => &page,
                Some("/outcome") => {
                    drop(sender.send(body));
                    b"{}"
                }
                _ => b"",
            };
            conversation.write(format!(
                "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: {}\r\n\r\n",
                answer.len()
            ))?;
            conversation.write(answer)?;
        }
        Ok(())
    });
    let _browser = Browser::open(&page_address(origin.address(), jwks, token));
    let outcome = outcome.recv_timeout(PATIENCE).expect("the page says how it went");
    serde_json::from_slice(&outcome).unwrap()
}

fn page_address(origin: SocketAddr, jwks: &str, token: &str) -> String {
    // Both are made of characters that a query may hold as they are.
    format!("http://{origin}/verify?jwks={jwks}&token={token}")
}

/// A headless Chromium with a profile of its own; ended when dropped.
struct Browser {
    process: Child,
    _profile: Folder,
}

impl Browser {
    fn open(address: &str) -> Self {
        let profile = Folder::new();
        let process = Command::new("chromium")
            .args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"])
            .args(["--disable-background-networking", "--disable-component-update", "--disable-sync"])
            .args(["--ignore-certificate-errors", "--disable-dev-shm-usage"])
            .arg("--remote-debugging-port=0")
            .arg(format!("--user-data-dir={}", profile.path().display()))
            .arg(address)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("chromium is installed: `make test` does it");
        Self { process, _profile: profile }
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        drop(self.process.kill());
        drop(self.process.wait());
    }
}
