"""The journal: what is finished is never made again, whatever ends a run."""

import asyncio
import random
import signal
import sqlite3
import subprocess
import sys
import textwrap
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from sca_hf.engines import Completion, EngineIdentity, Prompt, RowFailure, Sampling
from sca_hf.errors import StoreError
from sca_hf.identity import digest
from sca_hf.pipeline.journal import SCHEMA, Journal, JournaledEngine, JournaledJails
from sca_hf.sandbox import Jails, Limits, Program

pytestmark = pytest.mark.slow


@dataclass
class Letters:
    """An engine that writes the letters of a digest: as many as the prompt says, or `max_tokens`, one a token."""

    revision: str = "1"
    calls: list[tuple[str, int]] = field(default_factory=list)
    slow: float = 0.0

    @property
    def identity(self) -> EngineIdentity:
        return EngineIdentity("letters", self.revision, "letters 1", "none")

    async def complete(self, prompt: Prompt, sampling: Sampling) -> Completion:
        self.calls.append((str(prompt), sampling.max_tokens))
        await asyncio.sleep(self.slow)
        if prompt == "bad":
            raise RowFailure("prompt-too-long")
        whole = digest(str(prompt), sampling.seed)[: int(str(prompt))]
        text = whole[: sampling.max_tokens]
        return Completion(text, "stop" if text == whole else "length", 1, len(text))

    def close(self) -> None:
        pass


def sampling(max_tokens: int = 10, seed: int = 1, temperature: float = 0.7) -> Sampling:
    return Sampling(temperature=temperature, max_tokens=max_tokens, stop=("###",), seed=seed)


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    return Journal(tmp_path / "journal.sqlite")


def test_a_call_is_made_once_and_gives_the_same_completion_in_the_next_run(journal: Journal, tmp_path: Path) -> None:
    engine = Letters()
    first = asyncio.run(JournaledEngine(engine, journal).complete("5", sampling()))
    journal.close()
    later = JournaledEngine(engine, Journal(tmp_path / "journal.sqlite"))
    assert asyncio.run(later.complete("5", sampling())) == first
    assert engine.calls == [("5", 10)]
    assert (later.made, later.reused) == (0, 1)


@pytest.mark.parametrize(
    "other",
    [("6", sampling()), ("5", sampling(seed=2)), ("5", sampling(temperature=0.8))],
    ids=["prompt", "seed", "temperature"],
)
def test_what_determines_a_completion_is_in_its_key(journal: Journal, other: tuple[str, Sampling]) -> None:
    engine = Letters()
    journaled = JournaledEngine(engine, journal)
    asyncio.run(journaled.complete("5", sampling()))
    asyncio.run(journaled.complete(*other))
    assert len(engine.calls) == 2
    another = Letters(revision="2")
    asyncio.run(JournaledEngine(another, journal).complete("5", sampling()))
    assert len(another.calls) == 1


def test_only_what_was_cut_off_is_asked_again_when_max_tokens_changes(journal: Journal) -> None:
    engine = Letters()
    journaled = JournaledEngine(engine, journal)

    def ask(prompt: str, max_tokens: int) -> Completion:
        return asyncio.run(journaled.complete(prompt, sampling(max_tokens)))

    stopped, cut = ask("5", 10), ask("20", 10)
    assert (stopped.finish_reason, cut.finish_reason) == ("stop", "length")
    assert ask("5", 5) == ask("5", 30) == stopped
    assert ask("20", 10) == cut
    assert engine.calls == [("5", 10), ("20", 10)]
    assert ask("5", 4).text == stopped.text[:4]
    assert ask("20", 30).text == digest("20", 1)[:20]
    assert engine.calls[2:] == [("5", 4), ("20", 30)]
    assert ask("20", 10) == cut
    assert ask("20", 25).finish_reason == "stop"
    assert len(engine.calls) == 4


def test_equal_calls_at_once_are_made_once(journal: Journal) -> None:
    engine = Letters(slow=0.2)
    journaled = JournaledEngine(engine, journal)

    async def several() -> list[Completion]:
        return await asyncio.gather(*(journaled.complete("9", sampling()) for _ in range(20)))

    with ThreadPoolExecutor(2) as threads:
        loops = list(threads.map(lambda _: asyncio.run(several()), range(2)))
    assert len(engine.calls) == 1
    assert len({completion.text for loop in loops for completion in loop}) == 1
    assert (journaled.made, journaled.reused) == (1, 39)


def test_a_call_that_is_given_up_does_not_take_its_equals_with_it(journal: Journal) -> None:
    engine = Letters(slow=0.2)
    journaled = JournaledEngine(engine, journal)

    async def give_up_the_first() -> Completion:
        first = asyncio.create_task(journaled.complete("9", sampling()))
        second = asyncio.create_task(journaled.complete("9", sampling()))
        await asyncio.sleep(0.05)
        first.cancel()
        return await second

    assert len(asyncio.run(give_up_the_first()).text) == 9


def test_a_failure_of_a_row_is_not_kept(journal: Journal) -> None:
    engine = Letters()
    journaled = JournaledEngine(engine, journal)
    for _ in range(2):
        with pytest.raises(RowFailure, match="prompt-too-long"):
            asyncio.run(journaled.complete("bad", sampling()))
    assert len(engine.calls) == 2


RUN = """
    import asyncio, os, sys
    from pathlib import Path
    from sca_hf.engines import Completion, EngineIdentity, Sampling
    from sca_hf.pipeline.journal import Journal, JournaledEngine

    calls = os.open("calls", os.O_WRONLY | os.O_APPEND | os.O_CREAT)

    class Engine:
        identity = EngineIdentity("m", "r", "b", "d")
        async def complete(self, prompt, sampling):
            os.write(calls, f"{prompt}\\n".encode())
            await asyncio.sleep(0.01)
            return Completion(prompt * 50, "stop", 1, 1)

    async def main():
        engine = JournaledEngine(Engine(), Journal(Path("journal.sqlite")))
        room = asyncio.Semaphore(8)
        async def one(n):
            async with room:
                await engine.complete(str(n), Sampling(0.7, 100, (), 1))
                os.write(1, f"{n}\\n".encode())
        await asyncio.gather(*(one(n) for n in range(400)))

    asyncio.run(main())
"""


@pytest.mark.slow
def test_no_finished_call_is_made_again_after_kills(tmp_path: Path) -> None:
    finished: list[str] = []
    for _ in range(4):
        run = start(tmp_path, RUN)
        assert run.stdout is not None
        count = random.Random(len(finished)).randint(20, 100)
        finished += [run.stdout.readline().strip() for _ in range(count)]
        run.send_signal(signal.SIGKILL)
        finished += run.stdout.read().split()
        run.wait()
        made_before = (tmp_path / "calls").read_text().split()
        done_before = set(finished)
    last = start(tmp_path, RUN)
    assert last.wait(60) == 0
    calls = (tmp_path / "calls").read_text().split()
    assert set(calls) == {str(n) for n in range(400)}
    assert not done_before & set(calls[len(made_before) :])
    assert len(calls) - 400 <= 4 * 8  # those in flight at each kill


@pytest.mark.slow
def test_two_runs_share_a_journal(tmp_path: Path) -> None:
    both = [start(tmp_path, RUN) for _ in range(2)]
    assert [run.wait(60) for run in both] == [0, 0]
    with sqlite3.connect(tmp_path / "journal.sqlite") as connection:
        assert connection.execute("SELECT count(*) FROM calls").fetchone() == (400,)
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)


def test_a_journal_of_a_newer_version_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "journal.sqlite"
    with sqlite3.connect(path) as connection:
        connection.execute(f"PRAGMA user_version = {SCHEMA + 1}")
    with pytest.raises(StoreError, match=f"has schema {SCHEMA + 1}, and this sca_hf knows {SCHEMA}; upgrade"):
        Journal(path)


def test_a_journal_that_can_not_be_used(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("this is no database, " * 100)
    with pytest.raises(StoreError, match="file is not a database"):
        Journal(tmp_path / "file")
    with pytest.raises(StoreError, match="can't be used"):
        Journal(tmp_path / "file" / "journal.sqlite")


def test_a_full_disk_is_an_error_of_the_store(tmp_path: Path) -> None:
    full = start(
        tmp_path,
        """
        import resource, signal
        from pathlib import Path
        from sca_hf.errors import StoreError
        from sca_hf.identity import digest
        from sca_hf.pipeline.journal import Journal

        journal = Journal(Path("journal.sqlite"))
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20))
        try:
            for n in range(10000):
                journal.put(digest(n), {"text": "x" * 1000})
        except StoreError as error:
            print(n, error)
        """,
    )
    said = full.communicate(timeout=60)[0]
    count, message = said.split(" ", 1)
    assert "can't be used" in message
    assert "free disk space" in message
    kept = Journal(tmp_path / "journal.sqlite")
    assert kept.get(digest(int(count) - 1)) == {"text": "x" * 1000}


@pytest.mark.jail
def test_a_program_runs_once(journal: Journal) -> None:
    limits = Limits(cpu_seconds=5, wall_seconds=20, memory_mb=512)
    program = Program(code="def double(x):\n    return 2 * x", tests="assert double(2) == 4")
    jails = JournaledJails(Jails(1, limits), journal)
    verdict = asyncio.run(jails.run(program))
    assert verdict.status == "passed"
    assert asyncio.run(jails.run(program)) == verdict
    assert (jails.made, jails.reused) == (1, 1)
    jails.close()
    stricter = JournaledJails(Jails(1, Limits(cpu_seconds=4, wall_seconds=20, memory_mb=512)), journal)
    asyncio.run(stricter.run(program))
    assert (stricter.made, stricter.reused) == (1, 0)
    stricter.close()


def start(folder: Path, script: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(script)], cwd=folder, stdout=subprocess.PIPE, text=True
    )
