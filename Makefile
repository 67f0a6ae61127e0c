# Each target is one line that calls a tool. `make` alone prints what there is.
.DEFAULT_GOAL := help
.PHONY: help setup demo distill distill-parts distill-truth test lint bench clean
PY := .venv/bin/python

help: ## print this list
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 15

setup: ## make .venv and install everything in it (PYTHON=python3.12 chooses the interpreter)
	@bash tools/setup.sh

demo: setup ## prepare real document pages, find tables, pictures and formulas on them, draw the result
	$(PY) tools/demo.py

distill: setup ## a teacher labels ID cards, a light student learns from them: what that is worth, in a table
	$(PY) tools/distill.py configs/distill/idcards.yaml --ways "three views fused"

distill-parts: setup ## the same with other views, fusion and thresholds: what each part of it adds
	$(PY) tools/distill.py configs/distill/idcards.yaml

distill-truth: setup ## on drawn pages, and what a teacher without faults would be worth: why labels gain no more
	$(PY) tools/distill.py configs/distill/idcards_drawn.yaml

test: setup ## run the whole test-suite
	$(PY) -m pytest -n auto --maxprocesses 4 --dist worksteal

lint: setup ## check style and format
	$(PY) -m ruff check . && $(PY) -m ruff format --check .

bench: setup ## measure the speed goals, costs (tables here and in docs/), memory, labelling (1,000,000 images)
	$(PY) tools/bench_speed.py --json output/speed.json --write
	$(PY) tools/bench_speed.py --threads 1 --json output/speed_one_core.json --write
	$(PY) tools/bench_checkpointing.py --json output/training_memory.json --write
	$(PY) tools/bench_pseudo_label.py --json output/labelling_memory.json --write
	$(PY) tools/bench_teacher.py --json output/teachers.json --write
	$(PY) tools/bench_bottom_ups.py --json output/bottom_ups.json --write
	$(PY) tools/analyze_model.py configs/retina_snet.yaml configs/retina_mobilenetv2.yaml configs/retina_vovnet_19_slim.yaml \
	    COCO-Detection/retinanet_R_50_FPN_3x.yaml --size 320 320 --latency --threads 1 --seconds 60 \
	    --json output/costs.json --markdown docs/costs.md
	$(PY) tools/analyze_model.py configs/retina_snet.yaml configs/retina_vovnet_19_slim.yaml --size 512 512 --sweep \
	    --seconds 120 --json output/sizes.json --markdown docs/sizes.md

clean: ## remove .venv and what tools left in the repository; keeps output/
	rm -rf .venv build dist *.egg-info .pytest_cache .ruff_cache .hypothesis
