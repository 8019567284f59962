"""The command as a user meets it: its help, its errors, and the stages that need no model."""

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from datasets import Dataset, Features, Value, load_dataset

from sca_hf.recipe import load_recipe
from sca_hf.stage import REJECT_REASON, split
from sca_hf.stages import responses
from sca_hf.store import Build, Store
from sca_hf.store.lineage import Making

pytestmark = pytest.mark.slow

GOOD = '''def double(x):
    """Twice x."""
    return 2 * x
'''


def run(*arguments: str | Path, **options: Any) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "sca_hf.run", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=300, check=False, **options)


def one_line_error(done: subprocess.CompletedProcess[str], *parts: str) -> None:
    """Exit code 2, and the last line on the standard error is the error, with all `parts`; no traceback."""
    assert done.returncode == 2, done.stderr
    assert "Traceback" not in done.stderr + done.stdout
    lines = [line for line in done.stderr.splitlines() if line.startswith("error:")]
    assert len(lines) == 1, done.stderr
    assert done.stderr.rstrip().splitlines()[-1] == lines[0]
    for part in parts:
        assert part in lines[0]


@pytest.fixture
def sources(tmp_path: Path) -> Path:
    folder = tmp_path / "sources"
    folder.mkdir()
    (folder / "good.py").write_text(GOOD)
    return folder


def test_help_has_examples() -> None:
    done = run("--help")
    assert done.returncode == 0
    for word in ("examples:", "--recipe", "--model", "--set", "--store", "--limit", "--from", "--to", "--dry-run"):
        assert word in done.stdout


def test_unknown_recipe(tmp_path: Path) -> None:
    one_line_error(run("--recipe", "dmeo", "--store", tmp_path), "'dmeo'", "demo")


def test_unknown_key(tmp_path: Path) -> None:
    one_line_error(
        run("--recipe", "demo", "--store", tmp_path, "--set", "responses.sample=3"), "responses.sample", "samples"
    )


def test_missing_model_folder(tmp_path: Path) -> None:
    one_line_error(run("--recipe", "demo", "--store", tmp_path, "--model", "./no/such/model"), "no/such/model")


def test_seed_file_without_the_column(tmp_path: Path) -> None:
    file = tmp_path / "code.jsonl"
    file.write_text('{"text": "def f(x): return x"}\n')
    done = run("--recipe", "demo", "--store", tmp_path / "store", "--set", f"seeds.source={file}", "--to", "seeds")
    one_line_error(done, "'content'", "'text'", "seeds.column")


def test_store_that_can_not_be_written(tmp_path: Path) -> None:
    (tmp_path / "store").write_text("a file")
    one_line_error(run("--recipe", "demo", "--store", tmp_path / "store", "--to", "seeds"), str(tmp_path / "store"))


def test_no_seed_left(tmp_path: Path, sources: Path) -> None:
    (sources / "good.py").write_text("x = 1\n")
    done = run("--recipe", "demo", "--store", tmp_path / "store", "--set", f"seeds.source={sources}")
    one_line_error(done, "no row left", "'seeds'", "no-function: 1")
    version = next((tmp_path / "store" / "demo-seeds").glob("[0-9a-f]*"))
    for part in ("Funnel", "no-function 1", str(version), "seeds, 1 of 1 row as no-function", "--set seeds.kinds=…"):
        assert part in done.stdout
    (look,) = [line for line in done.stdout.splitlines() if "versions rows" in line]
    assert look.split()[-6:] == ["--rejected", "no-function", "-n", "3", "--store", str(tmp_path / "store")]


def test_from_without_what_it_needs(tmp_path: Path) -> None:
    one_line_error(run("--recipe", "demo", "--store", tmp_path, "--from", "execute"), "demo-responses", "--from")


def test_stages_in_the_wrong_order(tmp_path: Path) -> None:
    one_line_error(
        run("--recipe", "demo", "--store", tmp_path, "--from", "select", "--to", "seeds"), "seeds -> concepts"
    )


def test_a_file_that_is_no_text_costs_its_own_row_alone(tmp_path: Path, sources: Path) -> None:
    (sources / "bad.py").write_bytes(b'def f(x):\n    """\xff\x00"""\n    return x\n')
    done = run("--recipe", "demo", "--store", tmp_path / "store", "--set", f"seeds.source={sources}", "--to", "seeds")
    assert done.returncode == 0, done.stderr
    assert "undecodable-file 1" in done.stdout
    (made,) = Store(tmp_path / "store").versions("demo-seeds")
    assert made.load()["seed"][:] == [GOOD.rstrip()]
    assert dict(made.counts.rejected) == {"undecodable-file": 1}


def test_a_dry_run_runs_nothing(tmp_path: Path) -> None:
    done = run("--recipe", "demo", "--store", tmp_path, "--limit", "10", "--dry-run", "--to", "seeds")
    assert done.returncode == 0, done.stderr
    assert "to run" in done.stdout
    assert Store(tmp_path).versions() == []


@pytest.mark.parametrize("model", ["gpt2", "my-org/none@v1", "./no-such-folder", "broken"])
def test_a_model_that_can_not_be_reached_is_told_before_anything_is_made(tmp_path: Path, model: str) -> None:
    (tmp_path / "broken").mkdir()
    done = run(
        "--recipe", "demo", "--store", "store", "--model", model, cwd=tmp_path, env=os.environ | {"HF_HUB_OFFLINE": "1"}
    )
    one_line_error(done, model.partition("@")[0].removeprefix("./"), "--model")
    assert done.stdout == ""
    assert Store(tmp_path / "store").versions() == []


def answered(store: Path, tests: list[str], dataset: str = "demo-responses") -> None:
    """A version of responses: one instruction, and one response with each of `tests`."""
    columns = [column for stage in load_recipe("demo").chain[:4] for column in stage.adds]
    features = Features({column.name: column.feature for column in columns} | {REJECT_REASON: Value("string")})
    text: dict[str, Any] = dict.fromkeys(features, "x")
    rows = [
        text
        | {
            "id": f"response {index}",
            "instruction_id": f"instruction {index}",
            "instruction": f"Task {index}",
            "concepts": ["slicing"],
            "sample": 0,
            "samples_drawn": 1,
            "suite": 0,
            "tests_inferred": False,
            "tests_cut": False,
            "response": f"Answer {index}:\n\n```python\ndef double(x):\n    return 2 * x\n```",
            "tests": f"```python\n{code}\n```",
            REJECT_REASON: None,
        }
        for index, code in enumerate(tests)
    ]
    judged = split(responses.STAGE, len(rows), Dataset.from_list(rows, features=features))
    making = Making(stage="responses")
    build = Build(responses.STAGE, responses.STAGE.columns(columns), judged, making, {"seconds": 0.0})
    Store(store).write(dataset, "0123456789abcdef", build)


@pytest.mark.jail
def test_from_execute_to_conversations(tmp_path: Path) -> None:
    answered(tmp_path, ["assert double(2) == 4", "assert double(2) == 5", "while True: pass", "double(2)"])
    arguments = ("--recipe", "demo", "--store", tmp_path, "--from", "execute", "--set", "execute.cpu_seconds=0.5")
    done = run(*arguments)
    assert done.returncode == 0, done.stderr
    (executed,) = Store(tmp_path).versions("demo-execute")
    assert executed.load()["status"][:] == ["passed", "failed", "timeout", "no-assertion"]
    (selected,) = Store(tmp_path).versions("demo-select")
    assert dict(selected.counts.rejected) == {
        "execution-failed": 1,
        "execution-no-assertion": 1,
        "execution-timeout": 1,
    }
    (made,) = Store(tmp_path).versions("demo-sft")
    row = load_dataset(str(made.path), split="train", cache_dir=str(tmp_path / "cache"))[0]
    assert row["response_id"] == "response 0"
    assert [message["role"] for message in row["messages"]] == ["user", "assistant"]
    again = run(*arguments, "--set", "run.jails=1", "--set", "run.batch_size=1", "--set", "run.concurrency=1")
    assert again.stdout.count("cached") == 4
    assert len(Store(tmp_path).versions()) == 5


@pytest.mark.jail
def test_a_pilot_predicts_the_whole_and_is_no_waste(tmp_path: Path) -> None:
    answered(tmp_path, [f"assert double({n}) == {2 * n if n % 2 else 0}" for n in range(1, 41)])
    arguments = ("--recipe", "demo", "--store", tmp_path, "--from", "execute")
    one_line_error(run(*arguments, "--pilot", "10"), "--pilot 10", "--dry-run")
    done = run(*arguments, "--dry-run", "--pilot", "10")
    assert done.returncode == 0, done.stderr
    forecast = done.stdout[done.stdout.index("Forecast") :]
    assert max(map(len, forecast.splitlines())) <= 80
    assert re.search(r"^execute +40 +40 +40 +[\d.]+ (s|min)$", forecast, re.MULTILINE), "rows in, programs, kept, time"
    ranges = re.search(r"^sft +20 +- +20 .*\n +(\d+) to (\d+) ", forecast, re.MULTILINE)
    assert ranges is not None
    assert 0 < int(ranges[1]) < 20 < int(ranges[2])
    assert run(*arguments).returncode == 0
    whole = max(Store(tmp_path).versions("demo-execute"), key=lambda made: made.counts.kept)
    assert (whole.timings["programs"]["made"], whole.timings["programs"]["reused"]) == (30, 10)


@pytest.mark.jail
def test_no_user_namespaces(tmp_path: Path) -> None:
    answered(tmp_path, ["assert double(2) == 4"])
    # The limit holds below the namespace in which it is set, so only for this command.
    forbidding = 'echo 0 > /proc/sys/user/max_user_namespaces; exec "$@"'
    command = [sys.executable, "-m", "sca_hf.run", "--recipe", "demo", "--store", str(tmp_path), "--from", "execute"]
    done = subprocess.run(
        ["unshare", "--user", "--map-root-user", "sh", "-c", forbidding, "sh", *command],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    one_line_error(done, "namespace")
    assert Store(tmp_path).versions("demo-execute") == []
