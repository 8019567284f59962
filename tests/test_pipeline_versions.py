"""What changes a stage's fingerprint; runs that are published, pulled instead of computed, and gone on from."""

import json
import shutil
import sqlite3
from collections.abc import Iterator
from dataclasses import replace
from importlib.resources import files
from pathlib import Path
from typing import Any

import datasets
import pytest
from datasets import Dataset

from sca_hf import plan, run, versions
from sca_hf.engines.model import DEMO_MODEL
from sca_hf.identity import row_id
from sca_hf.pipeline import Pipeline
from sca_hf.plan import NAMES, STAGES, Intents, StageInput, stages_of
from sca_hf.recipe import Recipe, load_recipe
from sca_hf.stage import REJECT_REASON, Stage, judge
from sca_hf.store import Build, Store, Version
from sca_hf.store.hub import Hub
from tests.store.conftest import loopback
from tests.store.loopback_hub import LoopbackHub

__all__ = ["loopback"]

FEW_SHOT = DEMO_MODEL.parent / "few_shot.txt"
JUDGE = Path(str(files("sca_hf"))) / "prompts" / "judge.txt"
FUNCTION = '''
def add_{0}(a, b):
    """Add two numbers and {0}."""
    return a + b + {0}
'''
RESPONSE = "Here it is.\n\n```python\ndef add_{0}(a, b):\n    return a + b + {0}\n```"
TESTS = "```python\nassert add_{0}(1, 2) == 3 + {0}\n```"
PARENT_ID = {
    "concepts": "seed_id",
    "instructions": "concepts_id",
    "responses": "instruction_id",
    "execute": "response_id",
}


@pytest.fixture(scope="module", autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(datasets.config, "HF_DATASETS_CACHE", str(tmp_path_factory.mktemp("datasets-cache")))
        yield


@pytest.fixture
def logged_in(loopback: LoopbackHub, monkeypatch: pytest.MonkeyPatch) -> LoopbackHub:
    """The loopback Hub as the environment's."""
    template = loopback.url + "/{repo_id}/resolve/{revision}/{filename}"
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", loopback.url)
    monkeypatch.setattr("huggingface_hub.constants.HUGGINGFACE_CO_URL_TEMPLATE", template)
    monkeypatch.setattr("datasets.config.HF_ENDPOINT", loopback.url)
    monkeypatch.setenv("HF_TOKEN", "alice-write")
    return loopback


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a source, a model that is never loaded, and a store with a finished run."""
    folder = tmp_path_factory.mktemp("finished")
    finish(recipe_of(arguments_in(folder)), Store(folder / "store"))
    return folder


@pytest.fixture
def arguments(finished: Path) -> list[str]:
    """The command line of the finished run."""
    return command_line(finished)


def arguments_in(folder: Path) -> list[str]:
    (folder / "model").mkdir(parents=True)
    (folder / "model" / "config.json").write_text("{}")
    (folder / "code").mkdir()
    for number in range(12):
        (folder / "code" / f"{number:02}.py").write_text(FUNCTION.format(number))
    return command_line(folder)


def command_line(folder: Path) -> list[str]:
    changes = (f"seeds.source={folder / 'code'}", "select.decontaminate=null", "seeds.decontaminate=null")
    rules = ("seeds.near_duplicates=null", "seeds.type_check=null", "select.near_duplicates=null")
    settings = [part for change in (*changes, *rules, "judge={shots: 4}") for part in ("--set", change)]
    return ["--recipe", "demo", "--model", str(folder / "model"), *settings]


def recipe_of(arguments: list[str]) -> Recipe:
    model = arguments[arguments.index("--model") + 1]
    return load_recipe("demo", [f"model={model}", *arguments[arguments.index("--set") + 1 :: 2]])


def finish(recipe: Recipe, store: Store) -> dict[str, Version]:
    """All stages in a store: what needs a model or a jail is written here, the rest is run."""
    for stage in STAGES:
        if stage.needs is None:
            Pipeline(recipe, store, last=stage.name).run(lambda stage, version: None)
        else:
            step = next(step for step in Pipeline(recipe, store).plan() if step.stage is stage)
            parent = store.latest(f"demo-{NAMES[NAMES.index(stage.name) - 1]}")
            assert step.fingerprint is not None
            assert parent is not None
            store.write(step.dataset, step.fingerprint, _scripted(stage, parent, step.fingerprint))
    return {version.dataset.removeprefix("demo-"): version for version in store.versions()}


def _scripted(stage: Stage, parent: Version, fingerprint: str) -> Build:
    rows = [_scripted_row(stage, row, number) for number, row in enumerate(parent.load())]
    judged = judge(stage, len(rows), Dataset.from_list(rows, features=stage.features))
    parents = [
        {"dataset": parent.dataset, "fingerprint": parent.fingerprint, "manifest_sha": parent.manifest_sha},
    ]
    lineage = {"stage": stage.name, "stage_version": stage.version, "parents": parents, "tokens": _TOKENS}
    return Build(stage, judged, lineage, {"seconds": 0.0})


_TOKENS = {"prompt": 0, "completion": 0}


def _scripted_row(stage: Stage, parent: dict[str, Any], number: int) -> dict[str, Any]:
    if stage.name == "judge":
        return parent | {"verdict": "Yes", REJECT_REASON: None}
    made = {
        "id": row_id(parent["id"], stage.name),
        PARENT_ID[stage.name]: parent["id"],
        "concepts": ["addition"],
        "category": "function implementation",
        "language": "Python",
        "difficulty": "easy",
        "instruction": f"Add two numbers and {number}.",
        "sample": 0,
        "response": RESPONSE.format(number),
        "tests": TESTS.format(number),
        "status": "passed",
        "assertions": 1,
        "flags": [],
        REJECT_REASON: None,
    }
    row = parent | made
    return {name: row.get(name) for name in stage.features}


def calls_made(store: Path) -> int:
    with sqlite3.connect(store / "journal.sqlite") as journal:
        tables = [name for (name,) in journal.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        return sum(journal.execute(f'SELECT count(*) FROM "{table}"').fetchone()[0] for table in tables)


def test_a_second_user_pulls_a_finished_run_without_a_call(
    logged_in: LoopbackHub,
    finished: Path,
    arguments: list[str],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    shutil.copytree(finished / "store", tmp_path / "first", symlinks=True)
    first = {version.dataset: version for version in Store(tmp_path / "first").versions()}
    assert run.main([*arguments, "--store", str(tmp_path / "first"), "--hub", "alice/demo"]) == 0
    assert set(logged_in.repos) == {f"alice/demo-{name}" for name in NAMES}
    assert "alice/demo-sft@v-" in capsys.readouterr().out
    elsewhere = [*arguments_in(tmp_path / "elsewhere"), "--store", str(tmp_path / "second"), "--hub", "alice/demo"]
    assert run.main([*elsewhere, "--dry-run"]) == 0
    assert capsys.readouterr().out.count("on the Hub") == len(NAMES)
    assert Store(tmp_path / "second").versions() == []
    logged_in.forget_requests()
    assert run.main(elsewhere) == 0
    second = {version.dataset: version for version in Store(tmp_path / "second").versions()}
    assert sorted(second) == sorted(f"demo-{name}" for name in NAMES)
    for dataset, version in second.items():
        assert _files(version.path) == _files(first[dataset].path)
    assert calls_made(tmp_path / "second") == 0
    assert all(asked.method in {"GET", "HEAD"} for asked in logged_in.requests), "nothing is pushed again"


def test_the_same_recipe_gives_the_same_bytes_in_two_stores(finished: Path, tmp_path: Path) -> None:
    arguments = [*arguments_in(tmp_path / "deep" / "other"), "--set", "run.batch_size=3", "--set", "run.workers=1"]
    other = finish(recipe_of(arguments), Store(tmp_path / "store"))
    one = {version.dataset.removeprefix("demo-"): version for version in Store(finished / "store").versions()}
    for name in NAMES:
        assert one[name].fingerprint == other[name].fingerprint
        left, right = (_files(version.path, without="timings.json") for version in (one[name], other[name]))
        assert left == right
        assert not [path for path, content in left.items() if str(finished).encode() in content]


CHANGES = {
    "seed=1": "seeds",
    "judge.shots=3": "judge",
    "judge.max_tokens=4": "judge",
    "seeds.max_lines=30": "seeds",
    "seeds.count=5": "seeds",
    "engine.dtype=float32": "judge",
    "engine.max_prompt_tokens=500": "judge",
    "concepts.max_tokens=47": "concepts",
    "instructions.temperature=0.5": "instructions",
    "responses.samples=3": "responses",
    "execute.cpu_seconds=1.0": "execute",
    "select.max_instruction_words=100": "select",
    "sft.tests_probability=0.1": "sft",
    "about=something else": None,
    "run.batch_size=7": None,
    "run.concurrency=3": None,
    "run.workers=1": None,
    "run.jails=1": None,
    "engine.max_num_seqs=8": None,
}


@pytest.mark.parametrize(("change", "first"), CHANGES.items())
def test_a_changed_setting_is_of_this_stage_and_all_after_it(
    finished: Path, arguments: list[str], change: str, first: str | None
) -> None:
    _check_to_run(finished / "store", recipe_of([*arguments, "--set", change]), first)


@pytest.mark.parametrize("name", NAMES)
def test_another_version_of_a_stage_is_of_this_stage_and_all_after_it(
    finished: Path, arguments: list[str], name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    stages = tuple(replace(stage, version=99) if stage.name == name else stage for stage in STAGES)
    monkeypatch.setattr(plan, "STAGES", stages)
    _check_to_run(finished / "store", recipe_of(arguments), name)


@pytest.mark.parametrize(
    ("path", "old", "new", "first"),
    [
        ("model/config.json", "{}", '{"revision": 2}', "judge"),
        ("code/03.py", "numbers", "figures", "seeds"),
        ("few_shot.txt", "Name the programming concepts", "List the concepts", "concepts"),
        ("few_shot.txt", "Write one independent Python task", "Invent a task", "instructions"),
        ("few_shot.txt", "Answer the instruction", "Follow the instruction", "responses"),
        ("judge.txt", "neighbours in a sorted list", "neighbours in a list", "judge"),
        ("judge.txt", "Return the distinct words", "Return the words", None),  # of an exemplar that 4 shots don't show
        ("few_shot.txt", "", "", None),
    ],
)
def test_another_content_of_what_a_stage_reads(
    finished: Path, tmp_path: Path, path: str, old: str, new: str, first: str | None
) -> None:
    arguments = arguments_in(tmp_path / "elsewhere")
    changed = tmp_path / "elsewhere" / path
    for source in (FEW_SHOT, JUDGE):
        (tmp_path / "elsewhere" / source.name).write_text(source.read_text())
    assert old in changed.read_text()
    changed.write_text(changed.read_text().replace(old, new) if old else changed.read_text())
    prompts = [
        f"prompts={tmp_path / 'elsewhere' / 'few_shot.txt'}",
        f"judge.prompts={tmp_path / 'elsewhere' / 'judge.txt'}",
    ]
    recipe = recipe_of([*arguments, *(part for change in prompts for part in ("--set", change))])
    _check_to_run(finished / "store", recipe, first)


def test_a_judge_is_part_of_no_other_stages_intent(arguments: list[str]) -> None:
    judged, plain = recipe_of(arguments), recipe_of([*arguments, "--set", "judge=null"])
    given = StageInput(lambda: Dataset.from_list([]), "0" * 64, 0, ())
    assert [stage.name for stage in stages_of(plain)] == [name for name in NAMES if name != "judge"]
    for stage in stages_of(plain):
        assert Intents(judged).of(stage, given) == Intents(plain).of(stage, given)


def _check_to_run(store: Path, recipe: Recipe, first: str | None) -> None:
    """Whether just the stage `first` and all after it are to run."""
    planned = Pipeline(recipe, Store(store)).plan()
    to_run = [step.stage.name for step in planned if step.cached is None]
    assert to_run == list(NAMES[NAMES.index(first) :] if first else ())


@pytest.fixture
def published(logged_in: LoopbackHub, finished: Path, tmp_path: Path) -> dict[str, Version]:
    """The finished run in a store of its own, and on the Hub as alice/demo."""
    shutil.copytree(finished / "store", tmp_path / "first", symlinks=True)
    versions = {version.dataset.removeprefix("demo-"): version for version in Store(tmp_path / "first").versions()}
    for version in versions.values():
        Hub("alice/demo").push(version)
    return versions


def test_going_on_from_a_version_of_the_hub(
    published: dict[str, Version], arguments: list[str], tmp_path: Path
) -> None:
    pinned = f"alice/demo@v-{published['execute'].fingerprint}"
    start = [*arguments, "--store", str(tmp_path / "second"), "--from", "select", "--hub", pinned]
    assert run.main([*start, "--dry-run"]) == 0
    assert run.main(start) == 0
    made = {version.dataset: version for version in Store(tmp_path / "second").versions()}
    assert sorted(made) == ["demo-execute", "demo-select", "demo-sft"]
    for name in ("execute", "select", "sft"):
        assert made[f"demo-{name}"].manifest_sha == published[name].manifest_sha


def test_what_can_not_be_started_from(
    published: dict[str, Version], arguments: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for wrong, message in (
        (["--hub", "alice/demo@v-1"], "goes with --from STAGE"),
        (["--hub", "alice/demo@v-1", "--from", "select"], "no such revision"),
        (["--hub", "bob/demo@main", "--from", "select"], "no such dataset repository"),
        (["--hub", "al ice/demo"], "no name that the Hub allows"),
        (["--from", "sft", "--input", "alice/none"], "no such dataset repository"),
        (["--from", "sft", "--input", "nowhere.parquet"], "give a folder, a file"),
    ):
        assert run.main([*arguments, "--store", str(tmp_path / "second"), *wrong]) == 2
        assert message in capsys.readouterr().err


def test_nothing_is_computed_that_could_not_be_pushed(
    logged_in: LoopbackHub,
    arguments: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("HF_TOKEN", "alice-read")
    assert run.main([*arguments, "--store", str(tmp_path / "first"), "--hub", "alice/demo"]) == 2
    assert "the token only reads" in capsys.readouterr().err
    assert Store(tmp_path / "first").versions() == []


def test_the_layout_of_the_reference_is_read(arguments: list[str], tmp_path: Path) -> None:
    rows = [
        {
            "fingerprint": None,
            "sha1": f"{number:040x}",
            "seed": FUNCTION.format(number),
            "response": RESPONSE.format(number),
            "concepts": ["addition"],
            "prompt": "…",
            "instruction": f"Add two numbers and {number}.",
            "id": number,
        }
        for number in range(9)
    ]
    Dataset.from_list(rows).to_parquet(tmp_path / "reference.parquet")
    start = [*arguments, "--store", str(tmp_path / "store"), "--from", "sft"]
    assert run.main([*start, "--input", str(tmp_path / "reference.parquet")]) == 0
    (made,) = Store(tmp_path / "store").versions()
    assert made.load()["instruction"][:] == [row["instruction"] for row in rows]
    assert made.load()["messages"][0][1] == {"role": "assistant", "content": RESPONSE.format(0)}
    assert len(set(made.load()["seed_id"])) == 9
    assert "--input reference.parquet" in made.lineage["command"]
    with (tmp_path / "other.jsonl").open("w") as file:  # the same rows in another file are the same input
        file.writelines(json.dumps(row) + "\n" for row in rows)
    assert run.main([*start, "--input", str(tmp_path / "other.jsonl")]) == 0
    assert len(Store(tmp_path / "store").versions()) == 1


def test_an_input_on_the_hub(published: dict[str, Version], arguments: list[str], tmp_path: Path) -> None:
    start = [*arguments, "--store", str(tmp_path / "second"), "--from", "select"]
    assert run.main([*start, "--input", f"alice/demo-execute@v-{published['execute'].fingerprint}"]) == 0
    made = {version.dataset: version for version in Store(tmp_path / "second").versions()}
    assert made["demo-select"].manifest_sha == published["select"].manifest_sha
    assert "alice/demo-execute@" in made["demo-select"].lineage["input"]


def test_an_input_without_the_columns_names_them(
    arguments: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Dataset.from_list([{"instruction": "Add."}]).to_parquet(tmp_path / "rows.parquet")
    start = [*arguments, "--store", str(tmp_path / "store"), "--input", str(tmp_path / "rows.parquet")]
    assert run.main([*start, "--from", "execute"]) == 2
    assert "stage 'execute' needs column 'response', 'tests'" in capsys.readouterr().err


def test_the_versions_command(
    published: dict[str, Version], arguments: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store = ["--store", str(tmp_path / "first")]
    changed = [*arguments, "--set", "sft.tests_probability=0.0", *store]
    assert run.main([*changed, "--from", "sft"]) == 0
    old, new = published["sft"], Store(tmp_path / "first").latest("demo-sft")
    assert new is not None
    capsys.readouterr()

    def printed(*command: str, code: int = 0) -> str:
        assert versions.main([*command, *store]) == code
        captured = capsys.readouterr()
        return captured.out + captured.err

    assert printed("list").count("demo-sft/") == 2
    shown = printed("show", "demo-sft")
    assert new.fingerprint in shown
    for name in NAMES[:-1]:
        assert f"demo-{name}/{published[name].fingerprint}" in shown
    differing = printed("diff", f"demo-sft/{old.fingerprint[:9]}", "demo-sft")
    assert "tests_probability" in differing
    assert "rows gone: 0" in differing
    assert "rows changed: 0" not in differing
    assert printed("verify", "demo-select", "demo-seeds").count("ok") == 2
    assert "was made from it; remove that first" in printed("rm", "demo-select", code=2)
    assert "demo-sft/" in printed("push", "demo-sft", "--hub", "alice/other")
    assert "no version 'demo-nothing'" in printed("show", "demo-nothing", code=2)
    assert "removed" in printed("rm", "demo-sft", f"demo-sft/{old.fingerprint}")
    assert printed("list").count("demo-sft/") == 0
    pulled = printed("pull", f"alice/demo-sft@{old.fingerprint}")
    assert f"{old.counts.kept} rows" in pulled
    (shard,) = (published["seeds"].path / "data").iterdir()
    shard.write_bytes(b"PAR1")
    assert "was changed" in printed("verify", "demo-seeds", code=2)


def _files(root: Path, without: str = "") -> dict[str, bytes]:
    return {
        path.relative_to(root).as_posix(): path.read_bytes()
        for path in root.rglob("*")
        if path.is_file() and path.name != without
    }
