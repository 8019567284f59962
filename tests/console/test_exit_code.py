"""A command whose output nobody reads to its end."""

import subprocess
import sys


def test_a_reader_that_has_read_enough() -> None:
    done = subprocess.run(
        ["bash", "-c", f"{sys.executable} -m sca_hf.run --settings | head -1"],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    assert done.stdout.startswith("name: ")
    assert done.stderr == ""
