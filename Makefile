# Everything that CI runs, a laptop runs, too: `make ci`.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
CARGO ?= cargo
export CARGO_TERM_COLOR ?= auto

.PHONY: help
help: ## Show this help
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | sort | sed 's/:.*## /\t/' | expand -t 16

.PHONY: demo
demo: ## A made-up PingOne and C1: sync, upload, refusal, provisioning; then runs without C1
	scripts/demo.sh

.PHONY: test
test: ci ## Everything that CI runs

.PHONY: ci
ci: fmt-check lint unit docs drift deny chart-test readme-test page-test compat ## Format, lints, tests, docs, drift, licences, chart, page, compatibility

.PHONY: fmt
fmt: ## Format the code
	$(CARGO) fmt --all

.PHONY: fmt-check
fmt-check: ## Fail on unformatted code
	$(CARGO) fmt --all --check

.PHONY: lint
lint: ## Clippy, warnings are errors
	$(CARGO) clippy --locked --workspace --all-targets -- -D warnings

.PHONY: unit
unit: ## Unit and integration tests
	CARGO="$(CARGO)" scripts/unit.sh

.PHONY: knobs
knobs: ## Every fault knob of the sandbox against reads and writes (many minutes)
	$(CARGO) test --locked --test it knobs:: -- --include-ignored --nocapture

.PHONY: chaos
chaos: ## Seeded schedules of everything going wrong; SEED, RUNS, MINUTES, MODE=kills|resume (an hour at most)
	scripts/chaos.sh

.PHONY: mutants
mutants: ## Break each rule of the session in a copy: its test must fail (half an hour)
	python3 scripts/mutants.py

.PHONY: docs
docs: ## Build the API docs, warnings are errors
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --locked --workspace --no-deps

.PHONY: drift
drift: ## Fail when generated files differ from what makes them
	scripts/drift.sh

.PHONY: deny
deny: ## Licences, bans and sources of every dependency
	scripts/deny.sh

.PHONY: compat
compat: ## Hold our files against the Go SDK's reader
	scripts/compat.sh

.PHONY: bench
bench: ## Measure syncs, file writes and translation
	scripts/bench.sh

.PHONY: bench-go
bench-go: ## Measure syncs beside a connector on the Go SDK
	scripts/bench-go.sh

.PHONY: service-figures
service-figures: ## Measure the idle daemon and how fast it says Hello
	scripts/service-figures.sh

.PHONY: chart-test
chart-test: ## Chart, manifests, alerts and image file against their checks (installs helm and others)
	scripts/chart-test.sh

.PHONY: readme-test
readme-test: ## Run every shell block of README.md against the sandbox
	scripts/readme-test.sh

.PHONY: page-test
page-test: ## The status page in headless Chromium, light and dark (installs it)
	scripts/page-test.sh

.PHONY: manifests
manifests: ## Render manifests/base from the chart
	scripts/manifests.sh

.PHONY: image
image: ## Build the image; IMAGE=REF and OUT=FILE.tar leave an archive
	scripts/image.sh

.PHONY: e2e
e2e: ## End-to-end cases on a Kubernetes cluster (see scripts/e2e.sh)
	scripts/e2e.sh

.PHONY: release-artifacts
release-artifacts: ## Image, chart, lists of parts, provenance and checksums in dist/, from a clean tree; KEY=FILE signs
	scripts/release-artifacts.sh

.PHONY: release-test
release-test: ## Make, sign, verify and install a release with a small program in the connector's place
	scripts/release-test.sh

.PHONY: release
release: ## Build the release binaries
	$(CARGO) build --locked --release --workspace --bins

.PHONY: clean
clean: ## Remove build results
	$(CARGO) clean
