"""A second round: other seeds than the first, and no task that the model has mastered."""

from pathlib import Path
from typing import Any

import pytest
from datasets import Dataset

from sca_hf.errors import InputError
from sca_hf.pipeline.pipeline import Pipeline
from sca_hf.recipe import load_recipe
from sca_hf.stage import REJECT_REASON
from sca_hf.stages.context import Context
from sca_hf.stages.unmastered import UnmasteredSettings, unmastered
from sca_hf.stages.unused import STAGE, UnusedSettings, unused
from sca_hf.store import Store


@pytest.mark.parametrize(
    ("settings", "mastered"),
    [({}, "a"), ({"max_pass_rate": 0.5}, "ab"), ({"max_pass_rate": 1.0}, ""), ({"min_attempts": 1}, "ae")],
)
def test_what_nearly_every_attempt_solves_goes(settings: dict[str, Any], mastered: str) -> None:
    statuses = {"a": "pppp", "b": "pppf", "c": "fftt", "d": "pfff", "e": "p"}
    rows = [
        {"id": f"{name}{n}", "instruction_id": name, "status": {"p": "passed", "f": "failed", "t": "timeout"}[letter]}
        for name, letters in statuses.items()
        for n, letter in enumerate(letters)
    ]
    made = unmastered(Dataset.from_list(rows), UnmasteredSettings(**settings), Context()).to_list()
    assert len(made) == len(rows)
    assert {row["instruction_id"] for row in made if row[REJECT_REASON] == "mastered"} == set(mastered)
    assert {row["instruction_id"] for row in made if row[REJECT_REASON] is None} == set(statuses) - set(mastered)


def sources(folder: Path, *names: str) -> Path:
    folder.mkdir()
    for name in names:
        (folder / f"{name}.py").write_text(f'def {name}(x):\n    """Return x, {name}."""\n    return x\n')
    return folder


def test_seeds_of_a_first_round_go(tmp_path: Path) -> None:
    first = load_recipe("demo", [f"seeds.source={sources(tmp_path / 'a', 'one', 'two')}"])
    (made,) = Pipeline(first, Store(tmp_path / "store"), last="seeds").run()
    both = sources(tmp_path / "b", "one", "two", "three")
    offline = ["model=demo", "seeds.decontaminate=null", "select.decontaminate=null", "seeds.data_dir=null"]
    offline += ["seeds.near_duplicates=null", "seeds.type_check=null"]

    def second(earlier: str) -> Any:
        changes = [*offline, f"seeds.source={both}", f"unused.earlier=[{earlier}]"]
        return load_recipe("second-round", changes)

    outcome = Pipeline(second(str(made.version.path)), Store(tmp_path / "store"), last="unused").run()[-1]
    assert outcome.version.load()["name"][:] == ["three"]
    assert dict(outcome.version.counts.rejected) == {"used-before": 2}
    file = tmp_path / "seeds.jsonl"
    made.version.load().select_columns(["seed"]).to_json(str(file))
    again = Pipeline(second(str(file)), Store(tmp_path / "store"), last="unused").run()[-1]
    assert again.version.load().to_list() == outcome.version.load().to_list()
    assert str(tmp_path) not in (again.version.path / "README.md").read_text()
    with pytest.raises(InputError, match="does not exist"):
        Pipeline(second(str(tmp_path / "nothing")), Store(tmp_path / "store"))


def test_what_counts_is_the_content_of_the_earlier_seeds(tmp_path: Path) -> None:
    one, other = tmp_path / "one.jsonl", tmp_path / "other.jsonl"
    one.write_text('{"seed": "def f(): ..."}\n')
    other.write_text('{"seed": "def f(): ..."}\n')
    assert UnusedSettings(earlier=(str(one),)).intent() == UnusedSettings(earlier=(str(other),)).intent()
    other.write_text('{"seed": "def g(): ..."}\n')
    assert UnusedSettings(earlier=(str(one),)).intent() != UnusedSettings(earlier=(str(other),)).intent()
    rows = Dataset.from_list([{"id": "1", "seed": "def f(): ..."}, {"id": "2", "seed": "def g(): ..."}])
    made = unused(rows, UnusedSettings(earlier=(str(one), str(other))), Context())
    assert made[REJECT_REASON][:] == ["used-before"] * 2
    assert unused(rows, UnusedSettings(), Context())[REJECT_REASON][:] == [None] * 2
    assert set(made.column_names) == set(STAGE.uses) | {REJECT_REASON}
