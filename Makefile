# `make help` lists the targets. Each can be called on a fresh clone.
SHELL := /bin/bash
.DEFAULT_GOAL := help
PY := .venv/bin/python
PYTEST_ARGS ?=
BENCH_ARGS ?=
SCALE_FILES ?=
# Most of a test is waiting, for containers and for clients that hang: two processors keep up with
# three workers. One file is never on two.
PYTEST_WORKERS ?= 3

.PHONY: help ground venv image images demo test soak unit record lint bench scale kube clean lock schemas

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

demo: ground venv ## back up a demo client twice, on real parts, and clean up
	@$(PY) scripts/build_images.py borgpull borgpull-borg12-client
	@$(PY) scripts/demo.py

test: images lint ## every test, on real parts
	@scripts/ground second_engine browser
	$(PY) -m pytest -m "not soak" -n $(PYTEST_WORKERS) --dist loadfile --no-loadscope-reorder \
	  --durations=40 $(PYTEST_ARGS)

# With CI, what finds no Docker fails and is not skipped. Each round says how it went.
soak: images ## what takes too long for `make test`: many rounds of kills and drills, and 5 GB
	CI=true BORGPULL_TEST_ROUNDS=many $(PY) -m pytest -s -v --durations=0 -m "rounds or soak" $(PYTEST_ARGS)

record: images ## the tests that run only when their inputs have changed, and what they passed with
	BORGPULL_TEST_RECORD=1 $(PY) -m pytest -m inputs --durations=10

unit: venv ## the tests that need neither Docker nor an image: seconds
	$(PY) -m pytest -q -n $(PYTEST_WORKERS) -m "not large" tests/unit

lint: venv ## ruff and mypy
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/mypy

bench: image ## our jobs beside the same by hand, and docs/speed.svg
	@$(PY) -m scripts.bench --plot docs/speed.svg $(BENCH_ARGS)

scale: image ## is stream linear up to a million files, and what memory does a file take?
	@$(PY) -m scripts.scale $(SCALE_FILES)

kube: venv ## the manifests of render kube on a cluster of yours: make kube CONTEXT=NAME
	@$(PY) scripts/kube.py

schemas: venv ## make docs/json anew, from the types in borgpull/outputs
	@$(PY) scripts/schemas.py

# No host name, path or index gets into a lock: the options keep pip-compile's own out of it.
LOCK := env -u PIP_FIND_LINKS .venv/bin/pip-compile --quiet --generate-hashes --allow-unsafe \
  --strip-extras --no-emit-index-url --no-emit-find-links --no-emit-trusted-host --no-emit-options \
  --no-header --upgrade
lock: venv ## make the lock files anew
	$(LOCK) -o requirements.lock requirements.in
	for name in build borg requirements; do $(LOCK) -o images/sidecar/$$name.lock images/sidecar/$$name.in; done

clean: ## remove what make has made: images, environment, caches
	-docker image rm --force borgpull borgpull-client borgpull-borg12-client borgpull-debian11-client \
	  borgpull-debian13-client borgpull-busybox-client borgpull-systemd borgpull-bench
	rm -rf .venv .mypy_cache .pytest_cache .ruff_cache bench.json
	find . -name __pycache__ -not -path './.git/*' -prune -exec rm -rf {} +
