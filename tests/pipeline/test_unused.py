"""`versions gc`: calls that no version came from leave the journal, all others stay."""

import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from sca_hf import run, versions
from sca_hf.pipeline.journal import Journal
from sca_hf.store import Store
from tests.code_files import write_code
from tests.engines.loopback_server import MODEL, Loopback

COUNT = 6


@pytest.fixture
def server() -> Iterator[Loopback]:
    running = Loopback()
    running.says = lambda prompt, seed: "sums, numbers\n\n"
    yield running
    running.close()


@pytest.fixture
def ran(server: Loopback, tmp_path: Path) -> Callable[..., int]:
    """Runs seeds and concepts, and returns how many calls the server has answered."""
    changes = [f"seeds.source={write_code(tmp_path / 'code', COUNT)}", f"engine={{kind: openai, urls: [{server.url}]}}"]
    arguments = ["--recipe", "demo", "--model", MODEL, "--to", "concepts", "--store", str(tmp_path / "store")]
    given = [part for change in changes for part in ("--set", change)]

    def call(*more: str) -> int:
        assert run.main([*arguments, *given, *more]) == 0
        return sum(server.asked.values())

    return call


def test_calls_without_a_version_are_counted_and_removed(
    ran: Callable[..., int], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store = ["--store", str(tmp_path / "store")]

    def printed(*command: str, code: int = 0) -> str:
        capsys.readouterr()
        assert versions.main([*command, *store]) == code
        said = capsys.readouterr()
        return said.out + said.err

    assert ran() == COUNT
    with_pilot = ran("--set", "concepts.max_tokens=40", "--dry-run", "--pilot", "2")
    other = ran("--set", "concepts.temperature=0.5")
    assert with_pilot == COUNT, "its answers end before 40 tokens, so the journal had them"
    assert other == 2 * COUNT
    assert f"would remove 0 of {2 * COUNT} answers in the journal" in printed("gc", "--dry-run")

    journal = tmp_path / "store" / "journal.sqlite"
    Journal(journal).put("ab" * 32, {"a call": "of an interrupted run"})
    assert f"would remove 1 of {2 * COUNT + 1} answers" in printed("gc", "--dry-run")
    assert f"removed 1 of {2 * COUNT + 1} answers" in printed("gc")

    latest = Store(tmp_path / "store").latest("demo-concepts")
    assert latest is not None
    printed("rm", f"demo-concepts/{latest.fingerprint}")
    assert f"removed {COUNT} of {2 * COUNT} answers" in printed("gc")
    assert ran() == 2 * COUNT, "the first version is there"
    printed("rm", "demo-concepts")
    assert ran() == 2 * COUNT, "and so are its calls"
    assert ran("--set", "concepts.temperature=0.5") == 3 * COUNT, "the others have to be made again"


def test_what_can_not_be_told_is_not_removed(
    ran: Callable[..., int], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ran()
    store = Store(tmp_path / "store")
    gc = ["gc", "--store", str(store.root)]
    with store.scratch():
        assert versions.main(gc) == 2
        assert "a run is writing to" in capsys.readouterr().err
    version = store.latest("demo-concepts")
    assert version is not None
    (version.path / "calls.bin").unlink()
    assert versions.main(gc) == 2
    assert "doesn't say which calls it came from: an earlier sca_hf made it" in capsys.readouterr().err
    with sqlite3.connect(store.root / "journal.sqlite") as connection:
        assert connection.execute("SELECT count(*) FROM calls").fetchone() == (COUNT,)
