//! Which headers the gateway adds, by Kong's tokens.

/// What is added to responses (`headers`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is a token of Kong's")]
#[expect(missing_docs, reason = "named as Kong's tokens")]
pub struct HeaderTokens {
    pub server: bool,
    pub via: bool,
    pub proxy_latency: bool,
    pub response_latency: bool,
    pub upstream_latency: bool,
    pub admin_latency: bool,
    pub upstream_status: bool,
    pub request_id: bool,
}

impl HeaderTokens {
    const NONE: Self = Self {
        server: false,
        via: false,
        proxy_latency: false,
        response_latency: false,
        upstream_latency: false,
        admin_latency: false,
        upstream_status: false,
        request_id: false,
    };
}

impl Default for HeaderTokens {
    fn default() -> Self {
        Self {
            server: true,
            via: true,
            proxy_latency: true,
            response_latency: true,
            upstream_latency: true,
            admin_latency: true,
            upstream_status: false,
            request_id: true,
        }
    }
}

pub(super) fn response(items: &[String]) -> Result<HeaderTokens, String> {
    let mut tokens = HeaderTokens::NONE;
    for item in items {
        match item.to_ascii_lowercase().as_str() {
            "off" if items.len() == 1 => {}
            "off" => return Err("`off` stands alone".to_owned()),
            "server_tokens" => (tokens.server, tokens.via) = (true, true),
            "latency_tokens" => {
                (tokens.proxy_latency, tokens.response_latency) = (true, true);
                (tokens.upstream_latency, tokens.admin_latency) = (true, true);
            }
            "server" => tokens.server = true,
            "via" => tokens.via = true,
            "x-kong-proxy-latency" => tokens.proxy_latency = true,
            "x-kong-response-latency" => tokens.response_latency = true,
            "x-kong-upstream-latency" => tokens.upstream_latency = true,
            "x-kong-admin-latency" => tokens.admin_latency = true,
            "x-kong-upstream-status" => tokens.upstream_status = true,
            "x-kong-request-id" => tokens.request_id = true,
            _ => {
                return Err(format!(
                    "unknown token `{item}`; expected off, server_tokens, latency_tokens, Server, Via, X-Kong-Request-Id, \
                     X-Kong-Upstream-Status or X-Kong-{{Proxy,Response,Upstream,Admin}}-Latency"
                ));
            }
        }
    }
    Ok(tokens)
}

pub(super) fn upstream(items: &[String]) -> Result<bool, String> {
    match items {
        [] => Ok(false),
        [off] if off == "off" => Ok(false),
        [token] if token.eq_ignore_ascii_case("X-Kong-Request-Id") => Ok(true),
        _ => Err("expected X-Kong-Request-Id or off".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokens(text: &str) -> Result<HeaderTokens, String> {
        response(&text.split(',').map(str::to_owned).collect::<Vec<_>>())
    }

    #[test]
    fn tokens_stand_for_headers() {
        assert_eq!(tokens("server_tokens,latency_tokens,X-Kong-Request-Id"), Ok(HeaderTokens::default()));
        assert_eq!(tokens("off"), Ok(HeaderTokens::NONE));
        assert_eq!(tokens("via"), Ok(HeaderTokens { via: true, ..HeaderTokens::NONE }));
        assert!(tokens("off,via").is_err() && tokens("X-Powered-By").is_err());
        assert_eq!(upstream(&["x-kong-request-id".into()]), Ok(true));
        assert!(upstream(&["via".into()]).is_err());
    }
}
