# Every target calls run.sh, which explains itself: ./run.sh help
.DEFAULT_GOAL := help
.PHONY: help init build start stop restart status logs all test check bench

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/\1: \2/p' $(MAKEFILE_LIST) | while IFS=: read -r target text; do printf '%-9s%s\n' "$$target" "$$text"; done
init: ## make .env, and what building needs
	@./run.sh init
build: ## install into .venv, or build the Docker images
	@./run.sh build
start: ## start everything, wait until it is healthy
	@./run.sh start
stop: ## drain and stop everything; data is kept
	@./run.sh stop
restart: ## stop and start again; SERVICE=writer for one service
	@./run.sh restart $(SERVICE)
status: ## service, state, since, health
	@./run.sh status
logs: ## follow the logs; SERVICE=writer for one service
	@./run.sh logs $(SERVICE)
all: ## init, build, start
	@./run.sh all
test: ## run the tests; FOLDER=unit for one folder
	@./run.sh test $(FOLDER)
check: ## ruff, mypy, import-linter, shellcheck
	@./run.sh check
bench: ## measure
	@./run.sh bench
