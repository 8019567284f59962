"""No log of the Hub's clients shows the token, and hiding it disturbs none."""

import io
import logging
from collections.abc import Iterator

import pytest

from sca_hf.store.hub import redact

TOKEN = "hf_" + "s" * 30


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> Iterator[io.StringIO]:
    """What a logger of the Hub's client writes."""
    stream = io.StringIO()
    channel, client = logging.StreamHandler(stream), logging.getLogger("huggingface_hub.test")
    make = logging.getLogRecordFactory()
    client.addHandler(channel)
    monkeypatch.setattr(logging, "raiseExceptions", False)
    redact.hide_in_logs(TOKEN)
    yield stream
    client.removeHandler(channel)
    logging.setLogRecordFactory(make)
    redact._replace_factory.cache_clear()
    redact._tokens.discard(TOKEN)


def test_a_token_is_hidden_in_messages_arguments_and_tracebacks(written: io.StringIO) -> None:
    client = logging.getLogger("huggingface_hub.test")
    client.warning("sent %s and %s", TOKEN, "more")
    try:
        raise ValueError(f"refused: {TOKEN}")
    except ValueError:
        client.exception("failed")
    said = written.getvalue()
    assert TOKEN not in said
    assert "sent *** and more" in said
    assert "ValueError: refused: ***" in said


def test_a_record_that_logging_refuses_stops_no_one(written: io.StringIO) -> None:
    client = logging.getLogger("huggingface_hub.test")
    client.warning("%d files", "three")
    client.warning("went on")
    assert written.getvalue() == "went on\n"
