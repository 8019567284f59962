"""A stage of one's own: a function, a declaration and a recipe, and nothing of `sca_hf` is touched.

CONTRIBUTING.md ("Add a stage") shows this file.
"""

import re
from pathlib import Path

import pytest
from datasets import Dataset, Value, load_dataset
from pydantic import Field

from sca_hf import run
from sca_hf.errors import RecipeError
from sca_hf.recipe import load_recipe
from sca_hf.settings import Settings
from sca_hf.stage import REJECT_REASON, Column, Stage
from sca_hf.stages.context import Context, Row
from sca_hf.store import Store
from tests.test_run import answered


class BrevitySettings(Settings):
    """`max_lines`: lines of an answer, at most."""

    max_lines: int = Field(default=6, ge=1)


def brevity(attempts: Dataset, settings: BrevitySettings, context: Context) -> Dataset:
    """Return all attempts, with `response_lines`. Reason: `too-many-lines`."""

    def judged(batch: Row) -> Row:
        lines = [len(response.splitlines()) for response in batch["response"]]
        reasons = ["too-many-lines" if count > settings.max_lines else None for count in lines]
        return {"response_lines": lines, REJECT_REASON: reasons}

    return context.map_batches(BREVITY, attempts, judged)


BREVITY = Stage(
    name="brevity",
    version=1,
    title="Long answers go.",
    uses=("response",),
    adds=(Column("response_lines", Value("int32"), "lines of the answer"),),
    settings=BrevitySettings,
    run=brevity,
    card="Answers that were **counted line by line**, and long ones left out.",
)

RECIPE = """
extends: demo
name: brief
stages: [seeds, concepts, instructions, responses, execute, "tests.test_own_stage:BREVITY", select, sft]
brevity:
  max_lines: 7
"""


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    file = tmp_path / "brief.yaml"
    file.write_text(RECIPE)
    return file


@pytest.mark.jail
def test_a_stage_between_two_bundled_ones(tmp_path: Path, recipe: Path, capsys: pytest.CaptureFixture[str]) -> None:
    store = tmp_path / "store"
    answered(store, [f"assert double({number}) == {2 * number}" for number in range(3)], "brief-responses")
    assert run.main(["--recipe", str(recipe), "--store", str(store), "--from", "execute"]) == 0
    versions = {version.dataset: version for version in Store(store).versions()}
    rows = load_dataset(str(versions["brief-sft"].path), split="train", cache_dir=str(tmp_path / "cache"))
    assert rows["response_lines"][:] == [6, 6, 6]
    funnel = {step.stage: step for step in versions["brief-sft"].lineage.funnel}
    assert list(funnel) == ["responses", "execute", "brevity", "select", "sft"]
    assert (funnel["brevity"].judged, funnel["brevity"].kept) == (3, 3)
    own, last = ((versions[f"brief-{name}"].path / "README.md").read_text() for name in ("brevity", "sft"))
    assert "Answers that were **counted line by line**" in own
    for card in (own, last):
        assert "| `response_lines` | `int32` | lines of the answer |" in card
    capsys.readouterr()
    arguments = ["--recipe", str(recipe), "--store", str(store), "--from", "execute", "--dry-run"]
    assert run.main([*arguments, "--set", "brevity.max_lines=5"]) == 0
    states = re.findall(r"^(\w+) +(cached|to run) ", capsys.readouterr().out, re.MULTILINE)
    assert states == [("execute", "cached"), ("brevity", "to run"), ("select", "to run"), ("sft", "to run")]


def test_it_runs_on_just_the_columns_that_it_uses() -> None:
    rows = Dataset.from_dict({"response": ["one line", "1\n2\n3"]})
    judged = brevity(rows, BrevitySettings(max_lines=2), Context())
    assert judged.to_list() == [
        {"response": "one line", "response_lines": 1, REJECT_REASON: None},
        {"response": "1\n2\n3", "response_lines": 3, REJECT_REASON: "too-many-lines"},
    ]


@pytest.mark.parametrize(
    ("stages", "message"),
    [
        (
            "[seeds, 'tests.test_own_stage:BREVITY']",
            "'brevity' needs column 'response' (made by stage responses, chat_responses)",
        ),
        ("[seeds, responses]", "'responses' needs column 'instruction' (made by stage instructions, oss_instruct)"),
        (
            "[concepts, seeds]",
            "stage 'concepts' needs column 'id', 'seed' (made by stage seeds, excerpts); there is no column",
        ),
        ("[seeds, concepts, concepts]", "none of them twice"),
        ("[seeds, concept]", "there is no stage 'concept'; give one of seeds, excerpts"),
        ("['nowhere:STAGE']", "'nowhere:STAGE' can't be imported"),
        ("['tests.test_own_stage:RECIPE']", "is a str; give a Stage"),
        ("seeds", "give a list of names"),
        ("[]", "list of text, not empty"),
    ],
)
def test_stages_that_dont_fit_are_told(stages: str, message: str) -> None:
    with pytest.raises(RecipeError) as caught:
        load_recipe("demo", [f"stages={stages}"])
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
