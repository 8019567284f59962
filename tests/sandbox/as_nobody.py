"""Run as root: becomes nobody, then runs the programs on stdin in jails and prints their verdicts, both as JSON.

The interpreter and the checkout may lie below folders that nobody can't enter: in a mount namespace of its own, such a
folder is covered by one that holds only what is needed.
"""

import asyncio
import dataclasses
import json
import os
import sys
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(CHECKOUT))

from sca_hf.sandbox import Jails, Limits, Program, Verdict  # noqa: E402 (the path comes first)
from sca_hf.sandbox.jail import kernel  # noqa: E402

NOBODY = 65534


def main() -> None:
    given = json.load(sys.stdin)
    limits = Limits(**given["limits"])
    programs = [Program(**program) for program in given["programs"]]
    become_nobody()
    json.dump([dataclasses.asdict(verdict) for verdict in asyncio.run(run(programs, limits))], sys.stdout)


async def run(programs: list[Program], limits: Limits) -> list[Verdict]:
    async with Jails(2, limits) as jails:
        return list(await asyncio.gather(*(jails.run(program) for program in programs)))


def become_nobody() -> None:
    kernel.unshare(kernel.NEW_NS)
    kernel.make_mounts_private()
    needed = {Path(path).resolve() for path in (sys.prefix, sys.base_prefix, CHECKOUT)}
    covered: dict[Path, list[tuple[Path, int]]] = {}
    for path in needed:
        closed = next((parent for parent in reversed(path.parents) if not parent.stat().st_mode & 0o001), None)
        if closed is not None:
            covered.setdefault(closed, []).append((path, kernel.copy_tree(str(path))))
    for closed, trees in covered.items():
        kernel.mount_tmpfs(str(closed), "mode=0755")
        for path, tree in trees:
            path.mkdir(parents=True, exist_ok=True)
            kernel.attach_tree(tree, str(path))
            os.close(tree)
    os.setgroups([])
    os.setresgid(NOBODY, NOBODY, NOBODY)
    os.setresuid(NOBODY, NOBODY, NOBODY)


if __name__ == "__main__":
    main()
