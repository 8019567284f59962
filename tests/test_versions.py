"""The versions command: what is there, how two differ, push, pull, remove."""

from pathlib import Path

import pytest

from sca_hf import run, versions
from sca_hf.store import Store, Version
from tests.finished_run import NAMES, arguments, finished, logged_in, loopback, own_cache, published

__all__ = ["arguments", "finished", "logged_in", "loopback", "own_cache", "published"]


def test_the_versions_command(
    published: dict[str, Version], arguments: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store = ["--store", str(tmp_path / "first")]
    changed = [*arguments, "--set", "sft.tests_probability=0.0", *store]
    assert run.main([*changed, "--from", "sft"]) == 0
    old, new = published["sft"], Store(tmp_path / "first").latest("demo-sft")
    assert new is not None
    capsys.readouterr()

    def printed(*command: str, code: int = 0) -> str:
        assert versions.main([*command, *store]) == code
        captured = capsys.readouterr()
        return captured.out + captured.err

    assert printed("list").count("demo-sft/") == 2
    shown = printed("show", "demo-sft")
    assert new.fingerprint in shown
    for name in NAMES[:-1]:
        assert f"demo-{name}/{published[name].fingerprint}" in shown
    differing = printed("diff", f"demo-sft/{old.fingerprint[:9]}", "demo-sft")
    assert "tests_probability" in differing
    assert "rows gone: 0" in differing
    assert "rows changed: 0" not in differing
    assert printed("verify", "demo-select", "demo-seeds").count("ok") == 2
    assert "were made from it; remove those first" in printed("rm", "demo-select", code=2)
    assert "demo-sft/" in printed("push", "demo-sft", "--hub", "alice/other")
    assert "no version 'demo-nothing'" in printed("show", "demo-nothing", code=2)
    assert "removed" in printed("rm", "demo-sft", f"demo-sft/{old.fingerprint}")
    assert printed("list").count("demo-sft/") == 0
    pulled = printed("pull", f"alice/demo-sft@{old.fingerprint}")
    assert f"{old.counts.kept} rows" in pulled
    (shard,) = (published["seeds"].path / "data").iterdir()
    shard.write_bytes(b"PAR1")
    assert "was changed" in printed("verify", "demo-seeds", code=2)
