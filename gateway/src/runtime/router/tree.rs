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
    labels: Vec<u8>,
    postings: Vec<Posting>,
}

/// One cache line.
#[derive(Debug, Clone, Default)]
#[repr(align(64))]
struct Node {
    label: Label,
    postings: Span,
    first_child: u32,
    children: ByteSet,
}

/// The bytes that lead from a node's parent to it. Most are few, and stand in the node: one memory access less.
#[derive(Debug, Clone, Copy)]
enum Label {
    Short { bytes: [u8; Label::SHORT], length: u8 },
    Long { start: u32, length: u32 },
}

/// The bytes that children begin with. A child's place is the number of smaller bytes: it is counted, not searched, so
/// that there is no branch to mispredict.
#[derive(Debug, Clone, Default)]
struct ByteSet {
    words: [u64; 4],
    /// How many bytes the words before each word have.
    before: [u8; 4],
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
        let root = self.add_node();
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
            let Some(tail) = rest.strip_prefix(node.label.bytes(&self.labels)) else { return };
            visitor(self.postings.get(node.postings.range()).unwrap_or_default(), path.len() - tail.len());
            let Some(child) = tail.first().and_then(|first| node.children.place(*first)) else { return };
            number = node.first_child as usize + child;
            rest = tail;
        }
    }

    fn build<'a>(&mut self, branch: &Branch<'a>, branches: &mut VecDeque<Branch<'a>>) {
        let label = common_prefix(branch.keys, branch.depth);
        let depth = branch.depth + label.len();
        let (here, below) = branch.keys.split_at(branch.keys.partition_point(|(key, _)| key.len() == depth));
        let label = Label::new(label, &mut self.labels);
        let postings = span_of(&mut self.postings, here.iter().map(|(_, posting)| *posting));
        let first_child = number(self.nodes.len());
        let mut children = ByteSet::default();
        for keys in below.chunk_by(|(one, _), (other, _)| byte_at(one, depth) == byte_at(other, depth)) {
            children.insert(keys.first().map_or(0, |(key, _)| byte_at(key, depth)));
            branches.push_back(Branch { node: self.add_node(), keys, depth });
        }
        if let Some(node) = self.nodes.get_mut(branch.node) {
            *node = Node { label, postings, first_child, children };
        }
    }

    fn add_node(&mut self) -> usize {
        self.nodes.push(Node::default());
        self.nodes.len() - 1
    }
}

impl Label {
    const SHORT: usize = 10;

    fn new(text: &[u8], long: &mut Vec<u8>) -> Self {
        let mut bytes = [0; Self::SHORT];
        match (bytes.get_mut(..text.len()), u8::try_from(text.len())) {
            (Some(space), Ok(length)) => {
                space.copy_from_slice(text);
                Self::Short { bytes, length }
            }
            _ => {
                let Span { start, length } = span_of(long, text.iter().copied());
                Self::Long { start, length }
            }
        }
    }

    fn bytes<'a>(&'a self, long: &'a [u8]) -> &'a [u8] {
        match self {
            Self::Short { bytes, length } => bytes.get(..usize::from(*length)),
            Self::Long { start, length } => long.get(Span { start: *start, length: *length }.range()),
        }
        .unwrap_or_default()
    }
}

impl Default for Label {
    fn default() -> Self {
        Self::Short { bytes: [0; Self::SHORT], length: 0 }
    }
}

impl ByteSet {
    /// Bytes have to come in their order.
    fn insert(&mut self, byte: u8) {
        let (word, bit) = (usize::from(byte >> 6), byte & 63);
        if let Some(word) = self.words.get_mut(word) {
            *word |= 1 << bit;
        }
        for before in self.before.iter_mut().skip(word + 1) {
            *before += 1;
        }
    }

    /// How many bytes of the set are smaller than one of them.
    fn place(&self, byte: u8) -> Option<usize> {
        let (word, bit) = (usize::from(byte >> 6), byte & 63);
        let bits = self.words.get(word)?;
        let smaller = bits & ((1 << bit) - 1);
        let place = smaller.count_ones() as usize + usize::from(*self.before.get(word)?);
        (bits >> bit & 1 == 1).then_some(place)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_is_one_cache_line() {
        assert_eq!(size_of::<Node>(), 64);
    }

    #[test]
    fn labels_of_any_length_are_kept() {
        let mut long = Vec::new();
        for length in [0, 1, Label::SHORT, Label::SHORT + 1, 300] {
            let text = vec![b'x'; length];
            assert_eq!(Label::new(&text, &mut long).bytes(&long), text);
        }
    }
}
