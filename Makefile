# Everything that people and CI do here. `make help` lists it.

CARGO ?= cargo
# The ports of the demo; TLS_PORT is PORT + 443 unless it is given.
PORT ?= 8000
ECHO_PORT ?= 8081

.DEFAULT_GOAL := help
.PHONY: help deps libraries run check test soak soak-rotation soak-upgrade lint bench bench-gateway doc clean

help: ## List the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1\t/' | expand -t 18

deps: ## Install what the build needs (Debian packages), if it is missing
	@./conf/install-packages.sh cmake:cmake perl:perl make:make cc:gcc c++:g++

run: deps ## Build, start an upstream and the gateway with the demo, and print what to try
	$(CARGO) build -p signet
	@CARGO="$(CARGO)" PORT=$(PORT) TLS_PORT=$(TLS_PORT) ECHO_PORT=$(ECHO_PORT) ./conf/run-demo.sh

check: deps ## Check every example configuration
	$(CARGO) run -q -p signet -- check conf/demo.yaml plugins/src/*/example.yaml
	$(CARGO) run -q -p tenant-header -- check examples/tenant-header/conf.yaml

libraries:
	@# Other JOSE libraries, a real identity provider, OpenTelemetry's messages; installed again when their versions change.
	@for at in integration/jose integration/oidc integration/otlp; do \
	    cmp -s $$at/package-lock.json $$at/node_modules/installed || \
	    { npm ci --prefix $$at --ignore-scripts --no-audit --no-fund && cp $$at/package-lock.json $$at/node_modules/installed; } || exit 1; \
	done

test: deps ## Run all tests
	@./conf/install-packages.sh curl:curl chromium:chromium argon2:argon2 htpasswd:apache2-utils openssl:openssl node:nodejs npm:npm systemd-analyze:systemd systemd-socket-activate:systemd ss:iproute2 prometheus:prometheus promtool:prometheus
	@/usr/bin/python3 -c 'import grpc' 2>/dev/null || ./conf/install-packages.sh a-python-with-grpc:python3-grpcio
	@/usr/bin/python3 -c 'import jwt, cryptography' 2>/dev/null || ./conf/install-packages.sh a-python-with-jwt:python3-jwt a-python-with-cryptography:python3-cryptography
	@/usr/bin/python3 -c 'import jsonschema, yaml' 2>/dev/null || ./conf/install-packages.sh a-python-with-jsonschema:python3-jsonschema a-python-with-yaml:python3-yaml
	@$(MAKE) --no-print-directory libraries
	$(CARGO) build -p signet -p tenant-header
	$(CARGO) test --workspace

soak: deps ## A thousand reloads of a thousand routes under load: no request fails, none waits, memory stays (part of the tests, for longer)
	$(CARGO) build --release -p signet
	SOAK_RELOADS=1000 SOAK_EVERY=500 SIGNET_BIN=$${CARGO_TARGET_DIR:-$(CURDIR)/target}/release/signet $(CARGO) test -p signet-integration --test black_box -- soak:: --nocapture --test-threads 1

soak-rotation: deps ## Keys that change every second for a minute: one gateway, two, tokens sent again (part of the tests, for longer)
	@./conf/install-packages.sh node:nodejs npm:npm
	@$(MAKE) --no-print-directory libraries
	$(CARGO) build -p signet
	ROTATION_SECONDS=60 $(CARGO) test -p signet-integration --test black_box -- rotation:: --skip keys_rotation:: --nocapture

soak-upgrade: deps ## A new process thirty times under load: a connection for each request, kept ones, HTTP/2 (part of the tests, for longer)
	$(CARGO) build -p signet
	UPGRADES=30 $(CARGO) test -p signet-integration --test black_box upgrade:: -- --nocapture

lint: deps ## Formatting, clippy, and an engine that names no built-in
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets -- -D warnings
	$(CARGO) check -p signet --lib --no-default-features

bench: deps ## Micro-benchmarks: router, chain, signing, token, jwt, passwords
	$(CARGO) bench -p signet -p signet-plugins

bench-gateway: deps ## CPU per request as a multiple of nginx (builds a release; six minutes)
	@./conf/install-packages.sh nginx:nginx-light wrk:wrk python3:python3
	$(CARGO) build --release -p signet
	python3 integration/bench/gateway.py

doc: ## Build the API documentation
	$(CARGO) doc --workspace --no-deps

clean: ## Remove what was built
	$(CARGO) clean
