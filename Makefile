# The map of the project: `make help`.
# Every tool is pinned in a module of its own under hack/tools and runs by `go tool`: there is nothing to install.

SHELL       := /usr/bin/env bash -o pipefail -e
.DEFAULT_GOAL := help

# Programs, images and the linter compile with the same flags, so that each package is compiled once. VCS stamps would make builds depend
# on the owner of the checkout.
export CGO_ENABLED := 0
export GOFLAGS     := $(strip $(filter-out -buildvcs=% -trimpath,$(GOFLAGS)) -buildvcs=false -trimpath)

# The race detector needs cgo.
GO_TEST_RACE = CGO_ENABLED=1 go test -race

# CLUSTER=local (default): the node that `make cluster-up` starts on this machine.
# CLUSTER=current: kubectl's current context; images come from IMAGE_PREFIX (for example registry.example.com/im/).
CLUSTER      ?= local
IMAGE_PREFIX ?=
export CLUSTER IMAGE_PREFIX

# Images written to dist/install.yaml. Empty: the release named in config/manager.
OPERATOR_IMAGE ?=
WRAPPER_IMAGE  ?=
SUPERVISOR_IMAGE ?=

CONTROLLER_GEN = go tool -modfile=hack/tools/controller-gen/go.mod controller-gen
CRD_REF_DOCS   = go tool -modfile=hack/tools/crd-ref-docs/go.mod crd-ref-docs
GOLANGCI_LINT  = go tool -modfile=hack/tools/golangci-lint/go.mod golangci-lint
GINKGO         = go tool -modfile=hack/tools/ginkgo/go.mod ginkgo
HELM           = go tool -modfile=hack/tools/helm/go.mod helm

# Packages whose tests start a real API server: those that import envtest, directly or not.
ENVTEST = sigs.k8s.io/controller-runtime/pkg/envtest
LIST_TESTS = go list -test -f '{{.ImportPath}} {{join .Deps " "}}' ./... | grep -E '^[^ ]+\.test '
# Packages whose tests start the real OpenIM on loopback have their own targets.
LOOPBACK = github.com/openimstack/openim-operator/test/loopback
UNIT_PACKAGES    = $$($(LIST_TESTS) | grep -v ' $(ENVTEST)\b' | grep -vE ' $(LOOPBACK)( |$$)' | sed 's/\.test .*//')
# Pure functions without goroutines and with long computations: the race detector would find nothing and take minutes.
PURE = (netpol/(audit|report)|cmd/kubectl-openimstack/internal/(audit|diff|explain|render))
ENVTEST_PACKAGES = $$($(LIST_TESTS) | grep    ' $(ENVTEST)\b' | sed 's/\.test .*//')

# Platforms of `make build`.
PLATFORMS ?= $(shell go env GOOS)/$(shell go env GOARCH)

# Extra flags of `go test`, for example TEST_FLAGS='-run TestName -v'.
TEST_FLAGS ?=

CHART = charts/openim-operator

# The linter and API servers of tests spend more than a third of their CPU on garbage collection with Go's default of 100. Their memory stays
# below the soft limit.
LAZY_GC = GOGC=$${GOGC:-400} GOMEMLIMIT=$${GOMEMLIMIT:-3GiB}

##@ General

.PHONY: help
help: ## Print this map.
	@awk 'BEGIN { FS = ":.*##"; printf "Usage: make \033[36mTARGET\033[0m [CLUSTER=local|current]\n" } \
		/^##@/ { printf "\n\033[1m%s\033[0m\n", substr($$0, 5) } \
		/^[a-zA-Z0-9_.-]+:.*##/ { printf "  \033[36m%-17s\033[0m%s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: demo
demo: ## Set up everything on this machine, send a message, attempt every connection, print the truth table (docs/demo.md).
	go run ./hack/demo

.PHONY: demo-down
demo-down: ## Remove what the demo set up.
	go run ./hack/demo --down

.PHONY: test
test: verify lint test-unit test-components test-cyclonus test-clusternetworkpolicy test-envtest ## All checks that every change must pass without a cluster: verify, lint, units, the operator on a real API server.
	@echo "make test: PASS"

##@ Development

.PHONY: generate
generate: ## Write what is generated from Go: deep copies of the API types, and the generated parts of docs/.
	@echo "generate: deep copies of api/"
	@$(CONTROLLER_GEN) object paths=./api/...
	@echo "generate: docs/reference/api.md"
	@$(CRD_REF_DOCS) --log-level=ERROR --source-path=api/v1alpha1 --config=hack/tools/crd-ref-docs/config.yaml \
		--templates-dir=hack/tools/crd-ref-docs/templates --renderer=markdown --output-path=docs/reference/api.md
	@echo "generate: go generate"
	@go generate ./...

.PHONY: manifests
manifests: ## Write the CRD, the operator's role and their copies in the chart.
	@echo "manifests: CRD from api/, role from controllers/"
	@$(CONTROLLER_GEN) crd paths=./api/... output:crd:artifacts:config=config/crd/bases
	@$(CONTROLLER_GEN) rbac:roleName=openim-operator paths=./controllers/... output:rbac:artifacts:config=config/rbac
	@echo "manifests: copies for the chart in $(CHART)/files"
	@mkdir -p $(CHART)/files/crds $(CHART)/files/rbac
	@mkdir -p $(CHART)/files/monitoring
	@cp config/crd/bases/*.yaml $(CHART)/files/crds/
	@cp -r config/monitoring/rules.yaml config/monitoring/pod_monitor.yaml config/monitoring/dashboards $(CHART)/files/monitoring/
	@cp config/rbac/role.yaml $(CHART)/files/rbac/
	@cp config/references/role.yaml $(CHART)/files/rbac/references.yaml

.PHONY: dashboards
dashboards: ## Write the dashboards for Grafana and their copies in the chart, from hack/dashboards.
	@cd hack/dashboards && go run . ../..
	@$(MAKE) --no-print-directory manifests

.PHONY: fmt
fmt: ## Format the Go code and sort its imports.
	@echo "fmt: gofmt and goimports"
	@$(GOLANGCI_LINT) fmt

.PHONY: lint
lint: ## Lint the Go code, including the import rules of packages, and the chart.
	@echo "lint: Go (the first run builds the linter, about three minutes)"
	@$(LAZY_GC) $(GOLANGCI_LINT) run
	@echo "lint: chart"
	@$(HELM) lint --quiet --strict $(CHART)

.PHONY: verify
verify: ## Check that generated files are current, modules are tidy, and the project's conventions hold.
	go run ./hack/verify

.PHONY: test-unit
test-unit: ## Run the tests that need no server, with the race detector except for purely sequential packages.
	go run ./hack/packages redis-server etcd-server prometheus
	@packages="$(UNIT_PACKAGES)"; \
	pure="$$(grep -E '/$(PURE)(/|$$)' <<<"$$packages")"; rest="$$(grep -vE '/$(PURE)(/|$$)' <<<"$$packages")"; \
	set -x; go test -timeout 15m $(TEST_FLAGS) $$pure; $(GO_TEST_RACE) -timeout 15m $(TEST_FLAGS) $$rest

.PHONY: test-components
test-components: ## Run the tests of the local cluster's components, of the dashboards, the scrape configuration and the costs of rules: modules of their own.
	go run ./hack/packages prometheus
	go test -C hack/dashboards -timeout 10m $(TEST_FLAGS) ./...
	go test -C hack/scrapeconfig -timeout 10m $(TEST_FLAGS) ./...
	go test -C hack/celcosts -timeout 10m $(TEST_FLAGS) ./...
	@modules="$$(find hack/cluster/components -name '*_test.go' | cut -d/ -f1-4 | sort -u)"; \
	for module in $$modules; do (set -x; cd $$module; go test -timeout 10m $(TEST_FLAGS) ./...); done

.PHONY: test-clusternetworkpolicy
test-clusternetworkpolicy: ## Check the rendered ClusterNetworkPolicies with their API's own types, and with its schema on a real API server.
	@assets="$${KUBEBUILDER_ASSETS:-$$(go run ./hack/cluster assets)}"; \
	set -x; $(LAZY_GC) KUBEBUILDER_ASSETS="$$assets" go test -C test/clusternetworkpolicy -count=1 $(TEST_FLAGS) .

.PHONY: test-cyclonus
test-cyclonus: ## Compare the evaluator of NetworkPolicies with cyclonus, on random clusters. TEST_FLAGS='-timeout=0 -rapid.checks=1000000' for 20 minutes.
	go test -C test/cyclonus -timeout 10m $(TEST_FLAGS) ./...

.PHONY: test-argocd
test-argocd: ## Run config/argocd in Argo CD's Lua and diff engines, and Flux's kstatus. The first run compiles both.
	go test -C test/argocd -timeout 10m $(TEST_FLAGS) ./...

# The largest suite is run by two processes, each with an API server of its own: most of its time is waiting.
.PHONY: test-envtest
test-envtest: ## Run the suites on a real API server (KUBEBUILDER_ASSETS, or built from source), with the race detector except for the largest.
	@packages="$(ENVTEST_PACKAGES)"; \
	if [ -z "$$packages" ]; then echo "test-envtest: no package imports $(ENVTEST)" >&2; exit 1; fi; \
	assets="$${KUBEBUILDER_ASSETS:-$$(go run ./hack/cluster assets)}"; export KUBEBUILDER_ASSETS="$$assets"; \
	rest="$$(grep -vE '/controllers$$' <<<"$$packages")"; \
	export $(LAZY_GC); set -x; $(if $(TEST_FLAGS),go test -timeout 45m $(TEST_FLAGS) ./controllers, \
		go test -timeout 15m -skip '^TestControllers$$' ./controllers; \
		$(GINKGO) run --procs=2 --timeout=45m ./controllers -- '-test.run=^TestControllers$$'); \
	$(GO_TEST_RACE) -timeout 30m $(TEST_FLAGS) $$rest

.PHONY: test-envtest-race
test-envtest-race: ## Run the operator's suite on a real API server with the race detector, and the one for changes of cached objects: 40 minutes on two cores.
	@assets="$${KUBEBUILDER_ASSETS:-$$(go run ./hack/cluster assets)}"; \
	set -x; $(LAZY_GC) KUBEBUILDER_ASSETS="$$assets" KUBE_CACHE_MUTATION_DETECTOR=true $(GO_TEST_RACE) -timeout 90m $(TEST_FLAGS) ./controllers

.PHONY: test-web
test-web: ## Run the web client's tests: in node, in a real Chromium with the real gateway, with other implementations of Noise and OpenIM's SDK.
	go run ./hack/packages nodejs npm chromium redis-server
	cd test/web && go run ./cmd/prepare
	cd clients/web && node --test
	cd test/web && node --test && go test -count=1 -timeout 20m $(TEST_FLAGS) .

.PHONY: docs
docs: ## Build the static site of docs/ into dist/site, and look every link up. DOCS_BASE=/path/ when it is served below a path.
	go run ./hack/packages nodejs npm
	cd hack/site && node --test
	npm --prefix hack/site ci --ignore-scripts --no-audit --no-fund
	npm --prefix hack/site run build

.PHONY: test-docs
test-docs: docs ## Build the site and open its pages in a real Chromium: as on a phone, light and dark, search, keyboard.
	go run ./hack/packages chromium
	cd test/web && go test -count=1 -timeout 15m $(TEST_FLAGS) ./site

# Packages whose unit tests run under emulation: the Noise handshake and the seals, whose cryptography has its own code for each architecture.
ARM64_PACKAGES ?= wrapper/handshake wrapper/wire

.PHONY: test-arm64
test-arm64: ## Compile all programs for arm64, and run the unit tests of ARM64_PACKAGES for arm64 under qemu's emulation of the processor.
	go run ./hack/packages qemu-user-static
	GOOS=linux GOARCH=arm64 go build -o dist/linux_arm64/ ./cmd/...
	@for package in $(ARM64_PACKAGES); do \
		binary="$$PWD/dist/arm64-$${package//\//-}.test"; \
		(set -x; GOOS=linux GOARCH=arm64 go test -c -vet=off -o "$$binary" ./$$package && cd $$package && qemu-aarch64-static "$$binary" -test.timeout=10m $(TEST_FLAGS)) || exit 1; \
	done

.PHONY: e2e
e2e: ## Run the end-to-end suite on a real cluster. TEST_FLAGS='-ginkgo.focus=...' selects specs.
	go test -tags e2e ./test/e2e -v -count=1 -timeout 60m -ginkgo.v '-ginkgo.label-filter=!outages && !lifecycle && !monitoring && !ingress && !earlier' $(TEST_FLAGS)

.PHONY: e2e-outages
e2e-outages: ## Crash stores, kubelet and operator on a real cluster while messages flow, and take etcd away for six minutes. Half an hour.
	go test -tags e2e ./test/e2e -v -count=1 -timeout 90m -ginkgo.v '-ginkgo.label-filter=outages || basic' $(TEST_FLAGS)

.PHONY: e2e-monitoring
e2e-monitoring: ## Scrape a real stack with a real Prometheus through the lockdown, and make three alerts fire. 15 minutes.
	go test -tags e2e ./test/e2e -v -count=1 -timeout 60m -ginkgo.v '-ginkgo.label-filter=monitoring || basic' $(TEST_FLAGS)

.PHONY: test-ingress
test-ingress: ## Lead users through a real Traefik on a real cluster, by an Ingress and by the Gateway API. The first run builds Traefik, minutes.
	go test -tags e2e ./test/e2e -v -count=1 -timeout 90m -ginkgo.v '-ginkgo.label-filter=ingress || basic' $(TEST_FLAGS)

.PHONY: e2e-earlier
e2e-earlier: ## Upgrade operator and pods from another version, as its own demo has installed them: EARLIER=<tag or commit>. A quarter of an hour.
	@if [ -z "$(EARLIER)" ]; then echo "say from which version: make e2e-earlier EARLIER=<tag or commit>" >&2; exit 1; fi
	rm -rf dist/earlier
	git clone -q . dist/earlier
	git -C dist/earlier checkout -q --detach "$$(git rev-parse --verify '$(EARLIER)^{commit}')"
	$(MAKE) -C dist/earlier demo
	E2E_EARLIER=1 go test -tags e2e ./test/e2e -v -count=1 -timeout 60m -ginkgo.v '-ginkgo.label-filter=earlier' $(TEST_FLAGS)

.PHONY: e2e-lifecycle
e2e-lifecycle: ## Upgrade a stack on a real cluster to a release that breaks a route, and all its images with one replica each. Half an hour.
	go test -tags e2e ./test/e2e -v -count=1 -timeout 90m -ginkgo.v '-ginkgo.label-filter=lifecycle || basic' $(TEST_FLAGS)

# The suite of the SDK is a module of its own. The SDK keeps its database in SQLite, which needs cgo. Its checksums are in go.sum; the
# checksum database lacks them. OPENIM_SDK=FOLDER uses the SDK's source in a folder, for a version that the module proxy does not have.
OPENIM_SDK ?=
SDK_MODFILE = $(CURDIR)/dist/sdk/go.mod
SDK_TEST = env CGO_ENABLED=1 GOFLAGS='$(filter-out -trimpath,$(GOFLAGS))' GONOSUMDB='github.com/openimsdk/*' \
	go test -C test/sdk -count=1 -timeout 20m $(if $(OPENIM_SDK),-mod=mod -modfile=$(SDK_MODFILE)) $(TEST_FLAGS) .

.PHONY: sdk-source
sdk-source:
	@if [ -n '$(OPENIM_SDK)' ]; then \
		mkdir -p dist/sdk && cp test/sdk/go.mod test/sdk/go.sum dist/sdk/ && \
		go mod edit -replace github.com/openimsdk/openim-sdk-core/v3='$(abspath $(OPENIM_SDK))' \
			-replace github.com/openimstack/openim-operator='$(CURDIR)' $(SDK_MODFILE); \
	fi

.PHONY: test-sdk
test-sdk: sdk-source ## Run OpenIM's official SDK for Go, unmodified, with the gateway in a real cluster. Five minutes.
	go run ./hack/packages gcc
	go run ./test/loopback/cluster -- $(SDK_TEST)

.PHONY: test-sdk-loopback
test-sdk-loopback: sdk-source ## The same without a cluster: on OpenIM alone, then through two gateways. Three minutes.
	go run ./hack/packages gcc redis-server
	go run ./test/loopback/up -- $(SDK_TEST)
	go run ./test/loopback/up --wrapper --gateways 2 -- $(SDK_TEST)

.PHONY: test-crossuser
test-crossuser: ## Aim every field that a user may fill in at another user, on the real OpenIM (docs/crossuser.md). Two minutes.
	go run ./hack/packages redis-server
	go test ./test/crossuser -count=1 -timeout 20m $(TEST_FLAGS)

.PHONY: test-crossuser-values
test-crossuser-values: ## Send every kind of value in every field of every user route, on the real OpenIM. Half an hour.
	go run ./hack/packages redis-server
	CROSSUSER_VALUES=1 go test ./test/crossuser -run TestNoValue -v -count=1 -timeout 90m $(TEST_FLAGS)

.PHONY: test-failures
test-failures: ## Stop and freeze each dependency of the wrapper, and check what users see (docs/failures.md). Five minutes.
	go run ./hack/packages redis-server
	go test ./test/failures -count=1 -timeout 15m $(TEST_FLAGS)

.PHONY: test-supervised
test-supervised: ## Freeze etcd under the real OpenIM with its supervisors, on loopback.
	go run ./hack/packages redis-server etcd-server
	go test ./test/supervised -count=1 -timeout 15m $(TEST_FLAGS)

.PHONY: test-link
test-link: ## Run gateways and backends of an earlier release and of this one beside each other, on the real OpenIM. Half a minute.
	go run ./hack/packages redis-server
	go test ./test/link -v -count=1 -timeout 15m $(TEST_FLAGS)

.PHONY: test-samples
test-samples: ## Start the real OpenIM with the operator's configuration for every sample. One minute.
	go run ./hack/packages redis-server
	go test ./test/samples -count=1 -timeout 15m $(TEST_FLAGS)

# The duration of each fuzz target.
FUZZTIME ?= 10m

.PHONY: fuzz
fuzz: ## Run each fuzz target for FUZZTIME (10m). Failing inputs are kept in testdata/fuzz. FUZZ='wrapper/wire wrapper/auth' selects folders.
	@grep -rlE '^func Fuzz' --include='*_test.go' $(or $(FUZZ),wrapper controllers netpol openim clients) | xargs -n1 dirname | sort -u | while read -r dir; do \
		for target in $$(grep -hoE '^func Fuzz[A-Za-z0-9]+' $$dir/*_test.go | cut -c6- | sort -u); do \
			(set -x; go test ./$$dir -run '^$$' -fuzz "^$$target$$" -fuzztime $(FUZZTIME)) || exit 1; \
		done; \
	done

.PHONY: test-users
test-users: test-samples test-crossuser test-failures test-link test-web ## Run the suites with users on the real OpenIM, without a cluster. Ten minutes.

.PHONY: bench-wrapper
bench-wrapper: ## Measure the wrapper's cost beside nginx, haproxy, Caddy and a bare proxy. Six minutes on an otherwise idle machine.
	go run ./hack/packages nginx-light haproxy caddy redis-server util-linux
	@mkdir -p dist && go build -o dist/perf ./test/perf
	dist/perf http
	dist/perf sockets

# STACKS=200 measures another number of stacks, without helm; BENCH_FLAGS=-update writes the ranges anew.
STACKS ?= 100
.PHONY: bench-operator
bench-operator: ## Measure the operator with 100 stacks on a real API server, beside helm install. Five minutes on an otherwise idle machine.
	@assets="$${KUBEBUILDER_ASSETS:-$$(go run ./hack/cluster assets)}"; export KUBEBUILDER_ASSETS="$$assets"; \
	mkdir -p dist && go build -ldflags='-s -w' -o dist/manager ./cmd/manager && go build -o dist/capacity ./test/capacity && \
	dist/capacity -stacks $(STACKS) $(if $(filter 100,$(STACKS)),,-helm=false) $(BENCH_FLAGS)

.PHONY: build
build: ## Compile the programs to dist/<os>_<arch>/ for every platform of PLATFORMS.
	@for platform in $(PLATFORMS); do \
		out=dist/$${platform/\//_}; echo "build: $$out"; \
		GOOS=$${platform%/*} GOARCH=$${platform#*/} go build -ldflags='-s -w' -o $$out/ ./cmd/...; \
	done

# The version of the plugin's release: the chart's by default.
PLUGIN_VERSION ?= v$(shell sed -n 's/^version: //p' $(CHART)/Chart.yaml)

.PHONY: plugin
plugin: ## Build the archives of kubectl-openimstack for all platforms, their checksums and krew's manifest, in dist/plugin.
	go run ./hack/plugin --version='$(PLUGIN_VERSION)'

##@ Cluster

.PHONY: cluster-up
cluster-up: ## Start a real Kubernetes node on this machine (the first time builds it from source, minutes).
	go run ./hack/cluster up

.PHONY: cluster-down
cluster-down: ## Stop the node and remove everything of it.
	go run ./hack/cluster down

.PHONY: images
images: ## Build all images, and with CLUSTER=local load them into the local node.
	go run ./hack/images build $(if $(filter local,$(CLUSTER)),--load)

##@ Installation

.PHONY: install.yaml
install.yaml: ## Write dist/install.yaml from config/default. OPERATOR_IMAGE=, WRAPPER_IMAGE= and SUPERVISOR_IMAGE= replace the images.
	@mkdir -p dist
	go run ./hack/install --operator-image='$(OPERATOR_IMAGE)' --wrapper-image='$(WRAPPER_IMAGE)' \
		--supervisor-image='$(SUPERVISOR_IMAGE)' > dist/install.yaml.part
	@mv dist/install.yaml.part dist/install.yaml
	@echo "install.yaml: wrote dist/install.yaml"

.PHONY: release
release: ## Build all that a release publishes to dist/release/VERSION (docs/releasing.md). VERSION=v0.1.0 is required; publishes nothing.
	go run ./hack/packages buildah
	go run ./hack/release build --version='$(VERSION)'

.PHONY: test-release
test-release: ## Build the release of the tree's version twice, in two clones in different surroundings, and compare all bytes. Half an hour.
	go run ./hack/packages buildah
	go run ./hack/release twice --version='$(PLUGIN_VERSION)'

.PHONY: release-docs
release-docs: ## Write the audit of the demo's stack to dist/, as audit-demo.html and audit-demo.svg.
	go run ./hack/auditdocs demo dist

.PHONY: chart
chart: manifests ## Package the Helm chart to dist/.
	@$(HELM) package $(CHART) --destination dist
