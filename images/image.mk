# What the images of this project have in common: wheels, the image, tests, locks. A Makefile that includes this sets IMAGE.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

VERSION ?= $(lastword $(subst :, ,$(IMAGE)))
BASE ?= python:3.13-slim
# Which CPU the image is for, in the words of Python's wheel tags: x86_64 or aarch64
ARCH ?= $(shell uname -m)
DOCKER ?= docker
# The newest Python from 3.11 on that is here; pyenv's shims count only where they run.
PYTHON ?= $(firstword $(foreach p,python3.13 python3.12 python3.11 python3,$(shell $(p) -c 'import sys; sys.version_info >= (3, 11) and print("$(p)")' 2>/dev/null)))

.PHONY: help wheels image test lint lock clean

help: ## This list
	@sed -nE 's/^([a-z]+):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 12
	@echo "IMAGE=$(IMAGE)"

# pip wants a Python of its own; the wheels are those of the image's Python, whatever runs here.
wheels: .venv/ready ## Bring along the pinned wheels that the image is built from
	@mkdir -p wheels
	.venv/bin/pip download --quiet --disable-pip-version-check --require-hashes --only-binary=:all: --dest wheels \
	  --python-version 3.13 --implementation cp $(foreach v,28 17 12 5 1,--platform manylinux_2_$(v)_$(ARCH)) \
	  --platform manylinux2014_$(ARCH) -r requirements.lock
	@echo "wheels: $$(find wheels -name "*.whl" | wc -l)"

image: wheels ## Build IMAGE on BASE (python:3.13-slim)
	$(DOCKER) build --build-arg BASE=$(BASE) --build-arg VERSION=$(VERSION) --tag $(IMAGE) .

test: .venv/ready ## All tests, with real servers where they are installed
	.venv/bin/python -m pytest

lint: .venv/ready ## Types; the linter's rules are the repository's
	.venv/bin/mypy

lock: requirements.in requirements-test.in ## Resolve the newest versions and write the locks (needs uv)
	uv pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
	  --custom-compile-command "make lock" --output-file requirements.lock requirements.in
	uv pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
	  --custom-compile-command "make lock" --constraint requirements.lock --output-file requirements-test.lock requirements-test.in

.venv/ready: requirements-test.lock
	$(if $(PYTHON),,$(error the tests need Python 3.11 or newer on PATH))
	$(PYTHON) -m venv .venv
	.venv/bin/pip install --quiet --disable-pip-version-check --require-hashes -r requirements-test.lock
	@touch $@

clean: ## Remove what was brought along or made here
	rm -rf .venv wheels .artifacts .mypy_cache .pytest_cache
