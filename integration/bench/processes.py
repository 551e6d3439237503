"""Processes that a measurement starts: pinned, watched through /proc, and ended with it."""

import contextlib
import json
import os
import re
import resource
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path

TICKS = os.sysconf("SC_CLK_TCK")
DEADLINE = 30.0


class Broken(Exception):
    """The measurement cannot go on; the text says why."""


class Process:
    """A child on one core (or on all), with its output in a file."""

    def __init__(self, command, log, core=None, env=None):
        self.name = Path(command[0]).name
        self.log = Path(log)
        pinned = ["taskset", "-c", str(core), *command] if core is not None else command
        with self.log.open("wb") as output:
            self.child = subprocess.Popen(
                [str(part) for part in pinned], stdin=subprocess.DEVNULL, stdout=output, stderr=output, env=env
            )
        self.pid = self.child.pid

    def wait_for(self, what, found):
        """Polls `found` until it returns something; fails when the process ends before."""
        end = time.monotonic() + DEADLINE
        while time.monotonic() < end:
            value = found()
            if value is not None:
                return value
            if self.child.poll() is not None:
                raise Broken(f"{self.name} ended with {self.child.returncode} before {what}:\n{self.text()}")
            time.sleep(0.001)
        raise Broken(f"{self.name}: no {what} after {DEADLINE:.0f} s:\n{self.text()}")

    def text(self):
        return self.log.read_text(errors="replace")

    def stop(self):
        if self.child.poll() is None:
            self.child.send_signal(signal.SIGTERM)
            try:
                self.child.wait(10)
            except subprocess.TimeoutExpired:
                self.child.kill()
                self.child.wait()


class Gateway(Process):
    """The binary under test on a configuration; `started` is how long it took until it was ready.

    `settings` are more of its `SIGNET_` variables, without that.
    """

    def __init__(self, binary, config, log, core=None, threads=1, resolve=(), settings=()):
        env = {name: value for name, value in os.environ.items() if not name.startswith("SIGNET_")}
        env |= {
            "SIGNET_PROXY_LISTEN": "127.0.0.1:0",
            "SIGNET_STATUS_LISTEN": "127.0.0.1:0",
            "SIGNET_PROXY_ACCESS_LOG": "off",
            "SIGNET_ADMIN_LISTEN": "off",
            "NO_COLOR": "1",
        }
        if threads:
            env["SIGNET_THREADS"] = env["SIGNET_SIGNING_THREADS"] = str(threads)
        env |= {f"SIGNET_{name}": str(value) for name, value in dict(settings).items()}
        begin = time.monotonic()
        names = [part for name in resolve for part in ("--resolve", name)]
        super().__init__([binary, "run", "-c", config, *names], log, core, env)
        try:
            self.status = self.listener("status")
            self.wait_for("readiness", lambda: answers(f"http://{self.status}/status/ready"))
            self.started = time.monotonic() - begin
            self.url = f"http://{self.listener('proxy')}"
        except BaseException:
            self.stop()
            raise

    def listener(self, name):
        line = re.compile(rf"^{name} listening on http://(\S+)", re.M)
        return self.wait_for(f"the {name} listener", lambda: first(line.search(self.text())))


class Nginx(Process):
    """nginx with these locations; what works is its one worker."""

    def __init__(self, folder, port, core, http):
        folder.mkdir()
        folder.chmod(0o755)
        (folder / "nginx.conf").write_text(CONF.format(folder=folder, port=port, http=http))
        super().__init__(["nginx", "-p", folder, "-c", folder / "nginx.conf"], folder / "log", core)
        self.url = f"http://127.0.0.1:{port}"
        try:
            self.wait_for("an answer", lambda: answers(f"{self.url}/"))
            self.pid = self.wait_for("a worker", lambda: next(iter(children(self.child.pid)), None))
        except BaseException:
            self.stop()
            raise


CONF = """daemon off;
worker_processes 1;
pid {folder}/pid;
error_log stderr;
worker_rlimit_nofile 8192;
events {{ worker_connections 4096; }}
http {{
    access_log off;
    sendfile on;
    tcp_nopush on;
    keepalive_timeout 600s;
    keepalive_requests 1000000000;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    {http}
}}
"""


def cpu(pid):
    """User and system seconds of a process, with all its threads."""
    return sum(times(Path(f"/proc/{pid}/stat")))


def threads_user_time(pid, name):
    """User seconds of the threads whose names begin so."""
    tasks = Path(f"/proc/{pid}/task").iterdir()
    return sum(times(task / "stat")[0] for task in tasks if (task / "comm").read_text().startswith(name))


def memory(pid, field="VmRSS"):
    """Resident bytes."""
    line = re.search(rf"^{field}:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text(), re.M)
    return int(line[1]) * 1024


def times(stat):
    # The name stands in brackets and may hold spaces.
    fields = stat.read_text().rpartition(")")[2].split()
    return int(fields[11]) / TICKS, int(fields[12]) / TICKS


def children(pid):
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            if int(stat.read_text().rpartition(")")[2].split()[1]) == pid:
                yield int(stat.parent.name)


def wrk(url, seconds, core, connections=32, headers=(), script=None):
    """Loads a URL. Returns requests, requests per second and latencies; anything but 2xx is a failure."""
    command = ["taskset", "-c", str(core), "wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--latency"]
    command += [part for header in headers for part in ("-H", header)]
    command += ["-s", str(script)] if script else []
    run = subprocess.run([*command, url], capture_output=True, text=True, check=False)
    output = run.stdout + run.stderr
    done = re.search(r"(\d+) requests in", output)
    if run.returncode != 0 or not done or int(done[1]) == 0:
        raise Broken(f"wrk {url} failed:\n{output}")
    if "Non-2xx" in output or "Socket errors" in output:
        raise Broken(f"wrk {url}: not every request succeeded:\n{output}")
    latency = {f"p{mark}_us": microseconds(value) for mark, value in re.findall(r"^\s+(50|99)%\s+(\S+)", output, re.M)}
    return {"requests": int(done[1]), "per_second": float(re.search(r"Requests/sec:\s+([\d.]+)", output)[1]), **latency}


def microseconds(text):
    number, unit = re.fullmatch(r"([\d.]+)(us|ms|s|m)", text).groups()
    return float(number) * {"us": 1, "ms": 1e3, "s": 1e6, "m": 6e7}[unit]


def answers(url):
    """True once it answers 200; None before."""
    try:
        with urllib.request.urlopen(url, timeout=5) as response:
            return True if response.status == 200 else None
    except (urllib.error.URLError, OSError):
        return None


def idle_connections(url, path, count):
    """Connections with one finished request each; close them with the returned stack."""
    host, port = url.removeprefix("http://").rsplit(":", 1)
    request = f"GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode()
    opened = contextlib.ExitStack()
    for _ in range(count):
        connection = opened.enter_context(socket.create_connection((host, int(port)), timeout=DEADLINE))
        connection.sendall(request)
        received = b""
        while b"\r\n\r\n" not in received or not received.endswith(b"}"):
            part = connection.recv(65536)
            if not part:
                raise Broken(f"a connection was closed: {received!r}")
            received += part
        if not received.startswith(b"HTTP/1.1 200"):
            raise Broken(f"not 200: {received!r}")
    return opened


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


def allow_open_files(wanted):
    """Raises the limit for this process and its children."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < wanted:
        raise Broken(f"{wanted} open files are needed, the limit is {hard}")
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def output_of(*command):
    """What a command says about itself, on either stream."""
    run = subprocess.run([str(part) for part in command], capture_output=True, text=True, check=False)
    return (run.stdout + run.stderr).strip()


def write_json(path, value):
    path.write_text(json.dumps(value, indent=1))
    return path


def first(match):
    return match[1] if match else None
