//! docs/five-ways.md: its commands are run as they stand there.

use std::{fs, net::SocketAddr, process::Command};

use signet_integration::{Gateway, IdentityProvider, Process, Request, wait_until};

use crate::setup::repository;

/// Where the page starts it, and where the test does.
struct Place {
    on_the_page: &'static str,
    here: String,
}

fn moved(text: &str, places: &[Place]) -> String {
    places.iter().fold(text.to_owned(), |text, place| {
        assert!(text.contains(place.on_the_page), "{} is not there", place.on_the_page);
        text.replace(place.on_the_page, &place.here)
    })
}

/// The commands of the page, without those that start what the test starts.
fn commands() -> String {
    let page = fs::read_to_string(repository("docs/five-ways.md")).unwrap();
    let (_, tries) = page.split_once("    show() {").expect("the part after the start");
    let lines = tries.lines().skip(1).filter_map(|line| line.strip_prefix("    "));
    format!("show() {{{}\n{}\n", tries.lines().next().unwrap(), lines.collect::<Vec<_>>().join("\n"))
}

fn place(on_the_page: &'static str, here: impl ToString) -> Place {
    Place { on_the_page, here: here.to_string() }
}

#[test]
fn the_commands_of_the_page_do_what_it_says() {
    let issuer = IdentityProvider::start();
    let echo = Process::start(["echo", "--listen", "127.0.0.1:0"]);
    let upstream: SocketAddr =
        echo.line("its address", |line| line.strip_prefix("echo listening on http://")?.parse().ok());
    let file = fs::read_to_string(repository("conf/five-ways.yaml")).unwrap();
    let file = moved(
        &file,
        &[
            place("http://127.0.0.1:9100", issuer.issuer()),
            place("http://127.0.0.1:9000", format!("http://{upstream}")),
        ],
    );
    let gateway = Gateway::with(&file).with_tls().start();
    // Until the provider has been asked.
    wait_until(|| gateway.send(&Request::get("/oidc")).status != 503, || gateway.stderr());

    let commands = moved(
        &commands(),
        &[
            place("http://127.0.0.1:9100", issuer.issuer()),
            place("localhost:8000", gateway.proxy()),
            place("localhost:8443", gateway.tls()),
        ],
    );
    let run = Command::new("bash")
        .args(["-eo", "pipefail", "-c", &commands])
        .current_dir(repository("."))
        .output()
        .expect("bash");
    let said = String::from_utf8_lossy(&run.stdout);
    assert!(run.status.success(), "{said}\n{}", String::from_utf8_lossy(&run.stderr));

    let tokens: Vec<_> = said.split("verified:").skip(1).collect();
    let ways = ["[ 'token' ]", "[ 'token' ]", "[ 'token' ]", "[ 'pwd' ]", "[ 'pop' ]", "[ 'apikey' ]"];
    let clients = ["'app'", "'app'", "'shop-7'", "'my-user'", "'C=US, ST=California", "'app'"];
    assert_eq!(tokens.len(), ways.len(), "{said}");
    for ((token, way), client) in tokens.iter().zip(ways).zip(clients) {
        assert!(token.contains(&format!("amr: {way}")), "{way}: {token}");
        assert!(token.contains(&format!("\n  client_id: {client}")), "{client}: {token}");
    }
    let (refused, passed) = (said.find("HTTP/1.1 401"), said.find("HTTP/1.1 200"));
    assert!(refused.is_some() && refused < passed, "{said}");
}
