"""Languages beside Python: what is found in JavaScript, and which rules hold for it."""

import sys
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from sca_hf.corpus import languages
from sca_hf.corpus.languages import language
from sca_hf.corpus.languages.python.salvage import BrokenFunction
from sca_hf.corpus.languages.python.types import TypeCheckSettings
from sca_hf.errors import InputError
from sca_hf.stage import REJECT_REASON
from sca_hf.stages.context import Context
from sca_hf.stages.seeds import SeedSettings, seeds

FILE = """import { x } from './x.js';

/** Double a number. */
export function twice(a) {
  return 2 * a;
}

/**
 * Add.
 * @param {number} a
 */
const add = async (a, {b}, ...c) => a + b;

/** Square. */
export const square = a => a * a;

/** Nothing comes back; the inner one does not count. */
function silent(a) {
  [a].map((b) => { return b; });
  return;
}

/** No arguments. */
export default function () { return 1; }

// no JSDoc
function bare(a) { return a; }

/** Not alone. */
const one = (a) => a, two = 2;

/** TODO better. */
function later(a) { return a; }

/** Broken. */
function broken(a { return a; }

class Box { /** A method. */ open(a) { return a; } }
"""


def _settings(**settings: Any) -> SeedSettings:
    return SeedSettings(language="javascript", **settings)


def test_documented_functions_of_javascript_are_found_with_their_comments() -> None:
    found, reason = language("javascript").functions(FILE, ["function"])
    assert reason is None
    whole = [function for function in found if not isinstance(function, BrokenFunction)]
    assert [(each.name, each.arguments, each.returns_value) for each in whole] == [
        ("twice", 1, True),
        ("add", 3, True),
        ("square", 1, True),
        ("silent", 1, False),
        ("default", 0, True),
        ("later", 1, True),
    ]
    assert whole[0].standalone == "/** Double a number. */\nexport function twice(a) {\n  return 2 * a;\n}"
    assert "broken" in [each.name for each in found if isinstance(each, BrokenFunction)]


def test_files_without_a_function_say_why() -> None:
    assert language("javascript").functions("let x = 1;", ["function"]) == ([], "no-function")
    assert language("javascript").functions("let let = (((", ["function"]) == ([], "unparsable-file")


def test_a_folder_of_javascript_becomes_seeds_by_the_rules_that_read_no_syntax(tmp_path: Path) -> None:
    (tmp_path / "a.js").write_text(FILE)
    (tmp_path / "b.mjs").write_text("/** Half. */\nexport function half(a) { return a / 2; }\n")
    (tmp_path / "c.py").write_text("def f(a):\n    'doc'\n    return a\n")
    settings = _settings(source=str(tmp_path), max_lines=4)
    rows = seeds(settings.open().rows, settings, Context()).to_list()
    assert {row["name"]: row[REJECT_REASON] for row in rows} == {
        "twice": None,
        "add": "too-many-lines",
        "square": None,
        "silent": "no-return-value",
        "default": "no-arguments",
        "later": "forbidden-word",
        "broken": "unparsable-function",
        "half": None,
    }
    assert seeds(settings.open().rows, settings, Context(workers=2)).to_list() == rows


def test_what_only_python_has_is_refused_and_not_left_out_in_silence() -> None:
    with pytest.raises(ValidationError, match=r"seeds.type_check is for Python.*set it to null"):
        _settings(type_check=TypeCheckSettings())


def test_a_parser_that_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "sca_hf.corpus.languages.javascript", raising=False)
    monkeypatch.delattr(languages, "javascript", raising=False)
    monkeypatch.setitem(sys.modules, "tree_sitter_javascript", None)
    with pytest.raises(InputError, match=r"pip install 'sca-hf\[javascript\]'"):
        language("javascript")
