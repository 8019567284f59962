"""Mistakes on the command line: each is one line that names the thing, the value and the fix, before anything runs."""

from pathlib import Path

import pytest

from sca_hf import run
from sca_hf.engines.model import check_options
from tests.finished_run import arguments, finished, own_cache

__all__ = ["arguments", "finished", "own_cache"]

VALIDATORS_WORDS = ("constrained", "type=", "input_value", "union", "tagged", "validation error", "pydantic")


def said_by(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    assert run.main(arguments) == 2
    error = capsys.readouterr().err
    assert "Traceback" not in error
    (line,) = error.strip().splitlines()
    assert not any(word in line for word in VALIDATORS_WORDS)
    return line


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            "engine.options={max_num_seq: 3}",
            "'max_num_seq', which this vLLM doesn't know; the nearest names are max_num_",
        ),
        ("engine.options={tensor_paralel_size: 2}", "the nearest names are tensor_parallel_size"),
        ("engine.options={qqq: 2}", "engine.options has 'qqq', which this vLLM doesn't know; vllm serve --help lists"),
        ("responses.until=0", "responses.until = 0: give integer 1 to 10000 or all"),
        ("seeds.count=many", "seeds.count = 'many': give integer >= 1 or null"),
        ("seeds.secrets=1", "seeds.secrets = 1: give section with emails or null"),
        ("seeds.secrets.mails=1", "unknown key 'seeds.secrets.mails' (value 1); allowed here: emails"),
        ("seeds.licenses=MIT", "seeds.licenses = 'MIT': give list of text"),
        (
            "select.decontaminate.files={own: nothing.json}",
            "'own': the file 'nothing.json' does not exist; give one in",
        ),
        ("select.decontaminate.files={own: code}", "'own': the file 'code' does not exist"),
        ("select.decontaminate.files={own: words.txt}", "'own': the file 'words.txt' is not in one of .jsonl, .json"),
        ("select.decontaminate.benchmarks=[humanevil]", "humanevil"),
        ("prompts=nothing.txt", "nothing.txt"),
    ],
)
def test_a_mistake_is_one_line(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    change: str,
    message: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "words.txt").write_text("x")
    assert message in said_by([*arguments, "--dry-run", "--set", change], capsys)


def test_a_section_begins_where_the_recipe_has_null(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str]
) -> None:
    tasks = tmp_path / "tasks.jsonl"
    tasks.write_text('{"task_id": "T/1", "prompt": "Sum up what the sailor saw at sea that day."}\n')
    for changes in (
        [f"select.decontaminate.files={{humaneval: {tasks}}}"],
        ["select.decontaminate.benchmarks=[humaneval]", f"select.decontaminate.files.humaneval={tasks}"],
    ):
        more = [part for change in changes for part in ("--set", change)]
        assert run.main([*arguments, "--set", "select.decontaminate=null", *more, "--dry-run"]) == 0
        assert "select" in capsys.readouterr().out


def test_a_plan_misses_the_folder_of_a_model_though_the_seeds_are_not_there_yet(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    start = ["--recipe", "laptop", "--store", str(tmp_path), "--dry-run", "--model", str(tmp_path / "nope")]
    without = ["--set", "seeds.decontaminate=null", "--set", "select.decontaminate=null"]
    assert f"there is no model folder '{tmp_path / 'nope'}'; give --model a folder" in said_by(
        [*start, *without], capsys
    )
    assert run.main([*start, *without, "--to", "seeds"]) == 0, "which needs no model"


def test_known_options_are_let_through() -> None:
    check_options({"tensor_parallel_size": 2, "max_num_batched_tokens": 4096, "enable_chunked_prefill": False})


def test_paths_in_a_recipe_are_relative_to_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, finished: Path
) -> None:
    (tmp_path / "recipes" / "code").mkdir(parents=True)
    (tmp_path / "recipes" / "code" / "a.py").write_text('def double(x):\n    """Twice x."""\n    return 2 * x\n')
    (tmp_path / "recipes" / "base.yaml").write_text(
        "extends: demo\nmodel: ../model\nseeds: {source: code, decontaminate: {files: {own: tasks.jsonl}}}\n"
    )
    (tmp_path / "recipes" / "tasks.jsonl").write_text('{"task_id": "T/1", "prompt": "What the sailor saw at sea."}\n')
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "mine.yaml").write_text("extends: ../recipes/base.yaml\nprompts: ./shots.txt\n")
    (tmp_path / "model").symlink_to(finished / "model")
    monkeypatch.chdir(tmp_path)
    base = ["--recipe", "recipes/base.yaml", "--dry-run", "--to", "seeds"]
    assert run.main(base) == 0
    assert " 1 " in capsys.readouterr().out, "one file"
    assert "elsewhere/shots.txt" in said_by(["--recipe", "elsewhere/mine.yaml", "--dry-run"], capsys)
    assert "'nothing'" in said_by([*base, "--set", "seeds.source=nothing"], capsys), "of the current folder"
