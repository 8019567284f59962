"""The Hub's token is for the Hub's client alone: a model-written program can't find it."""

import asyncio
from pathlib import Path

import pytest

from sca_hf.sandbox import Jails, Program

TOKEN = "hf_the_token_of_this_test"
pytestmark = pytest.mark.jail

SEARCH = """
import os

def seen():
    texts = [f"{name}={value}" for name, value in os.environ.items()]
    for path in ("/proc/self/environ", "/proc/1/environ", "/proc/self/cmdline", TOKEN_PATH):
        try:
            with open(path, errors="replace") as file:
                texts.append(file.read())
        except OSError:
            pass
    return "".join(texts)
"""


def test_a_program_finds_no_token(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "token").write_text(TOKEN)
    for name in ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"):
        monkeypatch.setenv(name, TOKEN)
    monkeypatch.setenv("HF_TOKEN_PATH", str(tmp_path / "token"))
    half = len(TOKEN) // 2
    program = Program(
        code=f"TOKEN_PATH = {str(tmp_path / 'token')!r}\n{SEARCH}",
        tests=f"assert {TOKEN[:half]!r} + {TOKEN[half:]!r} not in seen()\nassert 'HF_TOKEN' not in seen()",
    )

    async def run() -> str:
        async with Jails(workers=1) as jails:
            return (await jails.run(program)).status

    assert asyncio.run(run()) == "passed"
