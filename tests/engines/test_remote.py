"""Engines behind servers: each fault costs a retry, its row, or the run, whichever it is."""

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sca_hf.engines import Completion, Engine, EngineIdentity, RowFailure, Sampling
from sca_hf.engines.openai import openai_engine
from sca_hf.engines.registry import identity_of, make_engine
from sca_hf.engines.remote import TokenLimits
from sca_hf.engines.settings import EngineSettings
from sca_hf.errors import EngineUnavailable, RecipeError
from sca_hf.pipeline.journal import Journal, JournaledEngine
from sca_hf.recipe import load_recipe
from tests.engines.loopback_server import COMMIT, MODEL, Loopback, text_of

KEY = "sk-very-secret"
KINDS = ["openai", "tgi"]


def sampling(seed: int = 1, max_tokens: int = 8) -> Sampling:
    return Sampling(temperature=0.7, max_tokens=max_tokens, stop=("###",), seed=seed)


def settings(kind: str, *urls: str, **others: Any) -> EngineSettings:
    given: dict[str, Any] = {"kind": kind, "urls": urls, "patience": 30.0, "request_seconds": 2.0}
    return EngineSettings(**given | others)


def outcomes(engine: Engine, prompts: list[str]) -> list[str]:
    """Text or failure of each prompt, all asked at once."""

    async def outcome(prompt: str) -> str:
        try:
            return (await engine.complete(prompt, sampling())).text
        except RowFailure as failure:
            return f"rejected: {failure.reason}"

    async def together() -> list[str]:
        return await asyncio.gather(*map(outcome, prompts))

    return asyncio.run(together())


@pytest.fixture
def server() -> Iterator[Any]:
    running = Loopback()
    yield running
    running.close()


@pytest.fixture(params=KINDS)
def engine(server: Any, request: pytest.FixtureRequest) -> Iterator[Engine]:
    made = make_engine(MODEL, settings(request.param, server.url))
    yield made
    made.close()


PROMPTS = [f"prompt {number}" for number in range(8)]
TEXTS = [text_of(prompt, 1) for prompt in PROMPTS]


def test_a_completion_of_each_kind(server: Any) -> None:
    engine = make_engine(MODEL, settings("openai", server.url))
    assert asyncio.run(engine.complete("one two", sampling(7))) == Completion(text_of("one two", 7), "stop", 2, 4)
    sent = server.bodies[-1]
    assert {name: sent[name] for name in ("model", "temperature", "max_tokens", "seed", "stop")} == {
        "model": MODEL,
        "temperature": 0.7,
        "max_tokens": 8,
        "seed": 7,
        "stop": ["###"],
    }
    engine.close()
    engine.close()
    tgi = make_engine(MODEL, settings("tgi", server.url))
    assert asyncio.run(tgi.complete("one two", sampling(7))) == Completion(text_of("one two", 7), "stop", 0, 4)
    tgi.close()
    with pytest.raises(EngineUnavailable, match="was closed"):
        asyncio.run(tgi.complete("one two", sampling(7)))


def test_identity_is_what_the_server_tells(server: Any) -> None:
    served = identity_of(f"{MODEL}@v2", settings("openai", server.url))
    assert served == EngineIdentity(MODEL, f"{MODEL}@v2", "vllm serve 1.0", "as served")
    assert identity_of(MODEL, settings("tgi", server.url)).intent() == {
        "revision": f"{MODEL}@{COMMIT}",
        "build": "tgi 1.0",
        "dtype": "bf16",
    }


@pytest.mark.parametrize("fault", [500, 503, "retry", "hang", "cut", "garbage", "utf-8"])
def test_a_passing_fault_costs_a_retry(server: Any, engine: Engine, fault: int | str) -> None:
    server.faults.extend([fault, fault])
    assert outcomes(engine, PROMPTS) == TEXTS
    assert sum(server.asked.values()) >= len(PROMPTS) + 2


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        (500, "engine-error"),
        ("garbage", "engine-error"),
        ("utf-8", "engine-error"),
        ("long", "prompt-too-long"),
        ("surrogate", "undecodable-completion"),
    ],
)
def test_a_lasting_fault_of_one_prompt_costs_its_row(server: Any, engine: Engine, fault: Any, reason: str) -> None:
    server.poison[PROMPTS[3]] = fault
    assert outcomes(engine, PROMPTS) == [*TEXTS[:3], f"rejected: {reason}", *TEXTS[4:]]
    # Nor does it take the run with it where it is the last.
    assert outcomes(engine, PROMPTS[3:4]) == [f"rejected: {reason}"]


def test_a_server_that_says_when_is_not_asked_before(server: Any, engine: Engine) -> None:
    server.faults.append("retry")
    began = time.monotonic()
    assert outcomes(engine, PROMPTS[:1]) == TEXTS[:1]
    assert server.asked[PROMPTS[0]] == 2
    if engine.identity.build.startswith("tgi"):  # whose client keeps the answer's headers to itself
        return
    assert time.monotonic() - began >= 0.3


def test_what_goes_on_forever_is_cut_off_and_says_so(server: Any) -> None:
    server.poison[PROMPTS[3]] = "forever"
    engine = make_engine(MODEL, settings("openai", server.url))
    assert asyncio.run(engine.complete(PROMPTS[3], sampling())).finish_reason == "length"
    engine.close()


def test_an_empty_completion_is_one(server: Any, engine: Engine) -> None:
    server.poison[PROMPTS[3]] = "empty"
    assert outcomes(engine, PROMPTS)[3] == ""


def test_a_prompt_that_is_no_text(engine: Engine) -> None:
    assert outcomes(engine, ["lone \ud800"]) == ["rejected: undecodable-prompt"]


def test_bounds_of_the_recipe_reject_as_in_the_process(server: Any) -> None:
    engine = make_engine(MODEL, settings("openai", server.url, max_prompt_tokens=2))
    assert outcomes(engine, ["one two", "one two three"])[1] == "rejected: prompt-too-long"
    engine.close()
    with pytest.raises(EngineUnavailable, match=r"max_prompt_tokens = 2: TGI.*--max-input-tokens 2"):
        make_engine(MODEL, settings("tgi", server.url, max_prompt_tokens=2))


@pytest.mark.parametrize("fault", [500, 503, "hang", "cut"])
def test_where_nothing_succeeds_the_run_stops(server: Any, fault: int | str) -> None:
    engine = make_engine(MODEL, settings("openai", server.url, patience=1.0, request_seconds=1.0))
    server.poison |= dict.fromkeys([*PROMPTS, "1"], fault)
    with pytest.raises(EngineUnavailable, match=r"no call has succeeded.*finished calls are kept"):
        outcomes(engine, PROMPTS)
    engine.close()


def test_one_of_three_is_dead_from_the_start() -> None:
    servers = [Loopback() for _ in range(3)]
    servers[1].close()
    engine = make_engine(MODEL, settings("openai", *(server.url for server in servers)))
    assert outcomes(engine, PROMPTS * 5) == TEXTS * 5
    first, last = sum(servers[0].asked.values()), sum(servers[2].asked.values())
    assert first + last == 40
    assert min(first, last) >= 10
    servers[0].close()
    assert outcomes(engine, PROMPTS) == TEXTS
    engine.close()
    servers[2].close()


def test_a_server_that_restarts(tmp_path: Path) -> None:
    server = Loopback()
    engine = JournaledEngine(
        make_engine(MODEL, settings("openai", server.url, patience=20.0)), Journal(tmp_path / "journal")
    )
    assert outcomes(engine, PROMPTS[:4]) == TEXTS[:4]
    server.close()

    async def meanwhile() -> list[Completion]:
        calls = asyncio.gather(*(engine.complete(prompt, sampling()) for prompt in PROMPTS))
        await asyncio.sleep(0.5)
        restarted.append(Loopback(port=server.port))
        return await calls

    restarted: list[Any] = []
    assert [completion.text for completion in asyncio.run(meanwhile())] == TEXTS
    assert (engine.made, engine.reused) == (8, 4)
    engine.close()
    restarted[0].close()


def test_what_was_finished_before_the_servers_died_is_kept(tmp_path: Path) -> None:
    server = Loopback()
    journal = Journal(tmp_path / "journal")
    engine = JournaledEngine(make_engine(MODEL, settings("openai", server.url, patience=0.5)), journal)
    assert outcomes(engine, PROMPTS[:4]) == TEXTS[:4]
    server.close()
    with pytest.raises(EngineUnavailable):
        outcomes(engine, PROMPTS)
    engine.close()
    again = Loopback(port=server.port)
    later = JournaledEngine(make_engine(MODEL, settings("openai", again.url)), journal)
    assert outcomes(later, PROMPTS) == TEXTS
    assert (later.made, later.reused) == (4, 4)
    later.close()
    again.close()


def test_a_server_that_dies_at_the_first_calls_is_not_one_that_is_not_up_yet() -> None:
    server = Loopback()
    engine = make_engine(MODEL, settings("openai", server.url, patience=1.0))
    server.close()
    with pytest.raises(EngineUnavailable) as died:
        outcomes(engine, PROMPTS)
    engine.close()
    for part in (server.url, "up when this run began, gone since the first calls", "--no-enable-chunked-prefill"):
        assert part in str(died.value)
    assert "is up" not in str(died.value)


def test_trouble_is_told_while_it_lasts(server: Any) -> None:
    engine = openai_engine(MODEL, [server.url], TokenLimits(None, None), patience=30.0, request_seconds=2.0)
    usage = engine.usage
    server.faults.append("retry")
    told = []

    async def watched() -> None:
        call = asyncio.ensure_future(engine.complete(PROMPTS[0], sampling()))
        while not call.done():
            told.append(usage.trouble)
            await asyncio.sleep(0.02)

    asyncio.run(watched())
    engine.close()
    assert any(f"{server.url} does not answer (status 429" in trouble for trouble in told)
    assert usage.trouble == ""


@pytest.mark.parametrize("kind", KINDS)
def test_no_server_at_all(kind: str) -> None:
    gone = Loopback()
    gone.close()
    with pytest.raises(EngineUnavailable, match=r"no server of engine\.urls is up.*start one"):
        make_engine(MODEL, settings(kind, gone.url, patience=0.1))


def test_a_model_that_the_server_does_not_have(server: Any) -> None:
    for kind in KINDS:
        with pytest.raises(EngineUnavailable, match=r"org/other.*give --model"):
            make_engine("org/other", settings(kind, server.url))
    engine = make_engine(MODEL, settings("openai", server.url))
    server.faults.append("gone")
    with pytest.raises(EngineUnavailable, match="has no model 'org/toy' any more"):
        outcomes(engine, PROMPTS)
    engine.close()


def test_servers_that_differ(server: Any) -> None:
    other = Loopback()
    other.version = "2.0"
    with pytest.raises(EngineUnavailable, match=r"differ.*vllm serve 1\.0.*vllm serve 2\.0"):
        identity_of(MODEL, settings("openai", server.url, other.url))
    other.close()


@pytest.mark.parametrize(("kind", "variable"), [("openai", "OPENAI_API_KEY"), ("tgi", "TGI_API_KEY")])
def test_a_key_comes_from_the_environment_and_is_never_shown(
    kind: str, variable: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = Loopback(key=KEY)
    with pytest.raises(EngineUnavailable, match=rf"{variable} is not set"):
        make_engine(MODEL, settings(kind, server.url))
    monkeypatch.setenv(variable, "sk-wrong")
    with pytest.raises(EngineUnavailable, match=rf"{variable} is not the one") as refused:
        make_engine(MODEL, settings(kind, server.url))
    assert "sk-wrong" not in str(refused.value)
    monkeypatch.setenv(variable, KEY)
    engine = make_engine(MODEL, settings(kind, server.url))
    assert outcomes(engine, PROMPTS) == TEXTS
    assert KEY not in repr(engine.identity)
    engine.close()
    server.close()


def test_addresses_are_no_part_of_what_is_published(server: Any) -> None:
    changes = ["engine.kind=openai", f"engine.urls=['{server.url}']", f"model={MODEL}"]
    recipe = load_recipe("demo", changes)
    assert "127.0.0.1" not in repr(recipe.published())
    assert recipe.engine.intent() == load_recipe("demo").engine.intent()
    for wrong in (["engine.kind=openai"], [f"engine.urls=['{server.url}']"], ["engine.kind=tgi", "engine.urls=[me]"]):
        with pytest.raises(RecipeError, match="urls"):
            load_recipe("demo", wrong)
