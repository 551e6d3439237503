//! What aliases make of a text: some lines of YAML can stand for more values than there is memory.

use std::collections::HashMap;

use saphyr_parser::{Event, Parser, StrInput};

/// How many values aliases may add to those that are written. Ten thousand routes that all share long plugins have a tenth.
const MOST: u64 = 2_000_000;

/// The line of the alias with which it gets too much, if it does.
pub(super) fn too_many(text: &str) -> Option<usize> {
    // Without an anchor there is no alias.
    if !text.contains('&') || !text.contains('*') {
        return None;
    }
    let mut parser = Parser::new(StrInput::new(text));
    let mut count = Count::default();
    while let Some(Ok((event, span))) = parser.next_event() {
        if count.event(&event) {
            return Some(span.start.line());
        }
    }
    None
}

/// The collections that are open, with the values within each so far, and the values that each anchor stands for.
#[derive(Default)]
struct Count {
    open: Vec<(usize, u64)>,
    anchors: HashMap<usize, u64>,
    added: u64,
}

impl Count {
    /// Whether it is too much now.
    fn event(&mut self, event: &Event<'_>) -> bool {
        match event {
            Event::Scalar(_, _, anchor, _) => self.value(*anchor, 1),
            Event::SequenceStart(anchor, _) | Event::MappingStart(anchor, _) => self.open.push((*anchor, 1)),
            Event::SequenceEnd | Event::MappingEnd => {
                if let Some((anchor, values)) = self.open.pop() {
                    self.value(anchor, values);
                }
            }
            Event::Alias(anchor) => {
                let values = self.anchors.get(anchor).copied().unwrap_or(0);
                self.added = self.added.saturating_add(values);
                self.value(0, values);
            }
            _ => {}
        }
        self.added > MOST
    }

    fn value(&mut self, anchor: usize, values: u64) {
        if anchor != 0 {
            self.anchors.insert(anchor, values);
        }
        if let Some((_, sum)) = self.open.last_mut() {
            *sum = sum.saturating_add(values);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_counted_as_often_as_they_are_repeated() {
        let hundred = "x, ".repeat(100);
        let text = |times: usize| format!("a: &a [{hundred}]\nb: [{}]\n", "*a, ".repeat(times));
        assert_eq!(too_many(&text(19_000)), None);
        assert_eq!(too_many(&text(21_000)), Some(2));
    }

    #[test]
    fn a_text_without_aliases_may_be_long() {
        assert_eq!(too_many(&"- {path: '/*', query: 'a&b'}\n".repeat(10_000)), None);
    }
}
