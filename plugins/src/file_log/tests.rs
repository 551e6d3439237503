//! Tests: what the file gets.

use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use serde_json::Value;
use signet_plugin_api::{LogFile, LogFiles, Record, RequestHeader, Scope};

use crate::testing::{Exchange, World};

/// Files that keep what they are given.
#[derive(Clone, Default)]
struct Kept(Arc<Mutex<Vec<(PathBuf, bool, String)>>>);

struct One(Kept, PathBuf, bool);

impl LogFiles for Kept {
    fn file(&self, path: &Path, reopen: bool) -> Arc<dyn LogFile> {
        Arc::new(One(self.clone(), path.to_owned(), reopen))
    }
}

impl LogFile for One {
    fn append(&self, line: &[u8]) {
        let line = String::from_utf8(line.to_vec()).expect("UTF-8");
        self.0.0.lock().unwrap_or_else(PoisonError::into_inner).push((self.1.clone(), self.2, line));
    }
}

#[tokio::test]
async fn each_request_is_a_line_of_the_file() {
    let kept = Kept::default();
    let mut world = World::empty();
    world.resources.log_files = Arc::new(kept.clone());
    let plugin = world.compile("file-log", "{path: /tmp/a.log, reopen: true}");
    let exchange = Exchange::get("/a");
    let head = RequestHeader::build("GET", b"/a", None).expect("a head");
    plugin.on_log(&exchange.cx, &Record::of(&head, 200)).await;
    plugin.on_log(&exchange.cx, &Record::of(&head, 404)).await;
    let lines = kept.0.lock().unwrap_or_else(PoisonError::into_inner);
    let statuses = lines.iter().map(|(path, reopen, line)| {
        assert_eq!((path.as_path(), *reopen), (Path::new("/tmp/a.log"), true));
        assert_eq!(line.matches('\n').count(), 1);
        let entry: Value = serde_json::from_str(line.strip_suffix('\n').expect("a whole line")).expect("JSON");
        entry["response"]["status"].as_u64().expect("a status")
    });
    assert_eq!(statuses.collect::<Vec<_>>(), [200, 404]);
}

#[test]
fn a_path_that_is_none_and_a_script_are_mistakes() {
    let world = World::empty();
    for path in ["''", "'a*'", "'a&b'", "'a%'", "'`a`'"] {
        assert_eq!(world.mistakes("file-log", &format!("{{path: {path}}}")), ["path: not a valid filename"]);
    }
    assert_eq!(world.mistakes("file-log", "{}").len(), 1);
    world.compile("file-log", "{path: a.log, custom_fields_by_lua: null}");
    world.compile("file-log", "{path: a.log, custom_fields_by_lua: {}}");
    let told = world.mistakes("file-log", "{path: a.log, custom_fields_by_lua: {a: return 1}}");
    assert!(told.iter().all(|told| told.starts_with("custom_fields_by_lua")), "{told:?}");
    let _ = Scope::new(&world.resources).log_file(Path::new("a.log"), false);
}
