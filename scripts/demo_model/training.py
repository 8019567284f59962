"""Training from scratch on two processes of one thread each, with a constant rate and a decay that can start any time.

One thread a process loses far less to other work on the machine than two threads that wait for each other in every
operation. The processes average their gradients after each step, so their weights stay the same.
"""

import json
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from demo_model.batches import Batch, draw_batches
from demo_model.muon import Muon
from demo_model.tokenizer import END_OF_TEXT, train_tokenizer
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

PROCESSES = 2


@dataclass(frozen=True)
class Training:
    """Settings of a training. Tokens are those of one process in one step; `decay` counts the last steps."""

    seed: int = 1
    steps: int = 4000
    decay: int = 800
    warm_up: int = 60
    tokens: tuple[tuple[str, int], ...] = (("I->R", 1600), ("C->I", 450), ("S->C", 300))
    shares: tuple[tuple[str, float], ...] = (("I->R", 0.75), ("C->I", 0.17), ("S->C", 0.08))
    prompt_weight: float = 0.1
    muon_rate: float = 0.02
    adam_rate: float = 0.004
    vocabulary: int = 2048
    save_every: int = 100


def model_config(vocabulary: int) -> LlamaConfig:
    """2.75M parameters: six layers of 192, heads of 32 (vLLM's CPU attention takes 32), tied embeddings."""
    return LlamaConfig(
        vocab_size=vocabulary,
        hidden_size=192,
        intermediate_size=512,
        num_hidden_layers=6,
        num_attention_heads=6,
        num_key_value_heads=2,
        head_dim=32,
        max_position_embeddings=2048,
        tie_word_embeddings=True,
        bos_token_id=0,
        eos_token_id=0,
        pad_token_id=0,
    )


def train(settings: Training, folder: Path, resume: Path | None = None) -> None:
    """Train and leave checkpoints, the log and at last the bf16 model in `folder`.

    `resume` is a checkpoint (`step-N.pt`) of an earlier run, to go on from with other `steps`: as long as the earlier
    run had not begun to decay, the result is that of one run of so many steps.
    """
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer_folder = folder / "tokenizer"
    if not tokenizer_folder.exists():
        train_tokenizer(settings.vocabulary).save_pretrained(tokenizer_folder)
    (folder / "settings.json").write_text(json.dumps(asdict(settings), indent=2) + "\n")
    store = folder / "rendezvous"
    store.unlink(missing_ok=True)
    mp.spawn(_run, (settings, folder, resume, store), nprocs=PROCESSES)


def save_model(model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast, folder: Path) -> None:
    """The folder that an engine loads: configuration, bf16 weights, tokenizer."""
    half = LlamaForCausalLM(model.config)
    half.load_state_dict(model.state_dict())
    half = half.to(torch.bfloat16)
    half.config.dtype = torch.bfloat16
    half.save_pretrained(folder)
    (folder / "model.safetensors").chmod(0o644)
    tokenizer.save_pretrained(folder)
    # The class name that every version of transformers knows, and nothing of the folder that it was loaded from.
    settings = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "eos_token": END_OF_TEXT,
        "pad_token": END_OF_TEXT,
        "model_max_length": model.config.max_position_embeddings,
        "clean_up_tokenization_spaces": False,
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(settings, indent=2) + "\n")


def _run(rank: int, settings: Training, folder: Path, resume: Path | None, store: Path) -> None:
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    torch.manual_seed(settings.seed)
    dist.init_process_group("gloo", init_method=f"file://{store}", rank=rank, world_size=PROCESSES)
    tokenizer = PreTrainedTokenizerFast.from_pretrained(folder / "tokenizer")
    model = LlamaForCausalLM(model_config(settings.vocabulary))
    matrices = [p for name, p in model.named_parameters() if p.ndim == 2 and "embed" not in name]
    others = [p for name, p in model.named_parameters() if p.ndim != 2 or "embed" in name]
    optimizers = [
        Muon(matrices, settings.muon_rate),
        torch.optim.AdamW(others, settings.adam_rate, betas=(0.9, 0.95), weight_decay=0.0),
    ]
    first = 0
    if resume:
        state = torch.load(resume, weights_only=True)
        model.load_state_dict(state["model"])
        for optimizer, saved in zip(optimizers, state["optimizers"], strict=True):
            optimizer.load_state_dict(saved)
        first = state["step"]
    streams = {
        kind: draw_batches(tokenizer, kind, f"train-{settings.seed}-{rank}", tokens, _prompt_weight(kind, settings))
        for kind, tokens in settings.tokens
    }
    for stream in streams.values():
        for _ in range(first):
            next(stream)
    seen, started = 0, time.time()
    for step in range(first, settings.steps):
        rate = min(1.0, (step + 1) / settings.warm_up, (settings.steps - step) / settings.decay)
        for optimizer, base in zip(optimizers, (settings.muon_rate, settings.adam_rate), strict=True):
            optimizer.param_groups[0]["lr"] = base * rate
        losses = {}
        for kind, share in settings.shares:
            ids, weights = next(streams[kind])
            seen += ids.numel()
            loss = _loss(model, (ids, weights))
            (loss * share).backward()
            losses[kind] = loss.item()
        _average_gradients(model)
        for optimizer in optimizers:
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        if rank == 0 and (step % 20 == 0 or step + 1 == settings.steps):
            record = {"step": step, "seconds": round(time.time() - started), "tokens": seen * PROCESSES, "rate": rate}
            with (folder / "log.jsonl").open("a") as log:
                log.write(json.dumps({**record, **{kind: round(loss, 4) for kind, loss in losses.items()}}) + "\n")
        if rank == 0 and (step + 1) % settings.save_every == 0:
            state = {"model": model.state_dict(), "optimizers": [o.state_dict() for o in optimizers], "step": step + 1}
            torch.save(state, folder / "partial.pt")
            (folder / "partial.pt").rename(folder / f"step-{step + 1}.pt")
    if rank == 0:
        save_model(model, tokenizer, folder / "model")
    dist.destroy_process_group()


def _prompt_weight(kind: str, settings: Training) -> float:
    # The prompts of the other kinds hold real code and fixed exemplars: nothing that the model has to write.
    return settings.prompt_weight if kind == "I->R" else 0.0


def _loss(model: LlamaForCausalLM, batch: Batch) -> torch.Tensor:
    """Weighted mean cross-entropy of a batch, over the tokens that count."""
    ids, weights = batch
    counted = weights[:, 1:] > 0
    with torch.autocast("cpu", dtype=torch.bfloat16):
        hidden = model.model(input_ids=ids, use_cache=False).last_hidden_state[:, :-1][counted]
        logits = model.lm_head(hidden)
    losses = torch.nn.functional.cross_entropy(logits.float(), ids[:, 1:][counted], reduction="none")
    chosen = weights[:, 1:][counted]
    return (losses * chosen).sum() / chosen.sum()


def _average_gradients(model: LlamaForCausalLM) -> None:
    gradients = [parameter.grad for parameter in model.parameters() if parameter.grad is not None]
    flat = torch.cat([gradient.flatten() for gradient in gradients])
    dist.all_reduce(flat)
    flat /= PROCESSES
    for gradient, part in zip(gradients, flat.split([g.numel() for g in gradients]), strict=True):
        gradient.copy_(part.view_as(gradient))
