//! The names of the plugins that come with Kong: whoever has one in a file made no typing mistake.

/// Whether a plugin of this name comes with some edition of Kong.
pub(super) fn is_kongs(name: &str) -> bool {
    NAMES.split_ascii_whitespace().any(|known| known == name)
}

/// All but those that are here. One that comes to be here later may stay: only plugins that are missing are looked up.
const NAMES: &str = "
    ace acme ai-aws-guardrails ai-azure-content-safety ai-lakera-guard ai-llm-as-judge ai-mcp-oauth2 ai-mcp-proxy
    ai-prompt-compressor ai-prompt-decorator ai-prompt-guard ai-prompt-template ai-proxy ai-proxy-advanced ai-rag-injector
    ai-rate-limiting-advanced ai-request-transformer ai-response-transformer ai-sanitizer ai-semantic-cache
    ai-semantic-prompt-guard ai-semantic-response-guard app-dynamics application-registration aws-lambda azure-functions
    bot-detection canary confluent confluent-consume correlation-id datadog datakit degraphql exit-transformer file-log
    forward-proxy graphql-proxy-cache-advanced graphql-rate-limiting-advanced grpc-gateway grpc-web header-cert-auth
    hmac-auth http-log injection-protection ip-restriction jq json-threat-protection jwe-decrypt jwt-signer kafka-consume
    kafka-log kafka-upstream key-auth-enc konnect-application-auth ldap-auth ldap-auth-advanced loggly
    metering-and-billing mocking oas-validation oauth2 oauth2-introspection opa opentelemetry post-function pre-function
    prometheus proxy-cache proxy-cache-advanced rate-limiting rate-limiting-advanced redirect request-callout
    request-size-limiting request-transformer request-transformer-advanced request-validator response-ratelimiting
    response-transformer response-transformer-advanced route-by-header route-transformer-advanced saml
    service-protection session solace-consume solace-log solace-upstream standard-webhooks statsd statsd-advanced
    syslog tcp-log tls-handshake-modifier tls-metadata-headers udp-log upstream-oauth upstream-timeout vault-auth
    websocket-size-limit websocket-validator xml-threat-protection zipkin
";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kongs_plugins_are_known_by_their_whole_name() {
        assert!(is_kongs("rate-limiting") && is_kongs("acme") && is_kongs("zipkin"));
        assert!(!is_kongs("rate-limit") && !is_kongs("") && !is_kongs("rate-limiting acme"));
    }
}
