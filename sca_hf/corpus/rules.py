"""The rules of `seeds` that look at one file or one function alone; see `seeds.py` for what each means."""

import hashlib
import re
from collections.abc import Iterator, Sequence
from typing import Annotated, Any

from pydantic import Field

from sca_hf.corpus.decoding import decode
from sca_hf.corpus.hub import File
from sca_hf.corpus.languages import FoundFunction, LanguageName, language
from sca_hf.corpus.languages.python.functions import Kind
from sca_hf.corpus.languages.python.salvage import BrokenFunction
from sca_hf.corpus.sources import MAX_FILE_BYTES
from sca_hf.corpus.spdx import allows
from sca_hf.filters.decontaminate import Contaminants
from sca_hf.filters.secrets import SecretSettings, secrets_in, without_secrets
from sca_hf.identity import row_id
from sca_hf.settings import Settings
from sca_hf.stage import REJECT_REASON

SeedRow = dict[str, Any]

Words = Annotated[tuple[Annotated[str, Field(min_length=1)], ...], Field(strict=False)]  # YAML has lists, no tuples

WORDS = ("todo", "fixme", "bug")
MEASURED = ("benchmark_row", "secret_kind")
"""Columns of a row that say more of its reason."""

IMPORTS = ("argparse", "os", "subprocess", "sys", "setuptools", "distutils", "matplotlib", "seaborn")


class RuleSettings(Settings):
    """Rules for one file or function alone; the defaults are the paper's (METHOD.md, section 1).

    `language`: that of the files (see `sca_hf.corpus.languages`). `kinds`: what is taken from them; a method comes
    below the first line of its class, so that a type check leaves those that use nothing else of it. `licenses`: those
    that files may have (null: any). `max_lines`, `max_chars`: longest seed, with its imports (null: any). `min_args`:
    arguments that a function must have. `forbidden_words`: a seed that contains one, in any case of letters, is
    rejected. `forbidden_imports`: modules that a seed may not use.
    """

    language: LanguageName = "python"
    kinds: Annotated[tuple[Kind, ...], Field(strict=False, min_length=1)] = ("function",)
    licenses: Words | None = None
    max_lines: int = Field(default=150, ge=2, le=10_000)
    max_chars: int | None = Field(default=None, ge=40)
    min_args: int = Field(default=1, ge=0, le=100)
    forbidden_words: Words = WORDS
    forbidden_imports: Words = IMPORTS
    secrets: SecretSettings | None = SecretSettings()


def judge_files(
    files: Sequence[File], settings: RuleSettings, contaminants: Contaminants | None
) -> list[list[SeedRow]]:
    """Return the rows of each file, one a function, or one for a file without any."""
    allowed = None if settings.licenses is None else {license.lower() for license in settings.licenses}
    return [
        list(_judge_file(path, content, settings, contaminants))
        if allowed is None or allows(allowed, license)
        else [no_function(path, content, "license")]
        for path, content, license in files
    ]


def no_function(path: str, content: bytes | None, reason: str) -> SeedRow:
    """Return the row of a file without functions."""
    file_id = row_id("file", path, hashlib.sha256(content or b"").hexdigest())
    return {"id": file_id, "seed": "", "name": "", "sha1": "", REJECT_REASON: reason, **dict.fromkeys(MEASURED)}


def _judge_file(
    path: str, content: bytes | None, settings: RuleSettings, contaminants: Contaminants | None
) -> Iterator[SeedRow]:
    functions, reason = _read(content, settings)
    if reason:
        yield no_function(path, content, reason)
    for function in functions:
        if isinstance(function, BrokenFunction):
            seed, reason = function.source, "unparsable-function"
        else:
            seed = function.standalone
            reason = _reason(function, seed, settings)
        secrets = secrets_in(seed, settings.secrets) if settings.secrets else []
        if secrets and reason is None:
            reason = secrets[0].reason
        matches = contaminants.found_in(seed) if contaminants and reason is None else []
        yield {
            "id": row_id(seed),
            # Rows that are rejected for another reason are shown and published as well.
            "seed": without_secrets(seed, secrets),
            "name": function.name,
            "sha1": hashlib.sha1(seed.encode()).hexdigest(),
            REJECT_REASON: f"contaminated-{matches[0].benchmark}" if matches else reason,
            "benchmark_row": "\n".join(text.quoted for text in matches) or None,
            "secret_kind": ", ".join(dict.fromkeys(secret.kind for secret in secrets)) or None,
        }


def _read(content: bytes | None, settings: RuleSettings) -> tuple[Sequence[FoundFunction | BrokenFunction], str | None]:
    if content is None:
        return [], "unreadable-file"
    if len(content) > MAX_FILE_BYTES:
        return [], "oversized-file"
    try:
        text = decode(content)
    except (UnicodeDecodeError, SyntaxError, LookupError):
        return [], "undecodable-file"
    return language(settings.language).functions(text, settings.kinds)


def _reason(function: FoundFunction, seed: str, settings: RuleSettings) -> str | None:
    if not function.returns_value:
        return "no-return-value"
    if function.arguments < settings.min_args:
        return "no-arguments"
    if seed.count("\n") + 1 > settings.max_lines:
        return "too-many-lines"
    if settings.max_chars is not None and len(seed) > settings.max_chars:
        return "too-long"
    if any(_has_word(seed, word) for word in settings.forbidden_words):
        return "forbidden-word"
    return language(settings.language).own_reason(function, settings.forbidden_imports)


def _has_word(text: str, word: str) -> bool:
    """Return whether `word` is in `text` in any case, with no letter beside it: "bug" is in "a_bug", not in "debug"."""
    letter = r"[^\W\d_]"
    return re.search(rf"(?<!{letter}){re.escape(word)}(?!{letter})", text, re.IGNORECASE) is not None
