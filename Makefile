# One command for each intention, the same here and in CI. Needs Python 3.11 or newer, make and git.
PYTHON ?= python3
PORT ?= 8501
SUPABASE_PORT ?= 54321
BIN := .venv/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes

.PHONY: run supabase test soak check format bench lock clean

run: .venv/run
	$(BIN)/secondlook serve --port $(PORT)

supabase: .venv/dev
	$(BIN)/python -m dev.local_supabase --port $(SUPABASE_PORT) --site http://localhost:$(PORT)

test: .venv/dev
	$(BIN)/pytest -n auto --dist worksteal -m "not soak"

soak: .venv/dev
	$(BIN)/pytest -m soak

check: .venv/dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports
	$(BIN)/basedpyright

format: .venv/dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: .venv/dev
	$(BIN)/python -m bench

# Names and hashes alone: no address of a registry goes into git.
lock:
	$(PYTHON) -m venv .venv/lock
	.venv/lock/bin/pip install --quiet uv
	.venv/lock/bin/uv pip compile pyproject.toml --group build --universal --generate-hashes \
		--no-emit-index-url --no-header --quiet --upgrade -o requirements/run.txt
	.venv/lock/bin/uv pip compile pyproject.toml --group build --group dev --universal --generate-hashes \
		--no-emit-index-url --no-header --quiet --upgrade -c requirements/run.txt -o requirements/dev.txt

clean:
	rm -rf .venv build *.egg-info

.venv/bin/python:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=python3.12 ...")'
	$(PYTHON) -m venv .venv

.venv/run: .venv/bin/python requirements/run.txt pyproject.toml
	$(PIP) -r requirements/run.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	touch $@

# The local Supabase's modules come from npm; where that fails, the tests that need them say so.
.venv/dev: .venv/run requirements/dev.txt supabase/package-lock.json
	$(PIP) -r requirements/dev.txt
	-$(BIN)/python -c 'from dev.local_supabase.node import lite; lite()'
	touch $@
