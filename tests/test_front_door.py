"""The public names, and the README's page of Python that uses them."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import sca_hf
from sca_hf.__main__ import main

README = Path(__file__).parents[1] / "README.md"
PYPROJECT = README.with_name("pyproject.toml")


def test_all_public_names_are_there_and_nothing_else_is() -> None:
    for name in sca_hf.__all__:
        assert getattr(sca_hf, name).__doc__
        assert name in dir(sca_hf)
    with pytest.raises(AttributeError, match="no attribute 'Pipelin'"):
        sca_hf.Pipelin  # noqa: B018


def test_importing_the_package_imports_nothing_heavy() -> None:
    code = "import sys; import sca_hf; print(sorted({name.partition('.')[0] for name in sys.modules}))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    for package in ("datasets", "pydantic", "numpy", "pyarrow", "huggingface_hub", "torch", "vllm"):
        assert f"'{package}'" not in loaded


@pytest.mark.jail
def test_the_readmes_page_of_python_runs_as_printed(tmp_path: Path) -> None:
    page = re.search(r"^## In Python\n.*?^```python\n(.*?)^```", README.read_text(), re.MULTILINE | re.DOTALL)
    assert page is not None
    done = subprocess.run(
        [sys.executable, "-c", page[1]], cwd=tmp_path, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split("\n")[:2] == ["[None]", "failed"]
    assert list((tmp_path / "store" / "demo-seeds").iterdir())


def test_one_command_leads_to_all(capsys: pytest.CaptureFixture[str]) -> None:
    script = tomllib.loads(PYPROJECT.read_text(encoding="utf-8"))["project"]["scripts"]["sca-hf"]
    module, _, command = script.partition(":")
    program = f"from {module} import {command}; {command}()"
    ended = subprocess.run(
        [sys.executable, "-c", program, "rnu"], capture_output=True, text=True, timeout=120, check=False
    )
    assert (ended.returncode, "'rnu'; give one of run" in ended.stderr) == (2, True), ended.stderr
    assert main([]) == 0
    listed = capsys.readouterr().out
    for name in ("run", "versions", "train", "evaluate", "report", "trace", "sandbox"):
        assert f"\n  {name} " in listed
        with pytest.raises(SystemExit) as shown:
            main([name, "--help"])
        assert shown.value.code == 0
        assert "usage: python -m sca_hf" in capsys.readouterr().out
    assert main(["run", "--settings", "sft"]) == 0
    assert "sft.tests_probability" in capsys.readouterr().out
    assert main(["rnu"]) == 2
    assert "'rnu'; give one of run, versions" in capsys.readouterr().err
