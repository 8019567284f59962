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
from accelerate.utils import FullyShardedDataParallelPlugin
from huggingface_hub import ModelCard
from transformers import AutoModelForCausalLM, AutoTokenizer, TrainingArguments

from sca_hf import train
from sca_hf.engines import Sampling
from sca_hf.engines.model import DEMO_MODEL
from sca_hf.engines.vllm.engine import VllmEngine
from sca_hf.prompts.chat import chat_prompt
from sca_hf.stages.formats import preference
from sca_hf.training.settings import SupervisedSettings
from sca_hf.training.tokens import encode
from sca_hf.training.trainers import arguments
from tests.finished_run import logged_in, loopback
from tests.store.loopback_hub import LoopbackHub
from tests.training.rows import WORDS, conversation, set_options, sft_row, write_jsonl

__all__ = ["logged_in", "loopback"]

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
        (["--set", "average=mean"], "average = 'mean': give sequence or token"),
        (["--set", "average"], "write key=value"),
        (["--dpo"], "rows.jsonl has the columns messages; --dpo takes prompt, chosen, rejected"),
        (["--data", "none.jsonl"], "none.jsonl: there is no such file"),
        (["--data", "demo-sft", "--store", "no-store"], "there is no store no-store"),
        (["--model", "no-model/"], "there is no model folder"),
        (["--fsdp"], "--fsdp shares weights among GPUs, and there is none here"),
    ],
)
def test_what_can_not_be_trained(
    more: list[str], message: str, tuned: Path, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tuned if "learning_rate=1" in more else tmp_path / "none"
    assert train.main([*command(data, out), *more]) == 2
    (line,) = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error: ")]
    assert re.search(message, line)


def test_two_processes_learn_what_one_does(tuned: Path, data: Path, tmp_path: Path) -> None:
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2", "-m"]
    ran = subprocess.run(
        [*launch, "sca_hf.train", *command(data, tmp_path / "two", "steps=4")],
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.count("step 1 of 4") == 1
    # The schedule is another one, but for the first two steps: the first has the rate 0.
    first, both = ([loss for _, loss in losses(folder)[:2]] for folder in (tuned, tmp_path / "two"))
    assert both == pytest.approx(first, rel=1e-3)
    assert "| devices | 2 |" in (tmp_path / "two" / "README.md").read_text()


def test_fsdp_is_what_accelerate_understands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as gpu:
        gpu.setattr(torch.cuda, "is_available", lambda: True)
        shared = arguments(SupervisedSettings(gradient_checkpointing=True), tmp_path, fsdp=True)
    del shared["max_length"]  # of TRL's configurations
    plugin = FullyShardedDataParallelPlugin(**TrainingArguments(**shared | {"use_cpu": True}).fsdp_plugin_args)
    assert plugin.fsdp_version == 2
    assert plugin.activation_checkpointing
    assert plugin.state_dict_type.name == "FULL_STATE_DICT"  # so that what is saved is one model


def test_an_adapter_is_merged_into_the_weights(data: Path, tmp_path: Path) -> None:
    out = tmp_path / "adapted"
    assert train.main(command(data, out, "steps=3", "lora={rank: 4}")) == 0
    adapted, base = (AutoModelForCausalLM.from_pretrained(folder).state_dict() for folder in (out, DEMO_MODEL))
    assert adapted.keys() == base.keys()
    changed = {name for name in base if not torch.equal(adapted[name], base[name])}
    assert changed
    assert all("proj" in name for name in changed)
    assert (out / "adapter" / "adapter_config.json").is_file()
    assert "| lora.rank | 4 |" in (out / "README.md").read_text()


def test_preferences_are_learnt_from_pairs(tmp_path: Path) -> None:
    pairs = [preference(sft_row(word)) for word in WORDS]
    data = write_jsonl(tmp_path / "pairs.jsonl", [dict(pair) for pair in pairs if pair])
    out = tmp_path / "preferred"
    assert train.main([*command(data, out, "steps=6", "learning_rate=1e-3"), "--dpo"]) == 0
    curve = [loss for _, loss in losses(out)]
    assert curve[0] == pytest.approx(0.6931, abs=1e-3)  # ln 2: the model is its own reference
    assert curve[-1] < 0.6
    assert "| method | dpo |" in (out / "README.md").read_text()


def test_a_tuned_model_is_pushed_and_its_edited_card_stays(
    tuned: Path, data: Path, logged_in: LoopbackHub, capsys: pytest.CaptureFixture[str]
) -> None:
    push = [*command(data, tuned), "--hub", "alice/tuned"]
    assert train.main(push) == 0
    commit = logged_in.repos["alice/tuned"].branches["main"]
    assert f"is alice/tuned@{commit}" in capsys.readouterr().out
    files = logged_in.files("alice/tuned")
    assert files["model.safetensors"] == (tuned / "model.safetensors").read_bytes()
    assert {"README.md", "chat_template.jinja", "loss.png", "tokenizer.json", "training.json"} <= files.keys()
    logged_in.edit("alice/tuned", "README.md", b"---\nlicense: mit\n---\nMine.\n")
    assert train.main(push) == 0
    assert logged_in.files("alice/tuned")["README.md"].endswith(b"Mine.\n")


def test_who_may_not_push_is_told_before_the_training(
    data: Path, logged_in: LoopbackHub, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert train.main([*command(data, tmp_path / "none"), "--hub", "somebody/tuned"]) == 2
    assert "who may write to alice" in capsys.readouterr().err
    assert not (tmp_path / "none").exists()
