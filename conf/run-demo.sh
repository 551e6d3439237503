#!/bin/sh
# The demo: an upstream that echoes requests, the gateway in front of it, and what to try. Ctrl-C ends both.
set -eu
cd "$(dirname "$0")/.."
# Where cargo builds, whether a variable or a file of its says so.
built=$(${CARGO:-cargo} metadata --format-version 1 --no-deps --offline | sed 's/.*"target_directory":"\([^"]*\)".*/\1/')
signet=${SIGNET_BIN:-$built/debug/signet}
# The gateway would take it for a setting.
unset SIGNET_BIN
PORT=${PORT:-8000}
# As 8443 is to 8000.
TLS_PORT=${TLS_PORT:-$((PORT + 443))}
ECHO_PORT=${ECHO_PORT:-8081}

"$signet" echo --listen "127.0.0.1:$ECHO_PORT" &
echo_pid=$!
trap 'kill "$echo_pid" 2>/dev/null || true' EXIT INT TERM
# If its port is in use it has said so and ended: a gateway alone would answer 502.
sleep 0.3
kill -0 "$echo_pid" 2>/dev/null || exit 1

cat <<TEXT

Try, from another terminal:

  # a user name and password become a signed token: look for X-Custom-Jwt in the echoed headers
  curl -u 'my-user:My p@ssword!' localhost:$PORT/basicAuth

  # an API key does, too
  curl -H 'apikey: 012345AZERTY!' localhost:$PORT/apiKey

  # the public key that verifies each
  curl localhost:$PORT/x-custom-jwt/jwks

  # and the metadata by which verifiers find it
  curl localhost:$PORT/x-custom-jwt/.well-known/openid-configuration

  # is a token right? copy it from X-Custom-Jwt of /basicAuth: the route knows the gateway's key by that client_id
  curl -H 'Authorization: Bearer TOKEN' localhost:$PORT/introspect

  # over TLS, with a certificate made at start, which curl is told to take; HTTP/2 because curl offers it
  curl -k https://localhost:$TLS_PORT/x-custom-jwt/jwks

  # a client certificate
  curl -k --cert test-keys/mtls-client.pem --key test-keys/mtls-client-key.pem https://localhost:$TLS_PORT/mtlsAuth

  # no credential, no entry
  curl -i localhost:$PORT/apiKey

TEXT
SIGNET_PROXY_LISTEN=${SIGNET_PROXY_LISTEN:-0.0.0.0:$PORT, 0.0.0.0:$TLS_PORT http2 ssl} "$signet" run -c conf/demo.yaml \
    --resolve "httpbin.test:80:127.0.0.1:$ECHO_PORT"
