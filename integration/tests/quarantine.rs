//! `invalid_entities: quarantine`: the rest of a file with mistakes serves.

use signet_integration::{Gateway, Upstream};

use crate::setup::{CONSUMERS, service};

const ROUTES: &str = "- {name: good, paths: [/good]}\n\
    - name: guarded\n  paths: [/good/guarded]\n  plugins:\n  - {name: key-auth}\n  - {name: request-termination, config: {message: '{vault://env/nobody-sets-this}'}}\n";

#[test]
fn a_route_with_a_mistake_answers_503_and_the_others_serve() {
    let upstream = Upstream::echo();
    let file = service(&upstream, ROUTES) + CONSUMERS;
    let gateway = Gateway::with(&file).setting("invalid_entities", "quarantine").start();
    assert_eq!(gateway.get("/good").status, 200);
    upstream.one();
    let refused = gateway.get("/good/guarded");
    assert_eq!(refused.status, 503, "{refused:?}");
    assert!(refused.text().contains("\"message\":\"Service unavailable\""), "{refused:?}");
    assert!(gateway.serving().contains("(1 of the routes quarantined)"), "{}", gateway.serving());
    let told = gateway.stderr();
    assert!(told.lines().any(|line| line.contains("plugins[1].config.message: quarantined: ")), "{told}");
    assert!(told.lines().any(|line| line.contains("guarded") && line.contains("answers 503")), "{told}");
    let metrics = gateway.get_status("/metrics").text();
    assert!(metrics.contains("\nsignet_config_quarantined_entities 1\n"), "{metrics}");
    assert!(upstream.take().is_empty(), "nothing else was passed on");
}

#[test]
fn by_default_such_a_file_is_refused() {
    let upstream = Upstream::echo();
    let run = Gateway::with(&(service(&upstream, ROUTES) + CONSUMERS)).run();
    assert_eq!(run.code, Some(2), "{run:?}");
    assert!(run.stderr.contains("cannot be served"), "{run:?}");
}

#[test]
fn a_mistake_in_what_a_route_matches_refuses_the_file_all_the_same() {
    let upstream = Upstream::echo();
    let file = service(&upstream, "- {name: all, paths: [/]}\n- {name: admin, paths: [5]}\n");
    let run = Gateway::with(&file).setting("invalid_entities", "quarantine").run();
    assert_eq!(run.code, Some(2), "{run:?}");
}
