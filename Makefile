# The pipeline: every target asks Python for files, and Python makes those whose content no longer fits what they depend on.

CASES ?= vgg-digits resnet-digits r3dcnn-gestures
SEEDS ?= 0 1 2
DEVICE ?= auto
DATA ?= ../shared/data
RECORD ?= runs/timings
# PYTHON=python3 uses an interpreter that already has the packages; otherwise .venv is made from the pinned list.
PYTHON ?= .venv/bin/python

MEASURED := CASES SEEDS CRITERIA DEVICE BUDGET UNTIL NETWORK WEIGHTS DATASET SIZE NAME REASON JOBS SMALL STRICT
VARIABLES := $(MEASURED) DATA PYTHON RECORD TIMINGS SLOW TINY
# Values reach the commands through the environment: whatever they hold, no shell reads it.
export $(VARIABLES)
# Linux hands out memory in small pages unless asked for large ones, and a network's tensors are large: a tenth of the time.
export GLIBC_TUNABLES ?= glibc.malloc.hugetlb=1

given := $(foreach name,$(.VARIABLES),$(if $(findstring command,$(origin $(name))),$(name)))
unknown := $(filter-out $(VARIABLES) MAKEFLAGS MAKEOVERRIDES,$(given))
nearest = $(shell python3 -c 'import difflib, sys; print(*difflib.get_close_matches(*sys.argv[1:2], sys.argv[2:], 1, 0))' $(1) $(VARIABLES))
$(if $(unknown),$(error unknown variable $(firstword $(unknown)): the nearest is $(call nearest,$(firstword $(unknown)))))
link := .link/pruning_oracle
ready := $(link) $(if $(filter .venv/bin/python,$(PYTHON)),.venv/ready)
export PYTHONPATH := $(if $(filter .venv/bin/python,$(PYTHON)),,$(CURDIR)/.link)
lower = $(shell echo $(1) | tr A-Z a-z)
pipeline = $(PYTHON) -m pruning_oracle.pipeline $@ $(foreach name,$(MEASURED),--$(call lower,$(name)) "$$$(name)")

.PHONY: help oracle compare report regress regress-accept sets prune prune-more prune-timings train test timings gpu docs lint check clean

help: ## list the targets
	@echo 'make TARGET [CASES="$(CASES)"] [SEEDS="$(SEEDS)"] [CRITERIA=all|mine.py] [BUDGET=0.05] [SMALL=1] [DEVICE=auto|cpu|cuda|mps] [DATA=$(DATA)] [STRICT=1]'
	@echo '     [NETWORK=torchvision:NAME|timm:NAME DATASET=imagefolder:PATH|npz:PATH|videofolder:PATH [WEIGHTS=FILE] [SIZE=PIXELS]] [JOBS=2]'
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  \1\t\2/p' $(firstword $(MAKEFILE_LIST)) | expand -t 18

oracle: $(ready) ## measure the oracle of CASES at SEEDS
compare: $(ready) ## measure, score, grade and report, then print the agreement table
report: $(ready) ## the same without the table: write report/index.html
regress: $(ready) ## hold every criterion to reports/baselines, and fail where one agrees less with the oracle
regress-accept: $(ready) ## make what is measured the new baselines, for the REASON given
sets: $(ready) ## what sets of maps cost that criteria, the oracle and chance remove, and what foretells that
prune: $(ready) ## prune CASES at SEEDS by several criteria, and show the curves in report/index.html
prune-more: $(ready) ## how far it goes, without learning, with 10, 30 and 100 updates between removals, from nothing
prune-timings: $(ready) ## time the networks of prune-more and the whole ones by turns, with all cores; then as prune
train: $(ready) ## train the models of CASES at SEEDS again, from nothing or by fine-tuning
oracle compare report regress regress-accept sets prune prune-more prune-timings train:
	@$(pipeline)

test: $(ready) ## run the tests; SLOW=1 also those that take minutes
	$(PYTHON) -m pytest $(if $(SLOW),-m "slow or not slow")

timings: $(ready) ## measure speed, memory and precision (50 minutes on two cores) into RECORD
	@python3 bench/runs/kinds.py --timings "$$RECORD/timings.json"
	mkdir -p "$$RECORD"
	PYTHONPATH=tests:$$PYTHONPATH $(PYTHON) -m pytest tests/timings $(TIMINGS) -W default --override-ini addopts= --benchmark-json="$$RECORD/timings.json"
	$(PYTHON) -m pruning_oracle.reports speed --record "$$RECORD"

gpu: $(ready) ## prove and measure the suite on a GPU in eight minutes, into RECORD/gpu.json; TINY=1 DEVICE=cpu rehearses
	PYTHONPATH=tests:tests/support:$$PYTHONPATH $(PYTHON) -W ignore -m gpu --device "$$DEVICE" --tiny "$$TINY" --record "$$RECORD"

docs: $(ready) ## build the documentation into site/; broken links and unknown references fail
	NO_MKDOCS_2_WARNING=1 $(PYTHON) -m mkdocs build

lint: $(ready) ## check format, lint and types
	$(PYTHON) -m ruff format --check . && $(PYTHON) -m ruff check .
	$(PYTHON) -m mypy

check: lint test ## check format, lint, types and tests, as CI does

clean: ## delete everything measured and reported; keeps .venv, trained weights and files that are not the suite's
	@python3 bench/runs/kinds.py runs report

$(link): ; @mkdir -p .link && ln -sfn .. $@

.venv/ready: requirements.txt pyproject.toml
	@python3 -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or later is needed; python3 is " + sys.version.split()[0])'
	@python3 -c 'import ensurepip, venv' 2> /dev/null || { echo "python3 lacks venv: on Debian run apt-get install python3-venv" >&2; exit 1; }
	python3 -m venv .venv
	.venv/bin/python -m pip install --quiet --disable-pip-version-check --requirement requirements.txt
	.venv/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --editable .
	@touch $@
