//! The `act` claim: who acts now, and who did before (RFC 8693, 4.1).

use serde_json::value::RawValue;
use signet_plugin_api::Claims;

use super::{config::Act, copy_members};

/// Actors in one token. Gateways behind gateways would let it grow with each call; the oldest go first.
const LONGEST_CHAIN: usize = 8;

/// Writes our actor and what `act` keeps of the incoming ones. Anything but an object is replaced: the RFC allows
/// nothing else.
pub(super) fn write_actor(
    out: &mut Vec<u8>,
    act: Act,
    incoming: Option<&RawValue>,
    client_id: &str,
) -> Result<(), serde_json::Error> {
    let incoming = incoming.and_then(object);
    out.push(b'{');
    if let (Act::Merge, Some(members)) = (act, &incoming) {
        copy_members(out, members, |name| name != "client_id")?;
    }
    out.extend_from_slice(b"\"client_id\":");
    serde_json::to_writer(&mut *out, client_id)?;
    if let (Act::Nest, Some(latest)) = (act, incoming) {
        out.push(b',');
        write_predecessors(out, latest, LONGEST_CHAIN - 1)?;
    }
    out.push(b'}');
    Ok(())
}

/// At most so many, the latest one outermost.
fn write_predecessors(out: &mut Vec<u8>, latest: Claims, most: usize) -> Result<(), serde_json::Error> {
    let mut next = Some(latest);
    let mut written = 0;
    while let Some(members) = next.take().filter(|_| written < most) {
        // A comma stands before `act`, or nothing does.
        out.extend_from_slice(b"\"act\":{");
        copy_members(out, &members, |name| name != "act")?;
        written += 1;
        next = members.get("act").and_then(object);
    }
    for _ in 0..written {
        if out.last() == Some(&b',') {
            out.pop();
        }
        out.push(b'}');
    }
    Ok(())
}

fn object(act: &RawValue) -> Option<Claims> {
    Claims::parse(act.get().as_bytes()).ok()
}
