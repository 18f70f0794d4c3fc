package main

import (
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
)

// dnsServer is one that mailpub writes to, in a case of the lab.
type dnsServer struct {
	name    string // that the delegation has
	address string
	start   func(w *dnsWorld, t *testing.T, address string, zones map[string]string)
}

// dnsServers are the servers of cases by their names there; "" is BIND.
func dnsServers() map[string]dnsServer {
	return map[string]dnsServer{
		"":         {ownName, firstServer, (*dnsWorld).startBIND},
		"Knot":     {"knot.names.example.", "2.2.2.16", (*dnsWorld).startKnot},
		"PowerDNS": {"powerdns.names.example.", "2.2.2.17", (*dnsWorld).startPowerDNS},
	}
}

func (w *dnsWorld) startBIND(t *testing.T, address string, zones map[string]string) {
	key := fmt.Sprintf("key \"mailpub.\" { algorithm hmac-sha256; secret %q; };\n", w.lab.Key)
	w.bind(t, "own", address, `recursion no; check-names primary ignore; allow-update { key "mailpub."; }; allow-transfer { key "mailpub."; };`,
		key, zones)
}

const knotPrimary = `server:
  rundir: %[1]q
  listen: %[2]s@53
  udp-workers: 1
  tcp-workers: 1
  background-workers: 1
database:
  storage: %[1]q
log:
  - target: stderr
    any: error
key:
  - id: mailpub.
    algorithm: hmac-sha256
    secret: %[3]q
acl:
  - id: write
    key: mailpub.
    action: [update, transfer]
zone:
`

func (w *dnsWorld) startKnot(t *testing.T, address string, zones map[string]string) {
	dir := t.TempDir()
	conf := fmt.Sprintf(knotPrimary, dir, address, w.lab.Key)
	for i, zone := range slices.Sorted(maps.Keys(zones)) {
		file := filepath.Join(dir, fmt.Sprintf("%d.zone", i)) // a zone's name may have a slash
		w.write(file, zones[zone])
		conf += fmt.Sprintf("  - domain: %s\n    file: %q\n    acl: write\n    semantic-checks: off\n",
			zone, file)
	}

	w.write(filepath.Join(dir, "knot.conf"), conf)
	w.background("inet", "knotd", "-c", filepath.Join(dir, "knot.conf"))
}

const powerdnsPrimary = `launch=gsqlite3
gsqlite3-database=%[1]s/db
socket-dir=%[1]s
local-address=%[2]s
guardian=no
daemon=no
disable-syslog=yes
loglevel=3
dnsupdate=yes
allow-dnsupdate-from=0.0.0.0/0
allow-axfr-ips=
security-poll-suffix=
cache-ttl=0
query-cache-ttl=0
negquery-cache-ttl=0
zone-cache-refresh-interval=0
`

func (w *dnsWorld) startPowerDNS(t *testing.T, address string, zones map[string]string) {
	dir := t.TempDir()
	w.write(filepath.Join(dir, "pdns.conf"), fmt.Sprintf(powerdnsPrimary, dir, address))
	here := func(name string, args ...string) {
		t.Helper()
		if out, err := exec.CommandContext(t.Context(), name,
			args...).CombinedOutput(); err != nil {
			t.Fatalf("%s %q: %v: %s", name, args, err, out)
		}
	}

	here("sqlite3", "-bail", dir+"/db", ".read /usr/share/pdns-backend-sqlite3/schema/schema.sqlite3.sql")
	util := func(args ...string) {
		t.Helper()
		here("pdnsutil", append([]string{"--config-dir=" + dir}, args...)...)
	}

	util("import-tsig-key", "mailpub", "hmac-sha256", w.lab.Key)
	for _, zone := range slices.Sorted(maps.Keys(zones)) {
		file := filepath.Join(dir, "text")
		w.write(file, zones[zone])
		util("load-zone", zone, file)
		util("activate-tsig-key", zone, "mailpub", "primary")
		util("set-meta", zone, "TSIG-ALLOW-DNSUPDATE", "mailpub")
	}

	if err := os.Remove(filepath.Join(dir, "text")); err != nil && len(zones) > 0 {
		t.Fatal(err)
	}

	w.background("inet", "pdns_server", "--config-dir="+dir)
}
