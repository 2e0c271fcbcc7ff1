# The ways to work with this project; `make help` shows them. Each target is a line over a playbook or a tool.

ENV ?= local
CLUSTER_NAME ?= local
export CLUSTER_NAME CLUSTER_PROVIDER

bin := .venv/bin
cluster := $(bin)/python -m tools.cluster

# Inventory local deploys to the cluster that `make cluster` made, and so does any other when CLUSTER_NAME is given on the command
# line. Otherwise an inventory says itself where its clusters are.
to_cluster := $(if $(filter local,$(ENV))$(filter command line,$(origin CLUSTER_NAME)),K8S_AUTH_KUBECONFIG="$(CURDIR)/.cluster/$(CLUSTER_NAME)/kubeconfig")
playbook := $(to_cluster) $(bin)/ansible-playbook -i inventories/$(ENV)

.DEFAULT_GOAL := help
.PHONY: help setup cluster up deploy plan render status test faults bench profile lint docs down clean

help: ## Show this
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-9s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
	@echo
	@echo 'Variables: ENV=local|dev|staging|prod (the inventory), CLUSTER_NAME=local, CLUSTER_PROVIDER=embedded|kind|existing,'
	@echo '           ARGS="--tags services ..." (more arguments for ansible-playbook)'

setup: .venv/.complete ## Make .venv with the pinned packages

.venv/.complete: requirements.txt tools/setup
	@tools/setup

cluster: setup ## Make or start the cluster CLUSTER_NAME
	@$(cluster) create

up: cluster ## From nothing to a running platform on the local cluster
	@$(MAKE) --no-print-directory deploy status
	@echo 'Next: make plan (what would change), make help (everything else), make down (remove it all)'

deploy: setup ## Bring the clusters of ENV to what its inventory says
	@$(playbook) site.yml $(ARGS)

plan: setup ## Show what deploy would change, and change nothing
	@$(playbook) playbooks/plan.yml $(ARGS)

render: setup ## Write the manifests of ENV to build/, secrets by reference
	@$(playbook) playbooks/render.yml $(ARGS)

status: setup ## Show what runs on the clusters of ENV
	@$(playbook) playbooks/status.yml $(ARGS)

test: setup ## Lint, unit tests, tests on an embedded cluster, Molecule
	@$(bin)/python -m tools.checks test

faults: setup ## Play FAULTS_SCHEDULES=300 random schedules of faults against the engine
	@FAULTS_SCHEDULES=$${FAULTS_SCHEDULES:-300} ENGINE_TEST_ROUNDS=$${ENGINE_TEST_ROUNDS:-60} \
		$(bin)/python -m pytest --quiet tests/faults tests/integration/engine/test_drift.py

bench: setup ## Compare with kubectl, Helm and kubernetes.core (ARGS="--services 8 --only noop"); hours with all cells
	@$(bin)/python -m tests.bench $(ARGS)

profile: setup ## Show where a run without changes spends its time
	@$(bin)/python -m tests.bench.profile $(ARGS)

lint: setup ## Check style and types
	@$(bin)/python -m tools.checks lint

docs: setup ## Write docs/reference anew
	@$(bin)/python -m tools.docs

down: setup ## Delete the cluster CLUSTER_NAME with all its data
	@$(cluster) delete

clean: ## Delete all clusters of this checkout, .venv and what tests left
	@if [ -x $(bin)/python ]; then $(cluster) delete --all; fi
	@rm -rf .venv .artifacts build .ansible .mypy_cache .ruff_cache .pytest_cache
