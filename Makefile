# make book    the website, in _build/html    make test    every check    make quick    the fast ones, between two edits
# Each first sets up what it needs in .venv, once. `make help` lists the rest.

PYTHON ?= python3
PY := .venv/bin/python
PIP := $(PY) -m pip install --disable-pip-version-check
READY := .venv/.ready

# After setup nothing is downloaded: the model comes from a wheel. Kernels come from .venv, whatever the user has.
export HF_HUB_OFFLINE := 1
export JUPYTER_PREFER_ENV_PATH := 1
export PYTHONUNBUFFERED := 1

.DEFAULT_GOAL := help
.PHONY: help setup models book pdf class look test quick rerun checks report notebooks tables attack peers bench fuzz pins clean

help:  ## list these targets
	@sed -n 's/^\([a-z]*\):[^#]*## /  make \1	/p' $(firstword $(MAKEFILE_LIST)) | expand -t 18

setup: $(READY)  ## make .venv with everything in it; does nothing when it is up to date

# The mark .unfinished is there while packages are being installed. If it is there at the start, an earlier setup
# was killed: half-installed packages can look complete to pip, so .venv is made again from nothing.
# The stamp comes last.
$(READY): requirements.txt requirements-torch.txt requirements-model.txt requirements-browser.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' || \
	  { echo "Python 3.11, 3.12 or 3.13 is needed, and $(PYTHON) is not: try make $(or $(MAKECMDGOALS),setup) PYTHON=python3.11" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' || \
	  { echo "$(PYTHON) lacks its venv module: on Debian, apt install python3-venv" >&2; exit 1; }
	@if [ -e .venv/.unfinished ] || ! $(PY) -m pip --version >/dev/null 2>&1; then rm -rf .venv; fi
	@test -e .venv || echo "Setting up .venv: this happens once and downloads about a hundred packages"
	@mkdir -p .venv && touch .venv/.unfinished
	@test -e $(PY) || $(PYTHON) -m venv .venv
	$(PIP) --progress-bar off --no-deps --require-hashes -r requirements.txt
	$(PIP) --progress-bar off -r requirements-torch.txt
	$(PIP) --quiet --no-deps --require-hashes -r requirements-model.txt -r requirements-browser.txt
	$(PIP) --quiet --no-deps --no-build-isolation --editable .
	@# Kernels warn at each start that they communicate over TCP, which here never leaves the machine.
	@mkdir -p .venv/etc/ipython && echo 'c.IPKernelApp.log_level = "ERROR"' > .venv/etc/ipython/ipython_kernel_config.py
	@# The first import of matplotlib builds a font cache and reports it on standard error, where notebooks may not write.
	@$(PY) -c 'import matplotlib.font_manager' 2>/dev/null
	@rm .venv/.unfinished && touch $@

models: setup  ## fetch the models of Part II that setup leaves out: Gemma 3 270M, under Gemma's terms of use
	$(PY) tools/models.py

# Who publishes the site gives its address and that of its source: make book SITE=https://… REPOSITORY=https://…
# Sphinx reports warnings about a page only when it reads that page. After a build that failed or was killed, every
# page is read again, or the second try would pass. The notebooks' outputs stay cached, so this costs seconds.
book: setup  ## build the website into _build/html; warnings are errors
	@if [ -e _build/.unfinished ]; then rm -rf _build/.doctrees; fi
	@mkdir -p _build && touch _build/.unfinished
	.venv/bin/jupyter-book build . -W -n --keep-going
	@rm _build/.unfinished
	@echo "The book: file://$(CURDIR)/_build/html/index.html"

pdf: book  ## print the book, without the reference of the library, into _build/rope-companion.pdf, with Chromium
	$(PY) tools/pdf.py

class: setup  ## zips for a class: exercises to hand out, their solutions apart, and both for nbgrader
	$(PY) tools/classroom.py

look: setup  ## walk through the built book in Chromium: console, links, weight, accessibility
	$(PY) tools/browse.py check

# What needs no test run: style, types, and the form of the notebooks.
checks: setup
	$(PY) -m ruff check --output-format concise
	$(PY) -m ruff format --check
	$(PY) -m mypy
	$(PY) tools/notebooks.py check

# One pytest run over unit tests, doctests and the stored outputs of the notebooks, so that one line sums up all.
test: checks  ## lint, check types and notebooks, run all tests, compare the notebooks' stored outputs with fresh ones
	$(PY) -m pytest --durations=10 --nbval --nbval-current-env tests rope_lib notebooks

# Two processes at once, each with about half of the work and one thread, since threads of both would wait for each
# other. What the first prints is shown when both have ended.
QUICK := OMP_NUM_THREADS=1 $(PY) -m pytest --quiet -p no:cacheprovider -m "not model and not slow and not browser"
HALF := tests/theory tests/models tests/measure tests/train

quick: checks  ## what takes under a minute: lint, types, notebooks, tests that need neither a model nor a browser
	@mkdir -p _build
	@$(QUICK) $(HALF) >_build/quick.log 2>&1 & pid=$$!; \
	  $(QUICK) $(addprefix --ignore=,$(HALF)) tests rope_lib; second=$$?; \
	  wait $$pid; first=$$?; cat _build/quick.log; exit $$((first | second))

# Half an hour on two cores, so it is no part of `make test`. What a notebook printed last is in _build/rerun.
rerun: setup  ## execute every notebook with a second set of parameters, under papermill
	@mkdir -p _build/rerun
	$(PY) -m pytest -m rerun --durations=0 --basetemp _build/rerun tests/notebooks

report: setup  ## report on a model: MODEL=path/to/model, by default the packaged SmolLM2-135M
	.venv/bin/rope-lib report $(if $(MODEL),"$(MODEL)")

notebooks: setup  ## execute every notebook, write it back in normal form, and check it
	$(PY) tools/notebooks.py run
	$(PY) tools/notebooks.py check

tables: setup  ## regenerate the tables of rope_lib/models and the README: takes minutes
	$(PY) tools/class_defaults.py
	$(PY) tools/men_bounds.py
	$(PY) tools/extendable.py
	$(PY) tools/retrofit_costs.py
	$(PY) tools/claims_table.py

fuzz: setup  ## feed 100,000 mutated files to each reader, with atheris, which needs Python 3.11
	$(PY) -m pip install --disable-pip-version-check --quiet atheris==3.0.0
	$(PY) tests/models/fuzz_gguf.py -runs=100000 -seed=1 -max_len=4096
	$(PY) tests/models/fuzz_config.py --atheris 100000 1

ATTACKS := $(filter-out %/conftest.py,$(wildcard tests/attack/*.py))
attack: setup  ## attack the readers, the commands and their saves: hostile files, odd options, kills; an hour
	@set -e; for script in $(ATTACKS); do echo "$$script"; PYTHONPATH=$(CURDIR) $(PY) "$$script"; done

peers: _build/peers/.ready  ## fetch the libraries that the benchmarks compare with, into _build/peers

_build/peers/.ready: benchmarks/peers/requirements.txt $(READY)
	rm -rf _build/peers
	$(PIP) --quiet --no-deps --require-hashes --target _build/peers -r $<
	touch $@

# For numbers to keep, on a machine that does nothing else: each provenance states its load.
bench: peers  ## run every script in benchmarks, which keep their times in results/bench
	@set -e; for script in $(wildcard benchmarks/*.py); do echo "$$script"; $(PY) "$$script"; done

pins:  ## update requirements.txt from pyproject.toml, keeping pins that still fit (none with UPGRADE=--upgrade)
	@test -e _build/uv/bin/uv || { $(PYTHON) -m venv _build/uv && _build/uv/bin/python -m pip install --quiet uv; }
	_build/uv/bin/uv pip compile --quiet --universal --python-version 3.11 --all-extras $(UPGRADE) \
	  --generate-hashes --no-emit-package torch --constraint requirements-torch.txt \
	  --no-annotate --custom-compile-command "make pins" --output-file requirements.txt pyproject.toml

clean:  ## remove everything that was built, cached notebook outputs included; keep .venv
	rm -rf _build book/api .pytest_cache .ruff_cache .mypy_cache .hypothesis build *.egg-info
	find . -name __pycache__ -type d -not -path './.venv/*' -prune -exec rm -rf {} +
