"""One command for all: `sca-hf run`, or `python -m sca_hf run`, is `python -m sca_hf.run`, and so on."""

import sys
from importlib import import_module

from sca_hf.console.start import start

COMMANDS = {
    "run": "run a recipe: rows from seeds to training data",
    "versions": "list, show, compare, push, pull and remove versions",
    "journal": "unite the journals of a run's parts",
    "report": "write a run's report, one HTML page",
    "trace": "tell the life of a row",
    "train": "tune a model on a version",
    "evaluate": "measure models on benchmarks",
    "sandbox": "check what this machine can isolate",
}
_HELP = "\n".join(
    [
        "usage: sca-hf COMMAND ...\n",
        "SelfCodeAlign on Hugging Face datasets.\n",
        *(f"  {name:<10}{says}" for name, says in COMMANDS.items()),
        "\nsca-hf COMMAND --help says more.",
    ]
)


def main(arguments: list[str] | None = None) -> int:
    """Run the command that the first argument names, and return its exit code: 2 where there is no such command."""
    name, *rest = (sys.argv[1:] if arguments is None else arguments) or ["--help"]
    if name in {"-h", "--help"}:
        print(_HELP)
        return 0
    if name not in COMMANDS:
        print(f"error: there is no command {name!r}; give one of {', '.join(COMMANDS)}", file=sys.stderr)
        return 2
    module = import_module("sca_hf.sandbox.__main__" if name == "sandbox" else f"sca_hf.{name}")
    code: int = module.main(rest)
    return code


def command() -> None:
    """Run `sca-hf` and exit."""
    start()
    sys.exit(main())


if __name__ == "__main__":
    command()
