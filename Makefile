# make test    everything; on Debian as root it installs the servers that the tests need
# make demo    the whole story on this machine, without root or network
# make lint    gofmt, go vet, staticcheck, and the builds for Windows and macOS
# make bench   speed, as ratios to other programs and to floors
# make soak    kills the receiver under load, SOAK times
# make fuzz    every fuzz target, FUZZTIME each
# make build   ./mailpub
# make packages   archives, .deb, .rpm, SBOMs and checksums for every system, in dist
# make release    the same, with a container image, manifests of package managers and signed checksums
# make docs    what is generated under docs and examples

GO       ?= go
FUZZTIME ?= 30s
SOAK     ?= 200

.PHONY: test demo lint bench soak fuzz build setup packages release docs

build:
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags '-s -w' -o mailpub ./cmd/mailpub

test: setup lint
	$(GO) test -race -shuffle=on -timeout 45m ./...

setup:
	@./.ci/setup

lint:
	@test -z "$$(gofmt -l .)" || { gofmt -l . ; echo 'not gofmt clean' ; exit 1 ; }
	$(GO) vet ./...
	$(GO) vet -tags man ./cmd/mailpub
	$(GO) tool staticcheck ./...
	GOOS=windows $(GO) vet ./...
	GOOS=darwin $(GO) vet ./...

packages:
	@./.ci/packages

release:
	@./.ci/release

docs:
	$(GO) test ./cmd/mailpub -run '^Test(SchemaFile|Reference|MDaemonWalk)$$' -update
	$(GO) test ./plan/catalog -run '^TestDoc$$' -update

demo:
	$(GO) run ./cmd/mailpub demo

bench: setup
	$(GO) test -run '^$$' -bench . -benchtime 5x -timeout 30m ./...

soak:
	MAILPUB_SOAK=$(SOAK) $(GO) test -run '^TestKilled$$' -count 1 -v -timeout 60m ./mailsvc/receiver

fuzz:
	@for pkg in $$($(GO) list ./...) ; do \
	  for f in $$($(GO) test -list '^Fuzz' $$pkg | grep '^Fuzz') ; do \
	    echo "$$pkg $$f" ; $(GO) test -run '^$$' -fuzz "^$$f$$" -fuzztime $(FUZZTIME) $$pkg || exit 1 ; \
	  done ; \
	done
