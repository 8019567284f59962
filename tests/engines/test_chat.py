"""Conversations: over the protocol of OpenAI, and by the chat template of a model in process."""

import asyncio
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sca_hf.engines import Completion, Conversation, Message, RowFailure, Sampling
from sca_hf.engines.registry import identity_of, make_engine
from sca_hf.engines.settings import EngineSettings
from sca_hf.engines.vllm.engine import VllmEngine
from sca_hf.errors import EngineUnavailable
from sca_hf.pipeline.journal import Journal, JournaledEngine
from sca_hf.prompts.chat import CHAT_TEMPLATE
from tests.engines.loopback_server import MODEL, Loopback, laid_out, text_of

ASKED = Conversation((Message("system", "Be brief."), Message("user", "Double 4.")))


def sampling(seed: int = 1, max_tokens: int = 8) -> Sampling:
    return Sampling(temperature=0.7, max_tokens=max_tokens, stop=("###",), seed=seed)


@pytest.fixture
def server() -> Iterator[Any]:
    running = Loopback()
    yield running
    running.close()


def engine_of(server: Any, kind: str = "openai") -> Any:
    return make_engine(
        MODEL,
        EngineSettings(kind=kind, urls=(server.url,), patience=30.0, request_seconds=2.0),  # type: ignore[arg-type]
    )


def test_a_conversation_goes_to_the_servers_chat(server: Any) -> None:
    engine = engine_of(server)
    text = text_of(laid_out(ASKED.dicts), 7)
    assert asyncio.run(engine.complete(ASKED, sampling(7))) == Completion(text, "stop", 7, 4)
    sent = server.bodies[-1]
    assert sent["messages"] == [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Double 4."}]
    assert (sent["seed"], sent["max_tokens"], sent["stop"]) == (7, 8, ["###"])
    assert "prompt" not in sent
    engine.close()


def test_what_a_server_gives_apart_as_reasoning_is_before_the_answer(server: Any) -> None:
    server.thinks, server.says = "Twice four.", lambda prompt, seed: "8"
    engine = engine_of(server)
    assert asyncio.run(engine.complete(ASKED, sampling())).text == "<think>Twice four.</think>8"
    engine.close()


@pytest.mark.parametrize("fault", [500, "retry", "cut", "garbage"])
def test_a_passing_fault_costs_a_retry(server: Any, fault: Any) -> None:
    server.faults.extend([fault, fault])
    engine = engine_of(server)
    assert asyncio.run(engine.complete(ASKED, sampling(3))).text == text_of(laid_out(ASKED.dicts), 3)
    engine.close()


def test_a_prompt_that_is_too_long_costs_its_row(server: Any) -> None:
    server.poison["Double"] = "long"
    engine = engine_of(server)
    with pytest.raises(RowFailure, match="prompt-too-long"):
        asyncio.run(engine.complete(ASKED, sampling()))
    engine.close()


def test_servers_without_a_template_or_without_chat_are_told(server: Any) -> None:
    server.poison["Double"] = "no-template"
    engine = engine_of(server)
    with pytest.raises(EngineUnavailable, match=r"no chat template for 'org/toy'.*--chat-template FILE"):
        asyncio.run(engine.complete(ASKED, sampling()))
    engine.close()
    engine = engine_of(server, "tgi")
    with pytest.raises(EngineUnavailable, match=r"engine.kind tgi.*kind openai"):
        asyncio.run(engine.complete(ASKED, sampling()))
    engine.close()


def test_the_journal_keeps_roles_texts_and_stops_apart(server: Any, tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal.sqlite")
    engine = JournaledEngine(engine_of(server), journal)
    first, second = ASKED.messages
    others: list[Any] = [
        ASKED,
        Conversation((Message("user", first.content), second)),
        Conversation((first, Message("user", "Double 5."))),
        Conversation((Message("user", "Be brief.Double 4."),)),
        str(ASKED),
    ]
    for _ in range(2):
        for asked in others:
            asyncio.run(engine.complete(asked, sampling()))
    asyncio.run(engine.complete(ASKED, Sampling(temperature=0.7, max_tokens=8, stop=(), seed=1)))
    assert (engine.made, engine.reused) == (6, 5)
    engine.close()
    journal.close()


def test_a_models_template_is_part_of_its_identity(model_folder: Path, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    shutil.copytree(model_folder, folder)
    settings = EngineSettings()
    bare = identity_of(str(folder), settings)
    (folder / "chat_template.jinja").write_text(CHAT_TEMPLATE)
    one = identity_of(str(folder), settings)
    (folder / "chat_template.jinja").write_text(CHAT_TEMPLATE + "{# changed #}")
    assert len({each.revision for each in (bare, one, identity_of(str(folder), settings))}) == 3


@pytest.mark.engine
@pytest.mark.slow
def test_a_model_in_process_answers_by_its_template(model_folder: Path, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    shutil.copytree(model_folder, folder)
    config = json.loads((folder / "tokenizer_config.json").read_text())
    config.pop("chat_template", None)
    (folder / "tokenizer_config.json").write_text(json.dumps(config))
    template = (  # its last newline is an expression, as Jinja drops one at the very end
        "{% for m in messages %}{% if m['role'] == 'system' %}{{ raise_exception('no system') }}{% endif %}"
        "[Instruction]\n{{ m['content'] }}\n\n{% endfor %}[Response]{{ '\\n' }}"
    )
    (folder / "chat_template.jinja").write_text(template)
    engine = VllmEngine(str(folder), max_model_len=512, max_num_seqs=4)
    asked = Conversation((Message("user", "Write `f(x)`."),))
    try:
        chatted = asyncio.run(engine.complete(asked, sampling(max_tokens=24)))
        written = asyncio.run(engine.complete("[Instruction]\nWrite `f(x)`.\n\n[Response]\n", sampling(max_tokens=24)))
        assert chatted == written
        with pytest.raises(EngineUnavailable, match=r"refuses a conversation of system, user \(no system\)"):
            asyncio.run(engine.complete(ASKED, sampling()))
    finally:
        engine.close()


def test_a_model_without_a_template_is_told(engine: VllmEngine, model_folder: Path, tmp_path: Path) -> None:
    if engine._tokenizer is None:
        asyncio.run(engine.complete("x", sampling(max_tokens=1)))
    assert not engine._tokenizer.chat_template, "the bundled model is a base model"
    with pytest.raises(EngineUnavailable, match=r"has no chat template.*STAGE.model"):
        engine._laid_out(ASKED)  # through `complete` it would end the engine that all tests share
