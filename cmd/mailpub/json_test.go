package main

import (
	"bytes"
	"encoding/json"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/mailpub/mailpub/cmd/mailpub/demo"
)

// asJSON runs mailpub --json in the demo's world and decodes what is on standard output,
// which must be one document and nothing else.
func asJSON(t *testing.T, code int, args ...string) map[string]any {
	t.Helper()
	var out, errs bytes.Buffer
	a := newApp(strings.NewReader(""), &out, &errs)

	if got := a.execute(t.Context(), append([]string{"--json"}, args...)); got != code {
		t.Fatalf("%q: exit code %d, want %d\n%s%s", args, got, code, out.String(),
			errs.String())
	}

	var doc map[string]any
	dec := json.NewDecoder(&out)
	if err := dec.Decode(&doc); err != nil {
		t.Fatalf("%q: %v", args, err)
	}

	if dec.More() {
		t.Errorf("%q prints more than one document", args)
	}

	return doc
}

// keys fails unless an object has all of the keys.
func keys(t *testing.T, what string, object any, want ...string) map[string]any {
	t.Helper()
	m, ok := object.(map[string]any)
	if !ok {
		t.Fatalf("%s is %T", what, object)
	}

	for _, k := range want {
		if _, ok := m[k]; !ok {
			t.Errorf("%s has no %q: %v", what, k, m)
		}
	}

	return m
}

// TestJSON holds what --json prints to the contract that scripts rely on.
func TestJSON(t *testing.T) {
	world, err := demo.Start(t.Context())
	if err != nil {
		t.Fatal(err)
	}

	defer world.Close()

	t.Chdir(t.TempDir())
	t.Setenv(demo.KeyVariable, world.Key)
	if err := os.WriteFile("mailpub.yaml", []byte(world.Config()), 0o600); err != nil {
		t.Fatal(err)
	}

	p := asJSON(t, exitDiffer, "plan", "--detailed-exitcode")
	keys(t, "plan", p, "format", "site", "changes", "summary")
	if p["format"] != "mailpub/plan/v1" || p["site"] != "nomeazienda" {
		t.Errorf("plan is %v of %v", p["format"], p["site"])
	}

	sum := keys(t, "summary", p["summary"], "create", "update", "delete", "manual",
		"unreadable", "unchanged")

	changes := p["changes"].([]any)
	if sum["create"] != 16.0 || len(changes) != 16 {
		t.Errorf("%v to create, %d changes", sum["create"], len(changes))
	}

	for _, c := range changes {
		m := keys(t, "change", c, "kind", "name", "action", "adopt", "before", "after",
			"reason")
		if _, list := m["before"].([]any); !list || m["action"] != "create" {
			t.Errorf("change %v", m)
		}
	}

	last := changes[15].(map[string]any)
	if last["name"] != "nomeazienda.it. MX" ||
		last["after"].([]any)[0] != "10 mail.nomeazienda.it. ttl 3600" {
		t.Errorf("the last change is %v, want MX", last)
	}

	r := asJSON(t, exitDiffer, "verify")
	keys(t, "report", r, "format", "site", "checks", "summary")
	if _, there := r["changes"]; there || r["format"] != "mailpub/report/v1" {
		t.Errorf("report %v has changes: %v", r["format"], there)
	}

	var ids []string
	for _, c := range r["checks"].([]any) {
		m := keys(t, "check", c, "id", "subject", "status", "want", "got", "hint", "ref")
		ids = append(ids, m["id"].(string))
		if s := m["status"]; s != "pass" && m["hint"] == "" {
			t.Errorf("%v is %v without a hint", m["id"], s)
		}
	}

	for _, id := range strings.Fields(`host.a host.ptr host.fcrdns mx.exists mx.expected mx.target spf.single spf.syntax
		spf.pass spf.all spf.size router.gateway router.wan router.address router.forward port.inside smtp.banner
		account.postmaster account.abuse relay.open relay.spoof relay.sender relay.recipient smtp.vrfy smtp.smuggling service.config mail.local config.hosts port.egress25`) {
		if !slices.Contains(ids, id) {
			t.Errorf("verify has no %s", id)
		}
	}

	keys(t, "summary", r["summary"], "pass", "warn", "fail", "skip")

	d := asJSON(t, exitDiffer, "drift")
	if n := len(d["changes"].([]any)); n != 16 {
		t.Errorf("drift has %d changes", n)
	}

	asJSON(t, exitOK, "version")
}
