"""Starts one jail: a fresh base interpreter, an empty environment, one socket."""

import importlib.machinery
import json
import os
import re
import site
import socket
import subprocess
import sys
import sysconfig
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

from sca_hf.sandbox.jail.zygote import SMALL
from sca_hf.sandbox.verdict import Limits, Program

PRELOADED: dict[str, tuple[str, ...]] = {
    "stdlib": (),
    "site": (),
    "pytest": ("pytest",),
    "numpy": ("numpy",),
    "pandas": ("numpy", "pandas"),
}
"""What a jail has imported beforehand. All but `stdlib` see the environment's site-packages."""

_LIBRARIES = ("/lib", "/lib32", "/lib64", "/libx32", "/usr/lib", "/usr/lib32", "/usr/lib64", "/usr/libx32")
_DATA = ("/etc/ld.so.cache", "/usr/share/zoneinfo")
_ENVIRONMENT = {
    "HOME": "/tmp",
    "PATH": "/usr/local/bin:/usr/bin:/bin",
    "LC_ALL": "C.UTF-8",
    "TZ": "UTC",
    # More threads than one would make sums differ from run to run, and a fork would lose them.
    "OPENBLAS_NUM_THREADS": "1",
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    # Else each of many threads reserves 64 MiB of addresses, which count as memory.
    "MALLOC_ARENA_MAX": "1",
    # Its other allocators reserve a gigabyte of addresses on a first call, which counts as memory.
    "ARROW_DEFAULT_MEMORY_POOL": "system",
}
_START = """
import sys
sys.path.insert(0, {folder!r})
from jail.launcher import main
main()
"""
_TEST_FUNCTION = re.compile(r"^(?:async )?def (test\w*)\(", re.M)
_IMPORT = re.compile(r"\b(?:from|import)[ \t]+(\w+(?:[ \t]*,[ \t]*\w+)*)")


@dataclass(frozen=True)
class Tier:
    """What distinguishes jails: one of PRELOADED, whether the usual modules are imported too, and the hash seed."""

    name: str
    full: bool
    hash_seed: int


def tier_of(program: Program, hash_seed: int = 0) -> Tier:
    """The smallest tier that has what a program may import. A jail that turns out too small for it says so."""
    text = program.code + "\n" + program.tests
    imports = _IMPORT.findall(text) if "import" in text or "from" in text else ()
    names = {name.strip() for found in imports for name in found.split(",")}
    packages = names - _STANDARD
    # What packages import covers the usual modules, but for the test runners.
    small = names <= _IMPORTED_IN_ALL or (packages and names.isdisjoint(_RUNNERS))
    full = not small or _collected_tests(program.tests)
    if "pandas" in text and _installed("pandas"):
        return Tier("pandas", full, hash_seed)
    if "numpy" in text and _installed("numpy"):
        return Tier("numpy", full, hash_seed)
    packages = {name for name in packages if _installed(name)}
    if packages - {"pytest"}:
        return Tier("site", True, hash_seed)
    if "pytest" in packages or _collected_tests(program.tests):
        return Tier("pytest", True, hash_seed)
    return Tier("stdlib", full, hash_seed)


def larger(tier: Tier, need: str) -> Tier:
    """Return the tier for a program that found out what it needs: "full" or "pytest"."""
    name = "pytest" if need == "pytest" and tier.name == "stdlib" else tier.name
    return replace(tier, name=name, full=True)


def start_jail(tier: Tier, limits: Limits, core: int) -> tuple[subprocess.Popen[bytes], socket.socket]:
    """The jail's outer process and our end of its socket, on which `ready` or `unavailable` will come. Raises
    OSError."""
    ours, theirs = socket.socketpair()
    try:
        settings = {
            "parent": os.getpid(),
            "core": core,
            "cpu_seconds": limits.cpu_seconds,
            "wall_seconds": limits.wall_seconds,
            "memory_bytes": limits.memory_mb << 20,
            "output_bytes": limits.output_bytes,
            "kept_bytes": limits.kept_bytes,
            "file_bytes": limits.file_bytes,
            "files": limits.files,
            "open_files": limits.open_files,
            "threads": limits.threads,
            "preload": PRELOADED[tier.name],
            "full": tier.full,
            "path": [] if tier.name == "stdlib" else _site_packages(),
            **_folders(tier.name != "stdlib"),
        }
        interpreter = os.path.realpath(getattr(sys, "_base_executable", sys.executable))
        start = _START.format(folder=str(Path(__file__).parent))
        command = [interpreter, "-s", "-S", "-B", "-P", "-X", "utf8", "-c", start]
        outer = subprocess.Popen(
            [*command, str(theirs.fileno()), json.dumps(settings)],
            env=_ENVIRONMENT | {"PYTHONHASHSEED": str(tier.hash_seed)},
            cwd="/",
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            pass_fds=[theirs.fileno()],
            start_new_session=True,
        )
    except BaseException:
        ours.close()
        raise
    finally:
        theirs.close()
    return outer, ours


def _collected_tests(tests: str) -> bool:
    """Return whether there are test functions that nothing calls, as far as one can see from here."""
    return any(tests.count(name) == 1 for name in _TEST_FUNCTION.findall(tests))


@cache
def _installed(name: str) -> bool:
    return importlib.machinery.PathFinder.find_spec(name, _site_packages()) is not None


@cache
def _site_packages() -> list[str]:
    paths = [sysconfig.get_path("purelib"), sysconfig.get_path("platlib"), *site.getsitepackages()]
    return list(dict.fromkeys(path for path in paths if Path(path).is_dir()))


_STANDARD = frozenset(sys.stdlib_module_names)
_RUNNERS = {"unittest", "doctest", "pytest"}
_IMPORTED_IN_ALL = frozenset(SMALL) | {"__future__", "builtins", "os", "sys", "itertools", "abc", "types", "contextlib"}


@cache
def _folders(with_site: bool) -> dict[str, object]:
    """What the jail's root holds: folders to bind and links to make. Folders inside another are left to that one."""
    wanted = [os.path.realpath(sys.base_prefix), os.path.realpath(sys.base_exec_prefix), *_LIBRARIES, *_DATA]
    if with_site:
        wanted += _site_packages()
    there = [path for path in dict.fromkeys(wanted) if Path(path).exists()]
    links = {path: str(Path(path).readlink()) for path in there if Path(path).is_symlink()}
    folders = [path for path in there if path not in links]
    binds = [path for path in folders if not any(path.startswith(other + "/") for other in folders)]
    links = {path: to for path, to in links.items() if not any(path.startswith(bind + "/") for bind in binds)}
    return {"binds": binds, "links": links}
