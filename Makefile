# make train: environment, then the whole graph on the demo data
# make test:  environment, then the tests
# make ui:    Dagster on the same instance
# make bench: measures the small size anew (hours), and renders benchmarks/RESULTS.md

VENV := .venv
BIN := $(VENV)/bin
PYTHON ?= python3
# A worker more than cores: some tests mostly wait for a daemon.
WORKERS := $(shell expr $$(getconf _NPROCESSORS_ONLN) + 1)
export DAGSTER_HOME := $(CURDIR)

.PHONY: train test test-fast test-end-to-end test-ui ui check bench lock environment clean

train: environment
	$(BIN)/model2 retrain

test: test-fast test-end-to-end test-ui

test-fast: environment
	$(BIN)/python -m pytest -n auto --dist loadfile -m "not end_to_end and not ui"

test-end-to-end: environment
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadgroup --no-loadscope-reorder -m end_to_end

test-ui: environment
	$(BIN)/python -m pytest -m ui -rs model2_assets_tests/ui

ui: environment
	$(BIN)/model2 close-runs
	$(BIN)/dagster dev

check: environment
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# Qlib's engine is measured where QLIB_PYTHON names a Python that has it.
bench: environment
	$(BIN)/python -m benchmarks import_time ridge ridge_float32 features features_equal xgboost job report \
		--size S --again $(if $(QLIB_PYTHON),--qlib-python $(QLIB_PYTHON))

lock:
	uv pip compile pyproject.toml --extra test --universal --fork-strategy fewest \
		--python-version 3.11 --upgrade --quiet --no-annotate --no-header \
		--no-emit-index-url --no-emit-find-links --output-file constraints.new
	(sed -n 1p constraints.txt; cat constraints.new) > constraints.tmp
	mv constraints.tmp constraints.txt && rm constraints.new

environment: $(VENV)/installed

$(VENV)/installed: pyproject.toml constraints.txt
	@if command -v uv >/dev/null 2>&1; then \
		uv venv --quiet --allow-existing --python "$(PYTHON)" $(VENV) && \
		uv pip install --quiet --python $(BIN)/python -c constraints.txt -e '.[test]'; \
	else \
		$(PYTHON) -m venv $(VENV) && \
		$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[test]'; \
	fi
	@touch $@

clean:
	rm -rf $(VENV) build dist
