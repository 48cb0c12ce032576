# `make demo` and `make test` need Python 3.11+ and nothing else.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
WORKERS ?= 4

.PHONY: demo test lint check bench format proto requirements clean

$(VENV)/.server: requirements/server.txt pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Podium needs Python 3.11 or newer; try: make PYTHON=python3.12 demo")'
	@echo "installing Podium and what it needs into $(VENV); this takes a minute or two, the first time only ..."
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/server.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	touch $@

$(VENV)/.dev: requirements/dev.txt $(VENV)/.server
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.txt
	touch $@

$(VENV)/.bench: requirements/bench.txt $(VENV)/.dev
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/bench.txt
	touch $@

$(VENV)/.peers: benchmarks/peers/flow/peers.txt
	grep -v '^#' $< | while IFS=': ' read -r name packages; do \
	    $(PYTHON) -m venv $(VENV)/peers/$$name && \
	    $(VENV)/peers/$$name/bin/python -m pip install --quiet --disable-pip-version-check $$packages || exit 1; \
	done
	touch $@

demo: $(VENV)/.server
	$(BIN)/podium run examples/neighbourhood/simulation.json --models examples/neighbourhood/models.yaml

test: $(VENV)/.dev
	$(BIN)/python -m compileall -q src
	$(BIN)/python -m pytest -n $(WORKERS) --dist worksteal

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	MYPYPATH=examples/analysis $(BIN)/mypy -p diastema_services
	$(BIN)/lint-imports

check: lint test

format: $(VENV)/.dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(VENV)/.bench
	$(BIN)/python -m benchmarks.simulation

proto: $(VENV)/.dev
	cd src && ../$(BIN)/python -m grpc_tools.protoc -I . --python_out=. --pyi_out=. podium/sdk/lifecycle.proto podium/sdk/data.proto

requirements:
	./requirements/compile

clean:
	rm -rf $(VENV) build dist
