# Everything here runs as written on a Debian machine with Go. As root, missing
# packages are installed; otherwise the first line that fails names them.

GO       ?= go
PACKAGES  = qemu-system-x86 qemu-user iproute2 iputils-ping ethtool xz-utils
COMMANDS  = qemu-system-x86_64 qemu-aarch64 ip ping ethtool xz
# What runs where there is no Linux or no card: all but uio and the programs.
PORTABLE  = . ./internal/cpu ./internal/eventcount ./internal/ringtest ./internal/slots ./spinlock ./mcs ./rcu ./spsc ./mpmc ./pktbuf ./nicring ./nicring/e1000e ./nicring/nictest ./nicring/internal/mmio ./stress
# What is lock-free or waits: everything whose schedule matters.
CONCURRENT = ./internal/cpu ./internal/eventcount ./spinlock ./mcs ./rcu ./spsc ./mpmc ./pktbuf ./nicring ./nicring/nictest ./nicring/e1000e

.PHONY: test deps vet unit race schedules ports vm mutants explore bench transfers lint

# The whole proof: some five minutes on two processors.
test: deps vet unit race schedules ports vm

deps:
	@missing=; for c in $(COMMANDS); do command -v $$c >/dev/null || missing="$$missing $$c"; done; \
	if [ -n "$$missing" ]; then \
		if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
			apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends $(PACKAGES); \
		else \
			echo "missing:$$missing; as root: apt-get install $(PACKAGES)" >&2; exit 1; \
		fi; \
	fi

vet:
	$(GO) vet -tags qtest,vm ./...
	$(GO) vet -tags ferrule_debug ./...
	GOARCH=arm64 $(GO) vet -tags qtest,vm ./...
	GOARCH=386 $(GO) vet $(PORTABLE)
	GOOS=darwin GOARCH=arm64 $(GO) build ./...

# As a user's build has it: the publish store is a MOV. With QEMU's card. Then
# with each of the tags that a user may set.
unit:
	$(GO) test -tags qtest ./...
	$(GO) test -short -tags ferrule_strict $(CONCURRENT) ./stress
	$(GO) test -tags ferrule_debug -run Debug ./spinlock ./mcs
	$(GO) test -short -tags ferrule_debug ./pktbuf

race:
	$(GO) test -race -tags qtest ./...

# One processor, two, and more than there are.
schedules:
	$(GO) test -short -cpu 1,2,8 $(CONCURRENT)
	$(GO) test -short -cpu 1 ./stress
	$(GO) test -short -race -cpu 1,8 $(CONCURRENT)

# 386 runs as it is; arm64 under QEMU's user emulation, which shows that the code
# is right there and says nothing of the order in which a real one stores.
ports:
	GOARCH=386 $(GO) test -short $(PORTABLE)
	GOARCH=arm64 $(GO) test -short -exec qemu-aarch64 $(PORTABLE)

vm: deps
	$(GO) test -tags vm -v -timeout 10m ./cmd/ferrule-vm

# Every kept mutant, and the test that has to see it: some eight minutes.
mutants:
	FERRULE_MUTANTS=all $(GO) test -count=1 -run Mutants ./internal/slots ./internal/eventcount ./spinlock ./mcs ./spsc ./spsc/shm ./mpmc ./pktbuf ./nicring ./nicring/e1000e

# Every schedule of the explorer to its bounds, and every defect that it has to find,
# into docs/exploration.md: some ten minutes.
explore:
	$(GO) test -count 1 -timeout 2h ./stress/explore -full

# Ferrule beside its peers in Go, C and C++, into docs/bench. The README there says
# what ROUNDS and ONLY may be, and BENCH="-quick" or other flags.
ROUNDS ?= 10
bench:
	$(GO) run -C bench . -rounds $(ROUNDS) -only "$(ONLY)" $(BENCH)

# What a lock, a reader or a ring costs on simulated machines of up to 128 processors,
# into docs/transfers.md and docs/bench: two minutes.
transfers:
	file=$$($(GO) run ./stress/transfers) && $(GO) run -C bench . -charts ../$$file

# Not SA2001: a section may be empty, in the tests of what a section is.
lint: vet
	$(GO) vet -C bench ./...
	$(GO) test -count 1 .
	$(GO) run honnef.co/go/tools/cmd/staticcheck@v0.8.2 -checks inherit,-SA2001 -tags qtest,vm ./...
