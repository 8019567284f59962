"""A pilot: hours come from calls that were made, and no later run starts from what it leaves."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from datasets import Dataset, load_dataset

from sca_hf import run, versions
from sca_hf.identity import digest
from sca_hf.pipeline.forecast import forecast
from sca_hf.pipeline.pipeline import Pipeline
from sca_hf.recipe import load_recipe
from sca_hf.store import Store
from tests.code_files import write_code
from tests.engines.loopback_server import MODEL, Loopback

pytestmark = pytest.mark.slow

COUNT = 12


@pytest.fixture
def server() -> Iterator[Loopback]:
    running = Loopback()
    running.says = lambda prompt, seed: f"sums of {digest(prompt, seed)[:6]}\n\n"
    yield running
    running.close()


@pytest.fixture
def called(server: Loopback, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    changes = [f"seeds.source={write_code(tmp_path / 'code', COUNT)}", f"engine={{kind: openai, urls: [{server.url}]}}"]
    arguments = ["--recipe", "demo", "--model", MODEL, "--to", "concepts", "--store", str(tmp_path / "store")]

    def call(*more: str, code: int = 0) -> str:
        given = [part for change in changes for part in ("--set", change)]
        assert run.main([*arguments, *given, *more]) == code
        said = capsys.readouterr()
        return said.out + said.err

    return call


def _time(said: str) -> str:
    line = next(line for line in said.partition("Forecast")[2].splitlines() if line.startswith("concepts "))
    time = re.search(r"(unknown|[\d.]+ (?:s|min|h))$", line.strip())
    assert time is not None
    return time[1]


def test_hours_come_from_calls_that_were_made(called: Callable[..., str], server: Loopback, tmp_path: Path) -> None:
    called("--limit", "4")
    made = sum(server.asked.values())
    said = called("--dry-run", "--pilot", "3", "--set", "run.batch_size=7")
    assert sum(server.asked.values()) - made < 3, "the journal had some of the pilot's calls"
    called("--to", "concepts")
    asked = sum(server.asked.values())
    said = called("--dry-run", "--pilot", "5")
    assert sum(server.asked.values()) == asked, "the journal had all of them"
    assert _time(said) == "unknown"
    assert "time unknown for concepts: the journal had all calls of the pilot" in said
    assert "the same command with --anew" in said
    before = sorted((tmp_path / "store").rglob("*"))
    said = called("--dry-run", "--pilot", "5", "--anew")
    assert sum(server.asked.values()) == asked + 5
    assert re.fullmatch(r"[\d.]+ (s|min)", _time(said)), "a pilot of five rows takes less than an hour"
    assert re.search(r"on 8 engines: [\d.]+ (s|min) for the model's stages alone, at [\d,]+ tokens/s", said)
    assert sorted((tmp_path / "store").rglob("*")) == before, "it keeps nothing"


@pytest.mark.parametrize(("earlier", "factor"), [(0, 1.0), (60, 2.0), (108, 10.0)])
def test_replayed_calls_take_no_time(
    called: Callable[..., str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, earlier: int, factor: float
) -> None:
    called()
    recipe = load_recipe("demo", [f"seeds.source={tmp_path / 'code'}", f"model={MODEL}"])
    store = Store(tmp_path / "store")
    pipeline = Pipeline(recipe, store, last="seeds")
    monkeypatch.setattr(Pipeline, "_make", lambda *_: pytest.fail("it is there"))
    (seeds,) = pipeline.run()
    version = store.latest("demo-concepts")
    assert version is not None
    calls = {"made": 120 - earlier, "reused": earlier, "earlier": earlier}
    timings = {"seconds": 3_610.0, "starting": 10.0, "calls": calls}
    monkeypatch.setattr(type(version), "timings", timings)
    stage = recipe.chain[recipe.place("concepts")]
    (predicted,) = forecast(recipe, [seeds, type(seeds)(stage, version, cached=False)], pipeline.plan(), None)
    assert predicted.hours is not None
    assert predicted.hours.middle == pytest.approx(factor + 10 / 3600)
    assert predicted.loading == pytest.approx(10 / 3600)


@pytest.mark.jail
def test_as_many_programs_as_the_pilot_ran(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code = "def add(a, b):\n    return a + b"
    rows = [{"instruction": "Add.", "response": code, "tests": "assert add(1, 2) == 3", "note": n} for n in range(8)]
    Dataset.from_list(rows).to_json(tmp_path / "rows.jsonl")
    where = ["--store", str(tmp_path / "store"), "--input", str(tmp_path / "rows.jsonl")]
    assert (
        run.main(["--recipe", "demo", *where, "--from", "execute", "--to", "mutants", "--dry-run", "--pilot", "2"]) == 0
    )
    said = capsys.readouterr().out
    (pilot,) = Store(tmp_path / "store").versions("demo-mutants")
    ran = pilot.timings["programs"]["made"] + pilot.timings["programs"]["reused"]
    assert 2 * 2 <= ran < 2 * load_recipe("demo")["mutants"].runs
    (line,) = (line for line in said.partition("Forecast")[2].splitlines() if line.startswith("mutants "))
    assert line.split()[:3] == ["mutants", "8", str(4 * ran)]


def test_no_run_starts_from_a_pilot(
    called: Callable[..., str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store = tmp_path / "store"
    called("--dry-run")
    assert not store.exists(), "a dry run writes nothing"
    called("--dry-run", "--pilot", "3")
    assert [version.counts.kept for version in Store(store).versions("demo-seeds")] == [3]
    assert Store(store).latest("demo-seeds") is None
    assert "no version of demo-seeds" in called("--from", "concepts", code=2)
    with pytest.raises(Exception, match=r"No .* data files found"):
        load_dataset(str(store / "demo-seeds"))

    called()
    full = Store(store).latest("demo-seeds")
    assert full is not None
    assert full.counts.kept == COUNT
    called("--dry-run", "--pilot", "4")
    assert Store(store).latest("demo-seeds") == full
    assert load_dataset(str(store / "demo-seeds"), split="train").num_rows == COUNT

    def listed(*more: str) -> list[str]:
        assert versions.main(["list", "demo-seeds", *more, "--store", str(store)]) == 0
        said = capsys.readouterr().out
        assert max(map(len, said.splitlines())) <= 80
        return said.splitlines()

    names = [line for line in listed() if line.startswith("demo-seeds/")]
    assert [line.split()[:2] for line in names] == [[f"demo-seeds/{full.fingerprint}", "*"]]
    assert "2 more of pilots alone: list --pilots" in listed()
    assert sorted(line.split()[1] for line in listed("--pilots") if line.startswith("demo-seeds/")) == ["*", "p", "p"]

    called("--limit", "3")
    limited = Store(store).latest("demo-seeds")
    assert limited is not None
    assert limited.counts.kept == 3, "what a pilot made is used by a run that makes the same"
    assert "1 more of pilots alone: list --pilots" in listed()


def test_anew_is_for_pilots(called: Callable[..., str]) -> None:
    assert "--anew goes with --pilot N" in called("--dry-run", "--anew", code=2)
