#!/usr/bin/env python3
"""CPU per request of the gateway as a multiple of bare nginx, measured in the same rounds; and its memory and start.

`make bench-gateway` runs it on a release build; docs/performance.md says what the figures mean.
"""

import argparse
import contextlib
import os
import shutil
import signal
import sys
import tempfile
import time
from base64 import b64encode
from pathlib import Path

# The modules beside this file leave no trace in the tree.
sys.dont_write_bytecode = True

import configs
import report
from processes import (
    Broken,
    Gateway,
    Nginx,
    Process,
    allow_open_files,
    answers,
    cpu,
    free_port,
    idle_connections,
    memory,
    output_of,
    threads_user_time,
    wrk,
    write_json,
)

CONNECTIONS = 32
IDLE = 2000
MANY, FEW = 10_000, 10
STARTS = 3


class Case:
    """One kind of request, and what each round measured."""

    def __init__(self, name, process, path, headers=(), script=None, connections=CONNECTIONS):
        self.name, self.process, self.path = name, process, path
        self.headers, self.script, self.connections = headers, script, connections
        self.rounds = []

    def load(self, seconds, core):
        url = self.process.url + self.path
        return wrk(url, seconds, core, headers=self.headers, script=self.script, connections=self.connections)

    def measure(self, seconds, core):
        pid = self.process.pid
        before, signing_before = cpu(pid), threads_user_time(pid, "signing-")
        done = self.load(seconds, core)
        spent, signing = cpu(pid) - before, threads_user_time(pid, "signing-") - signing_before
        done["cpu_us"] = spent / done["requests"] * 1e6
        done["signing_us"] = signing / done["requests"] * 1e6
        self.rounds.append(done)


class Bench:
    """Everything that runs during a measurement; leaving it ends every process."""

    def __init__(self, options, folder, running):
        self.binary, self.gateway_core, self.load_core = options.binary, options.gateway_core, options.load_core
        self.rounds, self.seconds = options.rounds, options.seconds
        self.folder, self.running = folder, running
        self.upstream = self.nginx("upstream", self.load_core, configs.UPSTREAM, small=configs.SMALL, large=self.large())
        self.baseline = self.nginx("baseline", self.gateway_core, configs.PROXY, upstream=port_of(self.upstream.url))

    def large(self):
        path = self.folder / "large"
        path.write_bytes(os.urandom(configs.LARGE_BYTES))
        path.chmod(0o644)
        return path

    def nginx(self, name, core, http, **values):
        port, folder = free_port(), self.folder / name
        return self.keep(Nginx(folder, port, core, http.format(port=port, folder=folder, **values)))

    def gateway(self, config, log, **options):
        return self.keep(Gateway(self.binary, config, self.folder / f"{log}.log", **options))

    def pinned(self, config, log, **settings):
        return self.gateway(config, log, core=self.gateway_core, settings=settings)

    def keep(self, process):
        self.running.callback(process.stop)
        return process

    def cases(self):
        config = write_json(self.folder / "cases.json", configs.cases(self.upstream.url))
        gateway = self.pinned(config, "cases")
        logs = {name: self.logging(config, name) for name in ("text", "json")}
        key = [f"apikey: {configs.KEY}"]
        password = b64encode(f"{configs.USER}:{configs.PASSWORD}".encode()).decode()
        return [
            Case("nginx", self.baseline, "/plain"),
            Case("plain", gateway, "/plain"),
            Case("key-auth", gateway, "/key", key),
            Case("basic-auth", gateway, "/basic", [f"Authorization: Basic {password}"]),
            Case("x-custom-jwt RS256", gateway, "/token", key),
            Case("x-custom-jwt HS256", gateway, "/token-hs", key),
            Case("x-custom-jwt RS256, reused", gateway, "/token-reused", key),
            Case("request-termination", gateway, "/stop"),
            # For scale: what nginx pays when it wakes up for each request, as whoever waits for signatures does.
            Case("nginx, one connection", self.baseline, "/plain", connections=1),
            Case("nginx, access log", self.baseline, "/logged"),
            Case("plain, access log", logs["text"], "/plain"),
            Case("plain, access log, JSON", logs["json"], "/plain"),
            Case("nginx 100 KiB", self.baseline, "/body"),
            Case("100 KiB", gateway, "/body"),
        ]

    def logging(self, config, form):
        """A gateway that writes a line for each request to a file."""
        log = f"access-{form}"
        return self.pinned(config, log, PROXY_ACCESS_LOG=self.folder / f"{log}.lines", LOG_FORMAT=form)

    def growth(self):
        """The cases that differ only in how many routes and consumers there are, and the start of the larger file."""
        few, many = (self.many(count) for count in (FEW, MANY))
        starts = [self.start_once(many) for _ in range(STARTS - 1)]
        small, large = self.pinned(few, "few"), self.pinned(many, "many")
        memory_after_start = memory(large.pid)
        middle = MANY // 2
        cases = [
            Case(f"{FEW} routes", small, configs.many_path(FEW // 2), [f"apikey: key-{FEW // 2}"]),
            Case(f"{MANY} routes", large, configs.many_path(middle), [f"apikey: key-{middle}"]),
            Case(f"{FEW} routes, all in turn", small, "/", script=self.spread(FEW)),
            Case(f"{MANY} routes, all in turn", large, "/", script=self.spread(MANY)),
        ]
        return cases, large, {"start_s": sorted([*starts, large.started]), "rss_after_start": memory_after_start}

    def many(self, count):
        path = self.folder / f"{count}-routes.yml"
        path.write_text(configs.many(self.upstream.url, count))
        return path

    def spread(self, count):
        path = self.folder / f"{count}.lua"
        path.write_text(configs.spread(count))
        return path

    def start_once(self, config):
        gateway = self.pinned(config, "start")
        gateway.stop()
        return gateway.started

    def run_rounds(self, cases):
        for case in cases:
            case.load(1, self.load_core)
        for number in range(self.rounds):
            # Each round begins with another case: what drifts within a round does not favour one of them.
            shift = number * 2 % len(cases)
            for case in cases[shift:] + cases[:shift]:
                case.measure(self.seconds, self.load_core)
            say(f"round {number + 1} of {self.rounds}")

    def idle_connection(self):
        """Resident bytes of one idle connection, in a process that has served little else."""
        gateway = self.pinned(self.folder / "cases.json", "idle")
        with idle_connections(gateway.url, "/plain", 1):
            before = memory(gateway.pid)
            with idle_connections(gateway.url, "/plain", IDLE):
                time.sleep(0.5)
                return (memory(gateway.pid) - before) / IDLE

    def demo(self):
        """Resident bytes of the demo after load on both of its routes, with a thread for each core."""
        listen = f"127.0.0.1:{free_port()}"
        echo = self.keep(Process([self.binary, "echo", "--listen", listen], self.folder / "echo.log"))
        echo.wait_for("an answer", lambda: answers(f"http://{listen}/"))
        resolve = [f"httpbin.test:80:{listen}"]
        gateway = self.gateway(configs.ROOT / "conf/demo.yaml", "demo", threads=None, resolve=resolve)
        password = b64encode(b"my-user:My p@ssword!").decode()
        wrk(f"{gateway.url}/basicAuth", self.seconds, self.load_core, headers=[f"Authorization: Basic {password}"])
        wrk(f"{gateway.url}/apiKey", self.seconds, self.load_core, headers=["apikey: 012345AZERTY!"])
        return memory(gateway.pid)


def measure(options):
    with tempfile.TemporaryDirectory(prefix="signet-bench-") as name, contextlib.ExitStack() as running:
        folder = Path(name)
        folder.chmod(0o755)
        bench = Bench(options, folder, running)
        cases = bench.cases()
        growth, large, sizes = bench.growth()
        bench.run_rounds(cases + growth)
        sizes["rss_after_load"] = memory(large.pid)
        sizes["rss_peak"] = memory(large.pid, "VmHWM")
        sizes["idle_connection"] = bench.idle_connection()
        sizes["rss_demo"] = bench.demo()
        return {case.name: case.rounds for case in cases + growth}, sizes


def main():
    options = arguments()
    machine = report.machine(
        gateway=output_of(options.binary, "--version"),
        nginx=output_of("nginx", "-v"),
        wrk=output_of("wrk", "-v").splitlines()[0],
    )
    say(f"{options.rounds} rounds of {options.seconds} s per case, gateway on core {options.gateway_core}")
    rounds, sizes = measure(options)
    result = report.evaluate(rounds, sizes) | {"machine": machine, "sizes": sizes, "rounds": rounds}
    report.show(result)
    if options.json:
        write_json(options.json, result)


def arguments():
    cores = sorted(os.sched_getaffinity(0))
    parser = argparse.ArgumentParser(description="CPU per request as a multiple of nginx")
    parser.add_argument("--quick", action="store_true", help="2 rounds of 1 s: whether it works, not how fast it is")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=int, default=3, help="per case and round")
    parser.add_argument("--gateway-core", type=int, default=cores[0], help="for the gateway and the nginx it is compared to")
    parser.add_argument("--load-core", type=int, default=cores[-1], help="for wrk and the upstream")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write everything that was measured")
    options = parser.parse_args()
    if options.quick:
        options.rounds, options.seconds = 2, 1
    options.binary = Path(os.environ.get("SIGNET_BIN") or configs.ROOT / "target/release/signet")
    check(options)
    return options


def check(options):
    missing = [tool for tool in ("nginx", "wrk", "taskset") if not shutil.which(tool, path=search_path())]
    if missing:
        raise Broken(f"not installed: {', '.join(missing)}")
    if not options.binary.is_file():
        raise Broken(f"{options.binary} is not there: `cargo build --release -p signet` makes it, SIGNET_BIN names another")
    if options.gateway_core == options.load_core:
        raise Broken("two cores are needed: one for the gateway, one for what loads it")
    if options.rounds < 1 or options.seconds < 1:
        raise Broken("at least one round of one second is needed")
    allow_open_files(4 * IDLE)


def search_path():
    # nginx is where an ordinary user's PATH does not lead.
    os.environ["PATH"] = os.environ.get("PATH", os.defpath) + ":/usr/sbin:/sbin"
    return os.environ["PATH"]


def port_of(url):
    return url.rsplit(":", 1)[1]


def say(text):
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    # An exception, so that what was started is ended on the way out.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        main()
    except Broken as broken:
        say(f"bench-gateway: {broken}")
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)
