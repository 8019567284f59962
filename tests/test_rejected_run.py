"""A run whose model writes no tests, as its user meets it: the warning, the end, and the rows behind it."""

import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import datasets
import pytest

from sca_hf import run, versions
from sca_hf.store import Store
from tests.code_files import write_code
from tests.engines.loopback_server import MODEL, Loopback, text_of

SEEDS, SAMPLES = 60, 4


@dataclass
class Ended:
    """A run that has ended: its exit code, and what it said."""

    code: int
    out: str
    err: str
    store: Path
    bodies: list[dict[str, Any]]

    def command(self, words: str) -> list[str]:
        """The arguments of the only command in what was printed that has these words, as a shell takes them."""
        (line,) = [line for line in self.out.splitlines() if words in line]
        return shlex.split(line)[3:]


FAILS = """```python
def add(a, b):
    return a - b
```

[Tests]
```python
assert add(1, 2) == 3
```
"""


def mostly_without_tests(prompt: str, seed: int) -> str:
    """What a model writes that forgets the tests, and if it does not, answers wrong."""
    return FAILS if prompt.endswith("[Response]\n") and seed % 8 == 0 else text_of(prompt, seed)


@pytest.fixture(scope="module")
def ended(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ended]:
    """A run whose model writes no tests."""
    with run_of(tmp_path_factory.mktemp("rejected [1]"), Loopback()) as whole:
        yield whole


@contextmanager
def run_of(folder: Path, server: Loopback) -> Iterator[Ended]:
    code = write_code(folder / "code", SEEDS)
    settings = [f"seeds.source={code}", f"model={MODEL}", "engine.kind=openai", f"engine.urls=[{server.url}]"]
    rows = (f"responses.samples={SAMPLES}", "responses.parts=together")
    changes = [part for each in (*settings, *rows) for part in ("--set", each)]
    arguments = ["--recipe", "demo", *changes, "--store", str(folder / "store")]
    with pytest.MonkeyPatch.context() as patch, pytest.MonkeyPatch.context() as written:
        patch.setattr(datasets.config, "HF_DATASETS_CACHE", str(folder / "cache"))
        out, err = _Text(), _Text()
        written.setattr("sys.stdout", out)
        written.setattr("sys.stderr", err)
        status = run.main(arguments)
        written.undo()
        yield Ended(status, str(out), str(err), folder / "store", server.bodies)
    server.close()


def test_the_stage_warns_at_once_and_the_run_says_what_it_came_to(ended: Ended) -> None:
    assert ended.code == 2
    assert ended.err.count("warning: responses rejected") == 1
    for part in ("rows as no-tests", "for example row ", "to loosen: --set responses.infer_tests=…"):
        assert part in ended.err
    assert f"no row left after stage 'responses' (no-tests: {SEEDS * SAMPLES})" in ended.err
    for part in ("Funnel", f"responses    no-tests {SEEDS * SAMPLES}", "What rejected most", "concepts"):
        assert part in ended.out
    table = ended.out[ended.out.index("Funnel") : ended.out.index("Versions")].splitlines()
    assert max(map(len, table)) <= 80
    (line,) = [line for line in ended.out.splitlines() if line.startswith("responses ") and " 60 " in line]
    rows_in, judged, kept, passed, _, tokens = line.split()[1:]
    assert (rows_in, judged, kept, passed) == ("60", "240", "0", "-")
    assert ["responses", "240", "-"] in [line.split() for line in table], "calls made, and nothing else"
    assert int(tokens.replace(",", "")) > 0


def test_the_printed_command_shows_prompt_and_completion(ended: Ended, capsys: pytest.CaptureFixture[str]) -> None:
    assert versions.main(ended.command("versions rows")) == 0
    shown = capsys.readouterr().out
    version = Store(ended.store).versions("demo-responses")[0]
    row = version.lineage.counts.rejected
    assert dict(row) == {"no-tests": SEEDS * SAMPLES}
    assert shown.count("no-tests. The completion has no line") == 3
    assert shown.count("as it was sent (temperature 0.7") == 3
    assert shown.count("finish reason stop") == 3
    assert f"3 of {SEEDS * SAMPLES} such rows of demo-responses/{version.fingerprint}" in shown
    sent = {(body["prompt"].rstrip("\n"), body["seed"]): body for body in ended.bodies}
    prompts = [_indented(part) for part in shown.split("as it was sent")[1:]]
    answers = [_indented(part) for part in shown.split("as it came")[1:]]
    seeds = [int(part.partition(")")[0]) for part in shown.split("tokens, seed ")[1:]]
    for prompt, seed, answer in zip(prompts, seeds, answers, strict=True):
        assert answer == text_of(sent[prompt, seed]["prompt"], seed)


def test_what_can_not_be_shown_is_an_error_of_one_line(ended: Ended, capsys: pytest.CaptureFixture[str]) -> None:
    path = next(iter(Store(ended.store).versions("demo-responses"))).path
    assert versions.main(["rows", str(path), "--rejected", "no-test"]) == 2
    assert f"rejected no row as 'no-test'; its reasons are no-tests ({SEEDS * SAMPLES})" in capsys.readouterr().err
    assert versions.main(["rows", str(path)]) == 0
    assert "0 of 0 such rows" in capsys.readouterr().out


@pytest.mark.jail
def test_the_advice_is_on_the_stage_that_lost_the_rows(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    server = Loopback()
    server.says = mostly_without_tests
    with run_of(tmp_path, server) as ended:
        pass
    assert ended.code == 2
    (lost,) = Store(ended.store).versions("demo-responses")
    (last,) = Store(ended.store).versions("demo-select")
    without, failed = lost.counts.rejected["no-tests"], last.counts.rejected["execution-failed"]
    assert without > 2 * failed > 0
    error = ended.err.splitlines()[-1]
    assert f"after stage 'select' (execution-failed: {failed}); before it stage 'responses' rejected" in error
    assert f"{without} rows as no-tests; loosen the settings of 'responses', or look at the rejected rows in" in error
    assert error.endswith(str(lost.path))
    said = ended.out[ended.out.index("What rejected most") :]
    first, second = (
        said.index(f"responses, {without} of 240 rows as no-tests"),
        said.index(f"select, {failed} of {failed}"),
    )
    assert first < said.index("--set responses.infer_tests=…") < second < said.index("\nNext")
    look = shlex.split(next(line for line in said.splitlines() if "versions rows" in line))[3:]
    capsys.readouterr()
    assert versions.main(look) == 0
    assert f"3 of {without} such rows of demo-responses/" in capsys.readouterr().out


class _Text:
    """A stream of text that is no terminal."""

    encoding = "utf-8"

    def __init__(self) -> None:
        self._parts: list[str] = []

    def write(self, text: str) -> int:
        self._parts.append(text)
        return len(text)

    def flush(self) -> None:
        return

    def isatty(self) -> bool:
        return False

    def __str__(self) -> str:
        return "".join(self._parts)


def _indented(part: str) -> str:
    """The indented text that follows a heading."""
    lines = part.splitlines()[1:]
    end = next((number for number, line in enumerate(lines) if not line.startswith("    ")), len(lines))
    return "\n".join(line[4:] for line in lines[:end])
