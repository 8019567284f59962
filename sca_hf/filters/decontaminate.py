"""Decontamination: which benchmark rows a text contains (METHOD.md, section 1, step 6, and section 5).

contaminants = load_contaminants(DecontaminateSettings(benchmarks=("humaneval", "mbpp")))
contaminants.found_in(text)     # the benchmarks' texts that it contains
"""

import re
from collections.abc import Iterable, Iterator
from functools import cached_property, lru_cache
from typing import Annotated, Any

import numpy as np
from ahocorasick_rs import BytesAhoCorasick
from pydantic import Field

from sca_hf.benchmarks.texts import BENCHMARKS, BenchmarkText, check_source, load_texts
from sca_hf.filters.shingles import shingles
from sca_hf.identity import digest
from sca_hf.settings import PATH, Settings

_COMMENT = re.compile(r"#[^\n]*")
# The automaton looks for this many bytes out of the middle of each text, where two texts differ soonest; the whole text
# is compared where they are found. So its size does not grow with the length of the texts.
_ANCHOR = 32

Needles = dict[bytes, list[tuple[int, bytes]]]
Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,40}$")]


class DecontaminateSettings(Settings):
    """Which benchmarks count. `benchmarks`: names of `benchmark_texts.BENCHMARKS`, loaded from the Hub or its cache.

    `files`: a file by name, in place of the Hub, or for a benchmark of your own. Without `benchmarks`, those with files
    count, or, without these, all. `min_chars`: letters, digits and signs that a text must have to be looked for; a
    shorter solution counts in a text that also defines the function asked for. `ngram`: reject also what shares this
    many words in a row with a benchmark (null: don't; the paper doesn't). `min_words`: a task's text with fewer words
    is common speech, and no hit. `max_rows`: what more rows of the benchmarks than this contain is common too (null:
    all are hits).
    """

    benchmarks: Annotated[tuple[Name, ...], Field(strict=False)] | None = None
    files: dict[Name, str] = Field(default={}, json_schema_extra=PATH)
    min_chars: int = Field(default=30, ge=10)
    ngram: int | None = Field(default=None, ge=4, le=100)
    min_words: int = Field(default=8, ge=1)
    max_rows: int | None = Field(default=10, ge=1)

    @property
    def sources(self) -> dict[str, str | None]:
        """The file of each benchmark that counts, null: from the Hub."""
        names = tuple(self.files or BENCHMARKS) if self.benchmarks is None else self.benchmarks
        return dict.fromkeys(names) | dict(self.files)

    def intent(self) -> dict[str, Any]:
        """Return the texts in place of where they come from. Loads them."""
        names = {"min_chars", "ngram", "min_words", "max_rows"}
        return {"texts": load_contaminants(self).sha} | self.model_dump(mode="json", include=names)


class Contaminants:
    """The texts of benchmarks, ready to be found. `texts` without any sign are left out.

    Compared are texts in lower case without any white space: as they are, and without what follows a "#" on its line.
    """

    def __init__(
        self,
        texts: Iterable[BenchmarkText],
        min_chars: int,
        ngram: int | None = None,
        min_words: int = 1,
        max_rows: int | None = None,
    ) -> None:
        self.texts = tuple(texts)
        self.min_chars, self.ngram, self.min_words, self.max_rows = min_chars, ngram, min_words, max_rows

    def __getstate__(self) -> dict[str, Any]:
        """What goes to a worker; the automaton is made there."""
        names = ("texts", "min_chars", "ngram", "min_words", "max_rows", "needles")
        return {name: getattr(self, name) for name in names}

    @cached_property
    def sha(self) -> str:
        """SHA-256, hex, of the texts and where each is from."""
        return digest(*(part for text in self.texts for part in (str(text), text.name, text.text)))

    def found_in(self, text: str) -> list[BenchmarkText]:
        """Return the benchmarks' texts that `text` contains, or shares an n-gram with, in the order of `texts`."""
        matches: set[int] = set()
        for form in dict.fromkeys(normalized(text)):
            matches.update(self._contained(form))
        if self.ngram is not None:
            matches.update(self._overlapping(text, self.ngram))
        return [self.texts[number] for number in sorted(matches)]

    @cached_property
    def needles(self) -> Needles:
        """What is looked for: by normalized text, the texts that it stands for and what must be defined besides."""
        needles: Needles = {}
        for number, text in enumerate(self.texts):
            if text.part not in _SOLUTIONS and len(text.text.split()) < self.min_words:
                continue
            for form in dict.fromkeys(normalized(text.text)):
                if len(form) >= self.min_chars:
                    needles.setdefault(form, []).append((number, b""))
                elif form and text.part in _SOLUTIONS and (text.name or b"def" in form):
                    defined = b"" if b"def" in form else f"def{text.name.lower()}(".encode()
                    needles.setdefault(form, []).append((number, defined))
        return needles if self.max_rows is None else self._without_common(needles, self.max_rows)

    def _without_common(self, needles: Needles, max_rows: int) -> Needles:
        rows: dict[bytes, set[tuple[str, str]]] = {needle: set() for needle in needles}
        search = _Search(needles)
        for text in self.texts:
            for form in dict.fromkeys(normalized(text.text)):
                for needle in search.found_in(form):
                    rows[needle].add((text.benchmark, text.row))
        return {needle: meant for needle, meant in needles.items() if len(rows[needle]) <= max_rows}

    @cached_property
    def _search(self) -> "_Search":
        return _Search(self.needles)

    def _contained(self, form: bytes) -> Iterator[int]:
        for needle in self._search.found_in(form):
            for number, definition in self.needles[needle]:
                if definition in form:
                    yield number

    @cached_property
    def _ngrams(self) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
        """All n-grams of the texts, sorted, and the first text that has each. Texts of fewer words have none."""
        size = self.ngram or 0
        long = [number for number, text in enumerate(self.texts) if len(re.findall(r"\w+", text.text)) >= size]
        hashes, offsets = shingles([self.texts[number].text for number in long], size)
        unique, first = np.unique(hashes, return_index=True)
        return unique, np.repeat(np.asarray(long, np.int64), np.diff(offsets))[first]

    def _overlapping(self, text: str, size: int) -> list[int]:
        hashes, _ = shingles([text], size)
        unique, owners = self._ngrams
        if not len(unique):
            return []
        places = np.minimum(np.searchsorted(unique, hashes), len(unique) - 1)
        numbers: list[int] = owners[places[unique[places] == hashes]].tolist()
        return numbers


class _Search:
    """Finds texts in another one by their anchors."""

    def __init__(self, needles: Iterable[bytes]) -> None:
        anchored: dict[bytes, list[tuple[int, bytes]]] = {}
        for needle in needles:
            begin = max(0, (len(needle) - _ANCHOR) // 2)
            anchored.setdefault(needle[begin : begin + _ANCHOR], []).append((begin, needle))
        self._automaton, self._anchored = BytesAhoCorasick(list(anchored)), list(anchored.values())

    def found_in(self, form: bytes) -> Iterator[bytes]:
        """Yield the texts that `form` contains, some more than once."""
        for anchor, position, _ in self._automaton.find_matches_as_indexes(form, overlapping=True):
            for begin, needle in self._anchored[anchor]:
                if position >= begin and form.startswith(needle, position - begin):
                    yield needle


_SOLUTIONS = {"canonical_solution", "solution", "solutions", "code", "reference_code", "solution_code"}


@lru_cache(maxsize=2)
def _load(sources: tuple[tuple[str, str | None], ...], *limits: Any) -> Contaminants:
    return Contaminants((text for name, file in sources for text in load_texts(name, file)), *limits)


def check_benchmarks(settings: DecontaminateSettings | None) -> None:
    """Raise InputError for a benchmark that is unknown, or whose file is not there. Loads nothing."""
    for benchmark, file in settings.sources.items() if settings else ():
        check_source(benchmark, file)


def load_contaminants(settings: DecontaminateSettings) -> Contaminants:
    """The texts of the benchmarks that count. Raises InputError when one can't be loaded."""
    limits = settings.min_chars, settings.ngram, settings.min_words, settings.max_rows
    return _load(tuple(settings.sources.items()), *limits)


def normalized(text: str) -> tuple[bytes, bytes]:
    """Return the two forms of a text that are compared: without case and white space; and without comments, too."""
    lower = text.lower()
    whole = "".join(lower.split())
    bare = "".join(_COMMENT.sub("", lower).split()) if "#" in lower else whole
    return whole.encode("utf-8", "surrogatepass"), bare.encode("utf-8", "surrogatepass")
