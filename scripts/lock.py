"""Write scripts/cpu.lock and scripts/gpu.lock: every package that `make setup` installs, at one exact version.

    make lock               # versions in the present locks stay; what pyproject.toml asks for anew is added
    make lock UPGRADE=1     # everything may move to today's newest

A lock is for Linux on x86-64 and aarch64 and for every Python that pyproject.toml allows. pip resolves it for the
running interpreter; its report holds the metadata of every package, from which the markers for the other platforms are
worked out. It is installed with --no-deps (see setup.py), so it may leave out what a package asks for needlessly.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterable, Mapping
from itertools import product
from pathlib import Path
from typing import Any

from packaging.markers import default_environment
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version
from setup import ROOT, TORCH_CPU_INDEX, UNFIT_ON_CPU, lock_path

_PYTHONS = ("3.11", "3.12", "3.13")
_MACHINES = ("x86_64", "aarch64")
_PLATFORMS = tuple(product(_PYTHONS, _MACHINES))
# Its requirement huggingface_hub<1.0 is needless, and no resolver would accept it; all else that it asks for is here.
_UNRESOLVED = ("text-generation==0.7.0",)

_Platform = tuple[str, str]
_Metadata = Mapping[str, Mapping[str, Any]]


def main() -> None:
    """Resolve both accelerators' closures and write their locks."""
    parser = argparse.ArgumentParser(description="Write scripts/*.lock.")
    parser.add_argument("--upgrade", action="store_true", help="let every package move to its newest version")
    upgrade = parser.parse_args().upgrade
    for accelerator in ("cpu", "gpu"):
        path = lock_path(accelerator)
        roots = _roots(accelerator)
        metadata = _resolve_for_all_platforms(roots, accelerator, keep=path if path.exists() and not upgrade else None)
        path.write_text(_lock_text(accelerator, roots, metadata))
        print(f"{path.relative_to(ROOT)}: {len(metadata)} packages resolved")


def _roots(accelerator: str) -> list[Requirement]:
    pyproject = tomllib.loads((ROOT / "pyproject.toml").read_text())
    project = pyproject["project"]
    extras = project["optional-dependencies"]
    chosen = [text for extra in ("train", "dev", accelerator) for text in extras[extra]]
    texts = [*project["dependencies"], *chosen, *pyproject["build-system"]["requires"]]
    return [Requirement(text) for text in texts]


def _resolve_for_all_platforms(roots: list[Requirement], accelerator: str, keep: Path | None) -> _Metadata:
    """Metadata by package name, for every package that some platform needs.

    pip evaluates markers for its own platform only. What another platform needs besides is asked for by name, without
    its marker, until nothing is missing.
    """
    asked = [str(root) for root in roots]
    while True:
        metadata = _resolve(asked, accelerator, keep)
        missing = {}
        for platform in _PLATFORMS:
            for requirement in _needed(roots, metadata, platform).values():
                if canonicalize_name(requirement.name) not in metadata:
                    missing[requirement.name] = f"{requirement.name}{requirement.specifier}"
        if not missing:
            return metadata
        asked.extend(missing.values())


def _resolve(asked: Iterable[str], accelerator: str, keep: Path | None) -> _Metadata:
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.json"
        pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "-qq"]
        options = ["--dry-run", "--ignore-installed", "--only-binary", ":all:", "--report", str(report)]
        if keep is not None:
            options += ["--constraint", str(keep)]
        command = [*pip, "install", *options, *asked]
        code = subprocess.run(command, check=False).returncode
        if code and accelerator == "cpu":
            # Only where pip's own sources have no CPU build of torch: the index is one more host to reach.
            code = subprocess.run([*command, "--extra-index-url", TORCH_CPU_INDEX], check=False).returncode
        if code:
            sys.exit(f"lock: pip could not resolve the {accelerator} packages (its message is above)")
        installs = json.loads(report.read_text())["install"]
    return {canonicalize_name(install["metadata"]["name"]): install["metadata"] for install in installs}


def _needed(roots: Iterable[Requirement], metadata: _Metadata, platform: _Platform) -> dict[str, Requirement]:
    """What the roots need on a platform, followed through the metadata: one requirement by package name."""
    python, machine = platform
    environment = default_environment()
    environment["python_version"] = python
    environment["python_full_version"] = f"{python}.0"
    environment["platform_machine"] = machine
    needed: dict[str, Requirement] = {}
    followed: set[tuple[str, str]] = set()
    open_requirements = list(roots)
    while open_requirements:
        requirement = open_requirements.pop()
        name = canonicalize_name(requirement.name)
        needed.setdefault(name, requirement)
        for extra in ("", *requirement.extras):
            if (name, extra) in followed or name not in metadata:
                continue
            followed.add((name, extra))
            for text in metadata[name].get("requires_dist", ()):
                child = Requirement(text)
                if child.marker is None or child.marker.evaluate(dict[str, Any](environment) | {"extra": extra}):
                    open_requirements.append(child)
    return needed


def _lock_text(accelerator: str, roots: list[Requirement], metadata: _Metadata) -> str:
    platforms_of: dict[str, set[_Platform]] = {}
    for platform in _PLATFORMS:
        for name in _needed(roots, metadata, platform):
            platforms_of.setdefault(name, set()).add(platform)
    lines = list(_UNRESOLVED)
    for name, platforms in platforms_of.items():
        if accelerator == "cpu" and name in UNFIT_ON_CPU:
            continue
        # Without its local part: a build tag such as +cpu exists on some indexes only, and == accepts any build.
        version = Version(metadata[name]["version"]).public
        lines.append(f"{name}=={version}{_marker(platforms)}")
    header = (
        f"# All packages of the {accelerator} environment, for Python {_PYTHONS[0]} to {_PYTHONS[-1]} on Linux.\n"
        "# Written by `make lock` (scripts/lock.py) and installed by `make setup` with --no-deps. Not edited by hand.\n"
    )
    return header + "\n".join(sorted(lines)) + "\n"


def _marker(platforms: set[_Platform]) -> str:
    """The environment marker, with its leading `; `, that is true on just these platforms; empty for all of them."""
    if platforms == set(_PLATFORMS):
        return ""
    pythons = sorted({python for python, _ in platforms}, key=Version)
    machines = sorted({machine for _, machine in platforms})
    if platforms != set(product(pythons, machines)):
        pairs = (
            f"(python_version == '{python}' and platform_machine == '{machine}')"
            for python, machine in sorted(platforms)
        )
        return f" ; {' or '.join(pairs)}"
    parts = []
    if pythons != list(_PYTHONS):
        parts.append(" or ".join(f"python_version == '{python}'" for python in pythons))
    if machines != sorted(_MACHINES):
        parts.append(" or ".join(f"platform_machine == '{machine}'" for machine in machines))
    return f" ; {' and '.join(f'({part})' if ' or ' in part and len(parts) > 1 else part for part in parts)}"


if __name__ == "__main__":
    main()
