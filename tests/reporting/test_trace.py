"""The trace as a user meets it: the life of rows that were kept, and of rows that were rejected."""

import re
import shutil
from collections import Counter
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from sca_hf import trace
from sca_hf.identity import row_id
from sca_hf.pipeline.journal import Journal
from sca_hf.stages.pass_rules import program_of
from sca_hf.store import Store, Version
from tests.finished_run import arguments, finished, logged_in, loopback, own_cache, published
from tests.store.loopback_hub import LoopbackHub

__all__ = ["arguments", "finished", "logged_in", "loopback", "own_cache", "published"]


@pytest.fixture
def traced(demo_store: Path, capsys: pytest.CaptureFixture[str]) -> "Tracer":
    return Tracer(demo_store, capsys)


class Tracer:
    def __init__(self, store: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.store, self._capsys = store, capsys

    def __call__(self, *arguments: str, code: int = 0) -> str:
        """What the command prints, each run of blanks as one."""
        self._capsys.readouterr()
        assert trace.main([*arguments, "--store", str(self.store)]) == code
        captured = self._capsys.readouterr()
        return " ".join((captured.out + captured.err).split())

    def version(self, stage: str) -> Version:
        version = Store(self.store).latest(f"demo-{stage}")
        assert version is not None
        return version


def words(text: str) -> str:
    return " ".join(text.split())


def test_a_kept_row_from_its_source_file_to_its_versions(traced: Tracer) -> None:
    row = traced.version("sft").load()[0]
    attempts = [
        attempt for attempt in traced.version("execute").load() if attempt["instruction_id"] == row["instruction_id"]
    ]
    said = traced(row["id"][:12], "--full")
    assert f"file {row['path']}, license PSF-2.0" in said
    assert words(row["seed"]) in said
    assert f"concepts {', '.join(row['concepts'])}" in said
    assert words(row["instruction"]) in said
    assert f"[Property] category: {row['category']} language: Python difficulty: {row['difficulty']}" in said
    assert "[Instruction]" in said
    assert said.count("◀ this row") == 1
    for attempt in attempts:
        assert attempt["id"] in said
        assert words(attempt["response"]) in said
        assert words(attempt["tests"]) in said
        assert attempt["status"] in said
    assert said.count("tokens read") == 2 + 3 * 2  # concepts, instruction, and three samples, each with its tests
    outcomes = said.split(f"{row['select_id']} in demo-select/", 1)[1].split("sample", 1)[0]
    for rule in ("execution-failed", "not-chosen"):
        assert f"✓ {rule} passed" in outcomes
    holders = said.rsplit("versions that hold it", 1)[1]
    for stage in ("seeds", "concepts", "instructions", "responses", "execute", "select", "sft"):
        assert f"demo-{stage}/{traced.version(stage).fingerprint}" in holders
    assert holders.count(row["id"]) == len(  # both runs kept it, or one of them
        [version for version in Store(traced.store).versions("demo-sft") if row["id"] in version.load()["id"]]
    )


def test_a_rejected_attempt_that_is_no_example_has_its_reason(traced: Tracer, store: Path) -> None:
    traced.store = store
    select = traced.version("select")
    reasons = {row["id"]: row["reject_reason"] for row in pq.read_table(select.path / "measurements").to_pylist()}
    assert Counter(filter(None, reasons.values())) == select.counts.rejected
    shutil.rmtree(select.path / "rejected")
    rejected = sorted(attempt for attempt, reason in reasons.items() if reason)
    for attempt in (rejected[0], rejected[-1]):
        said = traced(attempt)
        assert f": {reasons[attempt]} at select ◀ this row" in said
        own = said.split(f"{attempt} in demo-select/", 1)[1]
        assert f"✗ {reasons[attempt]} rejected" in own.split("sample", 1)[0]


def test_a_seed_that_no_version_kept_has_its_reason(traced: Tracer) -> None:
    seeds = traced.version("seeds")
    examples = set(pq.read_table(seeds.path / "rejected")["id"].to_pylist())
    rows = pq.read_table(seeds.path / "measurements").to_pylist()
    unkept = next(row for row in rows if row["reject_reason"] and row["id"] not in examples)
    said = traced(unkept["id"])
    assert f"{unkept['id']} a row of stage seeds" in said
    assert f"✗ {unkept['reject_reason']} rejected" in said
    assert "none in this store" in said


def test_a_failure_with_its_output(traced: Tracer) -> None:
    attempt = next(row for row in traced.version("execute").load() if row["exception"] == "NameError")
    measured = pq.read_table(traced.version("execute").path / "measurements").to_pylist()
    stderr = next(row["stderr"] for row in measured if row["id"] == attempt["id"])
    said = traced(attempt["id"])
    assert "verdict failed by NameError" in said
    own = said.split(f"{attempt['id']} in demo-execute/", 1)[1]  # the other samples are there, too
    number, text = re.search(r" where line (\d+) of the (response|tests): ", own).groups()  # type: ignore[union-attr]
    program = program_of(attempt["response"], attempt["tests"])
    ended = f"{program.code}\n{program.tests}".split("\n")[attempt["line"] - 1].strip()
    assert attempt[text].split("\n")[int(number) - 1].strip() == ended, "where a reader counts to"
    assert f"of the {text}: {words(ended)}" in own
    assert words(stderr) in said
    assert f"sample {attempt['sample']} of 3: execution-failed at select ◀ this row" in said


def test_a_response_that_no_version_kept_comes_from_the_journal(traced: Tracer, store: Path) -> None:
    responses = traced.version("responses")
    rejected = next(iter((store / "demo-responses" / responses.fingerprint / "rejected").iterdir()))
    rows = pq.read_table(rejected)
    gone = rows.slice(0, 1).to_pylist()[0]
    pq.write_table(rows.slice(1), rejected)
    traced.store = store
    said = traced(gone["id"], "--full")
    assert f"sample {gone['sample']} of 3: {gone['reject_reason']} at responses ◀ this row" in said
    assert words(gone["response"]) in said
    (store / "journal.sqlite").unlink()
    other = rows.slice(1, 1).to_pylist()[0]
    said = traced(other["id"], "--full")
    assert "not in this store's journal" in said
    assert words(other["response"]) in said


def test_a_rejected_seed(traced: Tracer) -> None:
    seed = pq.read_table(traced.version("seeds").path / "rejected").slice(30, 1).to_pylist()[0]
    said = traced(seed["id"])
    assert f"✗ {seed['reject_reason']} rejected" in said
    assert "demo-concepts" not in said


def test_a_seed_leads_to_all_that_came_of_it(traced: Tracer) -> None:
    row = traced.version("sft").load()[0]
    said = traced(row["seed_id"][:10])
    assert row["id"] in said
    assert said.count("◀ this row") == 1


def test_prompts_are_those_that_were_sent(traced: Tracer) -> None:
    """A completion is found by a key that its whole prompt goes into."""
    row = traced.version("sft").load()[0]
    said = traced(row["id"], "--full")
    assert "not in this store's journal" not in said
    said = traced(row["id"], "--prompts", "default")
    assert said.count("made with other exemplars than those of 'default'") == 2 + 3
    said = traced(row["id"], "--prompts", "nowhere.txt")
    assert "can't be made again" in said


def test_a_version_on_the_hub(
    published: dict[str, Version], logged_in: LoopbackHub, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tracer = Tracer(tmp_path / "pulled", capsys)
    row = published["sft"].load()[0]
    name = f"alice/demo-sft@v-{published['sft'].fingerprint}"
    said = tracer(row["id"][:14], "--from", name)
    assert words(row["seed"]) in said
    assert words(row["instruction"]) in said
    for stage, version in published.items():
        assert f"demo-{stage}/{version.fingerprint}" in said
    assert "give a version's tag too" in tracer(row["id"], "--from", "alice/demo-sft", code=2)


def test_rows_whose_parents_are_elsewhere(traced: Tracer, store: Path) -> None:
    row = traced.version("sft").load()[0]
    for stage in ("seeds", "concepts", "instructions"):
        shutil.rmtree(store / f"demo-{stage}")
    traced.store = store
    said = traced(row["instruction_id"])
    assert row["id"] in said
    assert words(row["response"].splitlines()[0]) in said


def test_errors_name_the_fix(traced: Tracer, tmp_path: Path) -> None:
    assert "not the beginning of a row's id" in traced("demo-sft", code=2)
    assert "give at least 4 hex digits" in traced("abc", code=2)
    assert "another --store" in traced("0123456789abcdef0123", code=2)
    ids = [row for version in Store(traced.store).versions("demo-execute") for row in version.load()["id"]]
    prefixes = Counter(row[:4] for row in (*ids, *(row_id(row, "select") for row in ids)))
    shared = [prefix for prefix, count in prefixes.items() if count > 1]
    for prefix in shared[:1]:
        assert "give more digits" in traced(prefix, code=2)
    traced.store = tmp_path / "nowhere"
    assert "there is no store" in traced("abcd", code=2)
    traced.store.mkdir()
    assert "there is no version" in traced("abcd", code=2)


def test_a_trace_writes_nothing_to_the_journal(traced: Tracer) -> None:
    size = _calls(traced.store)
    traced(traced.version("sft").load()[0]["id"])
    assert _calls(traced.store) == size


def _calls(store: Path) -> int:
    journal = Journal(store / "journal.sqlite")
    try:
        return int(journal._connection.execute("SELECT count(*) FROM calls").fetchone()[0])
    finally:
        journal.close()
