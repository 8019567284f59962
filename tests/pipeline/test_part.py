"""Parts of a run: whoever made the calls, wherever and however often, the versions are those of one process."""

import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from sca_hf import journal as journal_command
from sca_hf.errors import InputError, StoreError
from sca_hf.identity import digest
from sca_hf.pipeline.journal import Journal
from sca_hf.pipeline.journals import copy, merge
from sca_hf.pipeline.part import Part, PartOutcome
from sca_hf.pipeline.pipeline import Pipeline
from sca_hf.recipe import Recipe, load_recipe
from sca_hf.store import Store, disk
from tests.code_files import write_code
from tests.engines.loopback_server import MODEL, Loopback
from tests.pipeline.writing import written
from tests.watching import finished_calls

SEEDS = 14


@pytest.fixture(scope="module")
def server() -> Iterator[Loopback]:
    running = Loopback()
    running.says = written
    yield running
    running.close()


@pytest.fixture(scope="module")
def code(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_code(tmp_path_factory.mktemp("code"), SEEDS)


def changes(server: Loopback, code: Path, *more: str) -> list[str]:
    stages = "stages=[seeds, concepts, instructions, responses, execute, select, sft]"
    engine = ("engine.kind=openai", f"engine.urls=['{server.url}']", f"model={MODEL}")
    return [stages, *engine, f"seeds.source={code}", "seeds.type_check=null", "responses.samples=3", *more]


@pytest.fixture(scope="module")
def recipe(server: Loopback, code: Path) -> Recipe:
    return load_recipe("demo", changes(server, code))


def manifests(store: Path) -> dict[str, tuple[str, str]]:
    return {version.dataset: (version.fingerprint, version.manifest_sha) for version in Store(store).versions()}


@pytest.fixture(scope="module")
def whole(recipe: Recipe, tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[str, str]]:
    """The versions of one process."""
    folder = tmp_path_factory.mktemp("whole")
    outcomes = Pipeline(recipe, Store(folder)).run()
    assert outcomes[-1].version.counts.kept > 1
    return manifests(folder)


def run_part(recipe: Recipe, store: Path, text: str) -> PartOutcome:
    return Pipeline(recipe, Store(store)).run_part(Part.read(text))


def calls(path: Path) -> dict[bytes, str]:
    with sqlite3.connect(path) as connection:
        return dict(connection.execute("SELECT key, value FROM calls"))


@pytest.mark.jail
@pytest.mark.parametrize("order", [["1/1"], ["3/3", "1/3", "1/3", "2/3"], ["2/5", "1/5", "2/3", "5/5", "4/5", "3/5"]])
def test_parts_make_the_bytes_of_one_process(
    recipe: Recipe, whole: dict[str, tuple[str, str]], server: Loopback, tmp_path: Path, order: Sequence[str]
) -> None:
    """One part done twice, one that overlaps the others; each in a store of its own, as on machines of their own."""
    made: dict[str, PartOutcome] = {}
    for text in order:
        outcome = run_part(recipe, tmp_path / text.replace("/", "-"), text)
        assert not manifests(tmp_path / text.replace("/", "-"))
        assert [stage.name for stage in outcome.left] == ["select", "sft"]
        assert outcome.all_rows == SEEDS
        if text in made:
            for now, then in ((outcome.calls, made[text].calls), (outcome.programs, made[text].programs)):
                assert (now.made, now.reused) == (0, then.made + then.reused)
        made.setdefault(text, outcome)
    merge(tmp_path / "store" / "journal.sqlite", [outcome.journal for outcome in made.values()])
    asked = sum(server.asked.values())
    Pipeline(recipe, Store(tmp_path / "store")).run()
    assert manifests(tmp_path / "store") == whole
    assert sum(server.asked.values()) == asked


@pytest.mark.jail
def test_parts_of_attempts_until_one_passes(server: Loopback, code: Path, tmp_path: Path) -> None:
    recipe = load_recipe("demo", changes(server, code, "responses.until=1"))
    Pipeline(recipe, Store(tmp_path / "whole")).run()
    Pipeline(recipe, Store(tmp_path / "store"), last="concepts").run()  # parts go on from there
    outcomes = [run_part(recipe, tmp_path / "store", f"{number}/2") for number in (1, 2)]
    assert [[stage.name for stage, _ in outcome.stages] for outcome in outcomes] == [
        ["instructions", "responses", "execute"]
    ] * 2
    merge(tmp_path / "store" / "journal.sqlite", [outcome.journal for outcome in outcomes])
    asked = sum(server.asked.values())
    Pipeline(recipe, Store(tmp_path / "store")).run()
    assert manifests(tmp_path / "store") == manifests(tmp_path / "whole")
    assert sum(server.asked.values()) == asked


@pytest.mark.jail
def test_what_no_part_made_is_made_in_the_end(
    recipe: Recipe, whole: dict[str, tuple[str, str]], server: Loopback, tmp_path: Path
) -> None:
    outcome = run_part(recipe, tmp_path, "2/3")
    merge(tmp_path / "journal.sqlite", [outcome.journal])
    asked = sum(server.asked.values())
    Pipeline(recipe, Store(tmp_path)).run()
    assert manifests(tmp_path) == whole
    assert sum(server.asked.values()) > asked


@pytest.mark.jail
@pytest.mark.slow
def test_a_part_that_is_killed_goes_on(
    recipe: Recipe, whole: dict[str, tuple[str, str]], server: Loopback, code: Path, tmp_path: Path
) -> None:
    arguments = [part for change in changes(server, code, "run.concurrency=2") for part in ("--set", change)]
    command = [sys.executable, "-m", "sca_hf.run", "--recipe", "demo", *arguments, "--store", str(tmp_path)]
    journal = tmp_path / "journal.part-1-of-1.sqlite"
    for enough in (5, 40):
        with subprocess.Popen([*command, "--part", "1/1"], stdout=subprocess.DEVNULL, start_new_session=True) as run:
            deadline = time.monotonic() + 120
            while finished_calls(journal) < enough and time.monotonic() < deadline:
                assert run.poll() is None
                time.sleep(0.02)
            os.killpg(run.pid, signal.SIGKILL)
    copy(journal, tmp_path / "elsewhere" / "copied.sqlite")
    held = calls(tmp_path / "elsewhere" / "copied.sqlite")
    assert len(held) >= 40
    done = subprocess.run([*command, "--part", "1/1"], capture_output=True, text=True, timeout=300, check=True)
    assert "14 of 14 rows" in done.stdout
    assert "left to the run without --part, which has the rows of all parts: select, sft" in done.stdout
    assert held.items() <= calls(journal).items()
    assert journal_command.main(["merge", str(journal), "--store", str(tmp_path)]) == 0
    Pipeline(recipe, Store(tmp_path)).run()
    assert manifests(tmp_path) == whole


@pytest.mark.slow
def test_a_task_of_the_array_job_that_is_preempted_goes_on_from_its_copy(code: Path, tmp_path: Path) -> None:
    slow = Loopback()
    slow.says = lambda prompt, seed: time.sleep(0.3) or written(prompt, seed)  # type: ignore[func-returns-value]
    arguments = [
        part
        for change in changes(slow, code, "run.concurrency=1", "engine.max_num_seqs=1")
        for part in ("--set", change)
    ]
    script = Path(__file__).parents[2] / "scripts" / "slurm" / "parts.sh"
    command: list[str | Path] = [
        "bash",
        script,
        "--recipe",
        "demo",
        "--store",
        tmp_path / "store",
        "--to",
        "concepts",
        *arguments,
    ]
    task = {"SLURM_ARRAY_TASK_ID": "1", "SLURM_ARRAY_TASK_MIN": "1", "SLURM_ARRAY_TASK_COUNT": "1"}
    places = {"SCA_PYTHON": sys.executable, "PARTS": str(tmp_path / "parts"), "SLURM_TMPDIR": str(tmp_path)}
    copied = tmp_path / "parts" / "journal.part-1-of-1.sqlite"
    with subprocess.Popen(command, env=os.environ | task | places, stdout=subprocess.DEVNULL) as first:
        while sum(slow.asked.values()) < 4:
            assert first.poll() is None
            time.sleep(0.02)
        first.terminate()
    assert first.returncode != 0
    held = calls(copied)
    assert 3 <= len(held) < SEEDS
    subprocess.run(command, env=os.environ | task | places, stdout=subprocess.DEVNULL, check=True, timeout=200)
    assert held.items() <= calls(copied).items()
    assert len(calls(copied)) == SEEDS
    assert sum(slow.asked.values()) <= SEEDS + 1  # the one that was in flight
    assert not list(tmp_path.glob("sca-hf-part.*"))
    slow.close()


def journal_of(path: Path, **answers: dict[str, object]) -> Path:
    journal = Journal(path)
    for name, answer in answers.items():
        journal.put(digest(name), answer)
    journal.close()
    return path


def completion(text: str) -> dict[str, object]:
    return {"text": text, "finish_reason": "stop", "prompt_tokens": 1, "completion_tokens": 2}


def test_two_answers_to_one_call_are_refused_and_shown(tmp_path: Path) -> None:
    first = journal_of(tmp_path / "first", a=completion("same " * 50 + "left"), b=completion("b"))
    other = journal_of(tmp_path / "other", c=completion("c"), a=completion("same " * 50 + "right"))
    with pytest.raises(StoreError, match=rf"'{first}' has .*same left.* and '{other}' has .*same right.*leave one"):
        merge(tmp_path / "journal", [first, other])
    assert not calls(tmp_path / "journal")  # all or nothing
    merge(tmp_path / "journal", [first])
    with pytest.raises(StoreError, match=rf"'{tmp_path / 'journal'}' has .*left"):
        merge(tmp_path / "journal", [other])
    assert calls(tmp_path / "journal") == calls(first)


def test_what_was_measured_may_differ(tmp_path: Path) -> None:
    verdict: dict[str, object] = {"status": "passed", "exception": None, "line": None, "assertions": 1, "flags": []}
    first = journal_of(tmp_path / "first", a=verdict | {"cpu_seconds": 0.1, "stdout": "at 0x7f"})
    other = journal_of(tmp_path / "other", a=verdict | {"cpu_seconds": 0.2, "stdout": "at 0x80"})
    assert [(merged.calls, merged.new) for merged in merge(tmp_path / "journal", [first, other])] == [(1, 1), (1, 0)]
    assert calls(tmp_path / "journal") == calls(first)
    timeout = journal_of(tmp_path / "timeout", a=verdict | {"status": "timeout"})
    with pytest.raises(StoreError, match=r'"status": "passed".*"status": "timeout"'):
        merge(tmp_path / "journal", [timeout])


def test_what_is_no_journal(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_text("no database, " * 100)
    for name, said in (("file", "not a database"), ("none", "there is no journal")):
        assert journal_command.main(["merge", str(tmp_path / name), "--into", str(tmp_path / "journal")]) == 2
        assert said in capsys.readouterr().err.replace("\n", " ")


@pytest.mark.parametrize("text", ["0/3", "4/3", "1", "1/0", "-1/2", "a/b", "1/3 "])
def test_what_is_no_part(text: str) -> None:
    with pytest.raises(InputError, match=r"is not I/N with 1 <= I <= N"):
        Part.read(text)


def test_parts_share_out_all_ids() -> None:
    for count in (1, 2, 7, 64):
        parts = [Part(number, count) for number in range(1, count + 1)]
        sizes = dict.fromkeys(parts, 0)
        for number in range(2000):
            (owner,) = [part for part in parts if part.has(digest(number)[:20])]
            sizes[owner] += 1
        assert max(sizes.values()) < 2 * 2000 / count


def test_a_run_without_calls_left_says_so(recipe: Recipe, tmp_path: Path) -> None:
    Pipeline(recipe, Store(tmp_path), last="seeds").run()
    with pytest.raises(InputError, match="no calls are left for parts"):
        Pipeline(recipe, Store(tmp_path), last="seeds").run_part(Part(1, 2))


def test_a_journal_on_a_network_is_refused_and_read_from_a_copy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shared = tmp_path / "shared folder"
    part = journal_of(shared / "part", a=completion("a"))
    mounts = tmp_path / "mounts"
    escaped = str(shared).replace(" ", "\\040")
    mounts.write_text(f"/dev/vda / ext4 rw 0 0\nserver:/home {escaped} nfs4 rw,vers=4.2 0 0\n")
    monkeypatch.setattr(disk, "MOUNTS", mounts)
    with pytest.raises(StoreError, match=r"network file system \(nfs4\).*set run\.journal to a file"):
        Journal(shared / "journal.sqlite")
    merge(tmp_path / "journal.sqlite", [part])
    assert calls(tmp_path / "journal.sqlite") == calls(part)


def test_a_file_system_without_locks_is_not_taken_for_a_full_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Unlocked(sqlite3.Connection):
        def execute(self, *arguments: object) -> sqlite3.Cursor:
            error = sqlite3.OperationalError("locking protocol")
            error.sqlite_errorcode = sqlite3.SQLITE_PROTOCOL
            raise error

    connect = sqlite3.connect
    monkeypatch.setattr(sqlite3, "connect", lambda *path, **how: connect(*path, **how, factory=Unlocked))
    with pytest.raises(StoreError, match=r"can't be locked.*set run\.journal to a file") as refused:
        Journal(tmp_path / "journal.sqlite")
    assert "free disk space" not in str(refused.value)
