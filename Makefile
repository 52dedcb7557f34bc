# Every target sets itself up: no step comes before `make run` or `make test`.
CHAPTERS ?= $(basename $(notdir $(wildcard notebooks/*.ipynb)))
PROFILE  ?= lab
ARGS     ?=
OUT      ?= build
PYTHON   ?= python3

VENV   := .venv
PY     := $(VENV)/bin/python
READY  := $(VENV)/.ready
# "03" stands for 03_imdb_domain_adaptation
NAMES  := $(foreach c,$(CHAPTERS),$(or $(basename $(notdir $(wildcard notebooks/$(c).ipynb notebooks/$(c)_*.ipynb))),$(error no chapter $(c))))
DONE   := $(NAMES:%=$(OUT)/%.json)
SOURCES := $(wildcard helpers/*.py helpers/*/*.py tests/notebooks/run.py lab/corpora/*/* lab/checkpoints/*/* lab/metrics/*/*.py)
PIP_ARGS ?=

export TOKENIZERS_PARALLELISM ?= false

.PRECIOUS: $(OUT)/.asked-%
.PHONY: run chapters test browser nightly outputs solutions jupyter study bench clean FORCE
.DELETE_ON_ERROR:

run: $(READY)
	@$(MAKE) --no-print-directory --keep-going chapters; status=$$?; \
	$(PY) tests/notebooks/summary.py --out "$(OUT)" $(NAMES) || status=1; exit $$status

chapters: $(DONE)

$(OUT)/%.json: notebooks/%.ipynb $(SOURCES) $(OUT)/.asked-% | $(READY)
	@$(PY) tests/notebooks/run.py $< --out "$(OUT)" --profile $(PROFILE) $(ARGS)

# what a chapter was last run with; rewritten only when that changes, so that Make knows which chapters are stale
$(OUT)/.asked-%: FORCE
	@mkdir -p "$(OUT)"
	@echo '$(PROFILE) $(ARGS)' | cmp -s - $@ || echo '$(PROFILE) $(ARGS)' > $@

test: $(READY)  # two kernels side by side: with more than one thread each they wait for each other on two cores
	$(PY) -m pytest tests/unit
	OMP_NUM_THREADS=1 $(PY) -m pytest -c tests/notebooks/pytest.ini --rootdir . -n 2 --dist loadfile notebooks

browser: $(READY)  # chapter 01 in JupyterLab and Chromium
	$(PY) -m pytest -rs tests/browser -k 01

nightly: test
	$(PY) -m pytest tests/hub tests/nightly
	$(PY) -m pytest -rs tests/browser
	$(PY) tests/notebooks/solutions.py --out "$(OUT)/solutions"
	$(PY) tests/notebooks/bands.py --seeds 10

outputs: $(READY)  # execute the notebooks in place, for committing
	$(PY) tests/notebooks/outputs.py $(NAMES:%=notebooks/%.ipynb)

solutions: $(READY)  # the notebooks with every exercise solved, executed: build/solutions
	$(PY) tests/notebooks/solutions.py --out "$(OUT)/solutions"

jupyter: $(READY)
	$(VENV)/bin/jupyter lab notebooks

study: $(READY)
	$(PY) -m lab.paraphrase_study
	$(PY) -m lab.study
	$(PY) -m lab.labels

bench: $(READY)  # the tutorials' way beside this course's: build/bench; DATA="my/reviews my/pairs" for others than the bundled ones
	$(PY) -m bench --out "$(OUT)/bench" $(if $(DATA),--data $(DATA))

$(READY): requirements.txt constraints.txt pyproject.toml
	@test -x $(PY) || { echo "Making $(VENV) …"; $(PYTHON) -m venv $(VENV); }
	@echo "Installing the packages into $(VENV): about three minutes the first time …"
	@$(PY) -m pip install --disable-pip-version-check --progress-bar on $(PIP_ARGS) -c constraints.txt -e '.[test]'
	@touch $@

clean:  # but for pretraining runs, which took hours
	test ! -d build || find build -mindepth 1 -maxdepth 1 ! -name pretrain -exec rm -rf {} +
