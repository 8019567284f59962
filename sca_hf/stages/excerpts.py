"""Excerpts: a few random lines out of each source file, the snippets of OSS-Instruct (arXiv 2312.02120, section 2.1).

Reasons, of a file, which is one row an excerpt: `license`, `unreadable-file`, `oversized-file`, `undecodable-file` (as
in `seeds`), `no-lines` (fewer lines than `min_lines`). Of an excerpt: `secret`, `email-address` (see
`sca_hf.filters.secrets`; no row shows it), `too-little` (fewer letters and digits than
`min_letters`), `contaminated-<benchmark>`, `duplicate` (the text of an earlier one), `not-sampled`.
"""

import hashlib
from collections.abc import Iterable, Iterator
from typing import Annotated, Self

import pyarrow as pa
from datasets import Dataset, Value
from pydantic import Field, model_validator

from sca_hf.corpus.decoding import decode
from sca_hf.corpus.hub import File, FileStream
from sca_hf.corpus.sources import MAX_FILE_BYTES
from sca_hf.corpus.spdx import allows
from sca_hf.filters.decontaminate import Contaminants, DecontaminateSettings, load_contaminants
from sca_hf.filters.secrets import SecretSettings, secrets_in, without_secrets
from sca_hf.identity import digest, row_id, row_random
from sca_hf.stage import BENCHMARK_ROW, REJECT_REASON, SECRET_KIND, Column, Stage
from sca_hf.stages.context import Context, Row
from sca_hf.stages.source_settings import SourceSettings, files_of, origin

_BATCH = 250


class ExcerptSettings(SourceSettings):
    """What is cut out of each file.

    `per_file`: excerpts a file. `min_lines`, `max_lines`: consecutive lines of an excerpt. `min_letters`: letters and
    digits that an excerpt must have; one of brackets and blanks inspires nobody. `licenses`: those that files may have
    (null: any). `secrets`: what of secrets and addresses no excerpt may contain. `decontaminate`: the benchmarks whose
    texts no excerpt may contain.
    """

    per_file: int = Field(default=1, ge=1, le=1000)
    min_lines: int = Field(default=1, ge=1)
    max_lines: int = Field(default=15, ge=1)
    min_letters: int = Field(default=20, ge=0)
    licenses: Annotated[tuple[str, ...], Field(strict=False)] | None = None
    secrets: SecretSettings | None = SecretSettings()
    decontaminate: DecontaminateSettings | None = None

    @model_validator(mode="after")
    def _lines_fit(self) -> Self:
        if self.min_lines > self.max_lines:
            raise ValueError(f"excerpts.min_lines {self.min_lines} is above max_lines {self.max_lines}; lower it")
        return self


def excerpts(files: Dataset | FileStream, settings: ExcerptSettings, context: Context) -> Dataset:
    """Return excerpts of `files` (columns `content`: bytes, `path`, `license`), in the order of files.

    Which lines are cut out depends on the run's seed and on the file alone. A stream is read no further than
    `settings.count` excerpts need.
    """
    contaminants = load_contaminants(settings.decontaminate) if settings.decontaminate else None
    rows: list[Row] = []
    seen: set[str] = set()
    kept = 0
    for file in _files(files, settings.license):
        if isinstance(files, FileStream) and kept == settings.count:
            break
        for row in _cut(file, settings, contaminants, context.seed):
            if row[REJECT_REASON] is None and row["id"] in seen:
                row[REJECT_REASON] = "duplicate"
            kept += row[REJECT_REASON] is None
            seen.add(row["id"])
            rows.append(row)
    _draw(rows, settings.count, context.seed)
    return Dataset(pa.Table.from_pylist(rows, STAGE.features({}).arrow_schema))


def _files(files: Dataset | FileStream, license: str) -> Iterator[File]:
    if isinstance(files, FileStream):
        for shard in range(files.shards):
            for part in files.parts(shard, 0, _BATCH):
                files.files += len(part)
                yield from part
        return
    for begin in range(0, len(files), _BATCH):
        yield from files_of(files[begin : begin + _BATCH], begin, license)


def _cut(file: File, settings: ExcerptSettings, contaminants: Contaminants | None, run_seed: int) -> Iterable[Row]:
    path, content, license = file
    reason, lines = _lines(content, license, settings)
    for number in range(settings.per_file if reason is None else 1):
        text, begin = "", 0
        if reason is None:
            random = row_random(run_seed, "excerpt", digest(path, hashlib.sha256(content or b"").hexdigest()), number)
            size = random.randint(settings.min_lines, min(settings.max_lines, len(lines)))
            begin = random.randint(0, len(lines) - size)
            text = "\n".join(lines[begin : begin + size])
        matches = contaminants.found_in(text) if contaminants and text else []
        secrets = secrets_in(text, settings.secrets) if settings.secrets else []
        reason = reason or (secrets[0].reason if secrets else None)
        text = without_secrets(text, secrets)
        little = sum(map(str.isalnum, text)) < settings.min_letters
        yield {
            "id": row_id("excerpt", text) if text else row_id("file", path, number),
            "seed": text,
            "path": path,
            "first_line": begin + 1 if text else None,
            "license": license,
            "sha1": hashlib.sha1(text.encode()).hexdigest() if text else "",
            REJECT_REASON: reason
            or ("too-little" if little else f"contaminated-{matches[0].benchmark}" if matches else None),
            "benchmark_row": "\n".join(match.quoted for match in matches) or None,
            "secret_kind": ", ".join(dict.fromkeys(secret.kind for secret in secrets)) or None,
        }


def _lines(content: bytes | None, license: str, settings: ExcerptSettings) -> tuple[str | None, list[str]]:
    """Return why a file gives no excerpt, None and its lines if it does."""
    if settings.licenses is not None and not allows({each.lower() for each in settings.licenses}, license):
        return "license", []
    if content is None:
        return "unreadable-file", []
    if len(content) > MAX_FILE_BYTES:
        return "oversized-file", []
    try:
        text = decode(content)
        text.encode()
    except (UnicodeError, SyntaxError, LookupError):
        return "undecodable-file", []
    lines = text.rstrip("\n").split("\n") if text.strip() else []
    return ("no-lines" if len(lines) < settings.min_lines else None), lines


def _draw(rows: list[Row], count: int | None, run_seed: int) -> None:
    left = sorted(
        (row for row in rows if row[REJECT_REASON] is None), key=lambda row: digest(run_seed, "excerpts", row["id"])
    )
    for row in left[len(left) if count is None else count :]:
        row[REJECT_REASON] = "not-sampled"


STAGE = Stage(
    name="excerpts",
    version=1,
    title="A few random lines out of each source file, as OSS-Instruct takes them.",
    uses=("content",),
    optional=("path", "license"),
    adds=(
        Column("id", Value("string"), "hash of the excerpt's text"),
        Column("seed", Value("string"), "the lines, as they are"),
        Column("path", Value("string"), "file that they are from, relative to the source"),
        Column("first_line", Value("int32"), "number of the first of them in the file, from 1"),
        Column("license", Value("string"), "SPDX id of the file's license, or unknown"),
        Column("sha1", Value("string"), "SHA-1 of the text, hex"),
    ),
    settings=ExcerptSettings,
    run=excerpts,
    draws=True,
    measured=(BENCHMARK_ROW, SECRET_KIND),
    origin=origin("excerpts"),
)
