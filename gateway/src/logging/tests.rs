//! Tests: logs that are written, moved away, full, and flushed.

use std::fs;

use super::*;

/// A directory of its own, gone with the test.
struct Place(PathBuf);

impl Place {
    fn new() -> Self {
        let path = std::env::temp_dir().join(format!("signet-logging-{}", uuid::Uuid::new_v4()));
        fs::create_dir(&path).expect("a directory");
        Self(path)
    }

    fn file(&self) -> PathBuf {
        self.0.join("lines.log")
    }

    fn text(&self) -> String {
        fs::read_to_string(self.file()).unwrap_or_default()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        drop(fs::remove_dir_all(&self.0));
    }
}

fn sink(target: LogTarget, reopens: bool) -> (Arc<Sink>, impl Fn() -> u64) {
    let meters = Meters::default();
    let dropped = sink::dropped(&meters, "test").expect("a counter");
    let count = dropped.clone();
    (Sink::start("test", Output::later(target), reopens, Some(dropped)), move || count.get())
}

fn settle(sink: &Sink) {
    sink.flush(Instant::now() + Duration::from_secs(30));
}

#[test]
fn lines_are_written_in_their_order_whole_and_all() {
    let place = Place::new();
    let (sink, dropped) = sink(LogTarget::File(place.file()), false);
    let mut expected = String::new();
    for number in 0..5_000 {
        let line = format!("line {number}\n");
        sink.append(line.as_bytes());
        expected += &line;
    }
    settle(&sink);
    assert_eq!(place.text(), expected);
    assert_eq!(dropped(), 0);
}

#[test]
fn a_file_that_was_moved_away_is_made_anew_when_it_is_opened_again() {
    let place = Place::new();
    let (sink, _) = sink(LogTarget::File(place.file()), false);
    let write = |line: &str| {
        sink.append(line.as_bytes());
        settle(&sink);
    };
    write("1\n");
    let old = place.0.join("old");
    fs::rename(place.file(), &old).expect("moved");
    write("2\n");
    assert!(!place.file().exists());
    sink.reopen();
    write("3\n");
    assert_eq!((fs::read_to_string(&old).expect("the old one").as_str(), place.text().as_str()), ("1\n2\n", "3\n"));
}

#[test]
fn a_file_that_is_opened_for_each_write_may_be_moved_at_any_time() {
    let place = Place::new();
    let (sink, _) = sink(LogTarget::File(place.file()), true);
    for line in ["1\n", "2\n"] {
        sink.append(line.as_bytes());
        settle(&sink);
        assert_eq!(place.text(), line);
        fs::remove_file(place.file()).expect("removed");
    }
}

#[test]
fn what_cannot_be_written_is_counted_and_what_can_be_later_is_written() {
    let place = Place::new();
    let folder = place.0.join("later");
    let (sink, dropped) = sink(LogTarget::File(folder.join("a.log")), false);
    sink.append(b"1\n2\n");
    settle(&sink);
    assert_eq!(dropped(), 2);
    fs::create_dir(&folder).expect("a directory");
    sink.append(b"3\n");
    settle(&sink);
    assert_eq!(fs::read_to_string(folder.join("a.log")).expect("the log"), "3\n");
    assert_eq!(dropped(), 2);
}

#[test]
fn a_full_disk_loses_lines_and_nothing_else() {
    let (sink, dropped) = sink(LogTarget::File("/dev/full".into()), false);
    for _ in 0..3 {
        sink.append(b"a line\n");
        settle(&sink);
    }
    assert_eq!(dropped(), 3);
}

#[test]
fn a_pipe_that_nobody_reads_loses_lines_and_holds_nobody() {
    let place = Place::new();
    assert!(std::process::Command::new("mkfifo").arg(place.file()).status().expect("mkfifo").success());
    assert!(Output::open(LogTarget::File(place.file())).is_err(), "nobody reads it");
    let (sink, dropped) = sink(LogTarget::File(place.file()), false);
    sink.append(b"lost\n");
    settle(&sink);
    assert_eq!(dropped(), 1);
    let reader = fs::OpenOptions::new().read(true).write(true).open(place.file()).expect("a reader");
    sink.append(b"read\n");
    settle(&sink);
    assert_eq!(dropped(), 1);
    let mut line = String::new();
    std::io::BufRead::read_line(&mut std::io::BufReader::new(reader), &mut line).expect("a line");
    assert_eq!(line, "read\n");
}

#[test]
fn lines_that_find_no_room_are_dropped_and_counted_and_nobody_waits() {
    let (reader, writer) = std::io::pipe().expect("a pipe");
    use std::os::fd::AsRawFd;
    let path = PathBuf::from(format!("/proc/self/fd/{}", writer.as_raw_fd()));
    let (sink, dropped) = sink(LogTarget::File(path), false);
    let line = [b"x".repeat(1023), b"\n".to_vec()].concat();
    for _ in 0..10_000 {
        sink.append(&line);
    }
    assert!(dropped() > 0, "4 MiB and a pipe that nobody reads hold less than 10 MB");
    let lost = dropped();
    drop((reader, writer));
    settle(&sink);
    assert!(dropped() > lost, "what waited is lost, too, when the pipe breaks");
}

#[test]
fn a_file_is_shared_by_all_who_write_to_it_and_ends_with_them() {
    let place = Place::new();
    let errors = Output::later(LogTarget::Stderr);
    let (level, _) = Level::new(crate::settings::LogLevel::Notice);
    let logs = Logs {
        meters: Arc::default(),
        errors: Arc::new(ErrorLog::new(errors, None)),
        level: Arc::new(level),
        access: None,
        files: Mutex::default(),
    };
    let one = logs.file(&place.file(), false);
    let other = logs.file(&place.file(), false);
    one.append(b"1\n");
    other.append(b"2\n");
    logs.flush(Duration::from_secs(30));
    assert_eq!(place.text(), "1\n2\n");
    assert_eq!(logs.sinks().len(), 1);
    drop((one, other));
    assert_eq!(logs.sinks().len(), 0);
}

#[test]
fn a_level_goes_back_unless_it_was_changed_again() {
    use crate::settings::LogLevel::{Debug, Error, Notice};
    let (level, _layer) = Level::new(Notice);
    let first = level.set(Debug);
    let second = level.set(Error);
    level.take_back(first);
    assert_eq!(level.get(), Error);
    level.take_back(second);
    assert_eq!(level.get(), Notice);
}
