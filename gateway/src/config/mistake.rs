//! What is wrong with a file, told with path and line, all of it at once.

use std::{cell::RefCell, fmt};

use super::{At, Loaded, Places};

/// Something wrong in a file (or, as a warning, legal but unwise). Shown as `LINE: path: reason`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mistake {
    /// `services[0].routes[1].plugins[0].config.key_names`; empty for the file as a whole.
    pub path: String,
    /// The line, counted from 1, if it is known.
    pub line: Option<usize>,
    /// What is wrong, and what would be right.
    pub reason: String,
}

impl Mistake {
    /// A mistake of the file as a whole.
    pub fn of_file(line: Option<usize>, reason: impl Into<String>) -> Self {
        Self { path: String::new(), line, reason: reason.into() }
    }
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(line) = self.line {
            write!(f, "{line}: ")?;
        }
        if !self.path.is_empty() {
            write!(f, "{}: ", self.path)?;
        }
        f.write_str(&self.reason)
    }
}

/// Why a file is not served.
#[derive(Debug, thiserror::Error)]
#[error("{} mistake(s), the first: {}", mistakes.len(), mistakes.first().map(ToString::to_string).unwrap_or_default())]
pub struct LoadErrors {
    /// In the order of the file.
    pub mistakes: Vec<Mistake>,
    /// In the order of the file.
    pub warnings: Vec<Mistake>,
    /// What could be read all the same: to look for more mistakes in it, never to be served.
    pub partial: Option<Box<Loaded>>,
}

impl LoadErrors {
    /// Adds the mistakes that were found in [`LoadErrors::partial`], without those that say twice where it hurts.
    pub fn add(&mut self, more: impl IntoIterator<Item = Mistake>) {
        for mistake in more {
            if !self.mistakes.iter().any(|known| known.path == mistake.path) {
                self.mistakes.push(mistake);
            }
        }
        sort(&mut self.mistakes);
    }
}

impl From<Mistake> for LoadErrors {
    fn from(mistake: Mistake) -> Self {
        Self { mistakes: vec![mistake], warnings: Vec::new(), partial: None }
    }
}

/// Collects while a file is read; lines are looked up at the end, and only when there is something to tell.
#[derive(Default)]
pub(super) struct Notes(RefCell<Collected>);

#[derive(Default)]
struct Collected {
    mistakes: Vec<Note>,
    warnings: Vec<Note>,
}

struct Note {
    at: At,
    /// Where to point to, when that is not `at` itself.
    line_of: Option<At>,
    reason: String,
    /// The other place of a duplicate.
    other: Option<At>,
}

impl Notes {
    pub(super) fn mistake(&self, at: At, reason: impl Into<String>) {
        self.keep(Note { at, line_of: None, reason: reason.into(), other: None });
    }

    pub(super) fn mistake_on_line_of(&self, at: At, line_of: At, reason: impl Into<String>) {
        self.keep(Note { at, line_of: Some(line_of), reason: reason.into(), other: None });
    }

    pub(super) fn duplicate(&self, at: At, reason: impl Into<String>, other: At) {
        self.keep(Note { at, line_of: None, reason: reason.into(), other: Some(other) });
    }

    pub(super) fn warning(&self, at: At, reason: impl Into<String>) {
        let note = Note { at, line_of: None, reason: reason.into(), other: None };
        self.0.borrow_mut().warnings.push(note);
    }

    /// How many mistakes there are so far.
    pub(super) fn count(&self) -> usize {
        self.0.borrow().mistakes.len()
    }

    /// Mistakes and warnings, in the order of the file.
    pub(super) fn render(self, places: &Places) -> (Vec<Mistake>, Vec<Mistake>) {
        let Collected { mistakes, warnings } = self.0.into_inner();
        let render = |notes: Vec<Note>| {
            let mut rendered: Vec<Mistake> = notes.into_iter().map(|note| note.render(places)).collect();
            sort(&mut rendered);
            rendered
        };
        (render(mistakes), render(warnings))
    }

    fn keep(&self, note: Note) {
        self.0.borrow_mut().mistakes.push(note);
    }
}

impl Note {
    fn render(self, places: &Places) -> Mistake {
        let path = self.at.to_string();
        let line = match &self.line_of {
            Some(place) => places.line(&place.to_string()),
            None => places.line(&path),
        };
        let reason = match self.other.map(|other| other.to_string()) {
            Some(other) => match places.line(&other) {
                Some(line) => format!("{} `{other}` (line {line})", self.reason),
                None => format!("{} `{other}`", self.reason),
            },
            None => self.reason,
        };
        Mistake { path, line, reason }
    }
}

/// Stable: what stands on one line keeps the order in which it was found.
fn sort(mistakes: &mut [Mistake]) {
    mistakes.sort_by_key(|mistake| mistake.line.unwrap_or(0));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mistake_is_shown_with_line_path_and_reason() {
        let mistake = Mistake { path: "services[0].port".into(), line: Some(7), reason: "not a port".into() };
        assert_eq!(mistake.to_string(), "7: services[0].port: not a port");
        assert_eq!(Mistake::of_file(None, "is empty").to_string(), "is empty");
    }

    #[test]
    fn mistakes_are_told_in_the_order_of_the_file_and_once_a_place() {
        let mut errors = LoadErrors::from(Mistake { path: "b".into(), line: Some(2), reason: "wrong".into() });
        errors.add([
            Mistake { path: "b".into(), line: Some(2), reason: "follows from it".into() },
            Mistake { path: "a".into(), line: Some(1), reason: "wrong".into() },
        ]);
        let paths: Vec<_> = errors.mistakes.iter().map(|m| m.path.as_str()).collect();
        assert_eq!(paths, ["a", "b"]);
    }
}
