# make train: environment, then the whole graph on the demo data
# make test:  environment, then the tests
# make docs:  the documentation as a site
# make ui:    Dagster on the same instance
# make test-lowest, test-latest: the fast tests with the lowest allowed and the newest libraries
# make audit: known vulnerabilities of the pinned versions
# make determinism, long-run: evidence for docs/reliability.md (an hour or more)
# make test-faults: kills a hundred retrains (an hour)
# make signals: stops every command at every stage (half an hour)
# make cluster-demo: the demo market fitted by a Dask cluster of two workers, beside this process
# make test-services: kills, signals, restarts, races and memory limits (an hour)
# make bench: measures the small size anew (hours), and renders benchmarks/RESULTS.md

VENV := .venv
BIN := $(VENV)/bin
PYTHON ?= python3
# A worker more than cores: some tests mostly wait for a daemon.
WORKERS := $(shell expr $$(getconf _NPROCESSORS_ONLN) + 1)
export DAGSTER_HOME := $(CURDIR)

.PHONY: train test test-fast test-end-to-end test-ui ui check bench lock environment clean
.PHONY: docs determinism resume planted-failures long-run audit test-lowest test-latest test-faults
.PHONY: bad-inputs shapes fuzz corruption signals test-services cluster-demo

train: environment
	$(BIN)/model2 retrain

test: test-fast test-end-to-end test-ui

test-fast: environment
	$(BIN)/python $(FAST_TESTS)

test-end-to-end: environment
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadscope --no-loadscope-reorder \
		-m "end_to_end and not services"

test-ui: environment
	$(BIN)/python -m pytest -m ui -rs model2_assets_tests/ui

test-faults: environment
	$(BIN)/python -m model2_assets_tests.faults --kills 100 --seed 0

cluster-demo: environment
	$(BIN)/python -m model2_assets_tests.engines

test-services: environment
	$(BIN)/python -m pytest -m services -rs

signals: environment
	$(BIN)/python -m model2_assets_tests.signals

ui: environment
	$(BIN)/model2 ui

# The site, in docs/_build/html; a broken link or a notebook that fails is an error.
docs: environment
	$(BIN)/python -m sphinx -b html -W --keep-going -q docs docs/_build/html

check: environment
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# Qlib's engine is measured where QLIB_PYTHON names a Python that has it.
bench: environment
	$(BIN)/python -m benchmarks import_time ridge ridge_float32 features features_equal xgboost job report \
		--size S --again $(if $(QLIB_PYTHON),--qlib-python $(QLIB_PYTHON))

# Factor × asset: the same bits? Then what library versions have changed of the results.
determinism: environment
	$(BIN)/python -m model2_assets_tests.determinism
	$(BIN)/python -m model2_assets_tests.determinism.golden

# A real retrain, killed by SIGKILL after 3 of 5 folds, and the one after it.
resume: environment
	$(BIN)/python -m model2_assets_tests.resumed_after_kill

# A failure of every check, by the command, through the UI and by the daemon.
planted-failures: environment
	$(BIN)/python -m model2_assets_tests.planted_failures

# Every bad input of docs/bad_inputs.md; markets as they are; inputs that nobody thought of.
bad-inputs: environment
	$(BIN)/python -m model2_assets_tests.bad_inputs --write

shapes: environment
	$(BIN)/python -m model2_assets_tests.bad_inputs.shapes

fuzz: environment
	MODEL2_FUZZ_EXAMPLES=20000 $(BIN)/python -m pytest model2_assets_tests/bad_inputs/test_fuzz.py

# Damages every 11th byte of a file of every kind; ten minutes.
corruption: environment
	$(BIN)/python -W ignore -m model2_assets_tests.corruption 11

long-run: environment
	$(BIN)/python -m model2_assets_tests.long_run --retrains 200
	$(BIN)/python -m model2_assets_tests.long_run --nights 30

RESOLVE = uv pip compile pyproject.toml --extra test --extra audit --extra k8s --universal --fork-strategy fewest \
	--python-version 3.11 --upgrade --quiet --no-annotate --no-header \
	--no-emit-index-url --no-emit-find-links

lock:
	$(RESOLVE) --output-file constraints.new
	(sed -n 1p constraints.txt; cat constraints.new) > constraints.tmp
	mv constraints.tmp constraints.txt && rm constraints.new
	$(RESOLVE) --resolution lowest-direct --output-file constraints.new
	(sed -n 1p constraints-lowest.txt; cat constraints.new) > constraints.tmp
	mv constraints.tmp constraints-lowest.txt && rm constraints.new

# Skipped, and it says so, where the database of vulnerabilities cannot be reached.
audit:
	$(call install,.venv-audit,-c constraints.txt,$$(grep -o 'pip-audit>=[0-9.]*' pyproject.toml))
	.venv-audit/bin/python -m model2_assets_tests.supply_chain.audit constraints.txt

FAST_TESTS = -m pytest -n auto --dist loadfile -m "not end_to_end and not ui and not services"

# The fast tests with the lowest versions that pyproject.toml allows, and with the newest.
test-lowest:
	$(call install,.venv-lowest,-c constraints-lowest.txt,-e '.[test]')
	.venv-lowest/bin/python -m model2_assets_tests.determinism.golden
	.venv-lowest/bin/python $(FAST_TESTS)

test-latest:
	$(call install,.venv-latest,--upgrade $(EAGER),-e '.[test]')
	.venv-latest/bin/python -m model2_assets_tests.determinism.golden
	.venv-latest/bin/python $(FAST_TESTS)

environment: $(VENV)/installed

# $(call install,folder,options,what): a virtual environment, by uv where there is one. Bytecode
# is made on all cores, and at once: some systems never write it at an import.
ifneq ($(shell command -v uv),)
EAGER :=
define install
	uv venv --quiet --allow-existing --python "$(PYTHON)" $(1)
	uv pip install --quiet --compile-bytecode --python $(1)/bin/python $(2) $(3)
endef
else
EAGER := --upgrade-strategy eager
define install
	$(PYTHON) -m venv $(1)
	$(1)/bin/python -m pip install --quiet --disable-pip-version-check --no-compile $(2) $(3)
	$(1)/bin/python -m compileall -q -j 0 $(1)/lib || true
endef
endif

$(VENV)/installed: pyproject.toml constraints.txt
	$(call install,$(VENV),-c constraints.txt,-e '.[test]')
	@touch $@

clean:
	rm -rf $(VENV) .venv-audit .venv-lowest .venv-latest build dist
