//! The regular expressions of paths: linear in time, anchored at the beginning, shared where they are the same.

use std::{collections::HashMap, sync::Arc};

use regex_automata::{
    Anchored, Input, PatternID,
    dfa::onepass::{self, DFA},
    meta::{self, BuildError, Regex},
    nfa::thompson::{self, WhichCaptures},
    util::captures,
};
use regex_syntax::hir::{Hir, HirKind, literal::Extractor};

/// An automaton may take this much memory, or the general engine gets the expression: it builds its own while it runs.
const ONE_PASS_BYTES: usize = 1 << 15;
const ONE_PASS_NFA_BYTES: usize = 1 << 18;
const GENERAL_BYTES: usize = 10 << 20;

/// A compiled expression.
#[derive(Debug)]
pub(super) struct Expression {
    /// What matches after the literal at the beginning.
    engine: Arc<Engine>,
    /// The length of that literal, which the tree compares.
    from: usize,
}

/// All engines of a router, by the patterns that they stand for. Thousands of routes tend to differ in the literal at
/// the beginning only, and what is compiled once also stays in the processor's caches.
#[derive(Debug, Default)]
pub(super) struct Engines(HashMap<String, Arc<Engine>>);

/// Most paths need no backtracking: where it is known after each byte how to go on, one pass over a fixed table says how
/// far the match goes. The general engine is there for the others, and for groups.
#[derive(Debug)]
struct Engine {
    one_pass: Option<DFA>,
    general: Option<Regex>,
}

/// What the groups of an expression matched.
#[derive(Debug, Clone)]
pub struct Captures<'p> {
    path: &'p str,
    spans: captures::Captures,
}

impl Expression {
    /// Compiles a pattern; gives the literal too that all its matches begin with.
    ///
    /// It is anchored as a whole: Kong anchors `/a|/b` in its first branch only, so that `/x/b` would match too.
    pub(super) fn compile(pattern: &str, engines: &mut Engines) -> Result<(Self, Box<str>), String> {
        let parsed = regex_syntax::parse(pattern).map_err(|error| one_line(&error))?;
        let literal = literal_prefix(&parsed);
        let (from, rest) = without_literal(parsed, &literal);
        Ok((Self { engine: engines.get(&rest)?, from }, literal))
    }

    /// The length of the match in a path that begins with the literal.
    pub(super) fn matched(&self, path: &str) -> Option<usize> {
        self.engine.matched(self.input(path))
    }

    /// What the groups matched, if there are any.
    pub(super) fn captures<'p>(&self, path: &'p str) -> Option<Captures<'p>> {
        let general = self.engine.general.as_ref().filter(|general| general.captures_len() > 1)?;
        let mut spans = general.create_captures();
        general.search_captures(&self.input(path), &mut spans);
        spans.is_match().then_some(Captures { path, spans })
    }

    /// The whole path stays in view: assertions may look back at the literal.
    fn input<'p>(&self, path: &'p str) -> Input<'p> {
        Input::new(path).range(self.from.min(path.len())..).anchored(Anchored::Yes)
    }
}

impl Captures<'_> {
    /// A group by its number, which begins at 1.
    pub fn get(&self, number: usize) -> Option<&str> {
        self.path.get(self.spans.get_group(number).filter(|_| number > 0)?.range())
    }

    /// A group by its name.
    pub fn name(&self, name: &str) -> Option<&str> {
        self.path.get(self.spans.get_group_by_name(name)?.range())
    }

    /// All groups in their order: the name, if there is one, and what it matched, if it did.
    pub fn iter(&self) -> impl Iterator<Item = (Option<&str>, Option<&str>)> {
        let names = self.spans.group_info().pattern_names(PatternID::ZERO);
        names.enumerate().skip(1).map(|(number, name)| (name, self.get(number)))
    }
}

/// The errors of some libraries are drawings; the last line says what is wrong.
pub(super) fn one_line(error: &impl ToString) -> String {
    let text = error.to_string();
    let last = text.lines().rfind(|line| !line.trim().is_empty()).unwrap_or("");
    last.trim().trim_start_matches("error: ").to_owned()
}

impl Engines {
    fn get(&mut self, parsed: &Hir) -> Result<Arc<Engine>, String> {
        let pattern = parsed.to_string();
        if let Some(engine) = self.0.get(&pattern) {
            return Ok(Arc::clone(engine));
        }
        let engine = Arc::new(Engine::compile(parsed)?);
        self.0.insert(pattern, Arc::clone(&engine));
        Ok(engine)
    }
}

impl Engine {
    fn compile(parsed: &Hir) -> Result<Self, String> {
        let one_pass = one_pass(parsed);
        let is_needed = one_pass.is_none() || parsed.properties().explicit_captures_len() > 0;
        let bounded = meta::Config::new().nfa_size_limit(Some(GENERAL_BYTES)).onepass_size_limit(Some(ONE_PASS_BYTES));
        let general =
            || meta::Builder::new().configure(bounded).build_from_hir(parsed).map_err(|error| explain(&error));
        Ok(Self { one_pass, general: is_needed.then(general).transpose()? })
    }

    fn matched(&self, input: Input<'_>) -> Option<usize> {
        let found = match &self.one_pass {
            Some(automaton) => automaton.find(&mut automaton.create_cache(), input),
            None => self.general.as_ref()?.search(&input),
        };
        found.map(|found| found.end())
    }
}

fn one_pass(parsed: &Hir) -> Option<DFA> {
    // Groups would cost an allocation in each search.
    let bounded = thompson::Config::new().which_captures(WhichCaptures::Implicit);
    let bounded = bounded.nfa_size_limit(Some(ONE_PASS_NFA_BYTES));
    let nfa = thompson::Compiler::new().configure(bounded).build_from_hir(parsed).ok()?;
    let bounded = onepass::Config::new().size_limit(Some(ONE_PASS_BYTES));
    onepass::Builder::new().configure(bounded).build_from_nfa(nfa).ok()
}

fn explain(error: &BuildError) -> String {
    match error.size_limit() {
        Some(limit) => format!("compiled, it takes more than {limit} bytes; use smaller repetitions"),
        None => one_line(error),
    }
}

/// What is left to match after a literal at the beginning, if the tree compares all of that.
fn without_literal(parsed: Hir, literal: &str) -> (usize, Hir) {
    let compared = |part: &Hir| match part.kind() {
        HirKind::Literal(bytes) if literal.as_bytes().starts_with(&bytes.0) => Some(bytes.0.len()),
        _ => None,
    };
    if let Some(length) = compared(&parsed) {
        return (length, Hir::empty());
    }
    if let HirKind::Concat(parts) = parsed.kind()
        && let Some((first, rest)) = parts.split_first()
        && let Some(length) = compared(first)
    {
        return (length, Hir::concat(rest.to_vec()));
    }
    (0, parsed)
}

fn literal_prefix(parsed: &Hir) -> Box<str> {
    let literals = Extractor::new().extract(parsed);
    let common = literals.longest_common_prefix().unwrap_or_default();
    // Alternatives may part within a character.
    common.utf8_chunks().next().map_or("", |chunk| chunk.valid()).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn compile(pattern: &str) -> (Expression, Box<str>) {
        Expression::compile(pattern, &mut Engines::default()).expect("an expression")
    }

    #[test]
    fn the_engines_agree_with_an_expression_that_is_not_cut() {
        for (pattern, one_pass, paths) in [
            ("/a/[0-9]+$", true, &["/a/12", "/a/12/", "/a/"] as &[&str]),
            ("/a\\b", true, &["/a", "/ab", "/a/b", "/aé"]),
            ("/a\\B.", true, &["/ab", "/a/b", "/aé"]),
            ("/a^b", true, &["/ab"]),
            ("/a(?:|b)", true, &["/ab", "/a"]),
            ("/a(?:b|)c?", true, &["/abc", "/ac", "/a"]),
            ("/a(?:b??)", true, &["/ab"]),
            ("/é.x", true, &["/ééx", "/é\u{1F600}x", "/éx"]),
            ("/a/.*", true, &["/a/", "/a/b/c"]),
            ("/only", true, &["/only", "/only/more"]),
            ("/a\\w+\\b/é", false, &["/ab/é", "/aé/é", "/a/é"]),
            ("/.*b$", false, &["/ab/b", "/ab/c"]),
            ("/a[bc]*cd?", false, &["/abcd", "/accd", "/ab"]),
        ] {
            let (expression, literal) = compile(pattern);
            assert_eq!(expression.engine.one_pass.is_some(), one_pass, "{pattern}");
            let whole = regex::Regex::new(&format!("^(?:{pattern})")).expect("an expression");
            for path in paths {
                let expected = whole.find(path).map(|found| found.end());
                let found = path.starts_with(&*literal).then(|| expression.matched(path)).flatten();
                assert_eq!(found, expected, "{pattern} {path}");
            }
        }
    }

    #[test]
    fn expressions_that_differ_in_the_beginning_share_an_engine() {
        let mut engines = Engines::default();
        let mut compile = |pattern| Expression::compile(pattern, &mut engines).expect("an expression").0;
        let (one, other) = (compile("/users/(?<id>\\d+)$"), compile("/orders/(?<id>\\d+)$"));
        assert!(Arc::ptr_eq(&one.engine, &other.engine));
        assert!(!Arc::ptr_eq(&one.engine, &compile("/users/(?<key>\\d+)$").engine));
        assert_eq!(one.captures("/users/7").expect("groups").name("id"), Some("7"));
        assert_eq!(other.captures("/orders/17").expect("groups").get(1), Some("17"));
    }

    #[test]
    fn groups_come_in_their_order_and_may_be_absent() {
        let (expression, _) = compile("/(?<a>x)?(y)?(?<é>z)");
        let captures = expression.captures("/xz").expect("groups");
        let all: Vec<_> = captures.iter().collect();
        assert_eq!(all, [(Some("a"), Some("x")), (None, None), (Some("é"), Some("z"))]);
        assert_eq!((captures.get(0), captures.get(9), captures.name("b")), (None, None, None));
        assert!(compile("/x").0.captures("/x").is_none());
    }

    #[test]
    fn a_literal_that_the_tree_cuts_short_is_matched_in_full() {
        let long = format!("/{}", "a".repeat(300));
        let (expression, literal) = compile(&format!("{long}[0-9]"));
        assert!(literal.len() <= long.len());
        assert_eq!(expression.matched(&format!("{long}7")), Some(302));
        assert_eq!(expression.matched(&format!("{literal}7")).is_some(), literal.len() == long.len());
    }
}
