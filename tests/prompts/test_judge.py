"""The judge's exemplars are what they claim to be, and a file of one's own can replace them."""

import ast
import re
from pathlib import Path

import pytest

from sca_hf.corpus.rules import IMPORTS, WORDS
from sca_hf.errors import InputError
from sca_hf.prompts.few_shot import load_few_shot
from sca_hf.prompts.judge import JudgedExemplar, load_judge_prompts, parse_judge_prompts
from sca_hf.stages.judge import reject_reason

PROMPTS = load_judge_prompts("default", 8)
OWN = """\
Notes of the author.

### System
Judge the docstring.
In one word.

### Example 1\x20
[Code]

def double(x):
    \"\"\"Twice x.\"\"\"

    return 2 * x


[Verdict]
Yes

### Example 2
[Code]
```python
def half(x):
    \"\"\"Do it.\"\"\"
    return x / 2
```
[Verdict]\x20
No
"""


def test_good_and_bad_docstrings_take_turns() -> None:
    verdicts = [exemplar.verdict for exemplar in PROMPTS.exemplars]
    assert len(verdicts) == 8
    for shots in (2, 4, 6, 8):
        assert abs(verdicts[:shots].count("Yes") - shots / 2) <= 1
    assert verdicts.count("Yes") == 4
    assert not re.search("YesYesYes|NoNoNo|(YesNo){3}|(NoYes){3}", "".join(verdicts))


@pytest.mark.parametrize("exemplar", PROMPTS.exemplars, ids=lambda exemplar: exemplar.code.split("(")[0].split()[-1])
def test_an_exemplar_is_a_seed_as_the_rules_want_it(exemplar: JudgedExemplar) -> None:
    tree = ast.parse(exemplar.code)
    (function,) = (node for node in tree.body if isinstance(node, ast.FunctionDef))
    assert ast.get_docstring(function)
    assert function.args.args
    assert any(isinstance(node, ast.Return) and node.value for node in ast.walk(function))
    assert not set(re.findall(r"\w+", exemplar.code.lower())) & {*WORDS, *IMPORTS}
    assert not any(exemplar.code in shot.code for shot in load_few_shot("default").exemplars)
    compile(tree, "exemplar", "exec")


def test_a_prompt_is_system_text_exemplars_and_the_open_function() -> None:
    prompts = parse_judge_prompts(OWN)
    fence = "```"
    assert prompts.of("\ndef third(x):\n    return x / 3\n") == (
        "Judge the docstring.\nIn one word.\n\n"
        f'### Example 1\n[Code]\n{fence}python\ndef double(x):\n    """Twice x."""\n\n    return 2 * x\n{fence}\n\n'
        "[Verdict]\nYes\n\n"
        f'### Example 2\n[Code]\n{fence}python\ndef half(x):\n    """Do it."""\n    return x / 2\n{fence}\n\n'
        "[Verdict]\nNo\n\n"
        f"### Example 3\n[Code]\n{fence}python\ndef third(x):\n    return x / 3\n{fence}\n\n"
        "[Verdict]\n"
    )


def test_what_follows_in_a_prompt_is_a_verdict() -> None:
    answers = PROMPTS.of("").split("[Verdict]\n")[1:-1]
    reasons = [reject_reason(answer) for answer in answers]
    assert reasons == [{"Yes": None, "No": "judged-no"}[exemplar.verdict] for exemplar in PROMPTS.exemplars]


def test_fewer_shots_are_the_first_and_another_identity(tmp_path: Path) -> None:
    file = tmp_path / "mine.txt"
    file.write_bytes(OWN.replace("\n", "\r\n").encode())
    shown = [load_judge_prompts(str(file), shots) for shots in (0, 1, 2)]
    assert [len(prompts.exemplars) for prompts in shown] == [0, 1, 2]
    assert shown[1].exemplars == shown[2].exemplars[:1]
    assert len({prompts.sha for prompts in shown}) == 3
    assert shown[2] == parse_judge_prompts(OWN)
    assert shown[0].of("x").startswith("Judge the docstring.\nIn one word.\n\n### Example 1\n[Code]\n")


@pytest.mark.parametrize(
    ("old", "new", "place"),
    [
        ("### System", "### Systems", "mine.txt: no text under '### System'"),
        ("[Verdict]\nYes", "[Verdict]\nMaybe", r"mine.txt, Example 1: \[Verdict\] is 'Maybe'; write Yes or No"),
        ("[Verdict]\nYes", "[Verdict]\n", r"mine.txt, Example 1: expected \[Code\] and \[Verdict\]"),
        ("[Verdict]\nYes", "", r"mine.txt, Example 1: expected \[Code\] and \[Verdict\]"),
        ("[Code]\n```", "```", r"mine.txt, Example 2: expected \[Code\] and \[Verdict\]"),
    ],
)
def test_a_wrong_layout_is_an_error_that_names_the_place(old: str, new: str, place: str) -> None:
    assert old in OWN
    with pytest.raises(InputError, match=place) as caught:
        parse_judge_prompts(OWN.replace(old, new), "mine.txt")
    assert "\n" not in str(caught.value)


def test_a_file_that_can_not_be_used_is_an_error(tmp_path: Path) -> None:
    latin = tmp_path / "latin.txt"
    latin.write_bytes("Grüße".encode("latin-1"))
    for path in (latin, tmp_path / "missing.txt", tmp_path):
        with pytest.raises(InputError, match=r"give a UTF-8 file, or 'default'"):
            load_judge_prompts(str(path), 8)
    with pytest.raises(InputError, match=r"judge\.shots = 9, .* has 8 exemplars"):
        load_judge_prompts("default", 9)
