//! State that outlives one configuration, and work that goes on besides requests.

use std::{
    any::{Any, TypeId},
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, PoisonError, Weak},
    time::Duration,
};

use async_trait::async_trait;

/// Work of a plugin that no request waits for: fetching keys, forgetting what is old. It starts when the configuration
/// that names it is published, and ends when no configuration does.
#[async_trait]
pub trait Background: Send + Sync + 'static {
    /// Does what is due; gives the pause until the next time. It must end by itself: give everything that waits for others
    /// a deadline.
    async fn tick(&self) -> Duration;

    /// The process is about to end: what must not be lost is done now. Whoever takes long is not waited for.
    async fn finish(&self) {}
}

/// What is shared between configurations, by type and content: the same key gives the same value as long as some
/// configuration holds it, so that a reload loses nothing whose definition did not change.
#[derive(Default)]
pub struct Backgrounds(Mutex<State>);

#[derive(Default)]
struct State {
    known: HashMap<(TypeId, String), Weak<dyn Any + Send + Sync>>,
    pending: Vec<Weak<dyn Background>>,
    started: Vec<Weak<dyn Background>>,
}

impl Backgrounds {
    /// The value of this type and key; made when nobody holds one. For the engine; plugins have [`crate::Scope::shared`].
    pub fn shared<T: Any + Send + Sync>(&self, key: &str, make: impl FnOnce() -> T) -> Arc<T> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).shared(key, make).0
    }

    /// The same, to be started when the configuration is published.
    pub fn background<T: Background>(&self, key: &str, make: impl FnOnce() -> T) -> Arc<T> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (value, is_new) = state.shared(key, make);
        if is_new {
            let weak: Weak<T> = Arc::downgrade(&value);
            state.pending.push(weak);
        }
        value
    }

    /// Those that were not started yet: the engine takes them when it publishes. What a refused configuration asked for is
    /// gone by then.
    pub fn take_pending(&self) -> Vec<Weak<dyn Background>> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let alive = |weak: &Weak<dyn Background>| weak.strong_count() > 0;
        let pending: Vec<_> = std::mem::take(&mut state.pending).into_iter().filter(alive).collect();
        state.started.retain(alive);
        state.started.extend(pending.iter().cloned());
        pending
    }

    /// Those that were started and that some configuration holds.
    pub fn started(&self) -> Vec<Arc<dyn Background>> {
        let state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.started.iter().filter_map(Weak::upgrade).collect()
    }
}

impl State {
    fn shared<T: Any + Send + Sync>(&mut self, key: &str, make: impl FnOnce() -> T) -> (Arc<T>, bool) {
        let place = (TypeId::of::<T>(), key.to_owned());
        let known = self.known.get(&place).and_then(Weak::upgrade).and_then(|value| value.downcast::<T>().ok());
        if let Some(known) = known {
            return (known, false);
        }
        self.known.retain(|_, value| value.strong_count() > 0);
        let value = Arc::new(make());
        let weak: Weak<T> = Arc::downgrade(&value);
        self.known.insert(place, weak);
        (value, true)
    }
}

impl fmt::Debug for Backgrounds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Backgrounds")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Counter(u32);

    #[async_trait]
    impl Background for Counter {
        async fn tick(&self) -> Duration {
            Duration::from_secs(u64::from(self.0))
        }
    }

    #[test]
    fn the_same_content_is_the_same_value_as_long_as_somebody_holds_it() {
        let store = Backgrounds::default();
        let first = store.shared("a", || 1_u32);
        let again = store.shared("a", || 2_u32);
        assert!(Arc::ptr_eq(&first, &again));
        assert_eq!(*store.shared("b", || 3_u32), 3);
        assert_eq!(*store.shared("a", || 4_u64), 4, "another type is another value");
        drop((first, again));
        assert_eq!(*store.shared("a", || 5_u32), 5);
    }

    #[test]
    fn work_is_started_once_and_only_if_somebody_holds_it() {
        let store = Backgrounds::default();
        let held = store.background("a", || Counter(1));
        drop(store.background("gone", || Counter(2)));
        let again = store.background("a", || Counter(3));
        assert!(Arc::ptr_eq(&held, &again));
        assert_eq!(store.started().len(), 0);
        assert_eq!(store.take_pending().len(), 1);
        assert_eq!(store.take_pending().len(), 0);
        assert_eq!(store.started().len(), 1);
        drop((held, again));
        assert_eq!(store.started().len(), 0);
    }
}
