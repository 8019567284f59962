"""The judge: Yes keeps, all else rejects with a reason; and what a recipe with one does, from dry run to lineage."""

import asyncio
import math
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import datasets
import pytest
from datasets import Dataset

from sca_hf import run
from sca_hf.engines import Engine, Sampling
from sca_hf.engines.registry import make_engine
from sca_hf.engines.settings import EngineSettings
from sca_hf.engines.vllm.engine import VllmEngine
from sca_hf.prompts.judge import load_judge_prompts
from sca_hf.recipe import load_recipe
from sca_hf.stage import Counts, split
from sca_hf.stages import seeds
from sca_hf.stages.context import Context
from sca_hf.stages.judge import STAGE, judge, one_sided, reject_reason, yes_over_no
from sca_hf.store import Store, Version
from sca_hf.store.history import ancestors, verify
from tests.code_files import write_code
from tests.engines import loopback_server
from tests.engines.loopback_server import MODEL, Loopback

pytestmark = pytest.mark.slow

FUNCTION = '''def add_{0}(a, b):
    """Return the sum of a and b, and {0}."""
    return a + b + {0}
'''
ANSWERS = ["Yes", " No", "Yes.", "No, it is", "Maybe", "\nyes\n", "Yes/No", "NO", "", "Not at all", "**Yes**", "no"]
EXPECTED = [
    *(None, "judged-no", None, "judged-no", "judged-neither", None),
    *("judged-neither", "judged-no", "judged-neither", "judged-neither", None, "judged-no"),
]
RULES = ("decontaminate", "near_duplicates", "type_check")


@pytest.fixture(autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", str(tmp_path_factory.mktemp("datasets-cache")))


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A server whose verdict on `add_<n>` is the n-th of ANSWERS, in turns, and whose other texts are hex digits."""
    plain = loopback_server.text_of

    def text_of(prompt: str, seed: int) -> str:
        if not prompt.endswith("[Verdict]\n") or "def add_" not in prompt:
            return plain(prompt, seed)
        number = prompt.rpartition("def add_")[2].partition("(")[0]
        return ANSWERS[int(number) % len(ANSWERS)]

    monkeypatch.setattr(loopback_server, "text_of", text_of)
    running = Loopback()
    yield running
    running.close()


@pytest.fixture
def remote(server: Any) -> Iterator[Engine]:
    made = make_engine(MODEL, EngineSettings(kind="openai", urls=(server.url,), patience=30.0, request_seconds=5.0))
    yield made
    made.close()


def given(count: int) -> Dataset:
    """Kept seeds, as stage `seeds` writes them."""
    files = [{"path": f"{n:03}.py", "content": FUNCTION.format(n).encode(), "license": "MIT"} for n in range(count)]
    rows = split(seeds.STAGE, count, seeds.seeds(Dataset.from_list(files), seeds.SeedSettings(), Context())).kept
    assert len(rows) == count
    return rows


def judged(rows: Dataset, engine: Engine, folder: Path, *changes: str) -> list[dict[str, Any]]:
    """The judged rows, each of which is a seed as it was but for two new columns."""
    recipe = load_recipe("selfcodealign", changes)
    run = recipe.run
    context = Context(recipe.seed, folder, engine, concurrency=run.concurrency or 512, batch_size=run.batch_size)
    made = judge(rows, recipe["judge"], context)
    assert made.features == STAGE.features(rows.features)
    assert made.select_columns(rows.column_names).to_list() == rows.to_list()
    found: list[dict[str, Any]] = made.to_list()
    return found


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        *zip(ANSWERS, EXPECTED, strict=True),
        ("Yes, no doubt", None),
        ("Yes or No", "judged-neither"),
        ("No and yes", "judged-neither"),
        ("Yesterday", "judged-neither"),
        ("None", "judged-neither"),
        ("The verdict is Yes", "judged-neither"),
        ("```", "judged-neither"),
    ],
)
def test_the_first_word_is_the_verdict(answer: str, reason: str | None) -> None:
    assert reject_reason(answer) == reason


def test_each_answer_keeps_or_rejects_its_row(server: Any, remote: Engine, tmp_path: Path) -> None:
    rows = judged(given(len(ANSWERS)), remote, tmp_path)
    assert [row["reject_reason"] for row in rows] == EXPECTED
    assert [row["verdict"] for row in rows] == [answer.strip() for answer in ANSWERS]
    for body in server.bodies:
        assert (body["temperature"], body["max_tokens"], body["stop"]) == (0.0, 5, ["\n\n"])
    assert len({body["seed"] for body in server.bodies}) == 1


def likely(prompt: str) -> dict[str, float] | None:
    """First tokens behind `add_<n>`: Yes is e**(n/2) times as likely as No, and e times where there is no function."""
    _, function, rest = prompt.rpartition("def add_")
    lead = int(rest.partition("(")[0]) / 2 if function else 1.0
    return {"Yes": lead - 9.0, "No": -9.0, "\n": -0.5, " yes": -30.0}


def test_with_a_threshold_the_likelihood_of_its_words_decides(server: Any, remote: Engine, tmp_path: Path) -> None:
    server.likely = likely
    rows = judged(given(12), remote, tmp_path / "zero", "judge.threshold=0.0")
    assert [row["judge_score"] for row in rows] == pytest.approx([n / 2 - 1 for n in range(12)], abs=1e-6)
    assert [row["reject_reason"] for row in rows] == ["judged-no"] * 3 + [None] * 9
    assert [row["verdict"] for row in rows] == [answer.strip() for answer in ANSWERS]
    asked = Counter(body["prompt"] for body in server.bodies)
    assert set(asked.values()) == {1}
    assert len(asked) == 13  # one for no function
    assert {body["logprobs"] for body in server.bodies} == {20}
    strict = judged(given(12), remote, tmp_path / "two", "judge.threshold=2.0")
    assert [row["reject_reason"] for row in strict] == ["judged-no"] * 7 + [None] * 5


def test_without_a_threshold_nothing_more_is_asked(server: Any, remote: Engine, tmp_path: Path) -> None:
    server.likely = likely
    rows = judged(given(12), remote, tmp_path)
    assert [row["reject_reason"] for row in rows] == EXPECTED
    assert {row["judge_score"] for row in rows} == {None}
    assert len(server.bodies) == 12
    assert not any("logprobs" in body for body in server.bodies)


def test_where_the_engine_tells_no_likelihood_the_word_decides(server: Any, remote: Engine, tmp_path: Path) -> None:
    rows = judged(given(12), remote, tmp_path, "judge.threshold=0.0")
    assert [row["reject_reason"] for row in rows] == EXPECTED
    assert {row["judge_score"] for row in rows} == {None}


@pytest.mark.parametrize(
    ("tokens", "expected"),
    [
        ({"Yes": -1.0, "No": -2.0}, 1.0),
        ({" yes": math.log(0.2), "YES": math.log(0.2), "No": math.log(0.1)}, math.log(4)),
        ({"No": -0.1, "N": -4.0, "None": -7.0}, -6.9),
        ({"Yes": -0.5, "Maybe": -3.0}, 2.5),
        ({"The": -0.1, "It": -2.0}, None),
        ({}, None),
        (None, None),
    ],
)
def test_how_much_likelier_yes_is(tokens: dict[str, float] | None, expected: float | None) -> None:
    assert yes_over_no(tokens) == (None if expected is None else pytest.approx(expected))


def test_the_engine_in_this_process_tells_likelihoods(engine: VllmEngine, tmp_path: Path) -> None:
    rows = judged(given(6), engine, tmp_path, "judge.threshold=0.0", "judge.shots=0")
    scores = [row["judge_score"] for row in rows]
    assert all(
        row["reject_reason"] == (None if row["judge_score"] > 0 else "judged-no")
        for row in rows
        if row["judge_score"] is not None
    )
    answer = asyncio.run(engine.complete("def add(a, b):", Sampling(0.0, 2, (), 0, alternatives=5)))
    assert answer.first_tokens is not None
    assert len(answer.first_tokens) >= 4
    (first, *_) = sorted(answer.first_tokens, key=answer.first_tokens.__getitem__, reverse=True)
    assert answer.text.startswith(first)
    assert scores == [
        row["judge_score"] for row in judged(given(6), engine, tmp_path, "judge.threshold=0.0", "judge.shots=0")
    ]


def test_all_prompts_begin_with_the_same_words_and_are_sent_as_the_rows_come(
    server: Any, remote: Engine, tmp_path: Path
) -> None:
    rows = given(12)
    judged(rows, remote, tmp_path, "judge.shots=8", "run.concurrency=1")
    prompts = [body["prompt"] for body in server.bodies]
    assert prompts == [load_judge_prompts("default", 8).of(seed) for seed in rows["seed"][:]]
    same = load_judge_prompts("default", 8).of("def add_").partition("def add_")[0]
    assert all(prompt.startswith(same) for prompt in prompts)


def test_what_goes_wrong_with_a_row_is_its_own_reason(server: Any, remote: Engine, tmp_path: Path) -> None:
    rows = given(18)
    prompts = [load_judge_prompts("default", 8).of(seed) for seed in rows["seed"][:]]
    server.poison |= {prompts[0]: "long", prompts[2]: "empty", prompts[5]: "surrogate", prompts[12]: 500}
    reasons = [row["reject_reason"] for row in judged(rows, remote, tmp_path)]
    assert reasons[0] == "prompt-too-long"
    assert reasons[2] == "judged-neither"
    assert reasons[5] == "undecodable-completion"
    assert reasons[12] == "engine-error"
    assert [reasons[n] for n in (1, 3, 10, 14)] == ["judged-no", "judged-no", None, None]


def test_how_it_is_run_changes_no_row(remote: Engine, tmp_path: Path) -> None:
    rows = given(30)
    one, other = (
        judged(rows, remote, tmp_path, f"run.concurrency={at_once}", f"run.batch_size={size}", f"seed={size}")
        for at_once, size in ((512, 1000), (3, 2))
    )
    assert one == other


def test_no_row_gives_none(remote: Engine, tmp_path: Path) -> None:
    assert judged(given(3).select([]), remote, tmp_path) == []


def test_the_bundled_model_answers_nonsense_and_each_row_says_so(engine: VllmEngine, tmp_path: Path) -> None:
    before = replace(engine.usage)
    rows = judged(given(40), engine, tmp_path, "judge.shots=2", "judge.max_tokens=5")
    for row in rows:
        assert row["reject_reason"] == reject_reason(row["verdict"])
    assert {row["reject_reason"] for row in rows} <= {None, "judged-no", "judged-neither"}
    assert rows == judged(given(40), engine, tmp_path / "again", "judge.shots=2", "run.concurrency=7")
    tokens, cached = (
        getattr(engine.usage, name) - getattr(before, name) for name in ("prompt_tokens", "cached_prompt_tokens")
    )
    assert cached > 0.7 * tokens
    too_long = judged(given(5), engine, tmp_path / "long", "judge.shots=8")
    assert {row["reject_reason"] for row in too_long} == {"prompt-too-long"}, "8 shots and the model's 1,024 tokens"


@pytest.fixture
def arguments(server: Any, tmp_path: Path) -> list[str]:
    """A run on 24 functions, of which the judge keeps 8."""
    changes = [
        f"seeds.source={write_code(tmp_path / 'code', 24, FUNCTION)}",
        "engine.kind=openai",
        f"engine.urls=[{server.url}]",
    ]
    changes += [f"model={MODEL}", "stages=[seeds, judge, concepts, instructions]", "judge.shots=4"]
    return [
        *("--recipe", "demo", "--store", str(tmp_path / "store")),
        *(part for change in changes for part in ("--set", change)),
    ]


@pytest.fixture
def called(
    arguments: list[str], server: Any, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, str, list[str]]]:
    """Runs the command: its exit code, all that it printed, and the prompts that reached the server."""

    def call(*more: str) -> tuple[int, str, list[str]]:
        before = len(server.bodies)
        code = run.main([*arguments, *more])
        printed = capsys.readouterr()
        return code, printed.out + printed.err, [body["prompt"] for body in server.bodies[before:]]

    return call


def latest(tmp_path: Path, dataset: str) -> Version:
    found = Store(tmp_path / "store").latest(dataset)
    assert found is not None
    return found


def test_a_run_with_a_judge(called: Callable[..., Any], tmp_path: Path) -> None:
    code, said, prompts = called("--to", "judge", "--dry-run")
    assert (code, prompts) == (0, [])
    assert "judge" in said
    assert "concepts" not in said
    code, said, prompts = called("--to", "judge")
    assert code == 0
    assert len(prompts) == 24
    assert "judged-neither 8" in said
    assert "24/24 rows" in said, "the line that tells how far a stage is"
    made, parent = latest(tmp_path, "demo-judge"), latest(tmp_path, "demo-seeds")
    assert dict(made.counts.rejected) == {"judged-neither": 8, "judged-no": 8}
    assert (made.counts.rows_in, made.counts.judged, made.counts.kept) == (24, 24, 8)
    assert [facts.fingerprint for facts in made.lineage.parents] == [parent.fingerprint]
    assert [found for _, found in ancestors(Store(tmp_path / "store"), made)] == [parent]
    assert verify(Store(tmp_path / "store"), made) == []
    assert [step.stage for step in made.lineage.funnel] == ["seeds", "judge"]
    assert made.lineage.tokens.completion == 24 * 4
    assert set(made.load()["id"][:]) < set(parent.load()["id"][:])
    card = (made.path / "README.md").read_text()
    assert "| rejected: `judged-no` | 8 |" in card
    assert f"The judge was `{MODEL}`" in card
    for said in ("written by", "wrote is subject to", "synthetic", "base_model"):
        assert said not in card, "it is code of people, which a model only judged"
    assert "judge={max_tokens: 5, prompts: default, shots: 4, threshold: null}" in card
    assert "What decided is `judge_score`" not in card

    code, said, prompts = called("--to", "concepts")
    assert code == 0
    assert len(prompts) == 8
    assert [step.stage for step in latest(tmp_path, "demo-concepts").lineage.funnel] == [
        *("seeds", "judge", "concepts"),
    ]
    assert latest(tmp_path, "demo-concepts").load()["seed_id"][:] == made.load()["id"][:]

    code, said, prompts = called("--from", "judge", "--to", "judge")
    assert (code, prompts) == (0, [])
    assert "in the store" in said


@pytest.mark.parametrize(
    ("answers", "warned"), [(["Yes"], "said yes to 24 of 24"), (["Yes", *["no"] * 23], "said no to 23 of 24")]
)
def test_a_judge_that_always_says_the_same_is_told_of(
    called: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, answers: list[str], warned: str
) -> None:
    assert "the judge said" not in called("--to", "judge")[1]
    monkeypatch.setattr(f"{__name__}.ANSWERS", answers)
    said = called("--to", "judge", "--set", "judge.shots=3")[1]
    assert f"warning: the judge {warned} seeds" in said
    assert "judge=null" in said


@pytest.mark.parametrize(
    ("kept", "no", "neither", "warned"),
    [
        (96, 4, 0, "yes to 96 of 100"),
        (95, 5, 0, None),
        (4, 96, 0, "no to 96 of 100"),
        (3, 1, 96, None),
        (19, 0, 0, None),
        (20, 0, 0, "yes to 20 of 20"),
        (0, 0, 0, None),
    ],
)
def test_what_counts_as_the_same_answer(kept: int, no: int, neither: int, warned: str | None) -> None:
    judged = kept + no + neither
    counts = Counts(judged, judged, kept, {"judged-no": no, "judged-neither": neither})
    warning = one_sided(counts)
    assert (warning is None) if warned is None else (warning is not None and warned in warning)


def test_verdicts_are_replayed_from_the_journal(called: Callable[..., Any], tmp_path: Path) -> None:
    assert len(called("--to", "judge")[2]) == 24
    first = latest(tmp_path, "demo-judge")
    content = {path.name: path.read_bytes() for path in (first.path / "data").iterdir()}
    Store(tmp_path / "store").remove(first)
    assert called("--from", "judge", "--to", "judge")[2] == []
    again = latest(tmp_path, "demo-judge")
    assert {path.name: path.read_bytes() for path in (again.path / "data").iterdir()} == content
    assert (again.timings["calls"]["made"], again.timings["calls"]["reused"]) == (0, 24)
    assert len(called("--to", "judge", "--set", "judge.shots=3")[2]) == 24, "other prompts are other calls"
    assert called("--to", "judge", "--set", "seed=1")[2] == [], "the seed draws nothing here"


def test_a_judge_that_is_switched_on_later_costs_its_own_calls_alone(called: Callable[..., Any]) -> None:
    without = called("--to", "instructions", "--set", "judge=null")[2]
    assert len(without) == 48
    asked = called("--to", "instructions")[2]
    assert len(asked) == 24
    assert all(prompt.endswith("[Verdict]\n") for prompt in asked)


def test_a_pilot_counts_its_calls(called: Callable[..., Any]) -> None:
    code, said, prompts = called("--to", "judge", "--dry-run", "--pilot", "12")
    assert code == 0
    assert len(prompts) == 12
    forecast = said.partition("Forecast")[2]
    row = next(line for line in forecast.splitlines() if line.startswith("judge "))
    assert row.split()[:3] == ["judge", "24", "24"]
    assert row.split()[4] == "96"


def test_what_a_recipe_without_a_judge_says_of_one(called: Callable[..., Any], tmp_path: Path) -> None:
    for option in ("--from", "--to"):
        code, said, _ = called("--set", "judge=null", option, "judge")
        assert code == 2
        assert "no stage 'judge'; its stages are seeds, concepts" in said
    code, said, _ = called("--to", "judge", "--set", "judge.shots=9")
    assert code == 2
    assert "judge.shots = 9" in said
    assert Store(tmp_path / "store").versions() == [], "it is known before seeds are gathered"


def test_no_row_left_is_one_line_with_the_reasons(called: Callable[..., Any], server: Any) -> None:
    server.poison |= dict.fromkeys(
        (load_judge_prompts("default", 4).of(FUNCTION.format(number)) for number in range(24)), "long"
    )
    code, said, _ = called()
    assert code == 2
    assert "no row left after stage 'judge' (prompt-too-long: 24)" in said


def test_ready_made_seeds_can_be_judged(called: Callable[..., Any], tmp_path: Path) -> None:
    rows = [{"content": FUNCTION.format(number), "sha1": f"{number:040x}"} for number in range(12)]
    Dataset.from_list(rows).to_parquet(tmp_path / "given.parquet")
    code, _, prompts = called("--from", "judge", "--to", "judge", "--input", str(tmp_path / "given.parquet"))
    assert code == 0
    assert len(prompts) == 12
    assert latest(tmp_path, "demo-judge").counts.kept == 4
