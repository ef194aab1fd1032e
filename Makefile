SHELL    := /usr/bin/env bash -o pipefail
VERSION  ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
FUZZTIME ?= 60s
BENCH    ?= .
PKG      ?= ./...
TOOL     := go tool -modfile=scripts/tools/go.mod
GOBUILD  := CGO_ENABLED=0 go build -trimpath -buildvcs=false -ldflags "-s -w -X main.version=$(VERSION)"
GOBENCH  := go test -run '^$$' -bench '$(BENCH)' -benchmem
TARGETS  := linux/amd64 linux/arm64 linux/arm/7 darwin/arm64 windows/amd64

.DEFAULT_GOAL := build
.PHONY: run build test check lint race fuzz e2e probe bench bench-cmp cover fmt tidy vuln cross clean help

run: build ## run a node with the default configuration, or ARGS="--config bondy.toml"
	bin/bondy serve $(ARGS)

build: ## build bin/bondy
	$(GOBUILD) -o bin/bondy ./cmd/bondy

test: ## run the tests; needs Go alone
	go test ./...

check: lint ## lint and quick tests: before each commit
	go test -short ./...

lint: ## lint, vet, import rules, tidy
	$(TOOL) golangci-lint run
	go vet ./...
	go test -count=1 ./scripts/...
	go mod tidy -diff

race: ## run the tests with the race detector, in random order
	go test -race -shuffle=on ./...

fuzz: ## run each fuzz target for FUZZTIME (60s)
	FUZZTIME=$(FUZZTIME) scripts/fuzz.sh $(PKG)

e2e: build ## run the binary with real clients; needs node, npm and python3
	@scripts/e2e.sh

probe: build ## check the protocol with ../shared/probe, or its ARGS="-run longpoll"
	@scripts/probe.sh $(ARGS)

bench: ## run the benchmarks that match BENCH in PKG into build/bench.txt
	@mkdir -p build
	$(GOBENCH) -count 10 $(PKG) | tee build/bench.txt

bench-cmp: ## compare them with those of the commit REF, in ten short runs of each, in turn
	@$(if $(REF),,$(error say which commit to compare with: make bench-cmp REF=main))
	@mkdir -p build && rm -f build/bench.txt build/bench-ref.txt
	@git worktree remove --force build/bench-ref 2>/dev/null || true
	git worktree add --force --detach build/bench-ref $(REF)
	s=0; for i in 1 2 3 4 5 6 7 8 9 10; do echo "round $$i of 10" >&2; \
		$(GOBENCH) -benchtime 200ms $(PKG) >> build/bench.txt && \
		(cd build/bench-ref && $(GOBENCH) -benchtime 200ms $(PKG) >> ../bench-ref.txt) || { s=1; break; }; \
	done; git worktree remove --force build/bench-ref; exit $$s
	$(TOOL) benchstat build/bench-ref.txt build/bench.txt

cover: ## write coverage.html
	go test -coverprofile=coverage.out ./...
	go tool cover -html=coverage.out -o coverage.html

fmt: ## format and modernize the code
	$(TOOL) golangci-lint fmt
	go fix ./...

tidy: ## tidy go.mod
	go mod tidy

vuln: ## look for known vulnerabilities; needs the network
	$(TOOL) govulncheck ./...

cross: ## build for every platform into build/
	@set -e; for t in $(TARGETS); do IFS=/ read -r os arch arm <<< "$$t"; echo "build $$t"; \
		GOOS=$$os GOARCH=$$arch GOARM=$$arm $(GOBUILD) -o build/bondy-$$os-$$arch$$arm ./cmd/bondy; done

clean: ## remove what was built
	rm -rf bin build coverage.out coverage.html

help: ## print this
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "%-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
