//! From a path to its line: a second reading of the text, made when the first question is asked.

use std::fmt;

use once_cell::sync::OnceCell;
use saphyr_parser::{Event, Parser, Span, StrInput};

use super::{Content, Mistake, at::write_key};

/// Deeper than any file that the decoder accepts; what lies below has the line of the last known place.
const MAX_DEPTH: usize = 256;

/// The lines of one file.
pub struct Places {
    text: Content,
    tree: OnceCell<Node>,
}

/// A key that stands twice in one mapping.
pub(super) struct DuplicateKey {
    pub(super) path: String,
    pub(super) line: usize,
    pub(super) first: usize,
}

#[derive(Default)]
struct Node {
    line: usize,
    children: Children,
}

#[derive(Default)]
enum Children {
    #[default]
    None,
    Members(Vec<(String, Node)>),
    Items(Vec<Node>),
}

impl Places {
    pub(super) fn new(text: Content) -> Self {
        Self { text, tree: OnceCell::new() }
    }

    /// The line of a path, or of its longest beginning that stands in the text. None when not even its first step does.
    pub fn line(&self, path: &str) -> Option<usize> {
        let mut node = self.tree();
        let mut line = None;
        for step in steps(path) {
            let next = match (&node.children, &step) {
                (Children::Members(members), Step::Key(key)) => find(members, key).or_else(|| find(members, "<<")),
                (Children::Items(items), Step::Index(index)) => items.get(*index),
                _ => None,
            };
            let Some(next) = next else { break };
            line = Some(next.line);
            node = next;
        }
        line
    }

    /// A mistake at a path, with its line.
    pub fn mistake(&self, path: String, reason: impl Into<String>) -> Mistake {
        Mistake { line: self.line(&path), path, reason: reason.into() }
    }

    /// All keys that stand twice.
    pub(super) fn duplicate_keys(&self) -> Vec<DuplicateKey> {
        let mut found = Vec::new();
        collect_duplicates(self.tree(), "", &mut found);
        found
    }

    fn tree(&self) -> &Node {
        self.tree.get_or_init(|| Builder::read(&self.text))
    }
}

impl fmt::Debug for Places {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The text holds credentials.
        f.write_str("Places")
    }
}

enum Step {
    Key(String),
    Index(usize),
}

/// `a[0]."b.c".d` in its steps. What is not a path ends the walk early, which costs precision only.
fn steps(path: &str) -> Vec<Step> {
    let mut steps = Vec::new();
    let mut rest = path;
    while !rest.is_empty() {
        rest = rest.strip_prefix('.').unwrap_or(rest);
        if let Some((index, after)) = rest.strip_prefix('[').and_then(|inner| inner.split_once(']')) {
            let Ok(index) = index.parse() else { break };
            steps.push(Step::Index(index));
            rest = after;
        } else if let Some((key, after)) = rest.strip_prefix('"').and_then(|inner| inner.split_once('"')) {
            steps.push(Step::Key(key.to_owned()));
            rest = after;
        } else {
            let end = rest.find(['.', '[']).filter(|end| *end > 0).unwrap_or(rest.len());
            let (key, after) = rest.split_at(end);
            steps.push(Step::Key(key.to_owned()));
            rest = after;
        }
    }
    steps
}

fn find<'n>(members: &'n [(String, Node)], key: &str) -> Option<&'n Node> {
    members.iter().find(|(name, _)| name == key).map(|(_, node)| node)
}

fn collect_duplicates(node: &Node, path: &str, found: &mut Vec<DuplicateKey>) {
    match &node.children {
        Children::None => {}
        Children::Items(items) => {
            for (index, item) in items.iter().enumerate() {
                collect_duplicates(item, &format!("{path}[{index}]"), found);
            }
        }
        Children::Members(members) => {
            for (position, (key, member)) in members.iter().enumerate() {
                let mut below = path.to_owned();
                if !path.is_empty() {
                    below.push('.');
                }
                let _ = write_key(&mut below, key);
                let first = members.iter().take(position).find(|(earlier, _)| earlier == key);
                if let Some((_, first)) = first {
                    found.push(DuplicateKey { path: below.clone(), line: member.line, first: first.line });
                }
                collect_duplicates(member, &below, found);
            }
        }
    }
}

/// The collections that are open while events come in, the innermost last.
#[derive(Default)]
struct Builder {
    open: Vec<Open>,
    root: Option<Node>,
    /// How many collections are open below the depth that is kept.
    skipped: usize,
}

struct Open {
    node: Node,
    /// Of a mapping whose next event is a value: the key and its line.
    key: Option<(String, usize)>,
}

impl Builder {
    /// On a syntax error, what was read up to it: enough to place what comes before.
    fn read(text: &str) -> Node {
        let mut parser = Parser::new(StrInput::new(text));
        let mut builder = Self::default();
        while let Some(Ok((event, span))) = parser.next_event() {
            if builder.root.is_some() {
                break;
            }
            builder.event(event, span);
        }
        while !builder.open.is_empty() {
            builder.close();
        }
        builder.root.unwrap_or_default()
    }

    fn event(&mut self, event: Event<'_>, span: Span) {
        let line = span.start.line();
        match event {
            Event::MappingStart(..) => self.start(line, Children::Members(Vec::new())),
            Event::SequenceStart(..) => self.start(line, Children::Items(Vec::new())),
            Event::MappingEnd | Event::SequenceEnd if self.skipped > 0 => self.skipped -= 1,
            Event::MappingEnd | Event::SequenceEnd => self.close(),
            Event::Scalar(text, ..) if self.skipped == 0 => self.scalar(&text, line),
            // What an alias stands for is placed where it is used.
            Event::Alias(_) if self.skipped == 0 => self.scalar("*", line),
            _ => {}
        }
    }

    fn start(&mut self, line: usize, children: Children) {
        if self.skipped > 0 || self.open.len() >= MAX_DEPTH {
            self.skipped += 1;
            return;
        }
        self.open.push(Open { node: Node { line, children }, key: None });
    }

    fn close(&mut self) {
        let Some(closed) = self.open.pop() else { return };
        self.put(closed.node);
    }

    fn scalar(&mut self, text: &str, line: usize) {
        if let Some(Open { node: Node { children: Children::Members(_), .. }, key: key @ None }) = self.open.last_mut()
        {
            *key = Some((text.to_owned(), line));
        } else {
            self.put(Node { line, children: Children::None });
        }
    }

    fn put(&mut self, mut node: Node) {
        let Some(parent) = self.open.last_mut() else {
            self.root = Some(node);
            return;
        };
        match &mut parent.node.children {
            Children::Items(items) => items.push(node),
            Children::Members(members) => match parent.key.take() {
                // A member stands where its key stands.
                Some((key, line)) => {
                    node.line = line;
                    members.push((key, node));
                }
                // A key that is itself a collection: nobody asks for it, but its value must not be taken for a key.
                None => parent.key = Some(("?".to_owned(), node.line)),
            },
            Children::None => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "\
services:
- name: a
  routes:
  - name: r
    paths: [/x,
      /y]
  host: null
defaults: &d
  port: 80
more:
  <<: *d
  \"a.b\": 1
";

    fn line(path: &str) -> Option<usize> {
        Places::new(TEXT.into()).line(path)
    }

    #[test]
    fn a_member_stands_where_its_key_stands_and_an_item_where_it_begins() {
        assert_eq!(line("services"), Some(1));
        assert_eq!(line("services[0]"), Some(2));
        assert_eq!(line("services[0].routes"), Some(3));
        assert_eq!(line("services[0].routes[0].paths[1]"), Some(6));
        assert_eq!(line("services[0].host"), Some(7));
        assert_eq!(line("more.\"a.b\""), Some(12));
    }

    #[test]
    fn what_is_not_in_the_text_has_the_line_of_what_it_would_stand_in() {
        assert_eq!(line("services[0].routes[0].methods[3]"), Some(4));
        assert_eq!(line("services[9]"), Some(1));
        assert_eq!(line("nothing.of.this"), None);
        assert_eq!(line(""), None);
    }

    #[test]
    fn what_was_merged_in_has_the_line_of_the_merge() {
        assert_eq!(line("more.port"), Some(11));
    }

    #[test]
    fn broken_text_is_placed_up_to_the_break() {
        let places = Places::new("a: 1\nb: {c: 1\nd: ]".into());
        assert_eq!(places.line("a"), Some(1));
        assert_eq!(places.line("b.c"), Some(2));
    }

    #[test]
    fn every_key_that_stands_twice_is_found() {
        let places = Places::new("a: 1\nb:\n  c: 1\n  d: 2\n  c: 3\na: 4\n".into());
        let found: Vec<_> = places.duplicate_keys().into_iter().map(|d| (d.path, d.line, d.first)).collect();
        assert_eq!(found, [("b.c".to_owned(), 5, 3), ("a".to_owned(), 6, 1)]);
    }
}
