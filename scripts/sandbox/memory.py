"""Prints what a jail of each kind holds in memory once it has served a program."""

import os
from pathlib import Path

from processes import tree

# A program of each kind; each is served by a jail of another kind.
KINDS = {
    "small": ("def f():\n    return 1", "assert f() == 1"),
    "all usual modules": ("import unittest\ndef f():\n    return 1", "assert f() == 1"),
    "pytest": ("import pytest\ndef f():\n    return 1", "assert f() == 1"),
    "numpy": ("import numpy as np\ndef f():\n    return int(np.ones(1)[0])", "assert f() == 1"),
    "pandas": ("import pandas as pd\ndef f():\n    return len(pd.DataFrame([1]))", "assert f() == 1"),
}


async def print_memory() -> None:
    """Print the proportional set size of a jail's three processes: what they share counts once."""
    from sca_hf.sandbox import Jails, Program

    print("\nMiB a jail")
    for kind, pair in KINDS.items():
        async with Jails(1) as jails:
            # Every pool starts with a small jail.
            before = set(tree(os.getpid()))
            for _ in range(2):
                await jails.run(Program(*pair))
            below = set(tree(os.getpid())) - (before if kind != "small" else {os.getpid()})
            print(f"  {kind:18} {sum(map(_proportional_mib, below)):6.1f}")


def _proportional_mib(process: int) -> float:
    lines = Path(f"/proc/{process}/smaps_rollup").read_text().splitlines()
    return sum(int(line.split()[1]) for line in lines if line.startswith("Pss:")) / 1024
