"""Keeps the Hub's token out of logs, at whatever level they are written.

The clients log no header of their requests, but at DEBUG all headers of the answers, and a proxy or a server may repeat
in them what it was sent.
"""

import logging
from contextlib import suppress
from functools import cache
from traceback import format_exception
from typing import Any

_CLIENTS = ("httpx2", "httpcore2", "huggingface_hub", "datasets")
_tokens: set[str] = set()


def hide_in_logs(token: str | None) -> None:
    """From now on write `***` in place of the token, in all that the Hub's clients log in this process."""
    if token:
        _tokens.add(token)
        _replace_factory()


@cache
def _replace_factory() -> None:
    make = logging.getLogRecordFactory()

    def without_tokens(*facts: Any, **more: Any) -> logging.LogRecord:
        record = make(*facts, **more)
        if not record.name.startswith(_CLIENTS):
            return record
        # A record that can't be put together is left for logging to report.
        with suppress(Exception):
            text = record.getMessage()
            hidden = _without_tokens(text)
            if hidden != text:
                record.msg, record.args = hidden, ()
        if record.exc_info and record.exc_info[0]:
            # What a formatter prints if it is there, in place of making it again.
            record.exc_text = _without_tokens("".join(format_exception(*record.exc_info)).rstrip("\n"))
        return record

    logging.setLogRecordFactory(without_tokens)


def _without_tokens(text: str) -> str:
    for token in _tokens:
        text = text.replace(token, "***")
    return text
