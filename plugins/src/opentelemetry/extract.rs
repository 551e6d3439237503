//! What a caller says of its trace, in each of the formats that Kong reads.
//!
//! Whoever sends a request can write anything: it is used for the trace and for nothing else, and a header that is not
//! exactly what its format says counts as if it were not there.

use http::HeaderMap;

use super::{
    ids::{SpanId, TraceId},
    propagation::Format,
};

/// What a caller said.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Caller {
    /// Its trace.
    pub(super) trace: Option<TraceId>,
    /// The id of the trace has 64 bits.
    pub(super) is_short: bool,
    /// Its span, which is the parent of ours.
    pub(super) span: Option<SpanId>,
    /// Whether it records the trace.
    pub(super) sampled: Option<bool>,
    /// It asks everybody to record the trace (B3).
    pub(super) debug: bool,
}

/// Reads one format; none when there is neither a trace nor a decision in it. Of B3 it also says which form it was.
pub(super) fn extract(format: Format, headers: &HeaderMap) -> Option<(Format, Caller)> {
    let caller = match format {
        Format::W3c => w3c(headers)?,
        Format::B3 | Format::B3Single => {
            return b3_single(headers)
                .map(|caller| (Format::B3Single, caller))
                .or_else(|| Some((Format::B3, b3(headers)?)));
        }
        Format::Jaeger => jaeger(headers)?,
        Format::Ot => ot(headers)?,
        Format::Datadog => datadog(headers)?,
        Format::Aws => aws(headers)?,
        Format::Gcp => gcp(headers)?,
        Format::Instana => instana(headers)?,
    };
    Some((format, caller))
}

/// W3C Trace Context, 3.2: later versions may say more at the end. Two headers are as bad as a wrong one.
fn w3c(headers: &HeaderMap) -> Option<Caller> {
    let text = one(headers, "traceparent")?;
    let mut parts = text.splitn(5, '-');
    let (version, trace, span, flags) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let is_version = version.len() == 2 && is_lower_hex(version) && version != "ff";
    let ends = parts.next().is_none() || version != "00";
    if !(is_version && ends && trace.len() == 32 && span.len() == 16 && flags.len() == 2) {
        return None;
    }
    let is_hex = is_lower_hex(trace) && is_lower_hex(span) && is_lower_hex(flags);
    let flags = u8::from_str_radix(flags, 16).ok().filter(|_| is_hex)?;
    Some(Caller {
        trace: Some(TraceId::from_hex(trace)?),
        span: Some(SpanId::from_hex(span)?),
        sampled: Some(flags & 1 == 1),
        ..Caller::default()
    })
}

/// `b3: TRACE-SPAN[-SAMPLED[-PARENT]]`, or the decision alone.
fn b3_single(headers: &HeaderMap) -> Option<Caller> {
    let text = one(headers, "b3")?;
    if let Some(decided) = b3_decision(text) {
        return Some(decided);
    }
    let mut parts = text.split('-');
    let (trace, span) = (parts.next()?, SpanId::from_hex(parts.next().filter(|span| span.len() == 16)?)?);
    let decided = match parts.next() {
        Some(decision) => b3_decision(decision)?,
        None => Caller::default(),
    };
    if let Some(parent) = parts.next() {
        SpanId::from_hex(parent).filter(|_| parent.len() == 16)?;
    }
    if parts.next().is_some() {
        return None;
    }
    let (trace, is_short) = sized_trace(trace)?;
    Some(Caller { trace: Some(trace), is_short, span: Some(span), ..decided })
}

fn b3_decision(text: &str) -> Option<Caller> {
    let debug = text == "d";
    let sampled = debug || decision(text).filter(|_| text.len() == 1)?;
    Some(Caller { sampled: Some(sampled), debug, ..Caller::default() })
}

fn b3(headers: &HeaderMap) -> Option<Caller> {
    let debug = one(headers, "x-b3-flags") == Some("1");
    let sampled = if debug { Some(true) } else { one(headers, "x-b3-sampled").and_then(decision) };
    traced(headers, "x-b3-traceid", "x-b3-spanid", sampled).map(|caller| Caller { debug, ..caller })
}

fn ot(headers: &HeaderMap) -> Option<Caller> {
    let sampled = one(headers, "ot-tracer-sampled").and_then(decision);
    traced(headers, "ot-tracer-traceid", "ot-tracer-spanid", sampled)
}

/// The level may be followed by what correlates it with a browser's session.
fn instana(headers: &HeaderMap) -> Option<Caller> {
    let level = one(headers, "x-instana-l").and_then(|level| level.split(',').next());
    traced(headers, "x-instana-t", "x-instana-s", level.map(str::trim).and_then(decision))
}

/// `uber-trace-id: TRACE:SPAN:PARENT:FLAGS`, leading zeros left out.
fn jaeger(headers: &HeaderMap) -> Option<Caller> {
    let text = one(headers, "uber-trace-id")?;
    let mut parts = text.split(':');
    let (trace, span, parent, flags) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    if parts.next().is_some() || parent.is_empty() || !parent.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    let flags = u8::from_str_radix(flags, 16).ok().filter(|_| !flags.starts_with('+'))?;
    Some(Caller {
        trace: Some(TraceId::from_hex(trace)?),
        is_short: trace.len() == 16,
        span: Some(SpanId::from_hex(span)?),
        sampled: Some(flags & 1 == 1),
        debug: false,
    })
}

fn datadog(headers: &HeaderMap) -> Option<Caller> {
    let number = |name| one(headers, name).and_then(decimal);
    let sampled = match one(headers, "x-datadog-sampling-priority") {
        Some("1" | "2") => Some(true),
        Some("0" | "-1") => Some(false),
        Some(_) => return None,
        None => None,
    };
    let trace = number("x-datadog-trace-id").and_then(TraceId::from_number);
    let span = number("x-datadog-parent-id").and_then(SpanId::from_number).filter(|_| trace.is_some());
    known(Caller { trace, is_short: true, span, sampled, debug: false })
}

/// `x-amzn-trace-id: Root=1-TIME-ID;Parent=SPAN;Sampled=1`, in any order, and more that is not looked at.
fn aws(headers: &HeaderMap) -> Option<Caller> {
    let mut caller = Caller::default();
    for pair in one(headers, "x-amzn-trace-id")?.split(';') {
        let (key, value) = pair.split_once('=')?;
        match key.trim() {
            "Root" => {
                let (time, id) = value.trim().strip_prefix("1-")?.split_once('-')?;
                let digits = format!("{time}{id}");
                caller.trace = Some(TraceId::from_hex(&digits).filter(|_| time.len() == 8 && id.len() == 24)?);
            }
            "Parent" => caller.span = Some(SpanId::from_hex(value.trim()).filter(|_| value.trim().len() == 16)?),
            "Sampled" => caller.sampled = Some(decision(value.trim()).filter(|_| value.trim().len() == 1)?),
            _ => {}
        }
    }
    caller.span = caller.span.filter(|_| caller.trace.is_some());
    known(caller)
}

/// `x-cloud-trace-context: TRACE/NUMBER;o=1`.
fn gcp(headers: &HeaderMap) -> Option<Caller> {
    let (trace, rest) = one(headers, "x-cloud-trace-context")?.split_once('/')?;
    let (span, sampled) = match rest.split_once(";o=") {
        Some((span, options)) => (span, Some(decimal(options).filter(|_| options.len() == 1)? & 1 == 1)),
        None => (rest, None),
    };
    let trace = TraceId::from_hex(trace).filter(|_| trace.len() == 32 && is_lower_hex(trace))?;
    let span = SpanId::from_number(decimal(span)?);
    Some(Caller { trace: Some(trace), span, sampled, ..Caller::default() })
}

/// The formats with a header for each of the ids.
fn traced(headers: &HeaderMap, trace: &str, span: &str, sampled: Option<bool>) -> Option<Caller> {
    let trace = one(headers, trace).and_then(sized_trace);
    let span = one(headers, span).filter(|span| span.len() == 16).and_then(SpanId::from_hex);
    known(match trace {
        Some((trace, is_short)) => Caller { trace: Some(trace), is_short, span, sampled, debug: false },
        None => Caller { sampled, ..Caller::default() },
    })
}

fn known(caller: Caller) -> Option<Caller> {
    (caller.trace.is_some() || caller.sampled.is_some()).then_some(caller)
}

fn sized_trace(digits: &str) -> Option<(TraceId, bool)> {
    let is_short = digits.len() == 16;
    TraceId::from_hex(digits).filter(|_| is_short || digits.len() == 32).map(|trace| (trace, is_short))
}

fn decision(text: &str) -> Option<bool> {
    match text {
        "1" | "true" => Some(true),
        "0" | "false" => Some(false),
        _ => None,
    }
}

fn decimal(text: &str) -> Option<u64> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}

fn is_lower_hex(text: &str) -> bool {
    text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// The value of a header that is there once.
fn one<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    let mut values = headers.get_all(name).iter();
    let value = values.next()?;
    if values.next().is_some() { None } else { value.to_str().ok().map(str::trim) }
}

#[cfg(test)]
mod tests {
    use http::{HeaderName, HeaderValue};

    use super::*;

    /// Headers, as a test writes them.
    type Written<'h> = &'h [(&'static str, &'h str)];

    const LONG: &str = "0af7651916cd43dd8448eb211c80319c";
    const SHORT: &str = "8448eb211c80319c";
    const SPAN: &str = "b7ad6b7169203331";

    fn read(format: Format, headers: Written<'_>) -> Option<(Format, Caller)> {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(HeaderName::from_static(name), HeaderValue::from_str(value).expect("a value"));
        }
        extract(format, &map)
    }

    fn caller(trace: &str, sampled: Option<bool>) -> Caller {
        let (is_short, trace) = (trace.len() == 16, TraceId::from_hex(trace));
        Caller { trace, is_short, span: SpanId::from_hex(SPAN), sampled, debug: false }
    }

    #[test]
    fn every_format_says_the_same() {
        let decimal = 0x8448_eb21_1c80_319c_u64.to_string();
        let span = 0xb7ad_6b71_6920_3331_u64.to_string();
        let w3c = format!("00-{LONG}-{SPAN}-01");
        let jaeger = format!("{LONG}:{SPAN}:0:1");
        let aws = format!("Root=1-0af76519-16cd43dd8448eb211c80319c;Parent={SPAN};Sampled=1;Lineage=a:0");
        let gcp = format!("{LONG}/{span};o=1");
        let long = caller(LONG, Some(true));
        let short = caller(SHORT, Some(true));
        let cases: [(Format, Written<'_>, Caller); 9] = [
            (Format::W3c, &[("traceparent", &w3c)], long),
            (Format::B3, &[("x-b3-traceid", LONG), ("x-b3-spanid", SPAN), ("x-b3-sampled", "1")], long),
            (Format::B3, &[("x-b3-traceid", SHORT), ("x-b3-spanid", SPAN), ("x-b3-sampled", "true")], short),
            (Format::Jaeger, &[("uber-trace-id", &jaeger)], long),
            (
                Format::Ot,
                &[("ot-tracer-traceid", SHORT), ("ot-tracer-spanid", SPAN), ("ot-tracer-sampled", "true")],
                short,
            ),
            (
                Format::Datadog,
                &[
                    ("x-datadog-trace-id", &decimal),
                    ("x-datadog-parent-id", &span),
                    ("x-datadog-sampling-priority", "2"),
                ],
                short,
            ),
            (Format::Aws, &[("x-amzn-trace-id", &aws)], long),
            (Format::Gcp, &[("x-cloud-trace-context", &gcp)], long),
            (Format::Instana, &[("x-instana-t", LONG), ("x-instana-s", SPAN), ("x-instana-l", "1,c=2")], long),
        ];
        for (format, headers, expected) in cases {
            assert_eq!(read(format, headers), Some((format, expected)), "{headers:?}");
        }
        let single = read(Format::B3, &[("b3", &format!("{LONG}-{SPAN}-1-{SPAN}"))]);
        assert_eq!(single, Some((Format::B3Single, long)));
        let debug = read(Format::B3, &[("b3", &format!("{LONG}-{SPAN}-d"))]).expect("a trace").1;
        assert_eq!(debug, Caller { debug: true, ..long });
    }

    #[test]
    fn a_decision_may_stand_alone() {
        let decided = |sampled| Caller { sampled: Some(sampled), ..Caller::default() };
        assert_eq!(read(Format::B3, &[("b3", "0")]), Some((Format::B3Single, decided(false))));
        assert_eq!(read(Format::B3, &[("x-b3-sampled", "0")]), Some((Format::B3, decided(false))));
        let forced = read(Format::B3, &[("x-b3-flags", "1")]).expect("a decision").1;
        assert_eq!(forced, Caller { debug: true, ..decided(true) });
        // A trace that is none takes nothing from the decision beside it.
        let broken = read(Format::B3, &[("x-b3-traceid", "1"), ("x-b3-spanid", SPAN), ("x-b3-sampled", "0")]);
        assert_eq!(broken, Some((Format::B3, decided(false))));
    }

    #[test]
    fn a_traceparent_that_is_not_one_is_not_there() {
        let zeros = "0".repeat(32);
        let good = format!("00-{LONG}-{SPAN}-01");
        for bad in [
            "",
            "00",
            &good.to_uppercase(),
            &good.replace("00-", "ff-"),
            &good.replace("00-", "0-"),
            &good.replace("00-", "0g-"),
            &format!("{good}-00"),
            &format!("{good}-"),
            &format!("00-{zeros}-{SPAN}-01"),
            &format!("00-{LONG}-0000000000000000-01"),
            &format!("00-{LONG}-{SPAN}-1"),
            &format!("00-{LONG}-{SPAN}-+1"),
            &format!("00-{SHORT}-{SPAN}-01"),
            &format!("00-{LONG}{LONG}-{SPAN}-01"),
        ] {
            assert_eq!(read(Format::W3c, &[("traceparent", bad)]), None, "{bad}");
        }
        assert_eq!(read(Format::W3c, &[("traceparent", &good), ("traceparent", &good)]), None);
        let later = read(Format::W3c, &[("traceparent", &good.replace("00-", "01-")[..])]);
        assert_eq!(later, Some((Format::W3c, caller(LONG, Some(true)))));
        let longer = format!("{}-what-comes", good.replace("00-", "cc-"));
        assert_eq!(read(Format::W3c, &[("traceparent", &longer)]), Some((Format::W3c, caller(LONG, Some(true)))));
    }

    #[test]
    fn broken_headers_of_the_others_are_not_there_either() {
        let cases: [(Format, Written<'_>); 12] = [
            (Format::B3, &[("b3", "2")]),
            (Format::B3, &[("b3", "0af7651916cd43dd8448eb211c80319c-1-1")]),
            (Format::B3, &[("tracestate", "a=b")]),
            (Format::Jaeger, &[("uber-trace-id", "1:2:3")]),
            (Format::Jaeger, &[("uber-trace-id", "0:2:3:1")]),
            (Format::Datadog, &[("x-datadog-trace-id", "18446744073709551616")]),
            (Format::Datadog, &[("x-datadog-trace-id", "1"), ("x-datadog-sampling-priority", "9")]),
            (Format::Aws, &[("x-amzn-trace-id", "Root=1-1-2")]),
            (Format::Aws, &[("x-amzn-trace-id", "Root")]),
            (Format::Gcp, &[("x-cloud-trace-context", "0af7651916cd43dd8448eb211c80319c/x;o=1")]),
            (Format::Gcp, &[("x-cloud-trace-context", "0af7651916cd43dd8448eb211c80319c")]),
            (Format::Instana, &[("x-instana-t", "xyz")]),
        ];
        for (format, headers) in cases {
            assert_eq!(read(format, headers), None, "{headers:?}");
        }
    }
}
