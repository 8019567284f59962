"""`python -m sca_hf.sandbox check`: what this machine can isolate and how to allow the rest.

Exit codes: 0 all of it, 2 not all, 130 interrupted.
"""

import argparse
import sys

from sca_hf.sandbox.check import check


def main(arguments: list[str] | None = None) -> int:
    """Run the command and return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m sca_hf.sandbox", description=__doc__)
    parser.add_argument("command", choices=["check"], help="build a jail and try what it holds")
    parser.parse_args(arguments)
    try:
        return check()
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
