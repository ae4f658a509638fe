# Octavo. `make` alone lists what there is.
#
#   make report PROBLEM=churn                        a problem under data/problems
#   make report PROBLEM=../mine/telco.yaml           one of your own, by path
#   make report PARAMS='-p n_trials 50 -p seed 7'    other parameters, for this run

PROBLEM ?= churn
PROFILE ?= full
PARAMS  ?=
PYTHON  ?= python3
HOST    ?= 127.0.0.1
PORT    ?=
LAB     ?=
JOBS    ?= $(shell nproc 2>/dev/null || sysctl -n hw.ncpu 2>/dev/null || echo 2)

# Processes run side by side: OpenMP threads that spin while they wait would take each other's cores.
export OMP_WAIT_POLICY := PASSIVE
export PYTHONDONTWRITEBYTECODE :=
export MLFLOW_DISABLE_TELEMETRY := true

PY      := .venv/bin/python
SPACE   := $(subst ,, )
NAME    := $(basename $(notdir $(subst $(SPACE),_,$(PROBLEM))))$(if $(filter-out full,$(PROFILE)),-$(PROFILE))
RUN      = --problem '$(PROBLEM)' --profile '$(PROFILE)'
REPORT  := reports/$(NAME)
RESULTS := data/results/$(NAME)
READY   := .venv/.ready

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help setup report lab mlflow serve loadtest score feast test test-full lint format bench lock clean

help: ## list these targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1\t/' | expand -t 12
	@echo
	@echo "make report takes PROBLEM (a name under data/problems, or a path; now $(PROBLEM)), PARAMS and JOBS."

# --- set-up -----------------------------------------------------------------------------------------------

setup: $(READY) ## make .venv from requirements.lock (every target that needs it does this first)

$(READY): requirements.lock
	@PYTHON='$(PYTHON)' sh tools/setup.sh

# --- the report: one rule a page, real prerequisites --------------------------------------------------------

report: $(READY) ## turn a problem into eight pages and an index under reports/
	@$(PY) -m ml_utils.runner inputs $(RUN) $(PARAMS)
	@$(MAKE) --no-print-directory $(if $(filter -j%,$(MAKEFLAGS)),,-j$(JOBS)) $(REPORT)/index.html
	@echo "$(REPORT)/index.html is up to date"

# A page depends on its inputs file, whose content changes when its notebook, the package, the problem file
# or one of the parameters that it declares does (01: the source too), and on the results that it reads.
# Results change only when their content does, so a page whose inputs came out the same is not rebuilt.
define page
$(REPORT)/$(1).html: $(RESULTS)/inputs/$(1).json $(foreach before,$(2),$(RESULTS)/$(before).json)
	@$(PY) -m ml_utils.runner run $(1) $(RUN)
$(RESULTS)/$(1).json: $(REPORT)/$(1).html
	@test -f $$@ || $(PY) -m ml_utils.runner run $(1) $(RUN)
endef

$(eval $(call page,01-feature-engineering,))
$(eval $(call page,02-model-training,01-feature-engineering))
$(eval $(call page,03-model-evaluation,01-feature-engineering 02-model-training))
$(eval $(call page,04-model-deployment,03-model-evaluation))
$(eval $(call page,05-model-monitoring,03-model-evaluation))
$(eval $(call page,06-ab-testing,03-model-evaluation))
$(eval $(call page,07-automated-retraining,05-model-monitoring))
$(eval $(call page,08-production-ml-pipeline,04-model-deployment 06-ab-testing 07-automated-retraining))

PAGES := $(patsubst notebooks/%.ipynb,$(REPORT)/%.html,$(wildcard notebooks/*.ipynb))

$(REPORT)/index.html: $(PAGES)
	@$(PY) -m ml_utils.runner index $(RUN)

# --- beside it ----------------------------------------------------------------------------------------------

lab: $(READY) ## open the notebooks in JupyterLab (PORT, by default 8888)
	@.venv/bin/jupyter lab --ip=$(HOST) $(if $(PORT),--port=$(PORT)) --ServerApp.root_dir=. \
	  --LabApp.default_url=/lab/tree/notebooks $(LAB)

mlflow: $(READY) ## open the MLflow UI on what was logged (PORT, by default 5000)
	@$(PY) -m ml_utils.registry ui --host $(HOST) $(if $(PORT),--port $(PORT))

serve: $(READY) ## serve PROBLEM's champion over HTTP (PORT, by default 8000)
	@$(PY) -m ml_utils.serving.service $(RUN) --host $(HOST) $(if $(PORT),--port $(PORT))

loadtest: $(READY) ## load a running service (URL, KEY, CLIENTS, SECONDS): requests a second, p50, p95, p99
	@$(PY) -m ml_utils.serving.load_test $(if $(URL),--url '$(URL)') $(if $(KEY),--key '$(KEY)') \
	  $(if $(CLIENTS),--clients $(CLIENTS)) $(if $(SECONDS),--seconds $(SECONDS))

score: $(READY) ## score INPUT into OUTPUT (files, folders or database tables) with PROBLEM's champion
	@$(PY) -m ml_utils.batch '$(INPUT)' '$(OUTPUT)' $(RUN) $(if $(QUERY),--query '$(subst ','\'',$(QUERY))') \
	  $(if $(WORKERS),--workers $(WORKERS)) $(if $(REPLACE),--replace)

feast: .venv-feast/.ready ## publish the features of PROBLEM's page 01 to data/feast/, a local Feast repository
	@OCTAVO_HOME='$(CURDIR)' .venv-feast/bin/python -m ml_utils.feature_store publish $(RUN)

# Feast needs an older pandas than the rest, so it has an environment of its own.
.venv-feast/.ready: pyproject.toml
	@echo "==> setting up .venv-feast (some minutes)"
	@if command -v uv >/dev/null 2>&1; then \
	  uv venv -q --allow-existing .venv-feast && uv pip install -q --python .venv-feast/bin/python '.[feast]'; \
	else \
	  $(PYTHON) -m venv .venv-feast && .venv-feast/bin/pip install -q '.[feast]'; \
	fi
	@touch $@

# --- checks -------------------------------------------------------------------------------------------------

lint: $(READY) ## ruff (notebooks too), mypy, notebooks free of outputs
	@.venv/bin/ruff check .
	@.venv/bin/ruff format --check .
	@.venv/bin/mypy
	@.venv/bin/nbstripout --verify --keep-id notebooks/*.ipynb

test: $(READY) ## unit and property tests, the docstrings' examples, the notebooks on their quick defaults
	@$(PY) -m pytest -q -n $(JOBS) --dist loadfile -m "not full" tests
	@$(PY) -m pytest -q --doctest-modules ml_utils
	@$(PY) -m pytest -q --nbmake --nbmake-timeout=300 notebooks

test-full: $(READY) ## simulations, real servers, the browser, and real tables where they are
	@$(PY) -m pytest -q -n $(JOBS) --dist loadfile -m full tests

bench: $(READY) ## measure the figures in benchmarks/README.md
	@for script in benchmarks/bench_*.py; do $(PY) $$script || exit 1; done

# --- housekeeping -------------------------------------------------------------------------------------------

format: $(READY) ## format the code and strip the notebooks
	@.venv/bin/ruff check --fix-only -q . && .venv/bin/ruff format -q .
	@.venv/bin/nbstripout --keep-id notebooks/*.ipynb

lock: ## write requirements.lock anew from pyproject.toml (needs uv)
	@uv pip compile pyproject.toml --extra dev --universal --python-version 3.11 --generate-hashes \
	  --no-emit-index-url --no-header -q -o requirements.lock

clean: ## remove reports, results, snapshots, logged runs; keep .venv, problem files and rules
	@rm -rf data/raw data/processed data/results data/mlflow data/feast data/scoring .venvs .venv-feast build
	@find reports -mindepth 1 ! -name README.md -delete
	@find . -name __pycache__ -not -path './.venv*' -prune -exec rm -rf {} +
