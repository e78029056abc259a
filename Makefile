# The two commands of the README, and what they are made of. `make help` lists the targets.
# Everything is built under build/; CMakePresets.json has the other configurations.

SHELL := /bin/bash
JOBS ?= $(shell nproc)
PRESET ?= release
BUILD := build/$(PRESET)

# What a bare Debian 12 needs, all from its own repositories.
PACKAGES := \
  g++ cmake ninja-build pkg-config make git ca-certificates curl \
  libabsl-dev libprotobuf-dev protobuf-compiler libgrpc++-dev protobuf-compiler-grpc \
  prometheus-cpp-dev libyaml-cpp-dev libspdlog-dev libcli11-dev nlohmann-json3-dev \
  libpcre2-dev libutf8proc-dev libedit-dev libcpp-httplib-dev libgtest-dev libgmock-dev libbenchmark-dev
# What the checks of .ci/run need beside it.
CHECK_PACKAGES := clang clang-format-14 clang-tidy-14 libclang-rt-14-dev binutils prometheus

.PHONY: help demo test build deps check-deps install bench format clean

help:  ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

demo: deps  ## build, serve the bundled model, stream text from it, show kernels and metrics
	@cmake --preset $(PRESET) >build/configure.log 2>&1 || { cat build/configure.log; exit 1; }
	cmake --build $(BUILD) -j $(JOBS) --target quantd quantctl
	@deploy/demo/demo.sh $(BUILD)/bin

test: build  ## build everything and run every test
	ctest --preset $(PRESET) -j $(JOBS)

build: deps  ## build everything
	@cmake --preset $(PRESET) >build/configure.log 2>&1 || { cat build/configure.log; exit 1; }
	cmake --build $(BUILD) -j $(JOBS)

deps:  ## install the missing build packages (apt)
	@mkdir -p build
	@$(call apt_install,$(PACKAGES))

check-deps:  ## install what .ci/run needs beside them
	@$(call apt_install,$(CHECK_PACKAGES))

install: build  ## install into DESTDIR/PREFIX (default /usr/local)
	cmake --install $(BUILD) $(if $(PREFIX),--prefix $(PREFIX))

bench: build  ## kernel benchmarks against this machine's limits
	$(BUILD)/tests/bench/gemm_bench
	$(BUILD)/tests/bench/attention_bench

format:  ## format every source file
	git ls-files '*.h' '*.cc' | xargs clang-format-14 -i

clean:  ## remove every build
	rm -rf build

# Installs the packages of $(1) that are not there yet; quiet when there is nothing to do.
define apt_install
missing=""; for p in $(1); do \
  dpkg-query -W -f='$${Status}' $$p 2>/dev/null | grep -q 'ok installed' || missing="$$missing $$p"; done; \
if [ -n "$$missing" ]; then \
  echo "installing:$$missing"; \
  sudo=""; [ "$$(id -u)" = 0 ] || sudo=sudo; \
  $$sudo apt-get update -qq && \
  $$sudo env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $$missing >/dev/null; \
fi
endef
