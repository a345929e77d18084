# Two commands matter: `make demo` runs the main job, `make test` passes the tests.  Both set up by themselves.
FITS := import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 14))
PYTHON ?= $(firstword $(foreach p,python3 python3.13 python3.12 python3.11,$(shell $(p) -c '$(FITS)' 2>/dev/null && echo $(p))))
BIN := .venv/bin
READY := .venv/.ready
BENCH := .venv-bench
PACKAGES := benchmarks conf nrm probes stats store workloads

.PHONY: setup install demo test lint check verify reproduce bench clean

setup: $(READY)

$(READY): constraints.txt pyproject.toml
	@test -n "$(PYTHON)" || { echo "driftlab needs a Python in [3.11, 3.14) on PATH: install one, or give PYTHON=/path/to/python3.12" >&2; exit 2; }
	@$(PYTHON) -c '$(FITS)' || { echo "$(PYTHON) is not a Python in [3.11, 3.14): give PYTHON=/path/to/python3.12" >&2; exit 2; }
	rm -rf .venv
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@touch $@

install: setup      # `driftlab` and everything it needs, in .venv

demo: setup         # the main job: C256 scaled, two optimization modes, verdicts
	$(BIN)/python run.py experiment=demo

test: setup         # the default suite; its hundred processes need not compile the same modules each
	@$(BIN)/python -m compileall -q $(PACKAGES)
	$(BIN)/python -m pytest

lint: setup         # style, types, direction of imports
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

check: lint test    # what every commit should pass

verify: setup       # everything, the slow tests too
	$(BIN)/python -m pytest -m "slow or not slow" --timeout 1800

reproduce: setup    # every table of the study again, into out/ (ARCHIVE=DIR: with the recorded files)
	$(BIN)/python -m conf.reproduction $(if $(ARCHIVE),--archive "$(ARCHIVE)")

$(BENCH)/.ready: benchmarks/peers/requirements.txt constraints.txt | $(READY)
	rm -rf $(BENCH)
	$(PYTHON) -m venv $(BENCH)
	$(BENCH)/bin/python -m pip install --quiet --disable-pip-version-check -r benchmarks/peers/requirements.txt
	@touch $@

bench: setup $(BENCH)/.ready    # every benchmark (QUICK=--quick: a minute each) beside its peers, into out/benchmarks/
	@mkdir -p out/benchmarks
	@for name in $$($(BIN)/python -m benchmarks list | cut -d' ' -f1); do \
		echo "$$name"; $(BIN)/python -m benchmarks $$name $(QUICK) --out out/benchmarks/$$name.json || exit; done

clean:
	rm -rf .venv $(BENCH) build *.egg-info
