# `make help` lists the targets. Each can be called on a fresh clone.
SHELL := /bin/bash
.DEFAULT_GOAL := help
PY := .venv/bin/python
PYTEST_ARGS ?=
# Most of a test is waiting for containers; one file is never on two workers.
PYTEST_WORKERS ?= 2

.PHONY: help ground venv image images demo test lint bench clean lock

help: ## this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

ground: ## make this machine ready: packages, Docker engine, plugins, base image
	@scripts/ground

# The lock's copy is the stamp: a changed lock makes a new environment.
venv: .venv/lock ## the Python environment of the host's CLI and the tests, in .venv
.venv/lock: requirements.lock pyproject.toml
	python3 -m venv --clear .venv
	.venv/bin/pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	.venv/bin/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	cp requirements.lock $@

image: ground venv ## build the image borgpull
	@$(PY) scripts/build_images.py borgpull

images: ground venv ## build the image borgpull and the test clients
	@$(PY) scripts/build_images.py

demo: images ## back up a demo client twice, on real parts, and clean up
	@$(PY) scripts/demo.py

test: images lint ## every test, on real parts
	$(PY) -m pytest -n $(PYTEST_WORKERS) --dist loadfile --no-loadscope-reorder $(PYTEST_ARGS)

lint: venv ## ruff and mypy
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/mypy

bench: images ## our job against the recipe by hand and borg on the client, as ratios
	@$(PY) scripts/bench.py

# No host name, path or index gets into a lock: the options keep pip-compile's own out of it.
LOCK := env -u PIP_FIND_LINKS .venv/bin/pip-compile --quiet --generate-hashes --allow-unsafe \
  --strip-extras --no-emit-index-url --no-emit-find-links --no-emit-trusted-host --no-emit-options \
  --no-header --upgrade
lock: venv ## make the lock files anew
	$(LOCK) -o requirements.lock requirements.in
	for name in build borg requirements; do $(LOCK) -o images/sidecar/$$name.lock images/sidecar/$$name.in; done

clean: ## remove what make has made: images, environment, caches
	-docker image rm --force borgpull borgpull-client borgpull-borg12-client borgpull-busybox-client
	rm -rf .venv .mypy_cache .pytest_cache .ruff_cache bench.json
	find . -name __pycache__ -not -path './.git/*' -prune -exec rm -rf {} +
