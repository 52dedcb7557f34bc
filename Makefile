# Every target sets itself up: no step comes before `make run` or `make test`.
EDITION  ?= en
BOOKS    := notebooks$(if $(filter zh,$(EDITION)),/zh)
CHAPTERS ?= $(basename $(notdir $(wildcard $(BOOKS)/*.ipynb)))
PROFILE  ?= lab
ARGS     ?=
OUT      ?= build
# chapters at once, each with its share of the cores: side by side they keep more of a CPU busy; a GPU's memory is for one of the hub's
JOBS     ?= $(if $(and $(filter lab,$(PROFILE)),$(word 2,$(NAMES))),2,1)
PYTHON   ?= python3

# tested: constraints.txt; oldest, colab, newest: tests/versions, each in an environment of its own
VERSIONS ?= tested
CONSTRAINTS := $(if $(filter tested,$(VERSIONS)),constraints.txt,tests/versions/$(VERSIONS).txt)
VENV   := .venv$(if $(filter-out tested,$(VERSIONS)),-$(VERSIONS))
PY     := $(VENV)/bin/python
READY  := $(VENV)/.ready
# "03" stands for 03_imdb_domain_adaptation
NAMES  := $(foreach c,$(CHAPTERS),$(or $(basename $(notdir $(wildcard $(BOOKS)/$(c).ipynb $(BOOKS)/$(c)_*.ipynb))),$(error no chapter $(c))))
DONE   := $(NAMES:%=$(OUT)/%.json)
SOURCES := $(wildcard helpers/*.py helpers/*.json helpers/*.toml helpers/*/*.py tools/run.py lab/corpora/*/* lab/checkpoints/*/* lab/metrics/*/*.py)
PIP_ARGS ?=
# two processes side by side, of one thread each: with more they wait for each other on two cores
PYTEST := OMP_NUM_THREADS=1 $(PY) -m pytest
NBVAL  := $(PYTEST) -c tools/nbval/pytest.ini --rootdir . -n 2 --dist loadfile

export TOKENIZERS_PARALLELISM ?= false

.PRECIOUS: $(OUT)/.asked-%
.PHONY: run chapters quick test lint unit cells browser nightly slow browsers chinese bands outputs zh solutions jupyter study bench gpu site canary clean FORCE
.DELETE_ON_ERROR:

run: $(READY)
	@OMP_NUM_THREADS=$${OMP_NUM_THREADS:-$$($(PY) -c "import os; print(max(1, os.cpu_count() // $(JOBS)))")} \
	$(MAKE) --no-print-directory --keep-going --jobs=$(JOBS) chapters; status=$$?; \
	$(PY) tools/summary.py --out "$(OUT)" $(NAMES) || status=1; exit $$status

# those that take longest first, so that side by side none is left to run alone at the end
chapters: $(foreach number,01 05 03,$(filter $(OUT)/$(number)%,$(DONE))) $(DONE)

$(OUT)/%.json: $(BOOKS)/%.ipynb $(SOURCES) $(OUT)/.asked-% | $(READY)
	@$(PY) tools/run.py $< --out "$(OUT)" --profile $(PROFILE) $(ARGS)

# what a chapter was last run with; rewritten only when that changes or its figures are damaged, so that Make knows which chapters are stale.
# A folder counts by its files' sizes and times, unless it is the one that the chapter writes
FOLDERS := $(foreach word,$(shell echo '$(ARGS)' | sed 's/output_dir [^ ]*//'),$(if $(wildcard $(word)/.),$(word)))
ASKED   := $(BOOKS) $(PROFILE) $(ARGS) $(if $(FOLDERS),$(shell ls -lR $(FOLDERS) | cksum))
$(OUT)/.asked-%: FORCE
	@mkdir -p "$(OUT)"
	@test ! -e "$(OUT)/$*.json" || $(PY) -m json.tool "$(OUT)/$*.json" /dev/null 2>/dev/null || rm -f $@
	@echo '$(ASKED)' | cmp -s - $@ || echo '$(ASKED)' > $@

quick: lint  # a minute: what one runs while editing
	$(PYTEST) -n 2 --dist worksteal -m "not long" tests/helpers tests/chapters

test: lint unit cells

lint: $(READY)
	$(PY) -m ruff check
	$(PY) -m ruff format --check
	$(PY) -m mypy

unit: $(READY)
	$(PYTEST) -n 2 --dist worksteal

cells: $(READY)  # every cell of the notebooks, against the outputs that are committed
	$(NBVAL) notebooks/*.ipynb

browser: $(READY)  # chapter 01 in JupyterLab and Chromium
	$(PY) -m pytest -rs tests/slow/browsers/test_jupyterlab.py -k 01

nightly:  # every part runs, whatever another found; those that failed are named at the end
	@failed=; for part in lint unit cells slow browsers solutions chinese test-colab test-oldest test-newest bands; do \
	echo "== $$part"; $(MAKE) --no-print-directory $$part || failed="$$failed $$part"; done; \
	test -z "$$failed" || { echo "nightly failed in:$$failed"; exit 1; }

slow: $(READY)
	$(PY) -m pytest -rs tests/slow/hub tests/slow

browsers: $(READY)
	$(PY) -m pytest -rs tests/slow/browsers

chinese: $(READY)
	$(NBVAL) notebooks/zh
	$(MAKE) run EDITION=zh OUT="$(OUT)/zh"

test-%:
	$(MAKE) --keep-going test VERSIONS=$*

bands: $(READY)
	$(PY) tools/bands.py --seeds 10

outputs: $(READY)  # execute the notebooks in place, for committing
	$(PY) tools/outputs.py $(NAMES:%=$(BOOKS)/%.ipynb)

zh: $(READY)  # carries changed code into the Chinese edition and lists the prose to translate; ACCEPT="CELL …": these are up to date
	$(PY) tools/zh.py --accept $(ACCEPT)

solutions: $(READY)  # the notebooks with every exercise solved, executed: build/solutions
	$(PY) tools/solutions.py --out "$(OUT)/solutions"

jupyter: $(READY)  # opens chapter 01, or that of CHAPTERS
	JUPYTER_CONFIG_PATH=tools/jupyter $(VENV)/bin/jupyter lab \
	--LabApp.default_url=/lab/tree/$(patsubst notebooks/%,%,$(firstword $(NAMES:%=$(BOOKS)/%.ipynb))) notebooks

study: $(READY)
	$(PY) -m lab.studies.paraphrases
	$(PY) -m lab.studies.adaptation
	$(PY) -m lab.studies.labels

canary:  # everything on the newest releases; what failed stands in build/canary.md, notebook and cell first
	@mkdir -p build; rm -f .venv-newest/.ready; { $(MAKE) --keep-going test run VERSIONS=newest OUT=build/newest 2>&1; echo "exit $$?"; } | tee build/canary.log
	@python=.venv-newest/bin/python; test -x $$python || python=$(PYTHON); $$python tools/canary.py build/canary.log build/canary.md

bench: $(READY)  # the tutorials' way beside this course's: build/bench; DATA="my/reviews my/pairs" for others than the bundled ones
	$(PY) -m bench --out "$(OUT)/bench" $(if $(DATA),--data $(DATA))

gpu: $(READY)  # what only a GPU can show, in five minutes: build/bench/gpu.json
	$(PY) -m bench.gpu --out "$(OUT)/bench/gpu.json"

site: $(VENV)/.site-ready  # both editions, the API of helpers, and views that answer (these with npm; what `make run` left shows there): build/site
	OMP_NUM_THREADS=1 $(PY) site/build.py

$(VENV)/.site-ready: $(READY)
	@$(PY) -m pip install --quiet --disable-pip-version-check $(PIP_ARGS) -c $(CONSTRAINTS) -e '.[site]'
	@touch $@

$(READY): requirements.txt $(CONSTRAINTS) pyproject.toml
	@test -x $(PY) || { echo "Making $(VENV) …"; $(PYTHON) -m venv $(VENV); }
	@echo "Installing the packages into $(VENV): about three minutes the first time …"
	@$(PY) -m pip install --disable-pip-version-check --progress-bar on $(if $(filter newest,$(VERSIONS)),--upgrade --upgrade-strategy eager) $(PIP_ARGS) -c $(CONSTRAINTS) -e '.[test]'
	@touch $@

clean:  # but for pretraining runs, which took hours
	test ! -d build || find build -mindepth 1 -maxdepth 1 ! -name pretrain -exec rm -rf {} +
