//! Tests of passwords that the file holds as hashes: who pays, and how often.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
};

use signet_plugin_api::{Busy, Handler, Job, JobQueue, WorkPool};

use super::super::NAME;
use super::with;
use crate::testing::{World, answered};

/// `secret` by argon2 with as little work as there is, and by bcrypt with the least cost that there is.
const ARGON2ID: &str = "$argon2id$v=19$m=8,t=1,p=1$c29tZXNhbHQ$L1qnTgpsWMa/dMHjDHhQFw";
const BCRYPT: &str = "$2y$04$CAuAAFAWtuUiTOujF8MUi.bk9Thsv9/eH.Q7BR/O36lQLPy7vxMUa";

/// Counts what is computed, may be full, and may keep jobs until they are released.
#[derive(Default)]
struct Pool {
    jobs: AtomicUsize,
    is_full: AtomicBool,
    holds: AtomicBool,
    held: Mutex<Vec<Job>>,
}

impl JobQueue for Pool {
    fn submit(&self, job: Job) -> Result<(), Busy> {
        if self.is_full.load(SeqCst) {
            return Err(Busy);
        }
        self.jobs.fetch_add(1, SeqCst);
        if self.holds.load(SeqCst) {
            self.held.lock().expect("jobs").push(job);
        } else {
            job();
        }
        Ok(())
    }
}

impl Pool {
    /// The jobs since the last call.
    fn jobs(&self) -> usize {
        self.jobs.swap(0, SeqCst)
    }

    fn release(&self) {
        self.holds.store(false, SeqCst);
        let held = std::mem::take(&mut *self.held.lock().expect("jobs"));
        held.into_iter().for_each(|job| job());
    }
}

/// A configuration with these users, each with a password as a file has it.
fn world(users: &[(&str, &str)]) -> (World, Arc<Pool>) {
    let credential = |(name, password): &(&str, &str)| format!("{{username: {name}, password: '{password}'}}");
    let credentials: Vec<String> = users.iter().map(credential).collect();
    let yaml = format!(
        "consumers: [{{username: owner, basicauth_credentials: [{}]}}, {{username: anon}}]",
        credentials.join(", ")
    );
    let mut world = World::load(&yaml);
    let pool = Arc::new(Pool::default());
    world.resources.hashing = WorkPool::new(Arc::clone(&pool) as _);
    (world, pool)
}

async fn status(handler: &Arc<dyn Handler>, credentials: &str) -> u16 {
    with(credentials).answer(handler).await.status.as_u16()
}

#[tokio::test]
async fn a_good_client_pays_once_and_a_wrong_password_always_pays() {
    for hash in [ARGON2ID, BCRYPT] {
        let (world, pool) = world(&[("alice", hash), ("bob", hash)]);
        let handler = world.compile(NAME, "{}");
        for paid in [1, 0, 0] {
            let mut exchange = with("alice:secret");
            exchange.passes(&handler).await;
            assert_eq!(exchange.consumer(), Some("owner"));
            assert_eq!(pool.jobs(), paid, "{hash}");
        }
        for _ in 0..3 {
            assert_eq!(status(&handler, "alice:wrong").await, 401);
            assert_eq!(pool.jobs(), 1, "{hash}");
        }
        with("bob:secret").passes(&handler).await;
        assert_eq!(pool.jobs(), 1, "what another user has proven is no proof");
        assert_eq!(status(&handler, &format!("alice:{hash}")).await, 401, "the hash is no password");
    }
}

#[tokio::test]
async fn an_unknown_user_costs_what_a_known_one_costs_and_never_passes() {
    let (world, pool) = world(&[("alice", ARGON2ID)]);
    let handler = world.compile(NAME, "{}");
    for _ in 0..3 {
        assert_eq!(status(&handler, "nobody:secret").await, 401);
        assert_eq!(pool.jobs(), 1);
    }
}

#[tokio::test]
async fn passwords_in_plain_text_never_wait_for_the_pool() {
    let (plain, pool) = world(&[("alice", "secret"), ("bob", "other")]);
    pool.is_full.store(true, SeqCst);
    let handler = plain.compile(NAME, "{}");
    with("alice:secret").passes(&handler).await;
    assert_eq!(status(&handler, "alice:wrong").await, 401);
    assert_eq!(status(&handler, "nobody:secret").await, 401);

    let (mixed, pool) = world(&[("alice", "secret"), ("bob", ARGON2ID)]);
    pool.is_full.store(true, SeqCst);
    let handler = mixed.compile(NAME, "{}");
    with("alice:secret").passes(&handler).await;
    assert_eq!(status(&handler, "alice:wrong").await, 401);
}

#[tokio::test]
async fn where_kinds_are_mixed_unknown_users_cost_what_known_ones_do_in_proportion_and_always_the_same() {
    let users = [("a", "x"), ("b", ARGON2ID), ("c", "y"), ("d", BCRYPT)];
    let (first, counted) = world(&users);
    let handler = first.compile(NAME, "{}");
    let mut costly = Vec::new();
    for number in 0..200 {
        status(&handler, &format!("user-{number}:guess")).await;
        costly.push(counted.jobs());
    }
    let sum: usize = costly.iter().sum();
    assert!((70..=130).contains(&sum), "half of the known users are costly: {sum} of 200");

    let other_order: Vec<_> = users.into_iter().rev().collect();
    let mut again = World::load(&format!(
        "consumers: [{{username: owner, basicauth_credentials: [{}]}}]",
        other_order
            .iter()
            .map(|(name, password)| {
                let position = users.iter().position(|(known, _)| known == name).expect("a user");
                format!("{{id: basicauth_credentials-{position}, username: {name}, password: '{password}'}}")
            })
            .collect::<Vec<_>>()
            .join(", ")
    ));
    again.resources.hashing = WorkPool::new(Arc::clone(&counted) as _);
    let handler = again.compile(NAME, "{}");
    for (number, expected) in costly.iter().enumerate() {
        status(&handler, &format!("user-{number}:guess")).await;
        assert_eq!(counted.jobs(), *expected, "user-{number}");
    }
}

#[tokio::test]
async fn a_burst_of_one_client_is_computed_once() {
    let (world, pool) = world(&[("alice", ARGON2ID)]);
    let handler = world.compile(NAME, "{}");
    for (password, passes) in [("secret", true), ("wrong", false)] {
        pool.holds.store(true, SeqCst);
        let mut burst = tokio::task::JoinSet::new();
        for _ in 0..20 {
            let handler = Arc::clone(&handler);
            burst.spawn(async move {
                let mut exchange = with(&format!("alice:{password}"));
                let flow = exchange.run(&handler).await;
                matches!(flow, signet_plugin_api::Flow::Continue)
            });
        }
        // On one thread each yield lets every task run until it waits.
        for _ in 0..5 {
            tokio::task::yield_now().await;
        }
        assert_eq!(pool.held.lock().expect("jobs").len(), 1, "{password}");
        pool.release();
        assert_eq!(burst.join_all().await, [passes; 20]);
        assert_eq!(pool.jobs(), 1, "{password}");
    }
}

#[tokio::test]
async fn two_users_never_share_a_computation_whether_they_exist_or_not() {
    let (world, pool) = world(&[("alice", ARGON2ID), ("bob", ARGON2ID)]);
    let handler = world.compile(NAME, "{}");
    for (one, other) in [("alice", "bob"), ("nobody", "no-one"), ("alice", "nobody")] {
        pool.holds.store(true, SeqCst);
        let mut both = tokio::task::JoinSet::new();
        for user in [one, other] {
            let handler = Arc::clone(&handler);
            both.spawn(async move { status(&handler, &format!("{user}:guess")).await });
        }
        for _ in 0..5 {
            tokio::task::yield_now().await;
        }
        assert_eq!(pool.jobs(), 2, "{one} {other}");
        pool.release();
        assert_eq!(both.join_all().await, [401, 401]);
    }
}

#[tokio::test]
async fn who_waits_for_another_is_served_when_that_one_goes_away() {
    let (world, pool) = world(&[("alice", ARGON2ID)]);
    let handler = world.compile(NAME, "{}");
    pool.holds.store(true, SeqCst);
    let request = |handler: &Arc<dyn Handler>| {
        let handler = Arc::clone(handler);
        tokio::spawn(async move { with("alice:secret").passes(&handler).await })
    };
    let first = request(&handler);
    tokio::task::yield_now().await;
    let second = request(&handler);
    tokio::task::yield_now().await;
    first.abort();
    assert!(first.await.is_err_and(|error| error.is_cancelled()));
    pool.release();
    second.await.expect("served");
}

#[tokio::test]
async fn a_full_queue_is_a_503_and_does_not_touch_who_was_verified() {
    let (world, pool) = world(&[("alice", ARGON2ID), ("bob", ARGON2ID)]);
    for config in ["{}", "{anonymous: anon, hide_credentials: true}"] {
        let handler = world.compile(NAME, config);
        pool.is_full.store(false, SeqCst);
        with("alice:secret").passes(&handler).await;
        pool.is_full.store(true, SeqCst);
        with("alice:secret").passes(&handler).await;
        for refused in ["bob:secret", "bob:wrong", "alice:wrong", "nobody:secret"] {
            let mut exchange = with(refused);
            let response = exchange.answer(&handler).await;
            assert_eq!((response.status.as_u16(), answered(&response, "retry-after")), (503, Some("1")), "{refused}");
            assert!(exchange.cx.identity().is_none());
        }
    }
    pool.is_full.store(false, SeqCst);
    with("bob:secret").passes(&world.compile(NAME, "{}")).await;
}

#[tokio::test]
async fn what_was_verified_survives_a_reload_unless_the_credential_changed() {
    let (before, pool) = world(&[("alice", ARGON2ID), ("bob", ARGON2ID), ("carol", ARGON2ID)]);
    let old = before.compile(NAME, "{}");
    for user in ["alice", "bob", "carol"] {
        with(&format!("{user}:secret")).passes(&old).await;
    }
    assert_eq!(pool.jobs(), 3);

    let (mut after, pool) = world(&[("alice", ARGON2ID), ("bob", BCRYPT)]);
    after.resources.backgrounds = Arc::clone(&before.resources.backgrounds);
    let new = after.compile(NAME, "{hide_credentials: true}");
    drop((before, old));
    with("alice:secret").passes(&new).await;
    assert_eq!(pool.jobs(), 0, "nothing changed for her");
    with("bob:secret").passes(&new).await;
    assert_eq!(pool.jobs(), 1, "another hash, of the same password");
    assert_eq!(status(&new, "carol:secret").await, 401);
    assert_eq!(pool.jobs(), 1, "she is unknown now");
}

#[tokio::test]
async fn a_broken_job_lets_nobody_in() {
    struct Lost;
    impl JobQueue for Lost {
        fn submit(&self, _: Job) -> Result<(), Busy> {
            Ok(())
        }
    }
    let (mut world, _) = world(&[("alice", ARGON2ID)]);
    world.resources.hashing = WorkPool::new(Arc::new(Lost));
    assert_eq!(status(&world.compile(NAME, "{}"), "alice:secret").await, 503);
}

#[test]
fn what_is_unwise_about_a_password_is_told_without_it() {
    let strong = "$argon2id$v=19$m=19456,t=2,p=1$c29tZXNhbHQ$KiUpkNXkW0iek3f66642bafVuX6jLM4L5GStYqwn32c";
    let sha1 = "ba24b05b3bb5ca5b6f4cb4b0d2ad2c2bcba24b05";
    let (world, _) =
        world(&[("a", strong), ("b", BCRYPT), ("c", ARGON2ID), ("d", sha1), ("e", "$6$salt$hash"), ("f", "$ecret$")]);
    let advice = "is quickly guessed; OWASP advises argon2id with m=19456,t=2,p=1, or bcrypt with a cost of 10 or more";
    let taken = "of which no password can be verified; it is taken as the password itself";
    assert_eq!(
        world.credential_warnings,
        [
            format!("[1].password: bcrypt with a cost of 4 {advice}"),
            format!("[2].password: argon2id with m=8,t=1,p=1 {advice}"),
            format!("[3].password: looks like a hash out of Kong's database, {taken}"),
            format!("[4].password: looks like a hash of another kind, {taken}"),
        ]
    );
}
