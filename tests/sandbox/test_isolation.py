"""No hostile program gets through, leaves anything behind, or hurts the next ones. As this user and as nobody."""

import contextlib
import importlib.util
import json
import os
import socket
import textwrap
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sca_hf.sandbox import Limits, Program, Verdict
from tests.sandbox.processes import is_of_own_jail

_spec = importlib.util.spec_from_file_location("hostile", Path(__file__).with_name("hostile.py"))
assert _spec is not None
assert _spec.loader is not None
hostile: Any = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(hostile)

GOOD = Program("def double(x):\n    return 2 * x", "assert double(2) == 4\nassert double('a') == 'aa'")


@pytest.fixture
def bait(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, Any]]:
    """What a program could reach if it got out, each watched: `touched` lists what was."""
    tmp_path.chmod(0o755)
    for parent in tmp_path.parents[:2]:
        parent.chmod(0o755)
    secret = tmp_path / "sca-bait"
    secret.write_text("secret")
    secret.chmod(0o666)
    monkeypatch.setenv("SCA_BAIT", "secret")
    touched: list[str] = []
    with contextlib.ExitStack() as stack:
        tcp, abstract, path = socket.socket(), socket.socket(socket.AF_UNIX), socket.socket(socket.AF_UNIX)
        udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        for name, end, address in (
            ("tcp", tcp, ("127.0.0.1", 0)),
            ("udp", udp, ("127.0.0.1", 0)),
            ("abstract", abstract, f"\0sca-bait-{os.getpid()}"),
            ("path", path, str(tmp_path / "socket")),
        ):
            stack.callback(end.close)
            end.bind(address)
            if name != "udp":
                end.listen()
            end.setblocking(False)
        (tmp_path / "socket").chmod(0o777)
        yield {
            "secret": str(secret),
            "port": tcp.getsockname()[1],
            "udp": udp.getsockname()[1],
            "abstract": f"sca-bait-{os.getpid()}",
            "path": str(tmp_path / "socket"),
            "pid": os.getpid(),
            "touched": touched,
        }
        for name, end in (("tcp", tcp), ("abstract", abstract), ("path", path)):
            with contextlib.suppress(BlockingIOError):
                end.accept()
                touched.append(name)
        with contextlib.suppress(BlockingIOError):
            udp.recv(10)
            touched.append("udp")
        assert touched == []
        assert secret.read_text() == "secret"


def test_every_attack_is_refused(bait: dict[str, Any], run_as_each: Any) -> None:
    programs = [_refused(body, bait) for body in hostile.REFUSED.values()]
    before = _host()
    verdicts = run_as_each(programs)
    got_through = {
        name: _short(verdict)
        for name, verdict in zip(hostile.REFUSED, verdicts, strict=True)
        if verdict.status != "passed"
    }
    assert got_through == {}
    assert _left(before) == {}


def test_every_bomb_ends_in_a_verdict(bait: dict[str, Any], run_as_each: Any) -> None:
    programs = [_refused(body, bait) for body, _ in hostile.ENDS.values()]
    programs = [Program(program.code, "assert attack()") for program in programs]
    before = _host()
    verdicts = run_as_each(programs, limits=Limits(cpu_seconds=1.0, wall_seconds=2.5, memory_mb=384))
    wrong = {
        name: _short(verdict)
        for (name, (_, statuses)), verdict in zip(hostile.ENDS.items(), verdicts, strict=True)
        if verdict.status not in statuses
    }
    assert wrong == {}
    assert _left(before) == {}


def test_good_programs_pass_between_hostile_ones(bait: dict[str, Any], run_as_each: Any) -> None:
    attacks = [_refused(body, bait) for body in hostile.REFUSED.values()]
    mixed = [program for attack in attacks for program in (attack, GOOD)] + [GOOD] * 100
    good = [verdict for program, verdict in zip(mixed, run_as_each(mixed), strict=True) if program is GOOD]
    assert {verdict.identity for verdict in good} == {("passed", None, None, 2, ())}


def test_nothing_is_left_for_the_next_program(run_programs: Any) -> None:
    leave = Program(
        textwrap.dedent("""
            import builtins, fcntl, json, os, sys
            def leave():
                for stream in (1, 2):
                    os.lseek(stream, 7, 0); os.fchmod(stream, 0o777); os.utime(stream, (5, 5)); os.ftruncate(stream, 9)
                for stream in range(4):
                    fcntl.fcntl(stream, fcntl.F_SETFL, os.O_APPEND | os.O_NONBLOCK)
                fcntl.fcntl(3, fcntl.F_SETFL, os.O_DIRECT)
                for _ in range(5): os.write(3, b'left')
                os.mkdir('/tmp/left'); os.chmod('/tmp', 0); os.chmod('/tmp', 0o700)
                open('/dev/shm/left', 'w').write('x')
                builtins.left = json.left = sys.left = os.environ['left'] = 'x'
                json.loads = None
                os.chdir('/dev/shm'); os.umask(0)
                return True
        """),
        "assert leave()",
    )
    look = Program(
        textwrap.dedent("""
            import builtins, fcntl, json, os, sys
            def streams():
                found = [os.fstat(stream) for stream in (1, 2)]
                seen = [(each.st_size, each.st_mode, each.st_mtime_ns, each.st_atime_ns) for each in found]
                flags = [fcntl.fcntl(stream, fcntl.F_GETFL) for stream in range(4)]
                return seen, flags, [os.lseek(stream, 0, 1) for stream in (1, 2)]
            print(streams())
            def found():
                places = [vars(builtins), vars(json), vars(sys), os.environ, os.listdir('/tmp'), os.listdir('/dev/shm')]
                return [place for place in places if 'left' in place] or json.loads is None or os.getcwd() != '/tmp'
        """),
        "assert not found()",
    )
    verdicts = run_programs([look, *[leave, look] * 10], workers=1)
    assert [verdict.status for verdict in verdicts] == ["passed"] * 21
    assert len({verdict.stdout for verdict in verdicts[::2]}) == 1


def _refused(body: str, bait: dict[str, Any]) -> Program:
    text = body.format(**bait) if "{" in body and not body.lstrip().startswith("import ctypes") else body
    code = hostile.HARNESS.replace("{body}", textwrap.indent(text.strip("\n"), "    "))
    return Program(code, "assert refused()")


def _short(verdict: Verdict) -> str:
    return json.dumps([*verdict.identity, verdict.stdout[-200:], verdict.stderr[-200:]])


def _left(before: dict[str, Any]) -> dict[str, Any]:
    """Return what differs on this machine, or is new in this process, where other tests' things may end meanwhile."""
    now = _host()
    new = {name: now[name] - before[name] for name in _OWN if now[name] - before[name]}
    return new | {name: now[name] for name in now.keys() - _OWN if now[name] != before[name]}


_OWN = {"descriptors", "children", "threads"}


def _host() -> dict[str, Any]:
    """What a program could leave on this machine."""
    own = f"/proc/{os.getpid()}"
    return {
        "descriptors": _descriptors(),
        "mounts": Path(f"{own}/mountinfo").read_text(),
        "children": set(Path(f"{own}/task/{os.getpid()}/children").read_text().split()),
        "jails": [name.name for name in Path("/proc").glob("[0-9]*") if is_of_own_jail(int(name.name))],
        "threads": set(threading.enumerate()),
        "shared memory": Path("/proc/sysvipc/shm").read_text(),
        "queues": Path("/proc/sysvipc/msg").read_text(),
        "files": sorted(path.name for path in Path("/dev/shm").iterdir() if path.name in ("left", "bait")),
    }


def _descriptors() -> set[tuple[str, str]]:
    """Each open one's number and what it is open on, which no other socket or pipe has."""
    found = set()
    for descriptor in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):  # that of this look itself
            found.add((descriptor.name, str(descriptor.readlink())))
    return found
