//! Threads for work that would delay other requests on an I/O thread: signing, verifying passwords.

use std::{
    io,
    panic::AssertUnwindSafe,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    thread,
};

use crossbeam_channel::{Sender, TrySendError, bounded};
use signet_plugin_api::{Busy, Job, JobQueue};

/// A bounded queue in front of a fixed number of threads. The threads end when the last handle is dropped.
#[derive(Debug)]
pub struct WorkThreads {
    queue: Sender<Job>,
    taken: Arc<AtomicU64>,
    refused: AtomicU64,
}

impl WorkThreads {
    /// Starts `threads` threads of this name behind a queue of `capacity` jobs.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub fn start(name: &str, threads: usize, capacity: usize) -> io::Result<Arc<Self>> {
        let (queue, jobs) = bounded::<Job>(capacity);
        let taken = Arc::new(AtomicU64::new(0));
        for number in 0..threads {
            let (jobs, taken) = (jobs.clone(), Arc::clone(&taken));
            thread::Builder::new().name(format!("{name}-{number}")).spawn(move || {
                for job in jobs {
                    taken.fetch_add(1, Relaxed);
                    // A job that panics must not take the thread with it; its caller sees the dropped channel.
                    let _ = std::panic::catch_unwind(AssertUnwindSafe(job));
                }
            })?;
        }
        Ok(Arc::new(Self { queue, taken, refused: AtomicU64::new(0) }))
    }

    /// Jobs that wait.
    pub fn depth(&self) -> usize {
        self.queue.len()
    }

    /// Jobs that a thread has taken since the start.
    pub fn taken(&self) -> u64 {
        self.taken.load(Relaxed)
    }

    /// Jobs that were refused since the start.
    pub fn refused(&self) -> u64 {
        self.refused.load(Relaxed)
    }
}

impl JobQueue for WorkThreads {
    fn submit(&self, job: Job) -> Result<(), Busy> {
        self.queue.try_send(job).map_err(|error| {
            if matches!(error, TrySendError::Full(_)) {
                self.refused.fetch_add(1, Relaxed);
            }
            Busy
        })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use signet_plugin_api::WorkPool;

    use super::*;

    #[tokio::test]
    async fn a_full_queue_refuses_and_counts() {
        let pool = WorkThreads::start("test", 1, 1).expect("a pool");
        let (release, blocked) = mpsc::channel::<()>();
        let (started, running) = mpsc::channel::<()>();
        pool.submit(Box::new(move || {
            started.send(()).expect("the test waits");
            blocked.recv().expect("the test releases");
        }))
        .expect("the thread takes it");
        running.recv().expect("it runs");
        pool.submit(Box::new(|| ())).expect("one waits");
        assert_eq!(pool.submit(Box::new(|| ())), Err(Busy));
        assert_eq!((pool.taken(), pool.depth(), pool.refused()), (1, 1, 1));
        release.send(()).expect("the job waits");
    }

    #[tokio::test]
    async fn a_panicking_job_leaves_the_pool_working() {
        let pool = WorkPool::new(WorkThreads::start("test", 1, 4).expect("a pool"));
        assert_eq!(pool.run(|| panic!("on purpose")).await, Err::<(), _>(Busy));
        assert_eq!(pool.run(|| 1).await, Ok(1));
    }
}
