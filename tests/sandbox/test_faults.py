"""What the machine does to a jail is never a verdict on a program, and nothing outlives the run."""

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from processes import tree

from sca_hf.errors import SandboxUnavailable
from sca_hf.sandbox import Jails, Limits, Program, Verdict, spawn

CHECKOUT = Path(__file__).resolve().parents[2]
GOOD = Program("def double(x):\n    return 2 * x", "assert double(2) == 4")
SLOW = Program("import time\ndef nap():\n    time.sleep(2)\n    return 1", "assert nap() == 1")
_OF_A_JAIL = 4
"""Processes of a jail at work: the compiling one, the first inside, the warm interpreter, the program's."""
_PATIENCE_SECONDS = 120.0
"""On a machine that is busy with other things."""


@pytest.fixture
def processes() -> Callable[[], list[int]]:
    """Those below this one, outermost first, that were not there before the test: other tests may share an engine."""
    others = set(_descendants(os.getpid()))
    return lambda: [process for process in _descendants(os.getpid()) if process not in others]


def test_a_jail_that_is_killed_costs_no_verdict(processes: Callable[[], list[int]]) -> None:
    async def run() -> list[Verdict]:
        async with Jails(2) as jails:
            running = [asyncio.ensure_future(jails.run(SLOW)) for _ in range(4)]
            await _until(lambda: len(processes()) >= 2 * _OF_A_JAIL)
            for jail in processes():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(jail, signal.SIGKILL)
            return list(await asyncio.gather(*running))

    assert [verdict.status for verdict in asyncio.run(run())] == ["passed"] * 4


def test_jails_that_are_killed_among_many_programs_change_no_verdict(processes: Callable[[], list[int]]) -> None:
    work = "import time\ndef work(x):\n    while time.process_time() < 0.05: pass\n    return x"
    programs = [Program(work, f"assert work({number}) == {number + (number % 5 == 0)}") for number in range(60)]
    programs[1::7] = [Program("def broken(:", "assert broken(1)")] * len(programs[1::7])

    async def run(kill: bool) -> list[Verdict]:
        async with Jails(2) as jails:
            running = [asyncio.ensure_future(jails.run(program)) for program in programs]
            await asyncio.gather(*running[:20])
            for jail in processes() if kill else ():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(jail, signal.SIGKILL)
            return list(await asyncio.gather(*running))

    undisturbed, killed = asyncio.run(run(kill=False)), asyncio.run(run(kill=True))
    assert {verdict.status for verdict in undisturbed} == {"passed", "failed", "syntax-error"}
    assert [verdict.identity for verdict in killed] == [verdict.identity for verdict in undisturbed]


def test_a_program_that_the_machine_kills_is_run_again(processes: Callable[[], list[int]]) -> None:
    async def run() -> Verdict:
        async with Jails(1) as jails:
            running = asyncio.ensure_future(jails.run(SLOW))
            await _until(lambda: len(processes()) == _OF_A_JAIL)
            os.kill(processes()[-1], signal.SIGKILL)
            return await running

    assert asyncio.run(run()).status == "passed"


def test_jails_that_keep_dying_stop_the_run(processes: Callable[[], list[int]]) -> None:
    ended = threading.Event()

    def kill_all() -> None:
        while not ended.wait(0.1):
            for jail in processes():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(jail, signal.SIGKILL)

    async def run() -> None:
        async with Jails(1) as jails:
            await jails.run(GOOD)
            killer.start()
            with pytest.raises(SandboxUnavailable, match="jail"):
                await jails.run(Program("import time\ntime.sleep(5)", ""))
            with pytest.raises(SandboxUnavailable, match="jail"):
                await jails.run(GOOD)

    killer = threading.Thread(target=kill_all)
    try:
        asyncio.run(run())
    finally:
        ended.set()
        killer.join()


def test_too_few_descriptors_are_an_error_and_no_verdict() -> None:
    script = """
        import asyncio, resource
        from sca_hf.errors import SandboxUnavailable
        from sca_hf.sandbox import Jails, Program
        async def main():
            resource.setrlimit(resource.RLIMIT_NOFILE, (11, 11))
            try:
                async with Jails(1) as jails:
                    print((await jails.run(Program("f = lambda: 1", "assert f() == 1"))).status)
            except SandboxUnavailable as reason:
                print("unavailable:", reason)
        asyncio.run(main())
    """
    said = _python(script).stdout
    assert said.startswith(("passed", "unavailable: a jail could not be started"))


def test_no_user_namespaces_is_an_error_with_the_fix() -> None:
    # The limit is that of a namespace which the script makes for itself, as an ordinary user in it.
    script = """
        import asyncio, os
        from sca_hf.sandbox.jail import kernel
        uid, gid = os.geteuid(), os.getegid()
        kernel.unshare(kernel.NEW_USER)
        for name, text in (("setgroups", "deny"), ("gid_map", f"65534 {gid} 1"), ("uid_map", f"65534 {uid} 1")):
            with open(f"/proc/self/{name}", "w") as file: file.write(text)
        with open("/proc/sys/user/max_user_namespaces", "w") as file: file.write("0")
        from sca_hf.sandbox.check import check
        raise SystemExit(check())
    """
    done = _python(script)
    assert done.returncode == 2, done.stderr
    assert "sysctl -w user.max_user_namespaces=" in done.stdout
    assert "Traceback" not in done.stderr


def test_check_says_that_programs_are_isolated_here() -> None:
    done = _check()
    assert done.returncode == 0, done.stdout + done.stderr
    assert "NO " not in done.stdout


@pytest.mark.parametrize("limit", ["-n 200", "-s 4096", "-f 40000", "-t 5", "-u 100", "-v 2000000", "-l 0", "-q 0"])
def test_programs_live_with_the_lower_of_both_limits(limit: str) -> None:
    done = _check(limit)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "NO " not in done.stdout


@pytest.mark.parametrize(
    ("limit", "said"),
    [
        ("-n 40", "the hard limit of open files is 40 here, and jails need 64; raise it"),
        ("-s 512", "the hard limit of the stack is 512 KiB here, and jails need 1024 KiB; raise it"),
        ("-f 1000", "the hard limit of a file's size is 1000 KiB here, and jails need 4096 KiB; raise it"),
        ("-t 2", "the hard limit of CPU time is 2 s here, and jails need 3 s; raise it"),
        ("-v 500000", "the hard limit of virtual memory is 500000 KiB here, and jails need 589824 KiB; raise it"),
        ("-d 500000", "the hard limit of the data segment is 500000 KiB here, and jails need 589824 KiB; raise it"),
    ],
)
def test_a_limit_that_no_program_can_live_with_is_named(limit: str, said: str) -> None:
    done = _check(limit)
    assert done.returncode == 2
    assert said in done.stdout
    assert f"`ulimit -H{limit[1]} " in done.stdout
    assert "Traceback" not in done.stderr


def test_programs_have_what_was_inherited() -> None:
    script = """
        import asyncio
        from sca_hf.sandbox import Jails, Program
        look = "import resource as r\\ndef f(): return [r.getrlimit(n)[1] for n in (r.RLIMIT_NOFILE, r.RLIMIT_STACK, "
        look += "r.RLIMIT_FSIZE)]"
        async def main():
            async with Jails(1) as jails:
                print((await jails.run(Program(look, "assert f() == [200, 4096 << 10, 40000 << 10]"))).identity)
        asyncio.run(main())
    """
    assert "passed" in _python(script, "-n 200 -s 4096 -f 40000").stdout


def test_a_jail_that_may_work_for_seconds_makes_room_for_another() -> None:
    script = """
        import asyncio
        from sca_hf.sandbox import Jails, Limits, Program
        async def main():
            async with Jails(1, Limits(cpu_seconds=0.5)) as jails:
                programs = [Program("def f(x): return x", f"assert f({number}) == {number}") for number in range(700)]
                print({(await jails.run(program)).status for program in programs})
        asyncio.run(main())
    """
    assert _python(script, "-t 3").stdout == "{'passed'}\n"


def test_nothing_outlives_a_parent_that_is_killed() -> None:
    script = """
        import asyncio
        from sca_hf.sandbox import Jails, Limits, Program
        async def main():
            async with Jails(2, Limits(cpu_seconds=600, wall_seconds=600)) as jails:
                work = Program("for _ in iter(int, 1): pass", "")
                await asyncio.gather(*(jails.run(work) for _ in range(2)))
        asyncio.run(main())
    """
    with _started(script) as parent:
        asyncio.run(_until(lambda: len(_descendants(parent.pid)) >= 2 * _OF_A_JAIL))
        left = _descendants(parent.pid)
        parent.kill()
        parent.wait()
        asyncio.run(_until(lambda: not any(_alive(jail) for jail in left)))


def test_every_process_of_a_jail_has_a_call_filter_and_no_way_to_more(processes: Callable[[], list[int]]) -> None:
    async def run() -> list[dict[str, str]]:
        async with Jails(1) as jails:
            running = asyncio.ensure_future(jails.run(SLOW))
            await _until(lambda: len(processes()) == _OF_A_JAIL)
            found = [_status(process) for process in processes()]
            await running
            return found

    compiling, first, warm, program = asyncio.run(run())
    for process in (compiling, first, warm, program):
        assert (process["Seccomp"], process["NoNewPrivs"]) == ("2", "1")
        assert process["Uid"].split()[0] != "0" or os.geteuid() != 0
    assert {int(process["CapEff"], 16) for process in (compiling, warm, program)} == {0}


def test_jails_serve_several_event_loops_at_once(run_programs: Callable[..., list[Verdict]]) -> None:
    found: list[str] = []

    async def run() -> None:
        async with Jails(2) as jails:

            def in_a_thread() -> None:
                async def run_there() -> list[Verdict]:
                    return list(await asyncio.gather(*(jails.run(GOOD) for _ in range(20))))

                found.extend(verdict.status for verdict in asyncio.run(run_there()))

            threads = [asyncio.to_thread(in_a_thread) for _ in range(3)]
            await asyncio.gather(*threads, *(jails.run(GOOD) for _ in range(20)))

    asyncio.run(run())
    assert found == ["passed"] * 60


def test_a_run_that_is_cancelled_leaves_its_jail_to_others() -> None:
    async def run() -> Verdict:
        async with Jails(1, Limits(cpu_seconds=1.0)) as jails:
            loop = asyncio.ensure_future(jails.run(Program("for _ in iter(int, 1): pass", "")))
            waiting = asyncio.ensure_future(jails.run(GOOD))
            await asyncio.sleep(0.2)
            loop.cancel()
            waiting.cancel()
            return await jails.run(GOOD)

    assert asyncio.run(run()).status == "passed"


def test_programs_that_sleep_leave_their_core_to_others() -> None:
    """All of these fit into the time only if they sleep at the same time."""

    async def run() -> list[Verdict]:
        async with Jails(1, Limits(cpu_seconds=5.0, wall_seconds=30.0)) as jails:
            nap = Program("import time\nstart = time.time()\ntime.sleep(3)\nprint(start, time.time())", "")
            return list(await asyncio.gather(*(jails.run(nap) for _ in range(3))))

    times = sorted(tuple(map(float, verdict.stdout.split())) for verdict in asyncio.run(run()))
    assert times[1][0] < times[0][1]
    assert times[2][0] < times[0][1]


def test_waiting_for_a_core_is_not_the_programs_fault() -> None:
    """On a crowded machine: its own time is below the limit, the clock's is not."""
    busy = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(4 * (os.cpu_count() or 1))]
    try:
        work = Program(
            "import time\ndef work():\n    while time.process_time() < 0.6: pass\n    return 1", "assert work() == 1"
        )

        async def run() -> Verdict:
            async with Jails(1, Limits(cpu_seconds=5.0, wall_seconds=1.0)) as jails:
                return await jails.run(work)

        assert asyncio.run(run()).status == "passed"
    finally:
        for hog in busy:
            hog.kill()
            hog.wait()


def test_closed_jails_say_so() -> None:
    async def run() -> None:
        async with Jails(1) as jails:
            pass
        with pytest.raises(RuntimeError, match="async with Jails"):
            await jails.run(GOOD)

    asyncio.run(run())


def _python(script: str, limits: str = "") -> "subprocess.CompletedProcess[str]":
    return _run(limits, "-c", textwrap.dedent(script))


def _check(limits: str = "") -> "subprocess.CompletedProcess[str]":
    return _run(limits, "-m", "sca_hf.sandbox", "check")


def _run(limits: str, *arguments: str) -> "subprocess.CompletedProcess[str]":
    """Python under limits as a shell's `ulimit` has them."""
    command = [sys.executable, *arguments]
    if limits:
        command = ["bash", "-c", f'ulimit {limits} && exec "$@"', "bash", *command]
    return subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, check=False, timeout=_PATIENCE_SECONDS)


@contextlib.contextmanager
def _started(script: str) -> "Iterator[subprocess.Popen[bytes]]":
    """Ends it, and all below it, whatever happens."""
    started = subprocess.Popen([sys.executable, "-c", textwrap.dedent(script)], cwd=CHECKOUT)
    below: list[int] = []
    try:
        yield started
    finally:
        below = _descendants(started.pid)
        started.kill()
        started.wait()
        for process in below:
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)


async def _until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while not holds():
        assert time.monotonic() < deadline, "what this test waits for did not come"
        await asyncio.sleep(0.02)


def _descendants(pid: int) -> list[int]:
    """Processes below this one, outermost first."""
    return [*tree(pid)][1:]


def _status(pid: int) -> dict[str, str]:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}


def _alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_packages_below_a_scratch_folder_can_be_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    """An environment may lie below /tmp, where a program sees its own empty folder."""
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        Path(folder).chmod(0o755)
        Path(folder, "shapes.py").write_text("def corners(): return 4\n")
        monkeypatch.setattr(spawn, "_site_packages", lambda: [folder])
        spawn._installed.cache_clear()
        spawn._folders.cache_clear()
        code = "import os, shapes\n\ndef count():\n    return shapes.corners(), os.listdir('/tmp')"
        try:
            verdict = asyncio.run(run_one(Program(code=code, tests="assert count() == (4, [])")))
        finally:
            spawn._installed.cache_clear()
            spawn._folders.cache_clear()
    assert verdict.status == "passed", verdict


async def run_one(program: Program) -> Verdict:
    async with Jails(1) as jails:
        return await jails.run(program)
