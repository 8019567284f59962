"""Engines behind servers: each fault costs a retry, its row, or the run, whichever it is."""

import asyncio
import time
from collections.abc import Iterator
from email.utils import formatdate
from pathlib import Path
from typing import Any

import pytest

from sca_hf.engines import Completion, Engine, EngineIdentity, Prompt, RowFailure, Sampling
from sca_hf.engines.http import seconds_of
from sca_hf.engines.registry import identity_of, make_engine
from sca_hf.engines.remote import RemoteEngine
from sca_hf.engines.settings import EngineSettings
from sca_hf.errors import EngineUnavailable, RecipeError
from sca_hf.pipeline.journal import Journal, JournaledEngine
from sca_hf.recipe import load_recipe
from tests.engines.loopback_server import COMMIT, MODEL, Loopback, text_of
from tests.watching import until

pytestmark = pytest.mark.slow

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


class Turns:
    """An engine that is asked so many calls at once."""

    def __init__(self, engine: Engine, count: int) -> None:
        self.identity, self.close = engine.identity, engine.close
        self._engine, self._turns = engine, asyncio.Semaphore(count)

    async def complete(self, prompt: Prompt, sampling: Sampling) -> Completion:
        async with self._turns:
            return await self._engine.complete(prompt, sampling)


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


@pytest.mark.parametrize(("fault", "seconds"), [("retry", 0.3), ("date", 0.9)])  # a date is a whole second
def test_a_server_that_says_when_is_not_asked_before(server: Any, engine: Engine, fault: str, seconds: float) -> None:
    server.faults.append(fault)
    began = time.monotonic()
    assert outcomes(engine, PROMPTS[:1]) == TEXTS[:1]
    assert server.asked[PROMPTS[0]] == 2
    assert time.monotonic() - began >= seconds


@pytest.mark.parametrize(
    ("header", "seconds"), [(None, None), ("7", 7.0), ("0.5", 0.5), ("-1", 0.0), ("soon", None), ("", None)]
)
def test_what_a_retry_after_header_says(header: str | None, seconds: float | None) -> None:
    assert seconds_of(header) == seconds
    assert seconds_of("Wed, 21 Oct 2015 07:28:00 GMT") == 0.0
    assert seconds_of(formatdate(time.time() + 100, usegmt=True)) == pytest.approx(100, abs=2)


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
    engine = make_engine(MODEL, settings("openai", server.url))
    assert isinstance(engine, RemoteEngine)
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


def test_servers_that_differ_may_be_mixed(server: Any) -> None:
    other = Loopback()
    other.version = "2.0"
    mixed = settings("openai", server.url, other.url, mixed=True)
    engine = make_engine(MODEL, mixed)
    assert outcomes(engine, PROMPTS * 4) == TEXTS * 4
    assert other.asked
    assert mixed.intent()["mixed"] is True  # and so in lineage
    engine.close()
    other.close()


DECKS = [f"Name concepts.\n\n### Example 1\nshot {deck}\n\n### Example 2\n" for deck in range(24)]


def decks_of(server: Any) -> set[str]:
    return {prompt.rpartition("### Example")[0] for prompt in server.asked}


def test_the_rows_of_a_deck_go_to_one_server() -> None:
    servers = [Loopback() for _ in range(3)]
    engine = make_engine(MODEL, settings("openai", *(server.url for server in servers)))
    for row in range(3):  # one at a time, so that none is overloaded
        for deck in DECKS:
            outcomes(engine, [f"{deck}row {row}"])
    owned = [decks_of(server) for server in servers]
    assert sum(map(len, owned)) == len(DECKS)
    assert min(map(len, owned)) > 0
    # The decks of a server that is gone are shared by the others, which keep theirs.
    servers[0].close()
    for deck in DECKS:
        outcomes(engine, [f"{deck}row 3"])
    assert all(owned[number] <= decks_of(servers[number]) for number in (1, 2))
    assert decks_of(servers[1]) | decks_of(servers[2]) == {deck.rpartition("### Example")[0] for deck in DECKS}
    engine.close()
    for server in servers[1:]:
        server.close()


def test_servers_join_and_leave_by_a_file(tmp_path: Path) -> None:
    first, second = Loopback(), Loopback()
    addresses = tmp_path / "servers.txt"
    addresses.write_text(f"# those of today\n{first.url}\n")
    engine = make_engine(MODEL, settings("openai", urls=str(addresses)))
    assert isinstance(engine, RemoteEngine)
    assert outcomes(engine, PROMPTS) == TEXTS
    addresses.write_text(f"{first.url}\n{second.url}\n")
    until(lambda: len(engine.urls) == 2, 60)
    assert outcomes(engine, PROMPTS * 4) == TEXTS * 4
    assert second.asked
    addresses.write_text(f"{second.url}\n")
    until(lambda: engine.urls == (second.url,), 60)
    asked = sum(first.asked.values())
    assert outcomes(engine, PROMPTS * 4) == TEXTS * 4
    assert sum(first.asked.values()) == asked
    addresses.write_text("half an address\n")  # while it is written: those before stay
    time.sleep(1)
    assert engine.urls == (second.url,)
    addresses.write_text("")
    until(lambda: not engine.urls, 60)
    addresses.write_text(f"{first.url}\n")
    assert outcomes(engine, PROMPTS[1:]) == TEXTS[1:]  # waits until it is there
    engine.close()
    for server in (first, second):
        server.close()


def test_a_server_that_comes_back_as_another_build_gets_no_calls(caplog: pytest.LogCaptureFixture) -> None:
    stays, goes = Loopback(), Loopback()
    engine = make_engine(MODEL, settings("openai", stays.url, goes.url))
    assert isinstance(engine, RemoteEngine)
    assert outcomes(engine, PROMPTS * 4) == TEXTS * 4
    goes.close()
    assert outcomes(engine, PROMPTS * 4) == TEXTS * 4
    assert engine.urls == (stays.url,)
    other = Loopback(port=goes.port)
    other.version = "2.0"
    until(lambda: "vllm serve 2.0" in caplog.text, 60)
    assert outcomes(engine, PROMPTS * 4) == TEXTS * 4
    assert not other.asked
    other.version = "1.0"
    until(lambda: len(engine.urls) == 2, 60)
    assert outcomes(engine, PROMPTS * 4) == TEXTS * 4
    assert other.asked
    engine.close()
    for server in (stays, other):
        server.close()


def test_a_server_that_answers_slowly_takes_its_share_at_most() -> None:
    slow, *others = [Loopback() for _ in range(4)]
    slow.says = lambda prompt, seed: time.sleep(1.0) or text_of(prompt, seed)  # type: ignore[func-returns-value]
    engine = make_engine(MODEL, settings("openai", slow.url, *(server.url for server in others), request_seconds=30.0))
    prompts = [f"prompt {number}" for number in range(400)]
    assert outcomes(Turns(engine, 40), prompts) == [text_of(prompt, 1) for prompt in prompts]
    assert sum(slow.asked.values()) < 100
    engine.close()
    for server in (slow, *others):
        server.close()


@pytest.mark.parametrize("lines", ["ftp://x\n", "127.0.0.1:8000\n"])
def test_a_file_of_addresses_that_holds_others(tmp_path: Path, lines: str) -> None:
    (tmp_path / "servers").write_text(lines)
    with pytest.raises(EngineUnavailable, match="is no address; begin it with http"):
        make_engine(MODEL, settings("openai", urls=str(tmp_path / "servers")))
    with pytest.raises(EngineUnavailable, match=r"can't be read.*one address a line"):
        make_engine(MODEL, settings("openai", urls=str(tmp_path / "none")))
    with pytest.raises(RecipeError, match=r"is not a file; give a list"):
        load_recipe("demo", ["engine.kind=openai", "engine.urls=http://127.0.0.1:8000"])


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
