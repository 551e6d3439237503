//! The process that takes over: started with the listeners of this one, and watched until it serves.

use std::{
    env,
    ffi::OsString,
    io,
    os::{
        fd::{AsFd, OwnedFd},
        unix::net,
    },
    process::{self, Child, Command},
    time::Duration,
};

use command_fds::{CommandFdExt, FdMapping};
use tokio::{
    io::AsyncReadExt,
    net::UnixStream,
    sync::oneshot,
    task::{JoinHandle, spawn_blocking},
    time::timeout,
};
use tracing::{error, info};

use super::{
    control::{Asked, READY},
    inherited::{NAMES, REPORT},
};

/// The first descriptor that is handed over (sd_listen_fds(3)).
const FIRST: i32 = 3;

/// How the next process is started: as this one was.
#[derive(Debug)]
pub(crate) struct Successor {
    program: OsString,
    arguments: Vec<OsString>,
    patience: Duration,
}

impl Successor {
    /// By the words of the command line, so that a path that leads to another program by now starts that one.
    /// `patience` is the time that it may take until it serves.
    pub(crate) fn of_this(patience: Duration) -> Self {
        let mut words = env::args_os();
        let program = words.next().or_else(|| env::current_exe().ok().map(Into::into)).unwrap_or_default();
        Self { program, arguments: words.collect(), patience }
    }

    /// Starts it with these sockets. What comes of it is in [`Pending`].
    pub(super) fn start(&self, sockets: &[(String, OwnedFd)]) -> io::Result<Pending> {
        let (ours, theirs) = net::UnixStream::pair()?;
        let report = (REPORT.to_owned(), OwnedFd::from(theirs));
        let (mut names, mut mappings) = (Vec::new(), Vec::new());
        for (child_fd, (name, socket)) in (FIRST..).zip([&report].into_iter().chain(sockets)) {
            names.push(name.as_str());
            mappings.push(FdMapping { parent_fd: socket.as_fd().try_clone_to_owned()?, child_fd });
        }
        let mut command = Command::new(&self.program);
        command.args(&self.arguments).env("LISTEN_FDS", mappings.len().to_string()).env_remove("LISTEN_PID");
        command.env(NAMES, names.join("\n"));
        let child = command.fd_mappings(mappings).map_err(io::Error::other)?.spawn()?;
        // Only the child has its end now: it is closed when the child ends.
        drop((command, report));
        let id = child.id();
        info!(process = id, program = %self.program.to_string_lossy(), "an upgrade begins: a new process starts");
        ours.set_nonblocking(true)?;
        let (cancel, cancelled) = oneshot::channel();
        let watched = watch(child, UnixStream::from_std(ours)?, self.patience, cancelled);
        Ok(Pending { id, watched: tokio::spawn(watched), _cancel: cancel, asked: None })
    }
}

/// A process that starts and does not serve yet. Dropping it ends that process.
pub(super) struct Pending {
    id: u32,
    watched: JoinHandle<Result<(), String>>,
    _cancel: oneshot::Sender<()>,
    asked: Option<Asked>,
}

impl Pending {
    /// With whom to tell what comes of it.
    pub(super) fn asked_by(self, asked: Option<Asked>) -> Self {
        Self { asked, ..self }
    }

    /// Waits until it serves; its number then. None when it does not come to that. May be dropped and called again.
    pub(super) async fn outcome(pending: &mut Option<Self>) -> Option<u32> {
        let Some(this) = pending else { return std::future::pending().await };
        let outcome = (&mut this.watched).await.unwrap_or_else(|error| Err(error.to_string()));
        let this = pending.take()?;
        match outcome {
            Ok(()) => {
                info!(process = this.id, "the new process serves; this one drains and ends");
                reply(this.asked, format!("{READY}{}", this.id));
                Some(this.id)
            }
            Err(reason) => {
                failed(this.asked, &reason);
                None
            }
        }
    }
}

/// The process goes on to serve.
pub(super) fn failed(asked: Option<Asked>, reason: &str) {
    error!(reason, "the upgrade failed; this process goes on to serve");
    reply(asked, format!("{reason}; the running process goes on to serve"));
}

/// The first process of a container takes the others with it when it ends.
pub(super) fn is_impossible() -> Option<&'static str> {
    (process::id() == 1)
        .then_some("the gateway is the first process of its container, which would end with it: replace the container")
}

fn reply(asked: Option<Asked>, text: String) {
    if let Some(asked) = asked {
        // Who asked may have given up.
        let _ = asked.send(text);
    }
}

async fn watch(
    mut child: Child,
    mut report: UnixStream,
    patience: Duration,
    cancelled: oneshot::Receiver<()>,
) -> Result<(), String> {
    let mut word = [0; 16];
    let reason = tokio::select! {
        said = timeout(patience, report.read(&mut word)) => match said {
            Ok(Ok(length)) if length > 0 => return Ok(()),
            Ok(_) => None,
            Err(_) => Some(format!("the new process did not serve within {} seconds and was ended", patience.as_secs())),
        },
        _ = cancelled => Some("this process was told to stop meanwhile".to_owned()),
    };
    if reason.is_some() {
        // An error is that it has ended.
        let _ = child.kill();
    }
    let ended = spawn_blocking(move || child.wait()).await;
    Err(reason.unwrap_or_else(|| match ended {
        Ok(Ok(status)) => format!("the new process ended before it served ({status}): its standard error says why"),
        _ => "the new process ended before it served: its standard error says why".to_owned(),
    }))
}
