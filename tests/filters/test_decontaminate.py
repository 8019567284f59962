"""Decontamination: what is planted is found, whatever its case, white space and comments, and nothing else is."""

import json
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from sca_hf.errors import InputError
from sca_hf.filters.decontaminate import Contaminants, DecontaminateSettings, load_contaminants, normalized
from sca_hf.recipe import load_recipe

PROMPT = (
    "from typing import List\n\n\ndef rainfall(levels: List[int], limit: int) -> int:\n"
    '    """ Count the days on which the rain rose above the limit after two dry days.\n'
    '    >>> rainfall([0, 0, 5], 3)\n    1\n    """\n'
)
SOLUTION = "    dry = 0\n    for level in levels:\n        dry += level == 0  # a dry day\n    return dry + limit\n"
TASKS: list[dict[str, Any]] = [
    {"task_id": "T/0", "prompt": PROMPT, "canonical_solution": SOLUTION, "entry_point": "rainfall"},
    {"task_id": "T/1", "prompt": "def half(x):\n    ", "canonical_solution": "return x / 2\n", "entry_point": "half"},
]
TEXT, CODE = "Write a function to weigh all blue boxes.", "def f(n):\n  return n % 11"


@pytest.fixture
def files(tmp_path: Path) -> dict[str, str]:
    written = {}
    mbpp: list[dict[str, Any]] = [{"task_id": 7, "text": TEXT, "code": CODE}]
    for name, rows in {"humaneval": TASKS, "mbpp": mbpp}.items():
        path = tmp_path / f"{name}.jsonl"
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
        written[name] = str(path)
    return written


def _found(files: dict[str, str], text: str, **settings: Any) -> list[str]:
    contaminants = load_contaminants(DecontaminateSettings(files=files, **settings))
    return [str(found) for found in contaminants.found_in(text)]


CHANGES: list[Callable[[str], str]] = [
    str,
    str.upper,
    lambda text: text.replace("    ", "\t").replace("\n", "\r\n"),
    lambda text: text.replace("\n", "\n\n") + "\n",
    lambda text: text.replace(" = ", "=").replace(" + ", "  +  "),
    lambda text: "\n".join(f"{line}  # note" for line in text.split("\n")),
    lambda text: text.replace("\n", "\n# TODO: more\n"),
    lambda text: text.replace("  # a dry day", ""),
]


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize(
    ("text", "found"),
    [
        (PROMPT, "humaneval T/0 (prompt)"),
        (PROMPT + SOLUTION, "humaneval T/0 (canonical_solution)"),
        ("def g(levels, limit):\n" + SOLUTION, "humaneval T/0 (canonical_solution)"),
        ('def g(x):\n    """' + PROMPT.split('"""')[1] + '"""\n    return x', "humaneval T/0 (docstring)"),
        ("def half(x):\n    'doc'\n    return x / 2\n", "humaneval T/1 (canonical_solution)"),
        (TEXT, "mbpp 7 (text)"),
        (CODE, "mbpp 7 (code)"),
    ],
)
def test_what_is_planted_is_found(files: dict[str, str], change: Callable[[str], str], text: str, found: str) -> None:
    assert found in _found(files, f"import re\n\n{change(text)}\n\nx = 1")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "def third(x):\n    return x / 2",  # a short solution counts under its own name only
        "from typing import List",
        SOLUTION.replace("dry", "wet"),
        "Write a function to weigh all boxes.",
        "é" * 1000,
    ],
)
def test_what_is_not_planted_is_not_found(files: dict[str, str], text: str) -> None:
    assert _found(files, text) == []


def test_the_hits_are_those_of_a_plain_search(files: dict[str, str]) -> None:
    contaminants = load_contaminants(DecontaminateSettings(files=files))
    corpus = [PROMPT + SOLUTION, SOLUTION * 2, PROMPT * 2 + TEXT, "def half(x): return x / 2", "x"]
    for text in corpus:
        plain = {
            contaminants.texts[number]
            for form in normalized(text)
            for needle, meant in contaminants.needles.items()
            if needle in form
            for number, definition in meant
            if definition in form
        }
        assert set(contaminants.found_in(text)) == plain


def test_common_speech_is_no_hit_unless_plain_containment_is_asked_for(tmp_path: Path) -> None:
    """A short sentence, and a line that many rows hold: both without a word on what else is in the data."""
    line = "result = sorted(set(values), key=str.lower)"
    rows = [
        {"task_id": number, "prompt": f"def f{number}(values):\n    ", "canonical_solution": f"{line}\nreturn {number}"}
        for number in range(11)
    ]
    rows += [{"task_id": 11, "prompt": 'def g(text):\n    """Test if given string is a palindrome, please"""'}]
    rows += [{"task_id": 12, "prompt": "def h(values):\n    ", "canonical_solution": line}]
    (tmp_path / "humaneval.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    files = {"humaneval": str(tmp_path / "humaneval.jsonl")}
    docstring, code = '"""Test if given string is a palindrome, please"""', f"def k(values):\n    {line}\n"
    plain = {"min_words": 1, "max_rows": None}
    assert _found(files, docstring, **plain) == ["humaneval 11 (docstring)"]
    assert _found(files, docstring, min_words=8) == ["humaneval 11 (docstring)"]
    assert _found(files, docstring, min_words=9) == []
    assert _found(files, code, **plain) == ["humaneval 12 (canonical_solution)"]
    assert _found(files, code, max_rows=12) == ["humaneval 12 (canonical_solution)"]
    assert _found(files, code, max_rows=11) == _found(files, code) == []
    assert _found(files, f"{code}    return 3", max_rows=11) == ["humaneval 3 (canonical_solution)"]
    for recipe in ("selfcodealign", "selfcodealign-fast", "starcoder2-instruct"):
        for stage in ("seeds", "select"):
            settings = load_recipe(recipe)[stage].decontaminate
            assert {name: getattr(settings, name) for name in plain} == plain


def test_ngrams_find_what_is_cut_short(files: dict[str, str]) -> None:
    text = "Somebody should count the days on which the rain rose above it."
    assert _found(files, text) == []
    assert _found(files, text, ngram=8) == ["humaneval T/0 (prompt)"]
    assert _found(files, text, ngram=12) == []


def test_the_texts_count_and_not_where_they_lie(files: dict[str, str], tmp_path: Path) -> None:
    settings = DecontaminateSettings(files=files)
    (tmp_path / "other.jsonl").write_bytes(Path(files["mbpp"]).read_bytes())
    moved = DecontaminateSettings(files=files | {"mbpp": str(tmp_path / "other.jsonl")})
    assert settings.intent() == moved.intent()
    assert settings.intent() != DecontaminateSettings(files={"mbpp": files["mbpp"]}).intent()


def test_any_file_with_text_can_be_a_benchmark(tmp_path: Path) -> None:
    (tmp_path / "own.json").write_text(
        json.dumps([{"task_id": "a", "points": 3, "task": "Paint seven large fences red."}])
    )
    assert _found(
        {"in-house": str(tmp_path / "own.json")}, "- Paint seven large FENCES red.", min_chars=20, min_words=1
    ) == ["in-house a (task)"]


def test_a_list_of_solutions_counts_one_by_one(tmp_path: Path) -> None:
    rows = [{"problem_id": 3, "question": "?", "solutions": json.dumps(["a = input(); print(a * 3)" * 2, "pass"])}]
    (tmp_path / "apps.jsonl").write_text(json.dumps(rows[0]))
    assert _found({"apps": str(tmp_path / "apps.jsonl")}, "a = input(); print(a * 3)" * 2) == ["apps 3 (solutions)"]


def test_a_worker_gets_the_texts_and_finds_the_same(files: dict[str, str]) -> None:
    contaminants = load_contaminants(DecontaminateSettings(files=files, ngram=8))
    sent: Contaminants = pickle.loads(pickle.dumps(contaminants))
    assert sent.found_in(PROMPT) == contaminants.found_in(PROMPT) != []
    assert sent.sha == contaminants.sha


def test_a_benchmark_that_cannot_be_had_is_named_with_the_way_out(tmp_path: Path) -> None:
    (tmp_path / "humaneval.jsonl").write_text('{"question": "?"}\n')
    (tmp_path / "broken.jsonl").write_text("no JSON\n")
    for settings, message in [
        (DecontaminateSettings(benchmarks=("no-such",)), "unknown benchmark 'no-such'; give one of humaneval, mbpp"),
        (
            DecontaminateSettings(files={"mbpp": "nowhere.jsonl"}),
            "benchmark 'mbpp': the file 'nowhere.jsonl' does not exist",
        ),
        (DecontaminateSettings(files={"humaneval": str(tmp_path / "humaneval.jsonl")}), "has columns.*question"),
        (
            DecontaminateSettings(files={"own": str(tmp_path / "broken.jsonl")}),
            r"SECTION\.decontaminate\.files={own: FILE}",
        ),
    ]:
        with pytest.raises(InputError, match=message):
            load_contaminants(settings)


def test_without_the_hub_the_way_out_is_all_that_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    nobody = "http://127.0.0.1:9"
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", nobody)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    monkeypatch.setattr("datasets.config.HF_ENDPOINT", nobody)
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", str(tmp_path))
    monkeypatch.setattr("huggingface_hub.utils._http.time.sleep", lambda seconds: None)
    with pytest.raises(
        InputError, match=r"'humaneval'.*can't be loaded.*SECTION\.decontaminate=null.*seeds and select"
    ):
        load_contaminants(DecontaminateSettings(benchmarks=("humaneval",)))
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("settings", [{"min_chars": 3}, {"ngram": 2}, {"benchmarks": ["Human Eval"]}, {"what": 1}])
def test_settings_out_of_bounds_are_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        DecontaminateSettings(**settings)
