"""The README's first pages: their commands do what they say, as printed."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

README = Path(__file__).parents[1] / "README.md"

MY_CODE = '''
RATE = 2


def double(x):
    """Twice x."""
    return 2 * x


def taxed(x):
    """With tax."""
    return RATE * x
'''


def commands_of(page: str) -> str:
    match = re.search(rf"^## {page}\n.*?^```bash\n(.*?)^```", README.read_text(), re.MULTILINE | re.DOTALL)
    assert match is not None, page
    return match[1]


@pytest.mark.jail
@pytest.mark.slow
@pytest.mark.parametrize(
    ("page", "said"),
    [
        ("Your own code", ["double", "undefined-name", "RATE * x"]),
        ("Your own rows", ["demo-sft/", "execution-failed 1", "return x / 3", "AssertionError"]),
    ],
)
def test_a_page_runs_as_printed(tmp_path: Path, page: str, said: list[str]) -> None:
    (tmp_path / "here").mkdir()
    (tmp_path / "here" / ".venv").symlink_to(sys.prefix)
    (tmp_path / "my-code").mkdir()
    (tmp_path / "my-code" / "mine.py").write_text(MY_CODE)
    done = subprocess.run(
        ["bash", "-e", "-c", commands_of(page)],
        cwd=tmp_path / "here",
        env=os.environ | {"PYTHONPATH": str(README.parent), "HF_DATASETS_CACHE": str(tmp_path / "cache")},
        capture_output=True,
        text=True,
        timeout=500,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    for text in said:
        assert text in done.stdout


def test_every_page_that_the_readme_leads_to_is_there() -> None:
    text = README.read_text()
    headings = {
        re.sub(r"[^\w -]", "", each.lower()).replace(" ", "-") for each in re.findall(r"^###? (.*)$", text, re.M)
    }
    linked = re.findall(r"\]\(#([\w-]+)\)", text)
    assert len(linked) >= 5
    assert set(linked) <= headings
