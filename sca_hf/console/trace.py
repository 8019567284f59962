"""What the trace command prints: the life of a row, from its source file to the versions that hold it."""

import textwrap
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rich.markup import escape
from rich.padding import Padding
from rich.syntax import Syntax
from rich.text import Text

from sca_hf.console.terminal import terminal
from sca_hf.reporting.calls import Call
from sca_hf.reporting.life import UNRECORDED, Attempt, Event, Life
from sca_hf.reporting.reasons import meaning
from sca_hf.stages.pass_rules import place_of
from sca_hf.wording import counted

_HEAD, _TAIL = 4, 8  # lines of a prompt that are shown of each end
_LONGEST = 40  # lines of any other text
_OWN = ("verdict", "category", "language", "difficulty", "concepts")
_NUMBERS: Mapping[str, Sequence[str]] = {
    "execute": ("cpu_seconds", "wall_seconds", "memory_mb", "assertions", "flags"),
    "mutants": ("mutants", "mutants_killed", "mutation_score", "coverage"),
    "cross": ("suites", "agreement"),
    "select": ("pass_rate",),
}
_MEANT = {"coverage": " of the statements in the response's functions"}
_ENDS = {"stop": "the model", "length": "max_tokens", "repetition": "repeating itself"}
_SIGNS = {"passed": "[green]✓[/green]", "rejected": "[red]✗[/red]", "not asked": "[dim]·[/dim]"}


class TraceConsole:
    """Prints to the standard output. `full`: all of each text."""

    def __init__(self, full: bool = False) -> None:
        self._full = full
        self._last_prompt = ""
        self._terminal = terminal()

    def life(self, life: Life) -> None:
        """All of it."""
        self._print(f"[bold]{life.match.id}[/bold]  a row of stage {life.match.stage}, run {escape(life.run.name)}")
        if not life.before:
            self._carried(life.match.row)
        for event in life.before:
            self._event(event, traced=event.id == life.match.id)
        for attempt in life.attempts:
            self._attempt(attempt, len({attempt.sample for attempt in life.attempts}))
        self._ruled("[bold]versions that hold it[/bold]", "dim")
        for name, row, kept in life.holders:
            self._print(f"  {escape(name):<40} {row}  {'[green]kept[/green]' if kept else '[red]rejected[/red]'}")
        if not life.holders:
            self._print("  [dim]none in this store[/dim]")

    def _carried(self, row: Mapping[str, Any]) -> None:
        """What a row says of the stages before it, where their versions are not in the store."""
        for name in ("path", "license", "concepts", "category", "difficulty"):
            if row.get(name):
                self._print(f"   [dim]{name:<12}[/dim] {escape(_value(row[name]))}")
        for name, lexer in (("seed", "python"), ("instruction", "markdown")):
            if row.get(name):
                self._text(name, row[name], lexer, _LONGEST, 0)

    def _attempt(self, attempt: Attempt, count: int) -> None:
        mark = "  [bold yellow]◀ this row[/bold yellow]" if attempt.traced else ""
        last = attempt.events[-1]
        kept = "[green]kept[/green]" if last.reject_reason is None else f"[red]{escape(last.reject_reason)}[/red]"
        suite = f", suite {attempt.suite}," if attempt.suite else ""
        title = f"[bold]sample {attempt.sample}[/bold]{suite} of {count}: {kept} at {last.step.stage}{mark}"
        self._ruled(title, "yellow" if attempt.traced else "dim")
        for event in attempt.events:
            self._event(event, traced=False, ruled=False)

    def _event(self, event: Event, *, traced: bool, ruled: bool = True) -> None:
        mark = "  [bold yellow]◀ this row[/bold yellow]" if traced else ""
        title = f"[bold]{event.step.stage}[/bold]  [dim]{event.id} in {escape(event.step.name)}[/dim]{mark}"
        if ruled:
            self._ruled(title, "yellow" if traced else "dim")
        else:
            self._print(f" {title}")
        for name, value in _facts(event):
            self._print(f"   [dim]{name:<12}[/dim] {value}")
        if event.call is not None:
            self._call(event.call)
        for name, text, lexer in _texts(event):
            self._text(name, text, lexer, _LONGEST, 0)
        self._rules(event)

    def _call(self, call: Call) -> None:
        if call.prompt is None or call.sampling is None:
            self._print(f"   [dim]prompt[/dim]       can't be made again: {escape(call.missing)}")
            return
        sampling = call.sampling
        most = counted(sampling.max_tokens, "token")
        how = f"temperature {sampling.temperature:g}, at most {most}, seed {sampling.seed}"
        if call.prompt == self._last_prompt:
            self._print(f"   [dim]prompt[/dim]       as before, {how}")
        else:
            self._text(f"prompt, as it was sent ({how})", call.prompt, "markdown", _HEAD, _TAIL)
        self._last_prompt = call.prompt
        completion = call.completion
        if completion is None:
            self._print("   [dim]completion   not in this store's journal; its text is the row's[/dim]")
            return
        size = (
            f"{counted(completion.prompt_tokens, 'token')} read, {completion.completion_tokens:,} written; "
            f"ended by {_ENDS[completion.finish_reason]}"
        )
        self._text(f"completion, as it came ({size})", completion.text, "markdown", _LONGEST, 0)
        if call.then is not None:
            self._call(call.then)

    def _rules(self, event: Event) -> None:
        for rule, outcome in event.rules:
            sentence = meaning(rule) if outcome == "rejected" else ""
            style = "" if outcome == "rejected" else "dim"
            line = Text.from_markup(f"   {_SIGNS[outcome]} ") + Text(
                f"{rule:<26} {outcome:<10} {sentence}".rstrip(), style
            )
            self._terminal.print(line, soft_wrap=True)
        if event.reject_reason is None:
            self._print("   [green]kept[/green]")
        elif event.reject_reason == UNRECORDED:
            self._print(
                "   [red]not kept[/red]: it is neither among the version's rows nor among the rejected ones that it "
                "keeps as examples, so why is not on record"
            )
        elif not event.rules:
            self._print(f"   [red]{escape(event.reject_reason)}[/red] {meaning(event.reject_reason)}")

    def _text(self, name: str, text: str, lexer: str, head: int, tail: int) -> None:
        lines = text.rstrip("\n").splitlines()
        left_out = len(lines) - head - tail
        self._print(f"   [dim]{escape(name)}[/dim]")
        if left_out > 1 and not self._full:
            note = f"… {counted(left_out, 'more line')}, with --full …"
            lines = [*lines[:head], note, *(lines[-tail:] if tail else [])]
        shown = "\n".join(lines)
        if self._terminal.is_terminal:
            colored = Syntax(shown, lexer, theme="ansi_dark", background_color="default", word_wrap=True)
            self._terminal.print(Padding(colored, (0, 0, 0, 5)))
        else:  # lines as they are, without blanks at their ends
            self._terminal.print(Text(textwrap.indent(shown, "     ")), soft_wrap=True)

    def _ruled(self, title: str, style: str) -> None:
        """A heading, and a rule to the end of its line; a heading is never cut."""
        heading = Text.from_markup(title).append(" ")
        rest = max(self._terminal.width - heading.cell_len, 3)
        self._terminal.print(heading.append("─" * rest, style), soft_wrap=True)

    def _print(self, line: str) -> None:
        self._terminal.print(line, soft_wrap=True)


def _facts(event: Event) -> Iterator[tuple[str, str]]:
    """What a stage's row says in a line each; what earlier stages said is not said again."""
    row, stage = event.row, event.step.stage
    if stage == "seeds":
        source = event.step.lineage.input or event.step.lineage.recipe.get(event.step.stage, {}).get("source")
        yield "source", escape(f"{source or 'unknown'}")
        yield "file", escape(f"{row.get('path', 'unknown')}, license {row.get('license', 'unknown')}")
        if row.get("name"):
            yield "function", escape(str(row["name"]))
    own = {"judge": _OWN[:1], "instructions": _OWN[1:4], "concepts": _OWN[4:]}.get(stage, ())
    for name in own:
        if row.get(name):
            yield name, escape(_value(row[name]))
    if row.get("benchmark_row"):
        yield "benchmark", escape(str(row["benchmark_row"]))
    if stage == "execute" and row.get("status"):
        color = "green" if row["status"] == "passed" else "red"
        ended = f" by {row['exception']}" if row.get("exception") else ""
        yield "verdict", f"[{color}]{escape(row['status'])}[/{color}]{escape(ended)}"
        place = place_of(row.get("response") or "", row.get("tests") or "", row.get("line") or 0)
        if place is not None:
            text, number, line = place
            yield "where", escape(f"line {number} of the {text}: {line.strip()}")
    for name in _NUMBERS.get(stage, ()):
        if row.get(name) not in (None, []):
            yield name, escape(_value(row[name]) + _MEANT.get(name, ""))


def _texts(event: Event) -> Iterator[tuple[str, str, str]]:
    """Name, text and language of what a stage wrote. A completion that was shown is not shown again as a column."""
    row, stage = event.row, event.step.stage
    if stage == "seeds" and row.get("seed"):
        yield "seed", row["seed"], "python"
    written: Mapping[str, tuple[str, ...]] = {"instructions": ("instruction",), "responses": ("response", "tests")}
    names = written.get(stage, ())
    if event.call is not None and event.call.completion is not None:
        # A call for the tests alone begins behind their fence, and the row has them with it.
        names = ("tests",) if event.call.then is not None else ()
    for name in names:
        if row.get(name):
            yield name, row[name], "markdown"
    for name in ("stdout", "stderr"):
        if row.get(name):
            yield name, row[name], "pytb" if name == "stderr" else "text"
    if stage == "sft" and row.get("messages"):
        for message in row["messages"]:
            yield f"message of {message['role']}", message["content"], "markdown"


def _value(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return textwrap.shorten(str(value), 200)
