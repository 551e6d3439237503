//! The binary under test as a process, with its output.

use std::{
    env,
    ffi::OsStr,
    io::{BufRead, BufReader, Read, Write},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{Arc, Condvar, Mutex, PoisonError},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use crate::{DEADLINE, poll::poll};

/// How long a gateway that a test is done with may take to write its last lines.
const PATIENCE: Duration = Duration::from_secs(3);

/// The binary: `SIGNET_BIN`, else the one that was built beside this test, else the debug build of this workspace.
pub fn binary() -> PathBuf {
    if let Some(path) = env::var_os("SIGNET_BIN") {
        return PathBuf::from(path);
    }
    let test = env::current_exe().expect("the path of this test");
    let beside = test.ancestors().nth(2).map(|folder| folder.join("signet")).filter(|path| path.is_file());
    let path = beside.unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/debug/signet"));
    assert!(
        path.is_file(),
        "{} is not there: `cargo build -p signet` makes it, SIGNET_BIN names another",
        path.display()
    );
    path
}

/// A finished run.
#[derive(Debug)]
pub struct Run {
    /// The exit code; nothing after a signal.
    pub code: Option<i32>,
    /// All of it.
    pub stdout: String,
    /// All of it.
    pub stderr: String,
}

/// Runs the binary to its end.
pub fn signet<A: AsRef<OsStr>>(args: impl IntoIterator<Item = A>) -> Run {
    let mut process = Process::spawn(command().args(args));
    process.wait()
}

/// Runs a command to its end.
pub(crate) fn to_the_end(command: &mut Command) -> Run {
    Process::spawn(command).wait()
}

/// The same with this on its standard input.
pub fn signet_reading<A: AsRef<OsStr>>(input: &[u8], args: impl IntoIterator<Item = A>) -> Run {
    let mut process = Process::spawn_with(command().args(args), Stdio::piped());
    let mut stdin = process.child.stdin.take().expect("its standard input");
    // It may have ended without reading all of it.
    let _ = stdin.write_all(input);
    drop(stdin);
    process.wait()
}

/// The binary, with an environment in which nothing of the caller's configures it.
pub(crate) fn command() -> Command {
    command_at(&binary())
}

/// The same for a binary at another path.
pub(crate) fn command_at(path: &Path) -> Command {
    let mut command = Command::new(path);
    for (name, _) in env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("SIGNET_")) {
        command.env_remove(name);
    }
    command.env("NO_COLOR", "1");
    command
}

/// A running binary; killed when dropped.
#[derive(Debug)]
pub struct Process {
    child: Child,
    stdout: Output,
    stderr: Output,
}

impl Process {
    /// Starts the binary with these arguments.
    pub fn start<A: AsRef<OsStr>>(args: impl IntoIterator<Item = A>) -> Self {
        Self::spawn(command().args(args))
    }

    pub(crate) fn spawn(command: &mut Command) -> Self {
        Self::spawn_with(command, Stdio::null())
    }

    fn spawn_with(command: &mut Command, stdin: Stdio) -> Self {
        let mut child =
            command.stdin(stdin).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the binary starts");
        let stdout = Output::of(child.stdout.take().expect("its output"));
        let stderr = Output::of(child.stderr.take().expect("its messages"));
        Self { child, stdout, stderr }
    }

    /// The first line of standard error that `wanted` takes. Panics with all output when the process ends without one.
    pub fn line<T>(&self, what: &str, wanted: impl Fn(&str) -> Option<T>) -> T {
        self.stderr.line(wanted).unwrap_or_else(|| panic!("no line about {what}:\n{}", self.stderr.text()))
    }

    /// What it has written to standard output.
    pub fn stdout(&self) -> String {
        self.stdout.text()
    }

    /// What it has written to standard error.
    pub fn stderr(&self) -> String {
        self.stderr.text()
    }

    /// Sends a signal by name, such as `TERM`.
    pub fn signal(&self, name: &str) {
        assert!(signal(self.child.id(), name), "no signal {name} to {}", self.child.id());
    }

    /// Ends it at once, wherever it is; nothing when it has ended by itself.
    pub fn kill(&mut self) {
        // An error is that it has ended.
        let _ = self.child.kill();
    }

    /// Asks it to end at once, so that it still writes what it has to say, and waits for that, but not long.
    pub(crate) fn interrupt(&mut self) {
        let end = Instant::now() + PATIENCE;
        // The second signal ends it whatever it still serves.
        while self.is_running() && Instant::now() < end && signal(self.child.id(), "INT") {
            thread::sleep(Duration::from_millis(5));
        }
        self.kill();
        self.stdout.wait_for_end(end);
        self.stderr.wait_for_end(end);
    }

    /// Whether it has not ended.
    pub fn is_running(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Its number.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Waits for its end, not for that of its output, into which another process may write; its exit code.
    pub fn ended(&mut self) -> Option<i32> {
        let status = poll(|| {
            let status = self.child.try_wait().expect("a process to wait for");
            status.ok_or_else(|| format!("still running:\n{}", self.stderr.text()))
        });
        status.code()
    }

    /// Waits for its end.
    pub fn wait(&mut self) -> Run {
        let status = poll(|| {
            let status = self.child.try_wait().expect("a process to wait for");
            status.ok_or_else(|| format!("still running:\n{}", self.stderr.text()))
        });
        self.stdout.join();
        self.stderr.join();
        Run { code: status.code(), stdout: self.stdout.text(), stderr: self.stderr.text() }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Sends a signal by name to a process; whether there is one.
pub(crate) fn signal(process: u32, name: &str) -> bool {
    let mut kill = Command::new("kill");
    kill.args(["-s", name, &process.to_string()]).stderr(Stdio::null());
    kill.status().expect("the command `kill`").success()
}

#[derive(Debug, Default)]
struct Written {
    text: String,
    ended: bool,
}

/// What comes out of one of its pipes.
#[derive(Debug)]
struct Output {
    written: Arc<(Mutex<Written>, Condvar)>,
    reader: Option<JoinHandle<()>>,
}

impl Output {
    fn of(pipe: impl Read + Send + 'static) -> Self {
        let written = Arc::new((Mutex::new(Written::default()), Condvar::new()));
        let shared = Arc::clone(&written);
        let reader = thread::spawn(move || {
            let mut pipe = BufReader::new(pipe);
            let mut line = Vec::new();
            while matches!(pipe.read_until(b'\n', &mut line), Ok(length) if length > 0) {
                let mut written = shared.0.lock().unwrap_or_else(PoisonError::into_inner);
                written.text.push_str(&String::from_utf8_lossy(&line));
                line.clear();
                shared.1.notify_all();
            }
            shared.0.lock().unwrap_or_else(PoisonError::into_inner).ended = true;
            shared.1.notify_all();
        });
        Self { written, reader: Some(reader) }
    }

    fn text(&self) -> String {
        self.written.0.lock().unwrap_or_else(PoisonError::into_inner).text.clone()
    }

    fn line<T>(&self, wanted: impl Fn(&str) -> Option<T>) -> Option<T> {
        let end = Instant::now() + DEADLINE;
        let mut written = self.written.0.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            if let Some(found) = written.text.lines().find_map(&wanted) {
                return Some(found);
            }
            let left = end.saturating_duration_since(Instant::now());
            if written.ended || left.is_zero() {
                return None;
            }
            written = self.written.1.wait_timeout(written, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Another process may hold the pipe for longer.
    fn wait_for_end(&self, end: Instant) {
        let mut written = self.written.0.lock().unwrap_or_else(PoisonError::into_inner);
        while !written.ended {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            written = self.written.1.wait_timeout(written, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    fn join(&mut self) {
        if let Some(reader) = self.reader.take() {
            let _ = reader.join();
        }
    }
}
