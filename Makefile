# The pipeline: every target is a file under runs/ or reports/out/, made again only when what it reads has changed.

CASES ?= vgg-digits resnet-digits r3dcnn-gestures
SEEDS ?= 0 1 2
DEVICE ?= auto
DATA ?= ../shared/data
CRITERIA ?=
STRICT ?=
RECORD ?= runs/timings
BUDGET ?=
UNTIL ?=
export DATA REASON STRICT

# A network without a Python file in the place of CASES: NETWORK=torchvision:resnet18 WEIGHTS=mine.pt DATASET=imagefolder:photos
ifneq ($(NETWORK),)
$(if $(DATASET),,$(error NETWORK needs examples: DATASET=imagefolder:PATH, npz:PATH or videofolder:PATH))
NAME ?= $(lastword $(subst :, ,$(NETWORK)))-$(basename $(notdir $(patsubst %/,%,$(lastword $(subst :, ,$(DATASET))))))
override CASES := $(NAME)
line := $(NETWORK) --data $(DATASET) --name $(NAME)$(if $(WEIGHTS), --weights $(WEIGHTS))$(if $(SIZE), --size $(SIZE))
endif
$(if $(findstring /,$(CASES)),$(error CASES takes names, not "$(CASES)": for a file of your own run python -m oracle FILE))
$(if $(filter regress-accept,$(MAKECMDGOALS)),$(if $(strip $(REASON)),,$(error a new baseline needs a reason: make regress-accept REASON="why")))

# Two runs at a time, a core each: small networks gain little from a second one. A GPU is given to one run at a time.
JOBS ?= $(if $(wildcard /dev/nvidia[0-9]),1,2)
MAKEFLAGS += --jobs=$(JOBS)
ifneq ($(JOBS),1)
export OMP_NUM_THREADS ?= $(shell expr \( $$(nproc) + $(JOBS) - 1 \) / $(JOBS))
export TQDM_DISABLE ?= 1
endif

# Linux hands out memory in small pages unless asked for large ones, and a network's tensors are large: a tenth of the time.
export GLIBC_TUNABLES ?= glibc.malloc.hugetlb=1

# PYTHON=python3 uses an interpreter that already has the packages; otherwise .venv is made from the pinned list.
PYTHON ?= .venv/bin/python
ready := $(if $(filter .venv/bin/python,$(PYTHON)),.venv/ready)

embedded := vgg-digits resnet-digits r3dcnn-gestures
runs := $(foreach case,$(CASES),$(foreach seed,$(SEEDS),runs/$(case)/$(seed)))
bench := $(wildcard bench/*.py bench/*/*.py)
criteria := $(wildcard criteria/*.py criteria/*/*.py criteria/*.json)
# compare takes the quick criteria if not told otherwise, regress all of them
guesses := $(if $(filter all,$(CRITERIA))$(filter regress regress-accept,$(MAKECMDGOALS)),all,quick) $(filter-out all,$(CRITERIA))
# the last runs first: there the dearest case is, which nothing should have to wait for in the end
backwards = $(if $(1),$(call backwards,$(wordlist 2,$(words $(1)),$(1))) $(firstword $(1)))
measured := $(foreach run,$(call backwards,$(runs)),$(run)/criteria.safetensors $(run)/oracle.safetensors)
report := reports/out/index.html reports/out/agreement.csv reports/out/agreement.md reports/out/agreement.tex
tables := agreement.csv maps.csv maps-fresh.csv tables.json

# How each case is pruned: so many maps at a time that the whole takes minutes, and λ for the size of its maps
loop_vgg-digits := --remove 24 --rate 3e-3 --until maps=0.2 --final-updates 200
loop_resnet-digits := --remove 16 --rate 3e-3 --until maps=0.2 --final-updates 200
loop_r3dcnn-gestures := --remove 20 --rate 1e-2 --until maps=0.2 --updates 10 --batch 16 --final-updates 80 --tested 200
survive_r3dcnn-gestures := --each 1 --updates 40 --batch 16
loop_resnet20-cifar10 := --remove 20 --rate 3e-3 --until maps=0.4 --final-updates 200 --tested 2000
loop_cnn3-cifar10 := --remove 6 --rate 3e-3 --until maps=0.3 --final-updates 200 --tested 2000
loop_squeezenet-flowers102 := --remove 200 --rate 3e-4 --until maps=0.4 --final-updates 205 --tested 400
lambda_vgg-digits := 0.5
lambda_resnet-digits := 0.5
lambda_r3dcnn-gestures := 0.03
# the loop's runs by name, and what each ranks by
ranked_taylor-flops = --criterion taylor --flops-lambda $(or $(lambda_$(call case,$@)),0.1)
ranked_taylor := --criterion taylor --flops-lambda 0
ranked_activation := --criterion activation_mean --flops-lambda 0
ranked_weight := --criterion weight_l2 --flops-lambda 0
ranked_random := --criterion random --flops-lambda 0
ranked_oracle := --criterion oracle_abs --flops-lambda 0 --examples 64 --again 2
pruned_names := $(if $(SMALL),taylor-flops random,taylor-flops taylor activation weight random oracle)
pruned_seeds := $(if $(SMALL),$(firstword $(SEEDS)),$(SEEDS))
pruned_runs := $(foreach case,$(CASES),$(foreach seed,$(pruned_seeds),runs/$(case)/$(seed)/pruning))
pruned_files := $(addsuffix .safetensors,$(pruned_names)) $(if $(SMALL),,subsets.survival)
prunings := $(foreach run,$(call backwards,$(pruned_runs)),$(addprefix $(run)/,$(pruned_files)))

still := oracle-abs oracle-loss taylor random
still_oracle-abs := oracle_abs
still_oracle-loss := oracle_loss
still_taylor := taylor
still_random := random
# how far single runs go: to many times the speed, or for a point of accuracy
names_r3dcnn-gestures := fast
names_vgg-digits := point
names_resnet-digits := point
far_fast := --remove 4 --updates 20 --rate 0.01 --flops-lambda 0.1 --until flops=0.04 --final-updates 1500 --tested 300
far_point = --remove $(remove_$(call case,$@)) --updates 20 --rate 3e-3 --flops-lambda 0.5 --until $(until_$(call case,$@)) --final-updates 600
remove_vgg-digits := 12
until_vgg-digits := maps=0.3
remove_resnet-digits := 8
until_resnet-digits := maps=0.2
far := $(foreach run,$(pruned_runs),$(patsubst %,$(run)-far/%.safetensors,$(names_$(word 2,$(subst /, ,$(run))))))
more := $(prunings) $(far) $(far:.safetensors=.scratch) $(foreach run,$(pruned_runs),$(patsubst %,$(run)-still/%.safetensors,$(still)) \
	$(patsubst %,$(run)-updates/%.safetensors,10 30 100))

.PHONY: help oracle compare report regress regress-accept train test timings lint check clean prune prune-more prune-timings FORCE
.PRECIOUS: bench/weights/%.safetensors
.SECONDEXPANSION:

help: ## list the targets
	@echo 'make TARGET [CASES="$(CASES)"] [SEEDS="$(SEEDS)"] [CRITERIA=all|mine.py] [BUDGET=0.05] [SMALL=1] [DEVICE=auto|cpu|cuda] [DATA=$(DATA)] [STRICT=1]'
	@echo '     [NETWORK=torchvision:NAME|timm:NAME DATASET=imagefolder:PATH|npz:PATH|videofolder:PATH [WEIGHTS=FILE] [SIZE=PIXELS]]'
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  \1\t\2/p' $(firstword $(MAKEFILE_LIST)) | expand -t 18

oracle: $(addsuffix /oracle.safetensors,$(runs)) ## measure the oracle of CASES at SEEDS

compare: $(report) ## measure, score, grade and report, then print the agreement table
	@$(PYTHON) -m reports show $(CASES) --seeds $(SEEDS)

report: $(report) ## write the report to reports/out/index.html

regress: $(measured) ## hold every criterion to reports/baselines, and fail where one agrees less with the oracle
	@$(PYTHON) -m reports regress $(CASES) --seeds $(SEEDS)

regress-accept: $(measured) ## make what is measured the new baselines, for the REASON given
	@$(PYTHON) -m reports accept $(CASES) --seeds $(SEEDS) --reason "$$REASON"

prune: $(prunings) ## prune CASES at SEEDS by several criteria, and write the curves to reports/out/pruning.html
	@$(PYTHON) -m reports pruning $(CASES) --seeds $(pruned_seeds)

prune-more: $(more) ## how far it goes, without learning, with 10, 30 and 100 updates between removals, from nothing; then as prune
	@$(PYTHON) -m reports pruning $(CASES) --seeds $(pruned_seeds)

prune-timings: $(far) ## time the networks of prune-more and the whole ones by turns, with all cores; then as prune
	@set -e; for file in $(basename $(far)); do env -u OMP_NUM_THREADS $(PYTHON) -m pruning.latency $$file.network --device $(DEVICE); done
	@$(PYTHON) -m reports pruning $(CASES) --seeds $(pruned_seeds)

train: $(ready) ## train the models of CASES at SEEDS again, from nothing or by fine-tuning
	@set -e; for case in $(CASES); do for seed in $(SEEDS); do $(PYTHON) -m bench train $(call named,$$case) --seed $$seed --device $(DEVICE); done; done

test: $(ready) ## run the tests
	$(PYTHON) -m pytest

timings: $(ready) ## measure speed, memory and precision (50 minutes on two cores) into RECORD
	mkdir -p $(RECORD)
	$(PYTHON) -m pytest bench/timings $(TIMINGS) -W default --override-ini addopts= --benchmark-json=$(RECORD)/timings.json
	$(PYTHON) -m reports speed --record $(RECORD)

lint: $(ready) ## check format, lint and types
	$(PYTHON) -m ruff format --check .
	$(PYTHON) -m ruff check .
	$(PYTHON) -m mypy

check: lint test ## check format, lint, types and tests, as CI does

clean: ## delete everything measured and reported; keeps .venv and trained weights
	rm -rf runs reports/out

.venv/ready: requirements.txt
	python3 -m venv .venv
	.venv/bin/python -m pip install --quiet --disable-pip-version-check --requirement requirements.txt
	touch $@

# A run's case and seed, from its folder: runs/<case>/<seed>
case = $(word 2,$(subst /, ,$(1)))
seed = $(word 3,$(subst /, ,$(1)))
weights = $(if $(filter $(call case,$(1)),$(embedded)),bench/weights/$(call case,$(1))-$(call seed,$(1)).safetensors) \
	$(wildcard trained/$(call case,$(1))-$(call seed,$(1)).safetensors $(WEIGHTS))
# what python takes as a case
named = $(if $(NETWORK),'$(line)',$(1))
measure = $(call named,$(call case,$@)) --seed $(call seed,$@) --device $(DEVICE) $(1) --out $@

bench/weights/%.safetensors: | $(ready)
	$(PYTHON) -m bench train $(shell echo $* | sed 's/-\([0-9]*\)$$/ --seed \1/')

runs/%/oracle.safetensors: $(bench) $(wildcard oracle/*.py) runs/.settings runs/.budget $$(call weights,$$@) | $(ready)
	@mkdir -p $(@D)
	$(PYTHON) -m oracle $(call measure,$(if $(BUDGET),--budget $(BUDGET)) $(if $(UNTIL),--until $(UNTIL)))

runs/%/criteria.safetensors: $(bench) $(criteria) $(filter %.py,$(CRITERIA)) runs/.settings runs/.criteria $$(call weights,$$@) | $(ready)
	@mkdir -p $(@D)
	$(PYTHON) -m criteria $(call measure,--criteria $(guesses))

learnt := $(wildcard pruning/*.py oracle/*.py)
how_pruning = --updates 20 $(loop_$(call case,$@)) $(ranked_$(basename $(@F)))
how_pruning-still = $(loop_$(call case,$@)) --criterion $(still_$(basename $(@F))) --flops-lambda 0 --updates 0 --examples 128 --final-updates 0
how_pruning-far = $(far_$(basename $(@F)))
how_pruning-updates = $(loop_$(call case,$@)) --flops-lambda 0 --updates $(basename $(@F))
$(filter %.safetensors,$(more)): $(bench) $(criteria) $(learnt) runs/.settings $$(call weights,$$@) | $(ready)
	@mkdir -p $(@D)
	$(PYTHON) -m pruning $(call named,$(call case,$@)) --seed $(call seed,$@) --device $(DEVICE) $(how_$(notdir $(@D))) \
		--name $(basename $(@F)) --out $(@D)

runs/%.scratch: runs/%.safetensors
	$(PYTHON) -m pruning.scratch $(basename $@).network --out $@

runs/%/pruning/subsets.survival: $(bench) $(criteria) $(learnt) runs/.settings $$(call weights,$$@) | $(ready)
	@mkdir -p $(@D)
	$(PYTHON) -m pruning.survival $(call named,$(call case,$@)) --seed $(call seed,$@) --device $(DEVICE) --rate 3e-3 --each 3 --updates 60 \
		$(survive_$(call case,$@)) --out $@

$(addprefix runs/%/,$(tables)): runs/%/oracle.safetensors runs/%/criteria.safetensors reports/agreement.py reports/read.py | $(ready)
	$(PYTHON) -m reports grade $(call case,$@) --seeds $(call seed,$@)

# One command makes all of the report: a pattern rule, whose % stands for the dot, says so to every version of make.
$(report): $(foreach run,$(call backwards,$(runs)),$(addprefix $(run)/,oracle.safetensors criteria.safetensors $(tables)))
$(report): $(wildcard reports/*.py reports/*.html reports/sections/*.py reports/records/*/*.json) reports/out/.selection | $(ready)
reports/out/index%html $(patsubst %,reports/out/agreement\%%,csv md tex):
	$(PYTHON) -m reports page $(CASES) --seeds $(SEEDS)

# Settings are files too: they change only when the setting does, and what depends on them follows. So does the commit of
# what measures: a report of files of different commits would be refused.
remember = @mkdir -p $(@D); said="$(1)"; echo "$$said" | cmp -s - $@ || echo "$$said" > $@
runs/.settings: FORCE | $(ready)
	$(call remember,$(DEVICE) $(DATA) $(STRICT) $(line) $$($(PYTHON) -m bench.commit))
runs/.budget: FORCE
	$(call remember,$(BUDGET) $(UNTIL))
runs/.criteria: FORCE
	$(call remember,$(guesses))
reports/out/.selection: FORCE
	$(call remember,$(CASES) $(SEEDS))
