"""`python -m sca_hf.train` on the bundled model, for real: a few steps on eight short conversations."""

import asyncio
import hashlib
import json
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from huggingface_hub import ModelCard
from transformers import AutoModelForCausalLM, AutoTokenizer

from sca_hf import train
from sca_hf.engines import Sampling
from sca_hf.engines.model import DEMO_MODEL
from sca_hf.engines.vllm import VllmEngine
from sca_hf.prompts.chat import chat_prompt
from sca_hf.training.tokens import encode
from tests.training.rows import WORDS, conversation, set_options, write_jsonl

STEPS = 24
ANSWER = re.compile(r'```python\ndef [a-z]+\(\):\n    return "[a-z]+"\n```')


def command(data: Path, out: Path, *settings: str) -> list[str]:
    options = set_options(f"steps={STEPS}", "save_steps=2", *settings)
    return ["--data", str(data), "--model", "demo", "--out", str(out), *options]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    rows = [{"messages": conversation(word)} for word in WORDS]
    return write_jsonl(tmp_path_factory.mktemp("data") / "rows.jsonl", rows)


@pytest.fixture(scope="module")
def tuned(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The model of a training that nothing disturbed."""
    out = tmp_path_factory.mktemp("tuned") / "tuned"
    assert train.main(command(data, out)) == 0
    return out


def losses(folder: Path) -> list[tuple[int, float]]:
    history = json.loads((folder / "trainer_state.json").read_text())["log_history"]
    return [(entry["step"], entry["loss"]) for entry in history if "loss" in entry]


def weights(folder: Path) -> str:
    return hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest()


def test_the_first_loss_is_that_of_the_responses_alone(tuned: Path, tokenizer: Any) -> None:
    model = AutoModelForCausalLM.from_pretrained(DEMO_MODEL, dtype=torch.float32)
    on_responses, on_all = [], []
    for word in WORDS:
        messages = conversation(word)
        row = encode({"prompt": messages[:1], "completion": messages[1:]}, tokenizer, 128)
        ids, labels = (torch.tensor([row[name]]) for name in ("input_ids", "labels"))
        with torch.no_grad():
            on_responses.append(model(input_ids=ids, labels=labels).loss.item())
            on_all.append(model(input_ids=ids, labels=ids).loss.item())
    # The first step sees four of the eight rows, before any change of the weights; the second the other four, and the
    # rate of the first is 0 (warm-up).
    seen = (losses(tuned)[0][1] + losses(tuned)[1][1]) / 2
    assert seen == pytest.approx(sum(on_responses) / 8, rel=0.02)
    assert abs(sum(on_all) / 8 / seen - 1) > 0.2


def test_the_loss_falls(tuned: Path) -> None:
    curve = losses(tuned)
    assert [step for step, _ in curve] == list(range(1, STEPS + 1))
    assert curve[-1][1] < curve[0][1] / 4


def test_the_folder_is_a_model_with_its_template(tuned: Path, tokenizer: Any) -> None:
    model, saved = AutoModelForCausalLM.from_pretrained(tuned), AutoTokenizer.from_pretrained(tuned)
    assert model.dtype == torch.bfloat16
    assert model.config.use_cache
    assert model.generation_config.eos_token_id == saved.eos_token_id
    assert saved.chat_template == tokenizer.chat_template
    assert chat_prompt(saved, conversation("apple")[:1]) == chat_prompt(tokenizer, conversation("apple")[:1])
    assert not (tuned / "checkpoints").exists()
    assert (tuned / "model.safetensors").stat().st_size == (DEMO_MODEL / "model.safetensors").stat().st_size


def test_the_card_says_what_it_was_tuned_on_and_how(tuned: Path, data: Path) -> None:
    text = (tuned / "README.md").read_text()
    card = ModelCard(text)
    assert card.data.library_name == "transformers"  # type: ignore[attr-defined]
    said = ["`demo`, revision `local:", hashlib.sha256(data.read_bytes()).hexdigest(), "with 8 rows", "(loss.png)"]
    said += ["| average | sequence |", "| optimizer | adamw_torch |", "| method | sft |", "| steps | 24 |"]
    for part in said:
        assert part in text
    assert str(data.parent) not in text
    assert (tuned / "loss.png").read_bytes().startswith(b"\x89PNG")


def test_the_engine_gets_an_answer_of_the_learnt_form_and_its_end(tuned: Path) -> None:
    engine = VllmEngine(str(tuned), max_model_len=256, max_num_seqs=8)
    prompts = [chat_prompt(AutoTokenizer.from_pretrained(tuned), conversation(word)[:1]) for word in WORDS]
    greedy = Sampling(temperature=0.0, top_p=1.0, max_tokens=60, stop=(), seed=1)

    async def answers() -> list[Any]:
        return await asyncio.gather(*(engine.complete(prompt, greedy) for prompt in prompts))

    try:
        completions = asyncio.run(answers())
    finally:
        engine.close()
    for completion in completions:
        assert completion.finish_reason == "stop"
        assert ANSWER.fullmatch(completion.text), completion.text


def test_a_finished_training_is_left_as_it_is(tuned: Path, data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = weights(tuned)
    assert train.main(command(data, tuned)) == 0
    assert "is finished: nothing to do" in capsys.readouterr().out
    assert weights(tuned) == before


@pytest.fixture
def killed(data: Path, tmp_path: Path) -> Path:
    """The folder of a training that was killed after a checkpoint, with the next one half-written."""
    out = tmp_path / "killed"
    running = subprocess.Popen(
        [sys.executable, "-m", "sca_hf.train", *command(data, out)], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )
    try:
        while not (out / "checkpoints" / "checkpoint-4" / "trainer_state.json").is_file():
            assert running.poll() is None, running.stderr.read().decode() if running.stderr else ""
            time.sleep(0.005)
    finally:
        running.send_signal(signal.SIGKILL)
        running.wait()
    assert not json.loads((out / "training.json").read_text())["finished"]
    return out


def test_after_a_kill_it_goes_on_with_the_same_losses(
    killed: Path, tuned: Path, data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    half = killed / "checkpoints" / f"checkpoint-{STEPS + 2}"
    half.mkdir()
    (half / "trainer_state.json").write_text('{"global_step": 2')
    assert train.main(command(data, killed)) == 0
    said = capsys.readouterr().out
    assert re.search(r"going on from .*checkpoint-\d+\n", said)
    assert half.name not in said
    assert losses(killed) == losses(tuned)
    assert weights(killed) == weights(tuned)


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--set", "learning_rate=1"], "is of another training .*settings.learning_rate 0.002 there, 1.0 now"),
        (["--set", "batch_size=3"], "batch_size 3 is not a multiple of micro_batch 2 x 1 devices"),
        (["--set", "epoch=3"], "unknown key 'epoch' .*allowed here: seed, learning_rate, epochs"),
        (["--set", "lora={r: 3}"], "unknown key 'lora.r' .*allowed here: rank, alpha, dropout"),
        (["--set", "average=mean"], "average = 'mean': input should be 'sequence' or 'token'"),
        (["--set", "average"], "write key=value"),
        (["--dpo"], "rows.jsonl has the columns messages; --dpo takes prompt, chosen, rejected"),
        (["--data", "none.jsonl"], "none.jsonl: there is no such file"),
        (["--data", "demo-sft", "--store", "no-store"], "there is no store no-store"),
        (["--model", "no-model/"], "there is no model folder"),
    ],
)
def test_what_can_not_be_trained(
    more: list[str], message: str, tuned: Path, data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tuned if "learning_rate=1" in more else tuned.parent / "none"
    assert train.main([*command(data, out), *more]) == 2
    (line,) = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error: ")]
    assert re.search(message, line)
