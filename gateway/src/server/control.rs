//! The control socket: where `signet upgrade` asks, and waits for what came of it.

use std::{
    fs::{self, Permissions},
    io,
    os::{
        fd::{AsFd, OwnedFd},
        unix::{fs::PermissionsExt, net},
    },
    path::{Path, PathBuf},
    time::Duration,
};

use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::{UnixListener, UnixStream},
    sync::{mpsc, oneshot},
    task::JoinHandle,
    time::{sleep, timeout},
};
use tracing::warn;

use super::{Inherited, inherited::CONTROL};

/// What is asked on the socket, with a line end.
pub(crate) const UPGRADE: &str = "upgrade";
/// What an answer of success begins with; the number of the new process follows. Anything else is why there was none.
pub(crate) const READY: &str = "ready ";

/// As much of a question as is read, in bytes.
const LONGEST_QUESTION: u64 = 64;
/// How long who asks may take for the question.
const PATIENCE: Duration = Duration::from_secs(5);

/// A socket that only the user of the process may connect to.
#[derive(Debug)]
pub(crate) struct Control {
    path: PathBuf,
    listener: net::UnixListener,
}

/// Somebody who waits for an upgrade.
pub(super) type Asked = oneshot::Sender<String>;

impl Control {
    /// Takes the path, unless it was inherited. What lies there is replaced if it is a socket on which nobody answers.
    ///
    /// # Errors
    /// When somebody answers there, or the path cannot be used.
    pub(crate) fn take(path: Option<&Path>, inherited: &mut Inherited) -> io::Result<Option<Self>> {
        let known = inherited.control(path);
        let Some(path) = path else { return Ok(None) };
        let listener = match known {
            Some(listener) => listener,
            None => bind(path)?,
        };
        listener.set_nonblocking(true)?;
        Ok(Some(Self { path: path.to_owned(), listener }))
    }

    /// What a process that takes over knows it by.
    pub(super) fn name(&self) -> String {
        format!("{CONTROL}{}", self.path.display())
    }

    /// The socket once more, for the process that takes over.
    pub(super) fn socket(&self) -> io::Result<OwnedFd> {
        self.listener.as_fd().try_clone_to_owned()
    }

    /// Begins to answer.
    pub(super) fn listen(&self) -> io::Result<Asks> {
        let listener = UnixListener::from_std(self.listener.try_clone()?)?;
        let (asked, asks) = mpsc::channel(1);
        let accepting = tokio::spawn(async move {
            loop {
                match listener.accept().await {
                    Ok((stream, _)) if is_trusted(&stream) => drop(tokio::spawn(converse(stream, asked.clone()))),
                    Ok(_) => warn!("another user asks on the control socket: not answered"),
                    Err(error) => {
                        warn!(%error, "the control socket");
                        sleep(PATIENCE).await;
                    }
                }
            }
        });
        Ok(Asks { asks, accepting })
    }

    /// The file goes with the last process that uses it.
    pub(super) fn remove(&self) {
        if let Err(error) = fs::remove_file(&self.path) {
            warn!(path = %self.path.display(), %error, "the control socket cannot be removed");
        }
    }
}

/// Those who ask.
#[derive(Debug)]
pub(super) struct Asks {
    asks: mpsc::Receiver<Asked>,
    accepting: JoinHandle<()>,
}

impl Asks {
    /// The next one; never where there is no socket.
    pub(super) async fn next(asks: &mut Option<Self>) -> Asked {
        let asked = match asks {
            Some(asks) => asks.asks.recv().await,
            None => None,
        };
        match asked {
            Some(asked) => asked,
            None => std::future::pending().await,
        }
    }

    /// Accepts nobody any more: another process may listen on the same socket.
    pub(super) fn stop(&self) {
        self.accepting.abort();
    }

    /// Waits until those who asked have their answers.
    pub(super) async fn finish(mut self) {
        let all_gone = async {
            // The channel ends with the last conversation.
            while let Some(asked) = self.asks.recv().await {
                let _ = asked.send("the process is about to end".to_owned());
            }
        };
        let _ = timeout(PATIENCE, all_gone).await;
    }
}

fn bind(path: &Path) -> io::Result<net::UnixListener> {
    if net::UnixStream::connect(path).is_ok() {
        return Err(io::Error::new(io::ErrorKind::AddrInUse, "another gateway answers there"));
    }
    // It has its name only when nobody else may connect to it.
    let mut aside = path.to_owned().into_os_string();
    aside.push(format!(".{}", std::process::id()));
    let aside = PathBuf::from(aside);
    let listener = net::UnixListener::bind(&aside)?;
    let named = fs::set_permissions(&aside, Permissions::from_mode(0o600)).and_then(|()| {
        use std::os::unix::fs::FileTypeExt;
        if fs::symlink_metadata(path).is_ok_and(|there| !there.file_type().is_socket()) {
            return Err(io::Error::new(io::ErrorKind::AlreadyExists, "a file that is no socket is there"));
        }
        fs::rename(&aside, path)
    });
    if named.is_err() {
        let _ = fs::remove_file(&aside);
    }
    named.map(|()| listener)
}

/// Whether our own user asks, or root. The mode of the socket says so, too, but others may change that.
fn is_trusted(stream: &UnixStream) -> bool {
    let own = rustix::process::geteuid().as_raw();
    stream.peer_cred().is_ok_and(|asks| may_ask(asks.uid(), own))
}

fn may_ask(user: u32, own: u32) -> bool {
    user == own || user == 0
}

async fn converse(mut stream: UnixStream, asked: mpsc::Sender<Asked>) {
    let mut line = String::new();
    let question = (&mut stream).take(LONGEST_QUESTION);
    if !matches!(timeout(PATIENCE, BufReader::new(question).read_line(&mut line)).await, Ok(Ok(_))) {
        return;
    }
    let answer = if line.trim_end() == UPGRADE {
        let (reply, answer) = oneshot::channel();
        // The process may end meanwhile; whoever asked sees the end of the connection.
        if asked.send(reply).await.is_err() {
            return;
        }
        let Ok(answer) = answer.await else { return };
        answer
    } else {
        format!("expected `{UPGRADE}`")
    };
    let _ = stream.write_all(format!("{answer}\n").as_bytes()).await;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_root_and_the_user_of_the_process_may_ask() {
        assert!(may_ask(1000, 1000) && may_ask(0, 1000) && may_ask(0, 0));
        assert!(!may_ask(1001, 1000) && !may_ask(1000, 0));
    }

    #[tokio::test]
    async fn a_connection_of_this_process_is_trusted() {
        let (one, other) = UnixStream::pair().expect("two sockets");
        assert!(is_trusted(&one) && is_trusted(&other));
    }
}
