.PHONY: help setup demo loop ablations test quick lock clean

# Tried in this order; the first that runs, is of a supported version and can make virtual environments is used.
PYTHON ?= python3.11 /usr/bin/python3.11 python3

help:
	@echo "make setup   make .venv with the locked packages, for the GPU or the CPU (SCA_ACCELERATOR=gpu|cpu to choose)"
	@echo "make demo    set up, then run the demo recipe offline on the bundled model"
	@echo "make loop    set up, then tune the bundled model on data of its own and ask it held-out tasks, into build/loop"
	@echo "make ablations   set up, then compare the paper's choices on the bundled model, into build/ablations"
	@echo "make test    set up, then check format, lint and types, and run the tests"
	@echo "make quick   check format, lint and types, and run the tests that need no engine and no jail"
	@echo "make lock    write scripts/*.lock again (UPGRADE=1 takes newer versions)"
	@echo "make clean   remove .venv and the tools' caches"

setup:
	@for python in $(PYTHON); do \
		if "$$python" -c 'import ensurepip, sys, venv; sys.exit(sys.version_info[:2] != (3, 11))' 2>/dev/null; \
		then exec "$$python" scripts/setup.py; fi; \
	done; \
	echo "setup: none of $(PYTHON) is a Python 3.11 with venv; install one (Debian: python3-venv)" >&2; \
	exit 2

demo: setup
	HF_HUB_OFFLINE=1 .venv/bin/python -m sca_hf.run --recipe demo

loop: setup
	.venv/bin/python scripts/loop.py

ablations: setup
	.venv/bin/python scripts/ablations.py

# Uses .venv as it is, so that it is over in a minute.
quick:
	.venv/bin/ruff format --check .
	.venv/bin/ruff check .
	.venv/bin/lint-imports
	.venv/bin/mypy
	.venv/bin/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder -m "not engine and not jail and not slow"

test: setup
	.venv/bin/ruff format --check .
	.venv/bin/ruff check .
	.venv/bin/lint-imports
	.venv/bin/mypy
	.venv/bin/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder

lock: setup
	.venv/bin/python scripts/lock.py $(if $(UPGRADE),--upgrade)

clean:
	rm -rf .venv .mypy_cache .pytest_cache .ruff_cache
