//! `tracestate`: what others say of the trace, passed on as far as it keeps to its rules (W3C Trace Context, 3.3).

use http::{HeaderMap, HeaderValue};
use signet_plugin_api::{PluginError, RequestHeader};

const NAME: &str = "tracestate";
/// As much as is passed on, in bytes.
const LONGEST: usize = 512;
/// Of how many.
const MEMBERS: usize = 32;
/// Longer ones go first when it is too much.
const LONG_MEMBER: usize = 128;

/// Sends on what may be sent on, where the trace goes on; nothing where a new one begins.
///
/// # Errors
/// When there are too many headers.
pub(super) fn pass_on(head: &mut RequestHeader, goes_on: bool) -> Result<(), PluginError> {
    if !head.headers.contains_key(NAME) {
        return Ok(());
    }
    let kept = if goes_on { kept(&head.headers) } else { None };
    head.remove_header(NAME);
    let Some(value) = kept.and_then(|kept| HeaderValue::try_from(kept).ok()) else { return Ok(()) };
    head.insert_header(NAME, value).map_err(|error| PluginError::with_source("a trace header", error))
}

/// What may be sent on; none when one of its members is none. The first ones are the latest.
pub(super) fn kept(headers: &HeaderMap) -> Option<String> {
    let mut members = Vec::new();
    for value in headers.get_all(NAME) {
        members.extend(value.to_str().ok()?.split(',').map(str::trim).filter(|member| !member.is_empty()));
    }
    if !members.iter().all(|member| is_member(member)) {
        return None;
    }
    members.truncate(MEMBERS);
    let length = |members: &[&str]| members.iter().map(|member| member.len() + 1).sum::<usize>().saturating_sub(1);
    if length(&members) > LONGEST {
        members.retain(|member| member.len() <= LONG_MEMBER);
    }
    while length(&members) > LONGEST {
        members.pop();
    }
    (!members.is_empty()).then(|| members.join(","))
}

fn is_member(member: &str) -> bool {
    let is_key = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-' | b'*' | b'/' | b'@');
    member.split_once('=').is_some_and(|(key, value)| {
        !key.is_empty() && key.bytes().all(is_key) && !value.is_empty() && !value.contains('=')
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept_of(values: &[&str]) -> Option<String> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(NAME, HeaderValue::from_str(value).expect("a value"));
        }
        kept(&headers)
    }

    #[test]
    fn several_headers_are_one_list() {
        assert_eq!(kept_of(&["a=1, b=2", "", "c@d=3"]).as_deref(), Some("a=1,b=2,c@d=3"));
        assert_eq!(kept_of(&[]), None);
        for wrong in ["a", "A=1", "=1", "a=", "a=1=2", "a=1,b"] {
            assert_eq!(kept_of(&[wrong]), None, "{wrong}");
        }
    }

    #[test]
    fn it_is_never_longer_than_512_bytes_and_the_longest_go_first() {
        let long = format!("long={}", "x".repeat(200));
        let short = |name: &str| format!("{name}={}", "y".repeat(120));
        let all = [short("a"), long, short("b"), short("c"), short("d"), short("e")].join(",");
        let kept = kept_of(&[&all]).expect("members");
        assert!(kept.len() <= LONGEST && !kept.contains("long"), "{kept}");
        assert_eq!(kept, [short("a"), short("b"), short("c"), short("d")].join(","));
        let many: Vec<String> = (0..40).map(|at| format!("k{at}=1")).collect();
        assert_eq!(kept_of(&[&many.join(",")]).expect("members").split(',').count(), MEMBERS);
    }
}
