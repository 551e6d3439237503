"""What was measured, as ratios to nginx, and which marks it meets."""

import os
import platform
import re
import time
from pathlib import Path
from statistics import median

from processes import Broken

KB, MB = 1000, 1_000_000

# Multiples of bare nginx with a small body, from the same round.
MARKS = {"plain": 1.65, "key-auth": 1.75, "basic-auth": 1.85, "request-termination": 0.9, "100 KiB": 4.5}
TOKEN, TOKEN_HMAC, TOKEN_MARK = "x-custom-jwt RS256", "x-custom-jwt HS256", 2.5
# A token that is sent again, as a multiple of the same route without x-custom-jwt.
REUSED, REUSED_MARK = "x-custom-jwt RS256, reused", 1.3
FEW, MANY, GROWTH_MARK = "10 routes", "10000 routes", 1.05
IN_TURN = ", all in turn"
SIZES = {
    "an idle connection": ("idle_connection", 32 * KB, "kB", KB),
    "RSS of the demo after load": ("rss_demo", 40 * MB, "MB", MB),
    "RSS with 10000 routes and consumers, after load": ("rss_after_load", 200 * MB, "MB", MB),
}
START_MARK = 1.0

# Processes that ran or waited to run in the last minute, before the measurement began.
QUIET = 0.5


def evaluate(rounds, sizes):
    """The table of cases, and the marks."""
    cases = {name: summary(name, rounds) for name in rounds}
    signature = spread(done["signing_us"] for done in rounds[TOKEN])
    if signature["min"] == 0:
        raise Broken(f"{TOKEN}: no thread whose name begins with `signing-` did anything")
    difference = spread(
        rsa["cpu_us"] - hmac["cpu_us"] for rsa, hmac in zip(rounds[TOKEN], rounds[TOKEN_HMAC], strict=True)
    )
    return {
        "cases": cases,
        "signature_us": signature,
        "difference_to_hs256_us": difference,
        "marks": [*ratio_marks(cases), token_mark(rounds), reused_mark(rounds), *growth_marks(rounds), *size_marks(sizes)],
    }


def summary(name, rounds):
    return {
        "ratio": spread(ratios(rounds[name], rounds["nginx"])),
        "cpu_us": spread(done["cpu_us"] for done in rounds[name]),
        "per_second": spread(done["per_second"] for done in rounds[name]),
        "p50_us": spread(done["p50_us"] for done in rounds[name]),
        "p99_us": spread(done["p99_us"] for done in rounds[name]),
    }


def ratios(these, those):
    return [this["cpu_us"] / that["cpu_us"] for this, that in zip(these, those, strict=True)]


def spread(values):
    values = list(values)
    return {"median": median(values), "min": min(values), "max": max(values)}


def ratio_marks(cases):
    return [mark(name, cases[name]["ratio"]["median"], limit, "x nginx") for name, limit in MARKS.items()]


def token_mark(rounds):
    """One raw signature is free; the signing threads' user time is what it cost."""
    rest = [
        (token["cpu_us"] - token["signing_us"]) / nginx["cpu_us"]
        for token, nginx in zip(rounds[TOKEN], rounds["nginx"], strict=True)
    ]
    return mark(f"{TOKEN}, without the signature", median(rest), TOKEN_MARK, "x nginx")


def reused_mark(rounds):
    return mark(REUSED, median(ratios(rounds[REUSED], rounds["key-auth"])), REUSED_MARK, "x key-auth")


def growth_marks(rounds):
    for kind in ("", IN_TURN):
        yield mark(f"{MANY}{kind}", median(ratios(rounds[MANY + kind], rounds[FEW + kind])), GROWTH_MARK, f"x {FEW}")


def size_marks(sizes):
    for name, (key, limit, unit, scale) in SIZES.items():
        yield mark(name, sizes[key] / scale, limit / scale, unit)
    yield mark("start with 10000 routes and consumers", median(sizes["start_s"]), START_MARK, "s")


def mark(name, value, limit, unit):
    return {"name": name, "value": value, "limit": limit, "unit": unit, "met": value <= limit}


def show(result):
    machine = result["machine"]
    print(f"\n{machine['date']} · {machine['cpu']}, {machine['cores']} cores · {machine['system']}")
    print(f"{machine['gateway']} · {machine['nginx']} · {machine['wrk']}\n")
    if machine["load"] > QUIET:
        print(f"The machine was busy before the start (load {machine['load']:.1f}): ratios are too high and say little.\n")
    print(f"{'CPU per request':30} {'x nginx':>8}  {'min':>6} {'max':>6} {'µs':>8} {'req/s':>8} {'p50 µs':>7} {'p99 µs':>7}")
    for name, case in result["cases"].items():
        ratio, each = case["ratio"], {key: case[key]["median"] for key in ("cpu_us", "per_second", "p50_us", "p99_us")}
        print(
            f"{name:30} {ratio['median']:8.2f}  {ratio['min']:6.2f} {ratio['max']:6.2f} {each['cpu_us']:8.2f}"
            f" {each['per_second']:8.0f} {each['p50_us']:7.0f} {each['p99_us']:7.0f}"
        )
    signature, difference = result["signature_us"]["median"], result["difference_to_hs256_us"]["median"]
    print(f"\none RS256 signature: {signature:.1f} µs (user time of the signing threads)")
    print(f"RS256 less HS256:    {difference:.1f} µs (the signature and the way to the signing threads and back)")
    sizes = result["sizes"]
    print(f"10000 routes: {sizes['rss_after_start'] / MB:.0f} MB after the start, {sizes['rss_peak'] / MB:.0f} MB at most\n")
    for met in result["marks"]:
        verdict = "met   " if met["met"] else "MISSED"
        print(f"{verdict} {met['name']}: {met['value']:.2f} {met['unit']}, at most {met['limit']:g}")


def machine(**versions):
    cpu = re.search(r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text(), re.M)
    return {
        "date": time.strftime("%Y-%m-%d"),
        "cpu": cpu[1] if cpu else platform.machine(),
        "cores": os.cpu_count(),
        "load": os.getloadavg()[0],
        "system": f"{platform.system()} {platform.release()}",
        **versions,
    }
