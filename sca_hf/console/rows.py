"""What `versions rows` prints: rows, with the prompt as it was sent and the completion as it came."""

import textwrap
from collections.abc import Iterable

from rich.text import Text

from sca_hf.console.terminal import terminal
from sca_hf.pipeline.inputs import SOURCE_ID
from sca_hf.reporting.calls import Call
from sca_hf.reporting.reasons import meaning
from sca_hf.reporting.samples import Sample
from sca_hf.wording import counted, first_lines

_ENDS = {"stop": "stop", "length": "length, by max_tokens", "repetition": "repetition"}
_LINES = 40


class RowsConsole:
    """Prints to the standard output. `prompts`: prompts too."""

    def __init__(self, prompts: bool) -> None:
        self._prompts = prompts
        self._terminal = terminal()

    def rows(self, name: str, total: int, samples: Iterable[Sample]) -> None:
        """Rows of a version, of `total` such ones that its stage judged."""
        shown = 0
        for sample in samples:
            shown += 1
            reason = sample.reason
            self._line(f"row {sample.row['id']}" + (f": {reason}. {meaning(reason)}" if reason else ""), "bold")
            if (source_id := sample.row.get(SOURCE_ID)) is not None:
                self._line(f"{SOURCE_ID} {source_id}")
            if sample.call is not None:
                self._call(sample.call)
            if sample.call is None or sample.call.completion is None:
                for column, value in sample.row.items():
                    if isinstance(value, int | float):
                        self._line(f"{column} {value}", "dim")
                    elif isinstance(value, str) and value and not column.endswith("id") and value != reason:
                        self._text(column, first_lines(value, _LINES))
            self._line("")
        self._line(f"{shown:,} of {counted(total, 'such row')} of {name}", "dim")

    def _call(self, call: Call) -> None:
        if self._prompts and call.prompt is not None and call.sampling is not None:
            how = f"temperature {call.sampling.temperature:g}, at most {counted(call.sampling.max_tokens, 'token')}"
            self._text(f"prompt of {call.stage}, as it was sent ({how}, seed {call.sampling.seed})", call.prompt)
        elif self._prompts:
            self._line(f"prompt of {call.stage}: it can't be made again: {call.missing}", "dim")
        completion = call.completion
        if completion is not None:
            tokens = f"{counted(completion.prompt_tokens, 'token')} read, {completion.completion_tokens:,} written"
            ended = f"finish reason {_ENDS[completion.finish_reason]}"
            self._text(f"completion of {call.stage}, as it came ({tokens}; {ended})", completion.text)
        elif call.prompt is not None:
            self._line("the completion is not in this store's journal", "dim")
        if call.then is not None:
            self._call(call.then)

    def _text(self, name: str, text: str) -> None:
        self._line(name, "dim")
        self._line(textwrap.indent(text.rstrip("\n"), "    ", lambda line: True))

    def _line(self, text: str, style: str = "") -> None:
        self._terminal.print(Text(text, style), soft_wrap=True)
