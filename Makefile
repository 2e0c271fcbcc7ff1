# The ways to work with this project; `make help` shows them. Each target is a line over a playbook or a tool.

ENV ?= local
export CLUSTER_PROVIDER
# Through the environment, so that a command needs no quoting on its way into the pod.
export PLATFORM_COMMAND = $(CMD)

bin := .venv/bin
cluster := $(bin)/python -m tools.cluster

# Which cluster, for every ENV (docs/guide/inventories.md): CLUSTER_NAME, on the command line or exported, is the cluster of that name
# that `make cluster` made. Without it ENV=local is the one that K8S_AUTH_KUBECONFIG or K8S_AUTH_HOST names, else "local", which its
# inventory says itself; any other ENV is where inventory and environment say. If the environment names a cluster too, CLUSTER_NAME
# becomes the inventory's own word, and a run that finds them to be two clusters is refused.
name := $(or $(CLUSTER_NAME),local)
made := $(CURDIR)/.cluster/$(name)/kubeconfig
elsewhere := $(K8S_AUTH_KUBECONFIG)$(K8S_AUTH_HOST)
given := $(if $(CLUSTER_NAME),$(filter-out local,$(ENV)))
to_cluster := $(if $(given),$(if $(elsewhere),,K8S_AUTH_KUBECONFIG="$(made)"))
# On kind, real images have to run: inventories/kind says which, on top of inventories/local.
made_by_kind = $(shell grep -qs '"provider": "kind"' .cluster/$(name)/cluster.json && echo kind)
kind = $(if $(filter local,$(ENV)),$(or $(filter kind,$(CLUSTER_PROVIDER)),$(made_by_kind)))
inventories = -i inventories/$(ENV) $(if $(kind),-i inventories/kind) $(if $(given),$(if $(elsewhere),-e platform_kubeconfig="$(made)"))
playbook = $(to_cluster) $(bin)/ansible-playbook $(inventories)
# For the verbs that print a screen of their own: nothing of the play around it.
screen = ANSIBLE_STDOUT_CALLBACK=multi_agent.platform.screen $(playbook)
# One extra variable, where its make variable is given: $(call extra,name,value)
extra = $(if $(2),-e '$(1)=$(2)')
# What images are built of, and how they are named.
build = $(call extra,platform_source_dir,$(SOURCE)) $(call extra,images_registry,$(REGISTRY)) $(call extra,images_tag,$(TAG)) \
    $(call extra,images_rebuild,$(REBUILD)) $(if $(S),-e '{"images_parts": ["$(subst $(comma),"$(comma)",$(S))"]}')
comma := ,
export CLUSTER_KIND_CONFIG ?= $(CURDIR)/molecule/kind/cluster.yml

.DEFAULT_GOAL := help
.PHONY: help setup cluster up images run debug dev deploy plan render status check-health doctor drift releases rollback rotate backup backups restore restore-drill logs events top \
    port-forward shell restart expand-storage scale teardown verify test test-kind test-matrix faults bench bench-verbs profile lint docs down clean

help: ## Show this
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
	@echo
	@echo 'Variables: ENV=local|dev|staging|prod (the inventory), CLUSTER_NAME=local (a cluster of make cluster), CLUSTER_PROVIDER=embedded|kind|existing,'
	@echo '           ARGS="--tags services ..." (more arguments for ansible-playbook)'

setup: .venv/.complete ## Make .venv with the pinned packages

.venv/.complete: requirements.txt tools/setup
	@tools/setup

cluster: setup ## Make or start the cluster CLUSTER_NAME
	@$(cluster) create

up: cluster ## From nothing to a running platform on the local cluster
	@$(if $(kind),$(playbook) molecule/kind/prepare.yml)
	@$(MAKE) --no-print-directory deploy status CLUSTER_NAME=$(name)
	@echo 'Next: make plan (what would change), make help (everything else), make down (remove it all)'

images: setup ## Build what has changed and push it (kind: load it); SOURCE=../services S=agent,tool TAG=1.4.0 REGISTRY=..
	@$(screen) playbooks/images.yml $(build) $(ARGS)

run: setup ## Build and deploy: profile prod with ENV=prod, local without
	@$(playbook) playbooks/run.yml $(build) $(ARGS)

debug: setup ## Show what run would build and change, and do neither
	@$(screen) playbooks/debug.yml $(build) $(ARGS)

dev: setup $(if $(filter local,$(ENV)),$(if $(wildcard .cluster/$(name)/cluster.json),,kind)) ## Build, deploy, forward ports, show logs, take up changes; SOURCE=../services
	@$(to_cluster) PYTHONPATH=collections $(bin)/python -m tools.dev $(inventories) $(build) $(if $(PORTS),-e '{"dev_ports": $(PORTS)}') $(ARGS)

kind: CLUSTER_PROVIDER := kind
kind: cluster
	@$(playbook) molecule/kind/prepare.yml

deploy: setup ## Bring the clusters of ENV to what its inventory says
	@$(playbook) site.yml $(ARGS)

plan: setup ## Show what deploy would change, and change nothing
	@$(screen) playbooks/plan.yml $(ARGS)

render: setup ## Write the manifests of ENV to build/, secrets by reference
	@$(playbook) playbooks/render.yml $(ARGS)

status: setup ## Show what runs on the clusters of ENV
	@$(screen) playbooks/status.yml $(ARGS)

check-health: setup ## Say what is wrong and what to do; fails where anything is
	@$(screen) playbooks/check_health.yml $(ARGS)

doctor: setup ## Find what will hurt, before it does
	@$(screen) playbooks/doctor.yml $(ARGS)

drift: setup ## Show changes made outside of this project, who and when
	@$(screen) playbooks/drift.yml $(ARGS)

releases: setup ## List releases; N=3 shows one, DIFF=3 or DIFF=2,3 compares
	@$(screen) playbooks/releases.yml $(call extra,release,$(N)) $(call extra,release_diff,$(DIFF)) $(ARGS)

rollback: setup ## Bring the last good release back, or TO=3; TIERS=datastores: these tiers only, also with data
	@$(screen) playbooks/rollback.yml $(call extra,rollback_to,$(TO)) $(call extra,rollback_tiers,$(TIERS)) $(ARGS)

rotate: setup ## New values for WHAT=postgres,superuser,nats,jwt,qdrant,ai; no request fails
	@$(playbook) playbooks/rotate.yml $(call extra,rotate,$(WHAT)) $(ARGS)

logs: setup ## Show logs; S=agent FOLLOW=1 SINCE=10m TAIL=500 PREVIOUS=1
	@$(screen) playbooks/logs.yml $(call extra,part,$(S)) $(call extra,follow,$(FOLLOW)) $(call extra,since,$(SINCE)) \
	    $(call extra,tail,$(TAIL)) $(call extra,previous,$(PREVIOUS)) $(ARGS)

events: setup ## Show events, warnings first; S=agent SINCE=30m
	@$(screen) playbooks/events.yml $(call extra,part,$(S)) $(call extra,since,$(SINCE)) $(ARGS)

top: setup ## Show what pods use of CPU and memory; S=agent
	@$(screen) playbooks/top.yml $(call extra,part,$(S)) $(ARGS)

port-forward: setup ## Forward gateway, frontend and stores to this machine, or S=agent PORT=13002
	@$(screen) playbooks/port_forward.yml $(if $(S),-e '{"port_forward_ports": {"$(S)": $(or $(PORT),0)}}') $(ARGS)

shell: setup ## Open a shell in a pod of S=agent, or run CMD='ls /' there
	@PLATFORM_TERMINAL="$$(tty -s && tty)" $(screen) playbooks/shell.yml $(call extra,part,$(S)) $(ARGS)

backup: setup ## Back up the stores and the credentials now
	@$(screen) playbooks/backup.yml $(ARGS)

backups: setup ## List the backups that there are
	@$(screen) playbooks/backups.yml $(ARGS)

restore: setup ## Bring the data of FROM=latest back, or PART=postgres of it; NAME=<namespace> where live data goes for it
	@$(screen) playbooks/restore.yml $(call extra,restore_from,$(FROM)) $(call extra,restore_parts,$(PART)) \
	    $(call extra,restore_name,$(NAME)) $(call extra,restore_identity_file,$(IDENTITY)) $(ARGS)

restore-drill: setup ## Restore the newest backup, or FROM=..., into stores of its own and compare
	@$(screen) playbooks/restore_drill.yml $(call extra,drill_backup,$(FROM)) $(ARGS)

restart: setup ## Replace the pods of S=agent one by one (S=all: of every part)
	@$(screen) playbooks/restart.yml $(call extra,part,$(S)) $(ARGS)

expand-storage: setup ## Grow the volumes of the stores to what the inventory says; data stays
	@$(playbook) playbooks/expand_storage.yml $(ARGS)

scale: setup ## Run S=worker in N=3 pods, where no autoscaler owns it
	@$(screen) playbooks/scale.yml $(call extra,part,$(S)) $(call extra,replicas,$(N)) $(ARGS)

teardown: setup ## Take the platform off the clusters of ENV; volumes and credentials stay
	@$(screen) playbooks/teardown.yml $(ARGS)

verify: setup ## Ask the live platform of ENV whether it does what its inventory says
	@$(playbook) playbooks/verify.yml $(ARGS)

test: setup ## Lint, unit tests, tests on an embedded cluster, Molecule, some on kind (KIND_TESTS=all: all)
	@$(bin)/python -m tools.checks test

test-kind: setup ## All tests with real pods, on kind (ARGS="-k policies"); about an hour on two cores
	@$(bin)/python -m pytest tests/kind -rP --quiet --durations=0 $(ARGS)

test-matrix: setup ## Unit, integration and Molecule default on every ansible-core and Python (ARGS="core-2.21-python-3.13")
	@$(bin)/python -m tools.matrix $(ARGS)

faults: setup ## Play FAULTS_SCHEDULES=300 random schedules of faults against the engine
	@FAULTS_SCHEDULES=$${FAULTS_SCHEDULES:-300} FAULTS_SEED=$${FAULTS_SEED:-$$(date +%s)} ENGINE_TEST_ROUNDS=$${ENGINE_TEST_ROUNDS:-60} \
		$(bin)/python -m pytest --quiet tests/faults tests/integration/engine/test_drift.py

bench: setup ## Compare with kubectl, Helm and kubernetes.core (ARGS="--services 8 --only noop"); hours with all cells
	@$(bin)/python -m tests.bench $(ARGS)

bench-verbs: setup ## Measure status, plan and the other verbs that only look
	@$(bin)/python -m tests.bench.verbs $(ARGS)

profile: setup ## Show where a run without changes spends its time
	@$(bin)/python -m tests.bench.profile $(ARGS)

lint: setup ## Check style and types
	@$(bin)/python -m tools.checks lint

docs: setup ## Write docs/reference again
	@$(bin)/python -m tools.docs

down: setup ## Delete the cluster CLUSTER_NAME with all its data
	@$(cluster) delete

clean: ## Delete all clusters of this checkout, .venv and what tests left
	@if [ -x $(bin)/python ]; then $(cluster) delete --all; fi
	@rm -rf .venv .artifacts build .ansible .mypy_cache .ruff_cache .pytest_cache .matrix
