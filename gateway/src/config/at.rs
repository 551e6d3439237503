//! Where something stands in a file, as a path that costs nothing until somebody reads it.

use std::{borrow::Cow, fmt, sync::Arc};

/// A path such as `services[0].routes[1].plugins[0].config`. Cloning is cheap; only `Display` makes text of it.
#[derive(Clone, Default)]
pub struct At(Option<Arc<Step>>);

struct Step {
    parent: At,
    key: Key,
}

enum Key {
    Name(Cow<'static, str>),
    Index(usize),
    Written(String),
}

impl At {
    /// The whole file.
    pub fn root() -> Self {
        Self::default()
    }

    /// A member of a mapping.
    pub fn key(&self, name: impl Into<Cow<'static, str>>) -> Self {
        self.step(Key::Name(name.into()))
    }

    /// An item of a list.
    pub fn index(&self, index: usize) -> Self {
        self.step(Key::Index(index))
    }

    /// A place below this one whose path is already written: `.a[0]`, or nothing.
    pub(super) fn below(&self, written: String) -> Self {
        if written.is_empty() { self.clone() } else { self.step(Key::Written(written)) }
    }

    /// The path of a field below this place, given as `a.b[0]`; an empty field is this place.
    pub fn field(&self, field: &str) -> String {
        match (self.0.is_none(), field.is_empty()) {
            (true, _) => field.to_owned(),
            (false, true) => self.to_string(),
            (false, false) if field.starts_with('[') => format!("{self}{field}"),
            (false, false) => format!("{self}.{field}"),
        }
    }

    /// Whether both are the same step of the same file: copies of one place are, others are not.
    pub(super) fn is(&self, other: &Self) -> bool {
        match (&self.0, &other.0) {
            (None, None) => true,
            (Some(one), Some(other)) => Arc::ptr_eq(one, other),
            _ => false,
        }
    }

    fn step(&self, key: Key) -> Self {
        Self(Some(Arc::new(Step { parent: self.clone(), key })))
    }
}

impl fmt::Display for At {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(step) = &self.0 else { return Ok(()) };
        step.parent.fmt(f)?;
        match &step.key {
            Key::Index(index) => write!(f, "[{index}]"),
            Key::Written(path) => f.write_str(path),
            Key::Name(name) => {
                if step.parent.0.is_some() {
                    f.write_str(".")?;
                }
                write_key(f, name)
            }
        }
    }
}

impl fmt::Debug for At {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// One key of a path, in quotes when it could be taken for more than one step.
pub(super) fn write_key(f: &mut impl fmt::Write, name: &str) -> fmt::Result {
    match name.is_empty() || name.contains(['.', '[', ']', '"', ' ', ':']) {
        true => write!(f, "{name:?}"),
        false => f.write_str(name),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_written_as_people_read_it() {
        let at = At::root().key("services").index(0).key("routes").index(12).key("a.b".to_owned());
        assert_eq!(at.to_string(), "services[0].routes[12].\"a.b\"");
        assert_eq!(at.field("[2].x"), "services[0].routes[12].\"a.b\"[2].x");
        assert_eq!(At::root().key("plugins").field("config.k"), "plugins.config.k");
        assert_eq!(At::root().field("config"), "config");
    }
}
