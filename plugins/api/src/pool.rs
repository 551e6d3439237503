//! CPU-heavy work off the threads that serve connections.

use std::sync::Arc;

use tokio::sync::oneshot;

/// A piece of work for the pool.
pub type Job = Box<dyn FnOnce() + Send>;

/// The queue is full, or the pool has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the work queue is full")]
pub struct Busy;

/// A bounded queue in front of threads of its own. The engine has one; tests use [`WorkPool::inline`].
pub trait JobQueue: Send + Sync {
    /// Enqueues without waiting.
    ///
    /// # Errors
    /// [`Busy`] when the queue is full.
    fn submit(&self, job: Job) -> Result<(), Busy>;
}

/// A handle to the pool, cheap to clone.
#[derive(Clone)]
pub struct WorkPool(Arc<dyn JobQueue>);

impl WorkPool {
    /// Wraps a queue.
    pub fn new(queue: Arc<dyn JobQueue>) -> Self {
        Self(queue)
    }

    /// A pool that runs each job in the caller, for tests.
    pub fn inline() -> Self {
        struct Inline;
        impl JobQueue for Inline {
            fn submit(&self, job: Job) -> Result<(), Busy> {
                job();
                Ok(())
            }
        }
        Self::new(Arc::new(Inline))
    }

    /// Runs `work` on the pool. When the caller is dropped before its turn comes, the work is skipped.
    ///
    /// # Errors
    /// [`Busy`] when the queue is full, or when the work panicked.
    pub async fn run<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T, Busy> {
        let (sender, receiver) = oneshot::channel();
        self.0.submit(Box::new(move || {
            if !sender.is_closed() {
                // The receiver is gone when the client went away: nobody waits for the result.
                let _ = sender.send(work());
            }
        }))?;
        receiver.await.map_err(|_| Busy)
    }
}

impl std::fmt::Debug for WorkPool {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("WorkPool")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn work_gives_its_result_to_the_caller() {
        assert_eq!(WorkPool::inline().run(|| 6 * 7).await, Ok(42));
    }

    #[tokio::test]
    async fn a_full_queue_is_said_at_once() {
        struct Full;
        impl JobQueue for Full {
            fn submit(&self, _: Job) -> Result<(), Busy> {
                Err(Busy)
            }
        }
        assert_eq!(WorkPool::new(Arc::new(Full)).run(|| 1).await, Err(Busy));
    }
}
