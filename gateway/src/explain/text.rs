//! An explanation for people.

use std::fmt::{self, Display, Formatter, Write};

use serde_json::Value;
use signet_plugin_api::Claims;

use super::{Answer, Explanation, Other, Plugin, Standing};

/// More routes that do not match are only counted.
const OTHERS: usize = 10;

/// An explanation as text.
pub(crate) struct Text<'a> {
    pub(crate) explanation: &'a Explanation,
    /// Whether every route is listed.
    pub(crate) all: bool,
}

impl Explanation {
    /// As text; `all` lists every route that does not match.
    pub(crate) fn text(&self, all: bool) -> Text<'_> {
        Text { explanation: self, all }
    }
}

impl Display for Text<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Explanation { request, plugins, silent, answer, .. } = self.explanation;
        let hostless = if request.host.is_none() { ", without a Host, which HTTP/1.1 asks for" } else { "" };
        writeln!(f, "{} {}  from {}{hostless}", request.method, request.url, request.client_ip)?;
        self.route(f)?;
        self.others(f)?;
        if !plugins.is_empty() {
            writeln!(f, "\nPlugins, in their order")?;
        }
        plugins.iter().try_for_each(|one| plugin(f, one))?;
        if !silent.is_empty() {
            writeln!(f, "\nPlugins that do not run")?;
        }
        for one in silent {
            writeln!(f, "  {:<20} {}: {}", one.name, place(&one.standing), one.reason)?;
        }
        self.upstream(f)?;
        write!(f, "\nAnswer    ")?;
        said(f, answer)
    }
}

impl Text<'_> {
    fn route(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Some(route) = &self.explanation.route else { return writeln!(f, "\nRoute     none") };
        let name = route.name.as_ref().unwrap_or(&route.id);
        writeln!(f, "\nRoute     {name}{}", line(route.line))?;
        for (field, value) in &route.conditions {
            writeln!(f, "          {field:<10} {}", plain(value))?;
        }
        if let Some(path) = &route.by {
            writeln!(f, "          matched by {path}")?;
        }
        for (name, text) in &route.captures {
            writeln!(f, "          {} = {text}", name.as_deref().unwrap_or("group"))?;
        }
        if route.quarantined {
            writeln!(f, "          quarantined: something that concerns it is wrong in the file")?;
        }
        Ok(())
    }

    fn others(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let others = &self.explanation.others;
        if others.is_empty() {
            return Ok(());
        }
        writeln!(f, "\nOther routes")?;
        let matching = others.iter().filter(|other| other.matches == Some(true)).count();
        let shown = if self.all { others.len() } else { matching + OTHERS };
        for Other { id, name, line: at, reasons, .. } in others.iter().take(shown) {
            writeln!(f, "  {:<20} {}{}", name.as_ref().unwrap_or(id), reasons.join("; "), line(*at))?;
        }
        match others.len().saturating_sub(shown) {
            0 => Ok(()),
            more => writeln!(f, "  and {more} more (--all lists them)"),
        }
    }

    fn upstream(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Some(upstream) = &self.explanation.upstream else { return Ok(()) };
        writeln!(f, "\nUpstream  {}", upstream.url)?;
        writeln!(f, "          service    {}{}", upstream.service, line(upstream.line))?;
        let (connect, write, read) = (upstream.connect_timeout, upstream.write_timeout, upstream.read_timeout);
        writeln!(
            f,
            "          timeouts   connect {connect} ms, write {write} ms, read {read} ms; retries {}",
            upstream.retries
        )?;
        if let Some(tls) = &upstream.tls {
            let by = tls.authorities.join(", ");
            match tls.verify {
                true => write!(f, "          tls        verified by {by}, at most {} between", tls.verify_depth)?,
                false => write!(f, "          tls        not verified")?,
            }
            match &tls.client_certificate {
                Some(id) => writeln!(f, "; shows certificate {id}")?,
                None => writeln!(f)?,
            }
        }
        for header in &upstream.sets {
            writeln!(
                f,
                "          + {}{}",
                header.name,
                header.value.as_ref().map(|value| format!(": {value}")).unwrap_or_default()
            )?;
        }
        upstream.removes.iter().try_for_each(|name| writeln!(f, "          - {name}"))
    }
}

fn plugin(f: &mut Formatter<'_>, plugin: &Plugin) -> fmt::Result {
    write!(f, "  {:<20} {}", plugin.name, plugin.outcome)?;
    if let Some(status) = plugin.status {
        write!(f, " {status}")?;
    }
    if let Some(reason) = &plugin.reason {
        write!(f, ": {reason}")?;
    }
    writeln!(f)?;
    if let Some(standing) = &plugin.standing {
        writeln!(f, "    {}", place(standing))?;
    }
    for other in &plugin.outranks {
        writeln!(f, "    comes before the one on {}", place(other))?;
    }
    let (given, default): (Vec<_>, Vec<_>) = plugin.config.iter().partition(|(_, field)| field.given);
    for (name, field) in given {
        writeln!(f, "    {name} = {}", field.value)?;
    }
    for (name, field) in default.into_iter().filter(|(_, field)| !field.value.is_null()) {
        writeln!(f, "    {name} = {}  (default)", field.value)?;
    }
    for (name, json) in &plugin.shows {
        match Claims::parse(json.get().as_bytes()) {
            Ok(members) => {
                writeln!(f, "    > {name}")?;
                members.iter().try_for_each(|(name, value)| writeln!(f, "        {name}: {}", value.get()))?;
            }
            Err(_) => writeln!(f, "    > {name}: {}", json.get())?,
        }
    }
    Ok(())
}

fn said(f: &mut Formatter<'_>, answer: &Answer) -> fmt::Result {
    let plugin = answer.plugin.unwrap_or_default();
    match answer.by {
        "upstream" => f.write_str("the upstream's")?,
        "unknown" => write!(f, "unknown: {plugin} decides")?,
        "plugin" => write!(f, "{} by {plugin}", answer.status.unwrap_or_default())?,
        _ => write!(f, "{} by the gateway", answer.status.unwrap_or_default())?,
    }
    if let Some(message) = &answer.message {
        write!(f, ": {message}")?;
    }
    if let Some(location) = &answer.location {
        write!(f, " to {location}")?;
    }
    writeln!(f)
}

fn place(standing: &Standing) -> String {
    let mut text = standing.scope.clone();
    if let Some(name) = &standing.instance_name {
        let _ = write!(text, " ({name})");
    }
    text + &line(standing.line)
}

fn line(line: Option<usize>) -> String {
    line.map(|line| format!("  (line {line})")).unwrap_or_default()
}

/// A list without its brackets.
fn plain(value: &Value) -> String {
    match value {
        Value::Array(items) => {
            let items = items.iter().map(|item| item.as_str().map_or_else(|| item.to_string(), str::to_owned));
            items.collect::<Vec<_>>().join("  ")
        }
        other => other.to_string(),
    }
}
