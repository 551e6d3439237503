"""The configurations that are measured."""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
USER, PASSWORD, KEY = "bench-user", "bench-password", "bench-key"

# 200 bytes.
SMALL = '{"status":"ok","text":"' + "x" * 175 + '"}'
LARGE_BYTES = 100 * 1024

UPSTREAM = """
    server {{
        listen 127.0.0.1:{port} backlog=4096;
        default_type application/json;
        location / {{ return 200 '{small}'; }}
        location = /body {{ alias {large}; }}
    }}
"""

# Bare: no header is added, none is rewritten, only the connections are kept. One location is logged, as most are.
PROXY = """
    upstream backend {{
        server 127.0.0.1:{upstream};
        keepalive 64;
        keepalive_requests 1000000000;
    }}
    server {{
        listen 127.0.0.1:{port} backlog=4096;
        location / {{
            proxy_pass http://backend;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
        }}
        location /logged {{
            access_log {folder}/access.log;
            proxy_pass http://backend/plain;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
        }}
    }}
"""


def cases(upstream):
    """One route per case, and one consumer with a password and a key."""
    key_auth = {"name": "key-auth"}
    return {
        "_format_version": "3.0",
        "services": [
            {
                "name": "bench",
                "url": upstream,
                "routes": [
                    route("plain"),
                    route("body"),
                    route("key", key_auth),
                    route("basic", {"name": "basic-auth"}),
                    route("token", key_auth, token("rs256-private-jwk.json")),
                    route("token-reused", key_auth, token("rs256-private-jwk.json", reuse_for=60)),
                    route("token-hs", key_auth, token("hs256-jwk.json")),
                    route("stop", {"name": "request-termination", "config": {"status_code": 200, "message": "ok"}}),
                ],
            }
        ],
        "consumers": [
            {
                "username": USER,
                "custom_id": "bench-custom-id",
                "basicauth_credentials": [{"username": USER, "password": PASSWORD}],
                "keyauth_credentials": [{"key": KEY}],
            }
        ],
    }


def route(name, *plugins):
    return {"name": name, "paths": [f"/{name}"], "strip_path": False, "plugins": list(plugins)}


def token(key, **fields):
    config = {"private_jwk": (ROOT / "test-keys" / key).read_text(), **fields}
    return {"name": "x-custom-jwt", "config": config}


def many(upstream, count):
    """So many routes and consumers as YAML, the way people have them: a service for every 100 routes, key-auth on each."""
    lines = ['_format_version: "3.0"', "services:"]
    for number in range(count):
        if number % 100 == 0:
            lines += [f"- name: service-{number // 100}", f"  url: {upstream}"]
            lines += ["  plugins:", "  - name: key-auth", "  routes:"]
        lines += [f"  - name: route-{number}", "    paths:", f"    - {many_path(number)}", "    strip_path: false"]
    lines.append("consumers:")
    for number in range(count):
        lines += [f"- username: consumer-{number}", f"  custom_id: custom-{number}"]
        lines += ["  keyauth_credentials:", f"  - key: key-{number}"]
    return "\n".join(lines) + "\n"


def many_path(number):
    return f"/team-{number // 100}/service-{number}"


def spread(count):
    """A wrk script that asks for every route in turn, with every consumer's key."""
    return f"""local n = 0
request = function()
    n = (n + 7919) % {count}
    wrk.headers["apikey"] = "key-" .. n
    return wrk.format("GET", "/team-" .. math.floor(n / 100) .. "/service-" .. n)
end
"""
