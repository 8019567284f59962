"""Keeps the Hub's token out of logs, at whatever level they are written.

The clients log no header of their requests, but at DEBUG all headers of the answers, and a proxy or a server may repeat
in them what it was sent.
"""

import logging
from functools import cache
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
        if record.name.startswith(_CLIENTS):
            text = record.getMessage()
            if any(token in text for token in _tokens):
                for token in _tokens:
                    text = text.replace(token, "***")
                record.msg, record.args = text, ()
        return record

    logging.setLogRecordFactory(without_tokens)
