"""The bundled model's files and the few-shot file that it was trained with."""

import asyncio
import json
from itertools import islice
from pathlib import Path

import pytest
import yaml
from demo_model.corpus import KINDS, draw_texts
from demo_model.labels import vocabulary
from safetensors import safe_open
from transformers import AutoTokenizer

from sca_hf.prompts import build
from sca_hf.prompts.code_blocks import code_blocks
from sca_hf.prompts.few_shot import load_few_shot
from sca_hf.sandbox import Jails, Program, Verdict

MODEL = Path(__file__).parents[2] / "sca_hf" / "demo" / "model"
MIB = 1024 * 1024


def test_the_weights_are_small_bf16_and_of_the_stated_size() -> None:
    weights = MODEL / "model.safetensors"
    assert weights.stat().st_size < 8 * MIB
    with safe_open(weights, framework="pt") as tensors:
        shapes = {name: tensors.get_slice(name) for name in tensors.keys()}  # noqa: SIM118  # it is no mapping
        assert {tensor.get_dtype() for tensor in shapes.values()} == {"BF16"}
    config = json.loads((MODEL / "config.json").read_text())
    assert config["architectures"] == ["LlamaForCausalLM"]
    assert config["head_dim"] == 32
    assert config["max_position_embeddings"] >= 1024


@pytest.mark.slow
def test_the_tokenizer_gives_back_every_text() -> None:
    tokenizer = AutoTokenizer.from_pretrained(MODEL)
    texts = [text.prompt + text.completion for kind in KINDS for text in islice(draw_texts(kind, "round-trip"), 30)]
    for text in [*texts, "naïve – 42\t\r\n  x", "日本", "", " a  b\n\n\n    c"]:
        assert tokenizer.decode(tokenizer(text)["input_ids"]) == text


def test_digits_are_tokens_of_their_own() -> None:
    tokenizer = AutoTokenizer.from_pretrained(MODEL)
    assert [token[-1] for token in tokenizer.tokenize("[12, 345]") if token[-1].isdigit()] == list("12345")


def test_prompts_leave_room_for_the_answer() -> None:
    tokenizer = AutoTokenizer.from_pretrained(MODEL)
    for kind, room in (("I->R", 384), ("C->I", 96)):
        lengths = [len(tokenizer(text.completion)["input_ids"]) for text in islice(draw_texts(kind, "room"), 200)]
        assert sorted(lengths)[int(0.95 * len(lengths))] <= room


def test_the_prompt_of_the_tests_goes_on_with_the_tokens_of_the_response() -> None:
    """Else a prefix cache would serve the prompt of the response at best."""
    tokenizer = AutoTokenizer.from_pretrained(MODEL)
    for text in islice(draw_texts("I->R", "seam"), 50):
        written = tokenizer(text.prompt + text.completion)["input_ids"]
        response, _, _ = text.completion.partition("\n\n[Tests]\n")
        then = tokenizer(build.tests_prompt(text.prompt, response))["input_ids"]
        assert then == written[: len(then)]
        assert len(tokenizer(text.prompt + response)["input_ids"]) < len(then) < len(written)


def test_the_card_has_valid_metadata_and_says_what_the_model_is_for() -> None:
    _, metadata, body = (MODEL / "README.md").read_text().split("---\n", 2)
    fields = yaml.safe_load(metadata)
    assert fields["license"] == "apache-2.0"
    assert fields["pipeline_tag"] == "text-generation"
    assert "not to learn from" in body


@pytest.mark.jail
def test_the_exemplars_pass_their_tests_and_use_the_models_concepts() -> None:
    few_shot = load_few_shot("demo")

    async def run() -> list[Verdict]:
        async with Jails(2) as jails:
            programs = (
                Program(code="\n\n".join(code_blocks(shot.response)), tests="\n\n".join(code_blocks(shot.tests)))
                for shot in few_shot.exemplars
            )
            return await asyncio.gather(*(jails.run(program) for program in programs))

    assert [verdict.status for verdict in asyncio.run(run())] == ["passed"] * 6
    assert {shot.property.category for shot in few_shot.exemplars} == {
        "function implementation",
        "class implementation",
        "program implementation",
    }
    assert {concept for shot in few_shot.exemplars for concept in shot.property.concepts} <= set(vocabulary())
    assert all(len(shot.code) < 250 and len(shot.instruction) < 330 for shot in few_shot.exemplars)
