# Everything here needs only make, git and a Python from 3.11 on. PYTHON=python3.13 chooses one.
PYTHON ?= $(shell for python in python3 python3.14 python3.13 python3.12 python3.11; do \
	$$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$python && break; done)
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --disable-pip-version-check --quiet
STORE ?= ./weighbridge-store
# Clients that real services are driven with; tests/clients/ has what each needs and does.
CLIENTS := kserve open-inference

.DEFAULT_GOAL := help
.PHONY: help setup demo serve check lint types imports format docs-check bench lock clean
.PHONY: fuzz sbom test test-thorough test-clients test-mlflow test-s3 test-azure test-browser

help: ## this list
	@awk -F ':.*## ' '/^[a-z0-9%-]+:.*## / { printf "make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: $(VENV)/.dev ## .venv with the package, its extras and the development tools

demo: $(VENV)/.run ## the whole story on local files: train, evaluate, publish, serve, refuse
	@$(BIN)/weighbridge demo --store $(STORE)

serve: $(VENV)/.run ## serve the live model of $(STORE)
	@$(BIN)/weighbridge serve --store $(STORE)

check: lint types imports ## every static check

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: setup
	$(BIN)/mypy

imports: setup
	$(BIN)/lint-imports --no-logo

format: setup ## fix what can be fixed automatically
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

test-browser: setup ## the page in a real browser (Debian's chromium); screenshots go to build/screenshots
	@if command -v chromium || command -v chromium-browser || command -v google-chrome; then \
		$(BIN)/python -m pytest tests/browser/page_in_browser.py; \
	else echo "skipped: no browser is installed (Debian: apt-get install chromium)" >&2; fi

# One process more than there are cores: some tests wait for processes, sockets and time-outs.
TEST_PROCESSES ?= $(shell echo $$(($$(getconf _NPROCESSORS_ONLN 2>/dev/null || echo 2) + 1)))

test: setup ## all tests, on every core
	$(BIN)/python -m pytest --numprocesses $(TEST_PROCESSES) --dist worksteal

fuzz: setup ## hostile inputs for requests, rows, tables and datasets, for FUZZ_SECONDS (60)
	PYTHONPATH=. $(BIN)/python -m tests.fuzz.run

test-thorough: setup ## all tests, with many more generated examples
	HYPOTHESIS_PROFILE=thorough $(BIN)/python -m pytest --numprocesses $(TEST_PROCESSES) --dist worksteal

test-clients: $(CLIENTS:%=test-client-%) ## clients of the inference protocol, each in an environment of its own under build/

test-client-%: setup build/clients/%/.made
	@PYTHONPATH=. $(BIN)/python -m tests.clients.run $* build/clients/$*/bin/python

.PRECIOUS: build/clients/%/.made
build/clients/%/.made: tests/clients/requirements-%.txt $(VENV)/bin/python
	@echo "installing the client $* (once)"
	@$(BIN)/python -m venv build/clients/$*
	@build/clients/$*/bin/python -m pip install --disable-pip-version-check --quiet -r $< || { \
		echo "the client $* cannot be installed: see above; a package index has to be reachable, and to have it" \
			"for this Python" >&2; exit 1; }
	@touch $@

test-mlflow: setup build/mlflow/.installed ## exports loaded by MLflow, in an environment of its own
	MLFLOW_BIN=build/mlflow/bin $(BIN)/python -m pytest tests/mlflow_exports.py

docs-check: setup ## follow README and docs/: every command and Python block in them runs
	@PYTHONPATH=. $(BIN)/python -m tests.support.followed_docs

S3_TESTS := $(patsubst %,tests/integration/test_%.py,store_s3 store_races registry_s3 training_races)

test-s3: setup ## the tests of stores, races and the registry on the server at S3_ENDPOINT=http://host:port
	@test -n "$(S3_ENDPOINT)" || { echo "name the server: make test-s3 S3_ENDPOINT=http://127.0.0.1:9000, with the AWS_* variables" >&2; exit 2; }
	S3_ENDPOINT=$(S3_ENDPOINT) $(BIN)/python -m pytest $(S3_TESTS)

AZURITE := build/azurite/node_modules/.bin/azurite-blob

test-azure: setup ## the tests of stores and the registry on azurite, a server of Azure's protocol (needs npm)
	@if test ! -x $(AZURITE) && command -v npm >/dev/null; then \
		echo "installing azurite under build/ (once)"; \
		npm install --prefix build/azurite --no-save --no-audit --no-fund --loglevel error azurite >/dev/null; fi
	@if test -x $(AZURITE); then \
		AZURITE=$(CURDIR)/$(AZURITE) $(BIN)/python -m pytest tests/integration/test_store_azure.py; \
	else echo "skipped: azurite is not here and cannot be installed (it needs Node.js with npm)" >&2; fi

bench: setup ## every benchmark, one JSON line per measurement
	@for file in benchmarks/bench_*.py; do $(BIN)/python $$file || exit 1; done

bench-%: setup ## one of them: training, weighing, serving, batch, discovery
	@$(BIN)/python benchmarks/bench_$*.py

LOCK := uv pip compile --quiet --universal --generate-hashes --no-emit-index-url --no-annotate \
	--python-version 3.11 --custom-compile-command "make lock"

lock: setup ## write the locks again, from pyproject.toml (needs uv)
	$(LOCK) --all-extras --group dev pyproject.toml --output-file requirements.lock
	$(LOCK) --constraint requirements.lock pyproject.toml --output-file requirements-run.lock
	$(LOCK) --constraint requirements.lock --group build --output-file requirements-build.lock
	$(LOCK) --constraint requirements.lock --group serve --output-file requirements-serve.lock

sbom: build/sbom/.made ## what the two images hold, as CycloneDX: build/sbom/train.cdx.json and serve.cdx.json
	@build/sbom/bin/cyclonedx-py requirements requirements-run.lock --pyproject pyproject.toml \
		--output-reproducible --of JSON --output-file build/sbom/train.cdx.json
	@build/sbom/bin/cyclonedx-py requirements requirements-serve.lock --pyproject pyproject.toml \
		--output-reproducible --of JSON --output-file build/sbom/serve.cdx.json

clean: ## remove what was built; stores stay
	rm -rf $(VENV) build dist .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis

# The environment: made once, and again when a lock or the project's metadata changes. Each mark is set last,
# so an installation that was cut off is taken up again.
$(VENV)/bin/python:
	@test -n "$(PYTHON)" || { echo "no Python from 3.11 on was found; install one, or name it: make PYTHON=..." >&2; exit 2; }
	@echo "making $(VENV) with $(PYTHON)"
	@$(PYTHON) -m venv $(VENV)

$(VENV)/.run: $(VENV)/bin/python requirements-run.lock requirements-build.lock pyproject.toml
	@test -e $(VENV)/.dev && test $(VENV)/.dev -nt requirements-run.lock || { echo "installing what runs (once)"; \
		$(PIP) --require-hashes -r requirements-run.lock -r requirements-build.lock; }
	@$(PIP) --no-deps --no-build-isolation --editable .
	@$(BIN)/python -m compileall -q src
	@touch $@

$(VENV)/.dev: $(VENV)/bin/python requirements.lock pyproject.toml
	@echo "installing the development tools (once)"
	@$(PIP) --require-hashes -r requirements.lock
	@$(PIP) --no-deps --no-build-isolation --editable .
	@$(BIN)/python -m compileall -q src
	@touch $@ $(VENV)/.run

# MLflow, and what models need in the versions that they are made with here.
build/mlflow/.installed: requirements.lock tests/requirements-mlflow.txt
	@echo "installing MLflow into build/mlflow (once)"
	@rm -rf build/mlflow && mkdir -p build && $(VENV)/bin/python -m venv build/mlflow
	@$(BIN)/python -m pip freeze | grep -E '^(numpy|pandas|scipy|scikit-learn|joblib|onnx|onnxruntime|skops|lightgbm)==' > build/mlflow/made-with.txt
	@build/mlflow/bin/python -m pip install --disable-pip-version-check --quiet -r tests/requirements-mlflow.txt -r build/mlflow/made-with.txt
	@touch $@

build/sbom/.made: deploy/requirements-sbom.txt $(VENV)/bin/python
	@echo "installing the CycloneDX tool into build/sbom (once)"
	@$(BIN)/python -m venv build/sbom
	@build/sbom/bin/python -m pip install --disable-pip-version-check --quiet -r $<
	@touch $@
