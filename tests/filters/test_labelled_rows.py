"""The rule on names, on attempts of real models that were labelled by hand (tests/data/README.md)."""

import json
from pathlib import Path
from typing import Any

from sca_hf.filters.asked_names import other_names

ROWS = [
    json.loads(line)
    for line in (Path(__file__).parent.parent / "data" / "real_rows.jsonl").read_text(encoding="utf-8").splitlines()
]


def lacks_names(row: dict[str, Any]) -> bool:
    return bool(other_names(row["instruction"], row["response"], row["tests"]))


def test_no_right_answer_lacks_the_names_that_were_asked_for() -> None:
    right = [row for row in ROWS if row["right"]]
    assert len(right) == 26
    assert not any(map(lacks_names, right))


def test_a_third_of_the_wrong_answers_that_pass_lack_some() -> None:
    passing = [row for row in ROWS if row["status"] == "passed" and not row["right"]]
    assert len(passing) == 25
    assert sum(map(lacks_names, passing)) == 8


def test_each_row_says_under_which_license_it_is() -> None:
    assert all(row["license"] for row in ROWS)
    assert {row["status"] for row in ROWS} == {"passed", "failed", "no-assertion", "syntax-error"}
