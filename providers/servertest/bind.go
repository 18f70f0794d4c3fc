package servertest

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"
)

// BIND is a name server on loopback that asks nobody else anything. Every zone takes updates
// signed with the key "mailpub.", hmac-sha256.
type BIND struct {
	Zones    map[string]string // name, without final dot, to the text of the zone file
	Secret   string            // of the keys "mailpub." and "reader.", in base64
	Transfer string            // who may transfer the zones, in BIND's words
	Signing  string            // further statements of each zone
	Options  string            // further options of the server
	Args     []string          // further arguments of named
}

const bindConfig = `
options {
	directory %[1]q; pid-file none; session-keyfile %[3]q; managed-keys-directory %[1]q;
	listen-on port %[2]d { 127.0.0.1; }; listen-on-v6 { none; };
	recursion no; dnssec-validation no; empty-zones-enable no; notify no;
	%[5]s
};
controls { };
key "mailpub." { algorithm hmac-sha256; secret %[4]q; };
key "reader." { algorithm hmac-sha256; secret %[4]q; };
`

// Start runs the server and returns its address.
func (b BIND) Start(t testing.TB) string {
	t.Helper()
	path := Program(t, "named")
	dir := t.TempDir()
	var zones strings.Builder
	last := ""

	for name, text := range b.Zones {
		file := strings.ReplaceAll(name, "/", "_") + ".zone"
		Write(t, filepath.Join(dir, file), text)
		fmt.Fprintf(&zones, "zone %q { type primary; file %q; allow-update { key \"mailpub.\"; }; allow-transfer { %s }; %s };\n",
			name, file, b.Transfer, b.Signing)
		last = name
	}

	for range 5 { // somebody else may take the port
		port := FreePort(t)
		conf := fmt.Sprintf(bindConfig, dir, port, filepath.Join(dir, "session.key"), b.Secret,
			b.Options)

		Write(t, filepath.Join(dir, "named.conf"), conf+zones.String())
		addr := fmt.Sprintf("127.0.0.1:%d", port)
		if Run(t, addr, last, path, append([]string{"-g", "-c",
			filepath.Join(dir, "named.conf")}, b.Args...)...) {
			return addr
		}
	}

	t.Fatal("BIND did not come up")
	return ""
}
