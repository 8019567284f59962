"""What became of a program, in words for the model that wrote it."""

import re

from sca_hf.prompts.syntax import syntax_error
from sca_hf.sandbox import Program, Verdict

_FRAME = re.compile(r'File "[^"\n]*/(?P<file>test_program|program)\.py", line (?P<line>\d+)')
_ADDRESS = re.compile(r"\b0x[0-9a-f]{6,}\b")
_SECONDS = re.compile(r"\b\d+\.\d+ ?s\b")
_FRAMES = 4
_PLACES = {"program": "code", "test_program": "tests"}
_WORDS = {
    "timeout": "It was still running when its time was over.",
    "out-of-memory": "It took more memory than there was.",
    "no-assertion": "It ran to its end, and no assertion that touches the code was among what ran.",
    "tests-not-run": "It ran to its end, and never called the tests that it defines.",
    "early-exit": "It ended by itself before its last line.",
}

REPAIRABLE = frozenset({"failed", "syntax-error", *_WORDS})
"""Statuses of programs about which their author can be told something. One that was killed isn't among them."""


def error_text(program: Program, verdict: Verdict, max_output: int) -> str:
    """Return what to tell about a failed program, with the end of its output, at most `max_output` characters of it.

    Addresses and times, which differ from run to run, are left out.
    """
    lines = _what(program, verdict)
    if output := verdict.stdout.strip():
        shown = _same_each_time(output)
        lines += ["output:", shown if len(shown) <= max_output else f"… {shown[-max_output:]}"]
    return "\n".join(lines)


def _what(program: Program, verdict: Verdict) -> list[str]:
    if verdict.status == "syntax-error":
        parts = {"code": program.code, "tests": program.tests}
        found = ((place, error) for place, code in parts.items() if (error := syntax_error(code)))
        place, error = next(found, ("program", None))
        why = error.msg if error else "it can't be parsed"
        return [f"SyntaxError: {why}", *([f"in the {place}: {error.text.strip()}"] if error and error.text else [])]
    if verdict.status != "failed":
        return [_WORDS[verdict.status]]
    name = verdict.exception or "It ended with an error."
    said = [line for line in verdict.stderr.splitlines() if re.match(rf"(?:\w+\.)*{re.escape(name)}\b", line)]
    return [_same_each_time(said[-1]) if said else name, *_places(program, verdict.stderr)]


def _places(program: Program, stderr: str) -> list[str]:
    """The lines of the program that a traceback goes through, the last ones at most."""
    sources = {"program": program.code.split("\n"), "test_program": program.tests.split("\n")}
    places = [
        f"in the {_PLACES[frame['file']]}: {sources[frame['file']][number - 1].strip()}"
        for frame in _FRAME.finditer(stderr)
        if (number := int(frame["line"])) <= len(sources[frame["file"]])
    ]
    return places[-_FRAMES:]


def _same_each_time(text: str) -> str:
    return _SECONDS.sub("… s", _ADDRESS.sub("0x…", text))
