"""Random excerpts: what is cut out, what is not, and that nothing but file and seed decides on it."""

import json
from pathlib import Path
from typing import Any

import pytest
from datasets import Dataset
from pydantic import ValidationError

from sca_hf.corpus.columns import FEATURES
from sca_hf.corpus.sources import MAX_FILE_BYTES
from sca_hf.filters.decontaminate import DecontaminateSettings
from sca_hf.pipeline.pipeline import Pipeline
from sca_hf.recipe import load_recipe
from sca_hf.stage import REJECT_REASON
from sca_hf.stages.context import Context
from sca_hf.stages.excerpts import ExcerptSettings, excerpts
from sca_hf.store import Store

LINES = [f"value_number_{number} = compute_something({number})" for number in range(40)]
FILE = "\n".join(LINES) + "\n"


def cut(*contents: bytes | str | None, seed: int = 1, **settings: Any) -> list[dict[str, Any]]:
    rows = [content.encode() if isinstance(content, str) else content for content in contents]
    names = [f"{number}.py" for number in range(len(rows))]
    files = Dataset.from_dict({"path": names, "content": rows, "license": ["MIT"] * len(rows)}, features=FEATURES)
    cut_out: list[dict[str, Any]] = excerpts(files, ExcerptSettings(**settings), Context(seed)).to_list()
    return cut_out


def test_an_excerpt_is_consecutive_lines_of_its_file() -> None:
    rows = cut(FILE, per_file=200)
    sizes = set()
    for row in rows:
        taken = row["seed"].split("\n")
        begin = row["first_line"] - 1
        assert taken == LINES[begin : begin + len(taken)]
        sizes.add(len(taken))
    assert sizes == set(range(1, 16))
    assert {row["path"] for row in rows} == {"0.py"}


def test_only_file_and_seed_decide() -> None:
    both = cut(FILE, FILE.replace("value", "other"), per_file=3)
    assert both == cut(FILE, FILE.replace("value", "other"), per_file=3)
    assert both[:3] == cut(FILE, per_file=3)
    assert both != cut(FILE, FILE.replace("value", "other"), per_file=3, seed=2)


@pytest.mark.parametrize(
    ("content", "settings", "reason"),
    [
        (None, {}, "unreadable-file"),
        (b"#" * (MAX_FILE_BYTES + 1), {}, "oversized-file"),
        (b"x = '\xff\0'", {}, "undecodable-file"),
        (b"", {}, "no-lines"),
        (b"\n\n  \n", {}, "no-lines"),
        (FILE, {"min_lines": 41, "max_lines": 50}, "no-lines"),
        (b"}\n)\n]\n", {}, "too-little"),
        (FILE, {"licenses": ("Apache-2.0",)}, "license"),
        (FILE, {"licenses": ("MIT",)}, None),
    ],
)
def test_each_reason(content: bytes | str | None, settings: dict[str, Any], reason: str | None) -> None:
    (row,) = cut(content, **settings)
    assert row[REJECT_REASON] == reason
    assert row["path"] == "0.py"


def test_equal_excerpts_count_once_and_a_count_is_drawn() -> None:
    short = "only_one_line = of_this_file()\n"
    assert [row[REJECT_REASON] for row in cut(short, short)] == [None, "duplicate"]
    rows = cut(*(FILE.replace("value", f"v{number}") for number in range(9)), count=4)
    assert [row[REJECT_REASON] for row in rows].count(None) == 4
    assert [row[REJECT_REASON] for row in rows].count("not-sampled") == 5


def test_a_benchmarks_text_is_rejected(tmp_path: Path) -> None:
    held = "def number_of_things(values):\n    return sum(value > 17 for value in values)"
    file = tmp_path / "own.jsonl"
    file.write_text(json.dumps({"task_id": "own/1", "prompt": held}) + "\n")
    settings = DecontaminateSettings(files={"own": str(file)}, min_words=1)
    (row,) = cut(held, decontaminate=settings, min_lines=2, max_lines=2)
    assert row[REJECT_REASON] == "contaminated-own"
    assert "own/1" in row["benchmark_row"]


def test_no_row_shows_a_secret() -> None:
    secret = "ghp_" + "aB3dE6gH9jK2mN5pQ8sT1vW4yZ7bC0fG3hJ6"
    (row,) = cut(f'connect_to_the_service(token="{secret}")')
    assert (row[REJECT_REASON], row["secret_kind"]) == ("secret", "GitHub Token")
    assert secret not in str(row)


def test_bounds_that_dont_fit_are_told() -> None:
    with pytest.raises(ValidationError, match=r"min_lines 16 is above max_lines 15"):
        ExcerptSettings(min_lines=16)


def test_a_run_of_excerpts(tmp_path: Path) -> None:
    sources = tmp_path / "sources"
    sources.mkdir()
    for number in range(5):
        (sources / f"{number}.py").write_text(FILE.replace("value", f"v{number}"))
    offline = ["excerpts.decontaminate=null", "select.decontaminate=null", "model=demo", "excerpts.data_dir=null"]
    recipe = load_recipe("oss-instruct", [f"excerpts.source={sources}", *offline])
    (outcome,) = Pipeline(recipe, Store(tmp_path / "store"), last="excerpts", limit=3).run()
    counts = outcome.version.counts
    assert (counts.rows_in, counts.judged, counts.kept, dict(counts.rejected)) == (5, 5, 3, {"not-sampled": 2})
    card = (outcome.version.path / "README.md").read_text()
    assert "OSS-Instruct" in card
    assert str(tmp_path) not in card
