//! Files that no gateway could serve: whatever they are, what served goes on to do so, and it is said what is wrong and where.

use std::{
    fs,
    os::unix::fs::symlink,
    path::Path,
    process::Command,
    sync::atomic::{AtomicBool, Ordering::Relaxed},
    thread,
};

use signet_integration::{Gateway, Upstream};

use crate::setup::service;

/// Spoils the file of a gateway, and says what is told of it: the line and the reason.
fn refused(spoil: impl FnOnce(&Path, &str)) -> (Option<u64>, String) {
    let upstream = Upstream::echo();
    let good = service(&upstream, "- {name: it, paths: [/]}");
    let gateway = Gateway::start(&good);
    spoil(gateway.file(), &good);
    gateway.hang_up();
    let status = gateway.config_status();
    assert_eq!(gateway.get("/").status, 200, "what served goes on");
    assert_eq!((&status["generation"], &status["last_success"]["cause"]), (&1.into(), &"start".into()), "{status:#}");
    let (last, file) = (&status["last"], gateway.file().display().to_string());
    assert_eq!((&last["result"], &last["cause"]), (&"failure".into(), &"hangup".into()), "{status:#}");
    assert_eq!(last["from"], file.as_str(), "{status:#}");
    let mistake = &last["mistakes"][0];
    let shown = mistake["shown"].as_str().expect("a line");
    assert!(shown.starts_with(&file) && gateway.stderr().contains(shown), "{shown} is logged:\n{}", gateway.stderr());
    let reason = mistake["reason"].as_str().expect("a reason").to_owned();
    remove(gateway.file());
    fs::write(gateway.file(), &good).expect("the good one again");
    gateway.hang_up();
    assert_eq!(gateway.config_status()["last"]["result"], "success", "what is mended is loaded");
    (mistake["line"].as_u64(), reason)
}

fn remove(path: &Path) {
    let _ = fs::remove_file(path);
    let _ = fs::remove_dir(path);
}

fn told(spoil: impl FnOnce(&Path, &str)) -> String {
    refused(spoil).1
}

#[test]
fn a_file_that_is_written_by_half_is_refused() {
    let (line, reason) = refused(|file, good| {
        let half = good.find("paths: [").expect("a list") + "paths: [".len();
        fs::write(file, &good[..half]).expect("half a file");
    });
    assert!(line.is_some() && reason.starts_with("is not YAML: "), "{line:?}: {reason}");
}

#[test]
fn an_empty_file_is_no_empty_configuration() {
    assert!(told(|file, _| fs::write(file, "").expect("written")).starts_with("is empty; "));
}

#[test]
fn a_binary_file_is_refused() {
    let (line, reason) = refused(|file, _| fs::write(file, b"a: 1\n\x7fELF\x02\xff\xfe").expect("written"));
    assert_eq!((line, reason.as_str()), (Some(2), "is not UTF-8 text"));
    assert!(told(|file, _| fs::write(file, [0; 4096]).expect("written")).starts_with("is not YAML: "));
}

#[test]
fn a_file_of_a_gigabyte_is_refused_before_it_is_read() {
    let upstream = Upstream::echo();
    let gateway = Gateway::start(&service(&upstream, "- {name: it, paths: [/]}"));
    let before = gateway.memory("VmHWM");
    fs::File::create(gateway.file()).and_then(|file| file.set_len(1 << 30)).expect("a long file");
    gateway.hang_up();
    assert_eq!(gateway.config_status()["last"]["mistakes"][0]["reason"], "is larger than 256 MiB");
    let grown = gateway.memory("VmHWM") - before;
    assert!(grown < 16 * 1024, "{grown} KiB");
    assert_eq!(gateway.get("/").status, 200);
}

#[test]
fn aliases_that_multiply_cost_neither_time_nor_memory() {
    // Ten to the twelfth.
    let bomb = |levels: usize| {
        let mut text = String::from("_format_version: '3.0'\na0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
        for level in 1..levels {
            let below = vec![format!("*a{}", level - 1); 10].join(", ");
            text += &format!("a{level}: &a{level} [{below}]\n");
        }
        text
    };
    // A long list, a thousand times.
    let list = format!("_format_version: '3.0'\na: &a [{}]\nb:\n{}", "x, ".repeat(100_000), "- *a\n".repeat(1_000));
    for (text, expected) in [(bomb(12), 8), (list, 23)] {
        let upstream = Upstream::echo();
        let gateway = Gateway::start(&service(&upstream, "- {name: it, paths: [/]}"));
        let before = gateway.memory("VmHWM");
        gateway.reload(&text);
        let last = gateway.config_status()["last"].clone();
        let mistake = &last["mistakes"][0];
        assert_eq!(
            (&mistake["line"], &mistake["reason"]),
            (&expected.into(), &"repeats aliases (`*name`) too often".into())
        );
        let grown = gateway.memory("VmHWM") - before;
        assert!(grown < 128 * 1024, "{grown} KiB");
        assert_eq!(gateway.get("/").status, 200);
    }
}

#[test]
fn a_file_that_is_gone_is_told() {
    assert!(told(|file, _| fs::remove_file(file).expect("removed")).starts_with("cannot be read: No such file"));
}

#[test]
fn what_is_no_file_is_told_and_not_waited_for() {
    let directory = told(|file, _| {
        remove(file);
        fs::create_dir(file).expect("a directory");
    });
    assert_eq!(directory, "is a directory, not a file");
    let pipe = told(|file, _| {
        remove(file);
        assert!(Command::new("mkfifo").arg(file).status().expect("mkfifo").success());
    });
    assert_eq!(pipe, "is a pipe, not a file");
    let unreadable = told(|file, _| {
        remove(file);
        symlink(file, file).expect("a link to itself");
    });
    assert!(unreadable.starts_with("cannot be read: Too many levels"), "{unreadable}");
}

#[test]
fn a_file_that_is_replaced_while_it_is_read_is_one_or_the_other() {
    let upstream = Upstream::echo();
    // Long enough that reading takes its time.
    let file = |name: &str| {
        let routes = (0..500).map(|at| format!("- {{name: {name}-{at}, paths: [/{name}/{at}]}}\n"));
        service(&upstream, &routes.collect::<String>())
    };
    let (one, other) = (file("one"), file("other"));
    let gateway = Gateway::start(&one);
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            let next = gateway.file().with_extension("next");
            while !done.load(Relaxed) {
                for text in [&other, &one] {
                    fs::write(&next, text).expect("written");
                    fs::rename(&next, gateway.file()).expect("replaced");
                }
            }
        });
        for _ in 0..10 {
            gateway.hang_up();
        }
        done.store(true, Relaxed);
    });
    let status = gateway.config_status();
    assert_eq!((&status["generation"], &status["serving"]["routes"]), (&11.into(), &500.into()), "{status:#}");
}
