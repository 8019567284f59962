"""What a program may not reach: the next program, other jails, the host's kernel."""

import os
import shutil
import textwrap
import types
from pathlib import Path
from typing import Any

import pytest

from sca_hf.sandbox import Limits, Program
from sca_hf.sandbox.jail import supervisor

# Programs stand one a line.
# ruff: noqa: E501

GOOD = Program("def double(x):\n    return 2 * x", "assert double(2) == 4")
LIMITS = Limits(cpu_seconds=2.0, wall_seconds=20.0, memory_mb=512)
FIND_TOKEN = """
import os, sys
frame = sys._getframe()
while 'received' not in frame.f_locals: frame = frame.f_back
token = frame.f_locals['received'][-32:]
"""


def function(body: str, name: str = "f") -> str:
    return f"def {name}():\n" + textwrap.indent(body.strip("\n"), "    ") + "\n"


# Reports.

NUMBERS = {
    "a line beyond int32": "failed\tE\t99999999999999\t1\t",
    "assertions beyond int32": "passed\t\t0\t99999999999999\t",
    "one more than int32": "passed\t\t2147483648\t1\t",
    "a negative line": "failed\tE\t-5\t1\t",
    "negative assertions": "passed\t\t0\t-1\t",
    "a number in words": "failed\tE\tfive\t1\t",
    "a fraction": "failed\tE\t1.5\t1\t",
    "no number": "failed\tE\t\t1\t",
    "a field too many": "failed\tE\t1\t1\t\t",
    "a field too few": "failed\tE\t1\t1",
    "an unknown status": "timeout\t\t1\t1\t",
    "an unknown flag": "failed\tE\t1\t1\tall-is-well",
    "a flag of a thousand letters": "failed\tE\t1\t1\tgc," + "x" * 1000,
}


@pytest.mark.parametrize("name", NUMBERS)
def test_a_forged_report_that_is_malformed_is_none(name: str, run_programs: Any) -> None:
    forged = FIND_TOKEN + f"os.write(3, token + {NUMBERS[name].encode()!r} + b'\\n'); os._exit(0)"
    (verdict,) = run_programs([Program(function(forged), "assert f()")])
    assert (verdict.status, verdict.line, verdict.assertions) == ("early-exit", None, 0), verdict


# Compilation.

COMPILE_BOMBS = {
    "combining marks": "x" + "\u0301\u0323" * 25_000 + " = 1",
    "combining marks in an attribute": "x = 1\nx.y" + "\u0323\u0301" * 25_000 + " = 1",
    "names of a pattern": "match 1:\n    case (" + " | ".join(f"[a{i}, *_]" for i in range(400)) + "): pass",
    "an or-pattern": "match 1:\n    case " + " | ".join(f"C{i}(a, b, c)" for i in range(4_000)) + ": pass",
    "nested finally": "\n".join(" " * i + "try: pass\n" + " " * i + "finally:" for i in range(19)) + "\n"
    + " " * 19 + "pass",
    "nested f-strings": "x = " + "f'{" * 80 + "1" + "}'" * 80,
    "many nested functions": "".join(" " * i + f"def f{i}():\n" for i in range(90)) + " " * 90 + "pass",
    "a giant dict": "x = {" + ",".join(f"{i}: {i}" for i in range(9_000)) + "}",
    "powers": "x = (" + "10 ** 4000 * " * 2_000 + "1)",
}  # fmt: skip


@pytest.mark.parametrize("part", ["code", "tests"])
@pytest.mark.parametrize("name", COMPILE_BOMBS)
def test_what_is_hard_to_compile_takes_no_more_than_a_program_may(name: str, part: str, run_programs: Any) -> None:
    bomb = COMPILE_BOMBS[name]
    program = Program(bomb, "") if part == "code" else Program("", bomb)
    verdicts = run_programs(
        [program, GOOD], limits=Limits(cpu_seconds=1.0, wall_seconds=20.0, memory_mb=256), workers=1
    )
    assert verdicts[0].status != "passed"
    assert verdicts[0].cpu_seconds < 1.5
    assert verdicts[0].memory_mb < 256
    assert verdicts[1].status == "passed"


def test_time_of_compilation_counts(run_programs: Any) -> None:
    marks = Program("x" + "\u0301\u0323" * 4_000 + " = 1\ndef f(): return 1", "assert f() == 1")
    bomb = Program(COMPILE_BOMBS["combining marks"], "")
    verdicts = run_programs([GOOD, marks, bomb], limits=LIMITS, workers=1)
    assert [verdict.status for verdict in verdicts] == ["passed", "passed", "timeout"]
    assert verdicts[1].cpu_seconds > 10 * verdicts[0].cpu_seconds
    assert verdicts[2].cpu_seconds >= 2


# The next program.

LEFT = {
    "a lock on its input": ("fcntl.flock(0, fcntl.LOCK_EX | fcntl.LOCK_NB)", "fcntl.flock(os.open('/dev/null', 0), 6)"),
    "a lock on its output": ("fcntl.flock(1, fcntl.LOCK_EX)", "fcntl.flock(os.dup(1), fcntl.LOCK_EX | fcntl.LOCK_NB)"),
    "a lock of another owner": (
        "fcntl.fcntl(1, 37, struct.pack('hhqqi', 1, 0, 0, 0, 0))",
        "fcntl.fcntl(os.dup(2), 37, struct.pack('hhqqi', 1, 0, 0, 0, 0))",
    ),
    "blocks beyond the end of stdout": (
        "libc.fallocate(1, 1, ctypes.c_long(0), ctypes.c_long(1 << 24)); os.utime(1, ns=(0, 0))",
        "assert os.fstat(1).st_blocks == 0",
    ),
    "blocks of stderr": (
        "libc.fallocate(2, 0, ctypes.c_long(0), ctypes.c_long(1 << 24)); os.ftruncate(2, 0)",
        "assert os.fstat(2).st_blocks == 0",
    ),
    "the mode of its report": ("os.fchmod(3, 0o777)", "assert os.fstat(3).st_mode & 0o777 == 0o600"),
    "a file": ("open('/tmp/left', 'w')", "assert not os.listdir('/tmp')"),
    "a file in shared memory": ("open('/dev/shm/left', 'w')", "assert not os.listdir('/dev/shm')"),
    "a folder": ("os.makedirs('/tmp/a/b/c')", "assert not os.listdir('/tmp')"),
    "a dead link": ("os.symlink('/nowhere', '/tmp/left')", "assert not os.listdir('/tmp')"),
    "a pipe": ("os.mkfifo('/tmp/left')", "assert not os.listdir('/tmp')"),
    "times of its folder": ("os.utime('/tmp', (5, 5))", "assert os.stat('/tmp').st_mtime > 9"),
    "the mode of its folder": ("os.chmod('/tmp', 0o500)", "assert os.stat('/tmp').st_mode & 0o777 == 0o700"),
}


@pytest.mark.parametrize("name", LEFT)
def test_it_is_not_left_for_the_next_program(name: str, run_programs: Any) -> None:
    imports = "import contextlib, ctypes, fcntl, os, struct\nlibc = ctypes.CDLL(None)\n"
    leave, look = (
        imports + function(f"with contextlib.suppress({error}):\n    {text}\nreturn 1")
        for text, error in ((LEFT[name][0], "OSError"), (LEFT[name][1], "()"))
    )
    pair = [Program(leave, "assert f() == 1"), Program(look, "assert f() == 1")]
    verdicts = run_programs(pair * 3, workers=1)
    assert [verdict.status for verdict in verdicts] == ["passed"] * 6, verdicts[1]


def test_files_go_where_the_kernels_clock_is_coarse(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before Linux 6.13, the times of a folder that changes within a tick of its making stay what they were."""
    status = tmp_path.stat()
    monkeypatch.setattr(supervisor, "os", types.SimpleNamespace(stat=lambda _: status, listdir=os.listdir))
    clean = supervisor._look_at(str(tmp_path))
    assert supervisor._look_at(str(tmp_path)) == clean
    for leave in (Path.touch, Path.mkdir, os.mkfifo, lambda path: path.symlink_to("/nowhere")):
        leave(tmp_path / "left")
        assert supervisor._look_at(str(tmp_path)) != clean
        shutil.rmtree(tmp_path / "left") if (tmp_path / "left").is_dir() else (tmp_path / "left").unlink()


def test_files_go_in_any_of_many_programs(run_programs: Any) -> None:
    leave = Program("def f():\n    open('/tmp/left', 'w').close()\n    return 1", "assert f() == 1")
    look = Program("import os\ndef f(): return os.listdir('/tmp')", "assert f() == []")
    assert {verdict.status for verdict in run_programs([leave, look] * 75, workers=1)} == {"passed"}


LOCKED = {
    "/dev/null": "open('/dev/null', 'r+')",
    "the standard library": "open(os.__file__)",
    "its input": "0",
    "its output": "1",
}
LOCKS = {
    "flock": "fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)",
    "lockf": "fcntl.lockf(file, (fcntl.LOCK_SH if writes == 0 else fcntl.LOCK_EX) | fcntl.LOCK_NB)",
    "an open file's": "fcntl.fcntl(file, 37, struct.pack('hhqqi', writes, 0, 0, 0, 0))",
}


@pytest.mark.parametrize("lock", LOCKS)
@pytest.mark.parametrize("name", LOCKED)
def test_a_lock_reaches_no_other_jail(name: str, lock: str, run_programs: Any) -> None:
    writes = int(name in ("/dev/null", "its output"))
    body = f"import fcntl, os, struct, time\nwrites = {writes}\nfile = {LOCKED[name]}\n{LOCKS[lock]}"
    body += "\ntime.sleep(0.7)\nreturn 1"
    verdicts = run_programs([Program(function(body), "assert f() == 1")] * 3, workers=3)
    assert [verdict.status for verdict in verdicts] == ["passed"] * 3, verdicts


def test_locks_of_its_own_files_are_no_error(run_programs: Any) -> None:
    body = """
import fcntl, os, sqlite3
with open("/tmp/lock", "w") as file:
    fcntl.flock(file, fcntl.LOCK_EX)
    fcntl.lockf(file, fcntl.LOCK_EX)
    file.write("x"); file.flush(); os.fsync(file.fileno())
    fcntl.flock(file, fcntl.LOCK_UN)
with sqlite3.connect("/tmp/base") as base:
    base.execute("create table t (x)"); base.execute("insert into t values (1)")
return base.execute("select x from t").fetchone()[0]
"""
    (verdict,) = run_programs([Program(function(body), "assert f() == 1")])
    assert verdict.status == "passed", verdict


# Past the jail. Each body returns something true only if it got through.

PAST = {
    "touch /dev/null": "import os; os.utime('/dev/null'); return True",
    "set the times of /dev/null": "import os; os.utime('/dev/null', (5, 5)); return True",
    "touch its input": "import os; os.utime(0); return True",
    "touch /dev/zero by a descriptor": "import os; os.utime(os.open('/dev/zero', os.O_RDWR)); return True",
    "change the mode of /dev/null": "import os; os.chmod('/dev/null', 0o600); return True",
    "make a pair of TIPC sockets": "import socket; return socket.socketpair(30, 1)",
    "make a pair of internet sockets": "import socket; return socket.socketpair(2, 1)",
    "make a pair of raw sockets": "import socket; return socket.socketpair(1, 3)",
    "make a pair of datagram sockets": "import socket; return socket.socketpair(1, 2)",
    "make a pair of another protocol": "import socket; return socket.socketpair(1, 1, 5)",
    "make a socket with a name": "import socket; return socket.socket(1).bind('/tmp/name') is None",
    "make a ping socket": "import socket; return socket.socket(2, 2, 1)",
    "make a ping socket over IPv6": "import socket; return socket.socket(10, 2, 58)",
    "make an SCTP socket": "import socket; return socket.socket(2, 1, 132)",
    "make an SCTP socket of packets": "import socket; return socket.socket(2, 5, 132)",
    "make an MPTCP socket": "import socket; return socket.socket(2, 1, 262)",
    "make a UDP-Lite socket": "import socket; return socket.socket(2, 2, 136)",
    "make a DCCP socket": "import socket; return socket.socket(2, 6, 33)",
    "attach a filter to a socket": """
import ctypes, socket, struct
code = ctypes.create_string_buffer(struct.pack('HBBI', 6, 0, 0, 0xFFFFFFFF))
program = struct.pack('HxxxxxxQ', 1, ctypes.addressof(code))
socket.socket(2, 2).setsockopt(socket.SOL_SOCKET, 26, program)
return True
""",
    "attach a filter to a pair": """
import ctypes, socket, struct
code = ctypes.create_string_buffer(struct.pack('HBBI', 6, 0, 0, 0xFFFFFFFF))
socket.socketpair()[0].setsockopt(socket.SOL_SOCKET, 26, struct.pack('HxxxxxxQ', 1, ctypes.addressof(code)))
return True
""",
    "attach a filter to ports in use": """
import socket
socket.socket().setsockopt(socket.SOL_SOCKET, 51, bytes(16))
return True
""",
    "have the kernel load another TCP": "import socket; socket.socket().setsockopt(6, 31, b'tls'); return True",
    "choose how TCP is slowed": "import socket; socket.socket().setsockopt(6, 13, b'reno'); return True",
    "change the kernel's packet filter": "import socket; socket.socket().setsockopt(0, 64, bytes(84)); return True",
    "see the run's paths in the arguments": "import sys; return any('sca_hf' in part for part in sys.orig_argv)",
    "see the run's settings in the arguments": "import sys; return any('cpu_seconds' in part for part in sys.orig_argv)",
    "see the run's paths in the importer": "import sys; return any('sca_hf' in path for path in sys.path_importer_cache)",
    "see the run's paths in sys": "import sys; return [name for name in dir(sys) if 'sca_hf' in repr(getattr(sys, name))]",
    "pass a descriptor": "import socket; return socket.send_fds(socket.socketpair()[0], [b'x'], [0])",
}  # fmt: skip


@pytest.mark.parametrize("name", PAST)
def test_it_is_refused(name: str, run_programs: Any) -> None:
    body = PAST[name].replace("; ", "\n") if "\n" not in PAST[name] else PAST[name]
    code = function(body, "attack") + function(
        "try:\n    return not attack()\nexcept OSError as reason:\n    return True"
    )
    before = [Path(path).stat().st_mtime_ns for path in ("/dev/null", "/dev/zero")]
    (verdict,) = run_programs([Program(code, "assert f()")])
    assert verdict.status == "passed", verdict
    assert [Path(path).stat().st_mtime_ns for path in ("/dev/null", "/dev/zero")] == before


@pytest.mark.parametrize("call", ["os.sync()", "os.fsync(os.open(os.__file__, 0))", "os.fdatasync(os.open(os.__file__, 0))",
    "os.posix_fadvise(os.open(os.__file__, 0), 0, 0, os.POSIX_FADV_DONTNEED)"])  # fmt: skip
def test_nothing_waits_for_the_hosts_disks(call: str, tmp_path: Path, run_programs: Any) -> None:
    body = f"import os, time\nstart = time.perf_counter()\nfor _ in range(2000): {call}\nreturn time.perf_counter() - start"
    (tmp_path / "dirty").write_bytes(bytes(32 << 20))
    code = function(
        body.replace("os.open(os.__file__, 0)", "file").replace("start =", "file = os.open(os.__file__, 0)\nstart =", 1)
    )
    (verdict,) = run_programs([Program(code, "assert f() < 1")])
    assert verdict.status == "passed", verdict
