//! The report as people read it.

use std::{collections::BTreeMap, fmt};

use super::{Compatibility, Kind, Refusal};

impl fmt::Display for Compatibility {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, kind) in &self.kinds {
            match name.as_str() {
                "file" => writeln!(f, "{name}:")?,
                _ => writeln!(f, "{name}: {}", counted(kind))?,
            }
            listed(f, "runs", &kind.runs)?;
            listed(f, "at its default", &kind.at_default)?;
            listed(f, "not read", &kind.unread)?;
            kind.refusals.iter().try_for_each(|refusal| writeln!(f, "  refused: {refusal}"))?;
        }
        match (self.runs, self.warnings) {
            (true, 0) => f.write_str("this file runs"),
            (true, warnings) => write!(f, "this file runs; `signet check` warns of {}", many(warnings, "thing")),
            (false, _) => {
                write!(f, "{} to change, in {}", many(self.to_change, "thing"), many(self.places, "place"))
            }
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(field) = &self.field {
            write!(f, "{field}: ")?;
        }
        f.write_str(&self.reason)?;
        match (self.places, self.line) {
            (1, None) => Ok(()),
            (1, Some(line)) => write!(f, " (line {line})"),
            (places, None) => write!(f, " ({places} times)"),
            (places, Some(line)) => write!(f, " ({places} times, first on line {line})"),
        }
    }
}

fn counted(kind: &Kind) -> String {
    match kind.refused {
        0 => kind.entities.to_string(),
        refused if refused == kind.entities => format!("{refused}, refused"),
        refused => format!("{}, of which {refused} refused", kind.entities),
    }
}

fn listed(f: &mut fmt::Formatter<'_>, what: &str, fields: &BTreeMap<String, usize>) -> fmt::Result {
    if fields.is_empty() {
        return Ok(());
    }
    let names: Vec<&str> = fields.keys().map(String::as_str).collect();
    writeln!(f, "  {what}: {}", names.join(", "))
}

fn many(count: usize, noun: &str) -> String {
    if count == 1 { format!("1 {noun}") } else { format!("{count} {noun}s") }
}
