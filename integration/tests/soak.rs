//! Reloads under load: no request fails, none waits long, and memory does not grow. `make soak` does it a thousand times.

use std::{
    env, fs,
    io::Write,
    net::SocketAddr,
    sync::atomic::{AtomicBool, Ordering::Relaxed},
    thread,
    time::{Duration, Instant},
};

use signet_integration::{Client, DEADLINE, Gateway, Request, Upstream};

use crate::setup::service;

const ROUTES: usize = 1_000;
/// Connections that are kept, and those that make a new one for each request.
const KEPT: usize = 4;
const NEW: usize = 2;
/// How often each of them asks: 4,000 times a second together. A load without pauses would take all of the machine, and what
/// waits would say how much of it a load takes, not whether one disturbs requests.
const PACE: Duration = Duration::from_micros(1_500);
/// How long it waits between two looks whether a load is over.
const LOOK: Duration = Duration::from_millis(20);
/// Memory is that of so many reloads: while one happens there are two configurations, for a moment.
const MEASURED: usize = 20;

/// What one client saw.
#[derive(Default)]
struct Seen {
    times: Vec<Duration>,
    failures: Vec<String>,
}

#[test]
fn reloads_under_load_fail_no_request_and_keep_no_memory() {
    let number = |name: &str, usual| env::var(name).map_or(usual, |value| value.parse().expect("a number"));
    let (reloads, every) = (number("SOAK_RELOADS", 30) as usize, Duration::from_millis(number("SOAK_EVERY", 0)));
    let upstream = Upstream::echo();
    let gateway = Gateway::with(&routes(&upstream, 0)).setting("threads", "2").start();
    let next = |began: Instant, turn: usize| {
        thread::sleep((began + every * (turn as u32)).saturating_duration_since(Instant::now()));
        // Another text each time, of which most is the same.
        routes(&upstream, turn)
    };
    let began = Instant::now();
    // All that a reload costs this test itself, without the reload.
    let quiet = under_load(gateway.proxy(), || {
        for turn in 1..=reloads.min(100) {
            fs::write(gateway.file().with_extension("aside"), next(began, turn)).expect("written");
            gateway.signal("CONT");
            thread::sleep(LOOK);
            gateway.config_status();
        }
    });
    let (mut memory, began) = (Vec::with_capacity(reloads), Instant::now());
    let loaded = under_load(gateway.proxy(), || {
        for turn in 1..=reloads {
            fs::write(gateway.file(), next(began, turn)).expect("written");
            gateway.signal("HUP");
            let sent = Instant::now();
            // Not `/metrics`: to look there for every route all the time is load of its own.
            while gateway.config_status()["generation"] != turn + 1 {
                assert!(sent.elapsed() < DEADLINE, "not loaded:\n{}", gateway.stderr());
                thread::sleep(LOOK);
            }
            memory.push(gateway.memory("VmRSS"));
        }
    });
    let took = began.elapsed();
    let (settled, last) = (resident(&memory[..reloads.min(100)]), resident(&memory));
    let status = gateway.config_status();
    assert_eq!(status["generation"], reloads + 1, "{status:#}");
    let metrics = gateway.get_status("/metrics").text();
    assert!(metrics.contains("\nsignet_config_reloads_total{result=\"failure\"} 0\n"));
    let report = format!(
        "{reloads} reloads of {ROUTES} routes in {took:.1?}: {} requests ({:.0}/s), 99 % within {:.1?} (without reloads {:.1?}), \
         {settled} KiB after the {}th, {last} KiB after the last",
        loaded.times.len(),
        loaded.times.len() as f64 / took.as_secs_f64(),
        p99(&loaded.times),
        p99(&quiet.times),
        reloads.min(100),
    );
    // Not `println`: libtest keeps that of a test that passes.
    let _ = writeln!(std::io::stderr(), "{report}");
    assert!(loaded.failures.is_empty() && quiet.failures.is_empty(), "{:?}\n{report}", loaded.failures.first());
    assert!(loaded.times.len() > reloads, "{report}");
    // A short form has no hundredth, and too few requests for a percentile that says something.
    if reloads > 100 {
        assert!(last * 100 <= settled * 105, "{report}");
        assert!(p99(&loaded.times) <= p99(&quiet.times).mul_f64(1.5), "{report}");
    }
}

fn routes(upstream: &Upstream, turn: usize) -> String {
    let route = |at: usize| match at {
        0 => format!("- {{name: turn, paths: [/turn/{turn}]}}\n"),
        at => format!("- {{name: r{at}, paths: [/r/{at}], methods: [GET, POST], plugins: [{{name: cors}}]}}\n"),
    };
    service(upstream, &(0..ROUTES).map(route).collect::<String>())
}

/// In KiB, the middle one of the last few.
fn resident(memory: &[u64]) -> u64 {
    let mut last = memory[memory.len().saturating_sub(MEASURED)..].to_vec();
    last.sort_unstable();
    last[last.len() / 2]
}

fn p99(times: &[Duration]) -> Duration {
    let mut sorted = times.to_vec();
    sorted.sort_unstable();
    sorted[sorted.len() * 99 / 100]
}

/// Everything that clients saw while `happens` did.
fn under_load(proxy: SocketAddr, happens: impl FnOnce()) -> Seen {
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        let clients: Vec<_> = (0..KEPT + NEW)
            .map(|number| {
                let done = &done;
                scope.spawn(move || client(proxy, number, done))
            })
            .collect();
        // A panic must end the clients, too.
        let ends = Ends(&done);
        happens();
        drop(ends);
        let mut all = Seen::default();
        for client in clients {
            let Seen { times, failures } = client.join().expect("a client");
            all.times.extend(times);
            all.failures.extend(failures);
        }
        all
    })
}

struct Ends<'a>(&'a AtomicBool);

impl Drop for Ends<'_> {
    fn drop(&mut self) {
        self.0.store(true, Relaxed);
    }
}

fn client(proxy: SocketAddr, number: usize, done: &AtomicBool) -> Seen {
    let mut seen = Seen::default();
    let mut connection = Client::connect(proxy);
    let (mut sent, mut due) = (0, Instant::now());
    while !done.load(Relaxed) {
        // Below the gateway's own limit, at which it would close the connection as it says.
        if number >= KEPT || sent == 5_000 {
            (connection, sent) = (Client::connect(proxy), 0);
        }
        sent += 1;
        let route = 1 + (number * 131 + seen.times.len()) % (ROUTES - 1);
        let request = Request::get(&format!("/r/{route}"));
        due += PACE;
        thread::sleep(due.saturating_duration_since(Instant::now()));
        let answer = connection.try_write(&request.bytes()).and_then(|()| connection.try_read("GET"));
        // Since it was due: who is late because of the one before has waited, too.
        seen.times.push(due.elapsed());
        match answer {
            Ok(Some(response)) if response.status == 200 => {}
            other => {
                seen.failures.push(format!("/r/{route}: {other:?}"));
                (connection, sent) = (Client::connect(proxy), 0);
            }
        }
    }
    seen
}

#[test]
fn ten_thousand_routes_and_consumers_are_loaded_beside_the_requests() {
    let upstream = Upstream::echo();
    let file = |turn: usize| {
        let routes = (0..10_000).map(|at| format!("- {{name: r{at}, paths: [/r/{turn}/{at}]}}\n"));
        let consumers =
            (0..10_000).map(|at| format!("- {{username: u{at}, keyauth_credentials: [{{key: key-{at}}}]}}\n"));
        service(&upstream, &routes.collect::<String>()) + "\nconsumers:\n" + &consumers.collect::<String>()
    };
    let gateway = Gateway::start(&file(0));
    let cpu = |thread: &str| {
        let mut tasks = fs::read_dir(format!("/proc/{}/task", gateway.id())).expect("a process that runs").flatten();
        let of =
            tasks.find(|task| fs::read_to_string(task.path().join("comm")).is_ok_and(|name| name.trim() == thread));
        let stat = fs::read_to_string(of.expect("a thread of this name").path().join("stat")).expect("its figures");
        let fields: Vec<&str> = stat.rsplit(')').next().expect("fields").split_whitespace().collect();
        // In user and system mode, in hundredths of a second.
        fields[11].parse::<u64>().expect("ticks") + fields[12].parse::<u64>().expect("ticks")
    };
    let before = cpu("reload");
    gateway.reload(&file(1));
    assert_eq!(gateway.get("/r/1/9999").status, 200);
    let took = (cpu("reload") - before) * 10;
    let _ = writeln!(std::io::stderr(), "10,000 routes and consumers: {took} ms of CPU");
    // Of a build without optimisations, too.
    assert!((1..1_000).contains(&took), "{took} ms on the thread that loads");
}
