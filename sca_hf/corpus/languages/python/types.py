"""Type check of seeds, each on its own, by an installed checker (METHOD.md, section 1, step 4).

    type_errors([["x: int = 'a'", "y = 1"]], TypeCheckSettings())   # ["type-error", None]

Any error rejects; that an imported package isn't there is none, so the verdict is the same on every machine: nothing
that is installed is looked at. A seed that makes the checker crash, or use up its time or memory, is found by splitting
its batch, and costs itself alone.
"""

import json
import re
import resource
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

from sca_hf.errors import InputError
from sca_hf.sandbox.jail.kernel import die_with_parent
from sca_hf.settings import Settings

Checker = Literal["ty", "pyrefly", "pyright"]

TYPE_ERROR, CRASH = "type-error", "type-checker-crash"
_PYTHON = "{}.{}".format(*sys.version_info)
# What a seed may take alone, and what each further one of a batch adds: ty takes 1 ms a seed, Pyright 25.
_CPU_SECONDS, _SEED_CPU_SECONDS = 20, 0.1
_WALL_FACTOR = 10  # wall-clock seconds per CPU second
_PIECES = 10  # of a batch that came to no end
_ADDRESS_SPACE = 8 * 2**30  # bytes, of which a checker maps far more than it uses


class TypeCheckSettings(Settings):
    """`checker`: scripts/bench_seeds.md has how they compare; `pyrefly` and `pyright` are to be installed besides."""

    checker: Checker = "ty"

    def intent(self) -> dict[str, Any]:
        """Return the settings and the version of the checker, which decides as much as its name."""
        return {"checker": _version(self.checker)}


@dataclass(frozen=True)
class _Kind:
    """`command`: its arguments after the program, for the seeds in the folder where it runs. `errors`: of its output,
    the names of the files with errors; raises ValueError when it is none. `bounded`: bear a limit of address space.
    """

    batch: int
    command: str
    errors: Callable[[str], Iterable[str]]
    bounded: bool = True


def type_errors(
    batches: Iterable[Sequence[str]], settings: TypeCheckSettings, folder: Path | None = None
) -> list[str | None]:
    """For each seed `type-error`, `type-checker-crash`, or null: it is right.

    `folder`: where temporary files are made, which a call that is killed leaves there; by default that of the system.
    Raises InputError when the checker is not installed or does not work at all.
    """
    kind = _KINDS[settings.checker]
    program = _program(settings.checker)
    _try(program, settings.checker)
    return [verdict for seeds in _rebatched(batches, kind.batch) for verdict in _judge(program, kind, seeds, folder)]


@lru_cache
def _try(program: str, checker: Checker) -> None:
    if (tried := _judge(program, _KINDS[checker], ["x: int = 1\n", "x: int = y\n"])) != [None, TYPE_ERROR]:
        raise InputError(
            f"type checker {checker!r} ({program}) does not work here (it says {tried} of two trial lines); "
            "install it again, or set seeds.type_check to another checker or null"
        )


def _judge(program: str, kind: _Kind, seeds: Sequence[str], folder: Path | None = None) -> list[str | None]:
    wrong = _wrong(program, kind, seeds, folder)
    if wrong is not None:
        return [TYPE_ERROR if number in wrong else None for number in range(len(seeds))]
    if len(seeds) == 1:
        return [CRASH]
    size = -(-len(seeds) // _PIECES)
    pieces = (seeds[begin : begin + size] for begin in range(0, len(seeds), size))
    return [verdict for piece in pieces for verdict in _judge(program, kind, piece, folder)]


def _wrong(program: str, kind: _Kind, seeds: Sequence[str], parent: Path | None) -> set[int] | None:
    """Return the numbers of the seeds with errors; null when the checker crashed or hung."""
    cpu_seconds = round(_CPU_SECONDS + _SEED_CPU_SECONDS * len(seeds))
    with tempfile.TemporaryDirectory(prefix="types-", dir=parent) as name:
        folder = Path(name)
        _lay_out(folder)
        for number, seed in enumerate(seeds):
            (folder / "seeds" / f"{number}.py").write_bytes(seed.encode("utf-8", "surrogatepass"))
        try:
            done = subprocess.run(
                [program, *kind.command.split()],
                cwd=folder / "seeds",
                env={"PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": name, "NODE_OPTIONS": "--max-old-space-size=2048"},
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=cpu_seconds * _WALL_FACTOR,
                preexec_fn=lambda: _limit(cpu_seconds, kind.bounded),
                check=False,
            )
            if done.returncode not in {0, 1}:
                return None
            files = set(kind.errors(done.stdout.decode("utf-8", "replace")))
        except (subprocess.TimeoutExpired, ValueError):
            return None
    return {number for number in range(len(seeds)) if f"{number}.py" in files}


def _lay_out(folder: Path) -> None:
    """An environment without any package, and the checkers' settings, so that none are taken from elsewhere."""
    (folder / "env" / "lib" / f"python{_PYTHON}" / "site-packages").mkdir(parents=True)
    (folder / "env" / "bin").mkdir()
    (folder / "env" / "pyvenv.cfg").write_text(f"home = {sysconfig.get_path('scripts')}\nversion = {_PYTHON}.0\n")
    (folder / "seeds").mkdir()
    (folder / "seeds" / "pyrightconfig.json").write_text(
        json.dumps(
            {
                "pythonVersion": _PYTHON,
                "pythonPlatform": "Linux",
                "venvPath": str(folder),
                "venv": "env",
                "reportMissingImports": False,
                "reportMissingModuleSource": False,
            }
        )
    )


def _limit(cpu_seconds: int, bounded: bool) -> None:
    die_with_parent()
    resource.setrlimit(resource.RLIMIT_CPU, (cpu_seconds, cpu_seconds + 5))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if bounded:
        resource.setrlimit(resource.RLIMIT_AS, (_ADDRESS_SPACE, _ADDRESS_SPACE))


def _ty_errors(output: str) -> list[str]:
    if not re.search(r"^(All checks passed|Found \d+ diagnostic)", output, re.MULTILINE):
        raise ValueError("no closing line")
    return re.findall(r"^(\d+\.py):\d+:\d+: error\[", output, re.MULTILINE)


def _pyrefly_errors(output: str) -> list[str]:
    return [Path(each["path"]).name for each in json.loads(output)["errors"] if each["severity"] == "error"]


def _pyright_errors(output: str) -> list[str]:
    diagnostics = json.loads(output)["generalDiagnostics"]
    return [Path(each["file"]).name for each in diagnostics if each["severity"] == "error"]


# The batches are about as large as a checker is still quick with.
_KINDS: dict[Checker, _Kind] = {
    "ty": _Kind(
        1000,
        "check --output-format concise --color never --no-progress --project . --python ../env "
        f"--python-version {_PYTHON} --python-platform linux --ignore unresolved-import .",
        _ty_errors,
    ),
    "pyrefly": _Kind(
        1000,
        f"check --output-format json --progress-bar no --summary none --python-version {_PYTHON} "
        "--python-platform linux --skip-interpreter-query "
        f"--site-package-path ../env/lib/python{_PYTHON}/site-packages --ignore-missing-imports * .",
        _pyrefly_errors,
    ),
    "pyright": _Kind(250, "--outputjson -p .", _pyright_errors, bounded=False),
}


def _rebatched(batches: Iterable[Sequence[str]], size: int) -> Iterator[list[str]]:
    waiting: list[str] = []
    for batch in batches:
        waiting += batch
        while len(waiting) >= size:
            yield waiting[:size]
            waiting = waiting[size:]
    if waiting:
        yield waiting


def _program(checker: Checker) -> str:
    """Beside the running Python, else on the path."""
    beside = Path(sysconfig.get_path("scripts"), checker)
    path = str(beside) if beside.is_file() else shutil.which(checker)
    if path is None:
        raise InputError(
            f"type checker {checker!r} is not installed; install it (pip install {checker}), or set seeds.type_check "
            "to another checker or null"
        )
    return path


@lru_cache
def _version(checker: Checker) -> str:
    done = subprocess.run([_program(checker), "--version"], capture_output=True, text=True, check=False)
    return f"{checker} {(re.search(r'[0-9][0-9.]+', done.stdout) or [done.stdout])[0]}"
