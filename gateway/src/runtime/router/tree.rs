//! Prefix trees over the literal beginnings of paths, one for each host, in common arrays.

use std::{collections::VecDeque, num::NonZeroU16, ops::Range};

/// An entry that stands at a node. Lists of them are in the entries' order.
///
/// It repeats what most requests need of the entry and its route, so that these are rarely read: with many routes it is
/// memory that takes the time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Posting {
    /// The place in the order of all entries.
    pub(super) entry: u32,
    /// The position of the route.
    pub(super) route: u32,
    /// The port that the route's host names.
    pub(super) port: Option<NonZeroU16>,
    /// The path is a regular expression, of which the tree has compared the beginning only.
    pub(super) regex: bool,
    /// The route has conditions besides its host and path.
    pub(super) conditional: bool,
    /// The route serves no plain requests.
    pub(super) https_only: bool,
}

/// All trees of a router. A tree is named by the number of its root.
#[derive(Debug, Default)]
pub(super) struct PathTrees {
    nodes: Vec<Node>,
    /// The first byte of each node's label: the children of a node are chosen without reading them.
    firsts: Vec<u8>,
    labels: Vec<u8>,
    postings: Vec<Posting>,
}

#[derive(Debug, Clone, Default)]
struct Node {
    label: Span,
    children: Span,
    postings: Span,
}

#[derive(Debug, Clone, Copy, Default)]
struct Span {
    start: u32,
    length: u32,
}

/// A part of a tree that is still to be built: the keys below a node, of which `depth` bytes are spoken for.
struct Branch<'a> {
    node: usize,
    keys: &'a [(&'a str, Posting)],
    depth: usize,
}

impl PathTrees {
    /// Builds a tree from keys and what stands at them, and gives its root.
    pub(super) fn plant(&mut self, mut keys: Vec<(&str, Posting)>) -> u32 {
        keys.sort_unstable();
        keys.dedup();
        let root = self.add_node(0);
        let mut branches = VecDeque::from([Branch { node: root, keys: &keys, depth: 0 }]);
        while let Some(branch) = branches.pop_front() {
            self.build(&branch, &mut branches);
        }
        number(root)
    }

    /// Calls `visitor` with what stands at each prefix of `path` and its length, from the shortest to the longest.
    pub(super) fn visit(&self, root: u32, path: &[u8], mut visitor: impl FnMut(&[Posting], usize)) {
        let mut rest = path;
        let mut number = root as usize;
        while let Some(node) = self.nodes.get(number) {
            let label = self.labels.get(node.label.range()).unwrap_or_default();
            let Some(tail) = rest.strip_prefix(label) else { return };
            visitor(self.postings.get(node.postings.range()).unwrap_or_default(), path.len() - tail.len());
            let children = self.firsts.get(node.children.range()).unwrap_or_default();
            let Some(first) = tail.first() else { return };
            let Some(child) = children.iter().position(|byte| byte == first) else { return };
            number = node.children.start as usize + child;
            rest = tail;
        }
    }

    fn build<'a>(&mut self, branch: &Branch<'a>, branches: &mut VecDeque<Branch<'a>>) {
        let label = common_prefix(branch.keys, branch.depth);
        let depth = branch.depth + label.len();
        let (here, below) = branch.keys.split_at(branch.keys.partition_point(|(key, _)| key.len() == depth));
        let label = span_of(&mut self.labels, label.iter().copied());
        let postings = span_of(&mut self.postings, here.iter().map(|(_, posting)| *posting));
        let first_child = self.nodes.len();
        for keys in below.chunk_by(|(one, _), (other, _)| byte_at(one, depth) == byte_at(other, depth)) {
            let first = keys.first().map_or(0, |(key, _)| byte_at(key, depth));
            branches.push_back(Branch { node: self.add_node(first), keys, depth });
        }
        let children = Span { start: number(first_child), length: number(self.nodes.len() - first_child) };
        if let Some(node) = self.nodes.get_mut(branch.node) {
            *node = Node { label, children, postings };
        }
    }

    fn add_node(&mut self, first: u8) -> usize {
        self.nodes.push(Node::default());
        self.firsts.push(first);
        self.nodes.len() - 1
    }
}

impl Span {
    fn range(self) -> Range<usize> {
        let start = self.start as usize;
        start..start + self.length as usize
    }
}

/// The bytes that all keys share after `depth`; the first and the last of sorted keys know.
fn common_prefix<'a>(keys: &[(&'a str, Posting)], depth: usize) -> &'a [u8] {
    let tail = |key: Option<&(&'a str, Posting)>| -> &'a [u8] {
        key.and_then(|(key, _)| key.as_bytes().get(depth..)).unwrap_or_default()
    };
    let (first, last) = (tail(keys.first()), tail(keys.last()));
    let length = first.iter().zip(last).take_while(|(one, other)| one == other).count();
    first.get(..length).unwrap_or_default()
}

fn byte_at(key: &str, at: usize) -> u8 {
    key.as_bytes().get(at).copied().unwrap_or_default()
}

fn span_of<T>(all: &mut Vec<T>, new: impl Iterator<Item = T>) -> Span {
    let start = all.len();
    all.extend(new);
    Span { start: number(start), length: number(all.len() - start) }
}

/// Four thousand million nodes do not fit into memory; a number that does not exist finds nothing.
fn number(index: usize) -> u32 {
    u32::try_from(index).unwrap_or(u32::MAX)
}
