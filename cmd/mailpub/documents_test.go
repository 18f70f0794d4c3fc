package main

import (
	"bytes"
	"encoding/json"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/mailpub/mailpub/cmd/mailpub/demo"
	"github.com/mailpub/mailpub/cmd/mailpub/schema"
	"github.com/mailpub/mailpub/cmd/mailpub/watch"
)

// TestDocumentSchemas holds every JSON document that mailpub prints or sends to its schema: each field that
// must be there is, with its type, and no field is missing from the schema.
func TestDocumentSchemas(t *testing.T) {
	internet, err := demo.Start(t.Context())
	if err != nil {
		t.Fatal(err)
	}

	defer internet.Close()

	t.Chdir(t.TempDir())
	t.Setenv(demo.KeyVariable, internet.Key)
	text := internet.Config() + "watch:\n  notify:\n    - exec: [tee, notice.json]\n"
	write := func(text string) {
		if err := os.WriteFile("mailpub.yaml", []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}

	write(text)

	run := func(code int, args ...string) []byte {
		t.Helper()
		var out, errs bytes.Buffer
		a := newApp(strings.NewReader(""), &out, &errs)

		if got := a.execute(t.Context(), append([]string{"--json"}, args...)); got != code {
			t.Fatalf("%q: exit code %d, want %d\n%s%s", args, got, code, out.String(),
				errs.String())
		}

		return out.Bytes()
	}

	holds(t, "plan", run(exitOK, "plan"))
	holds(t, "plan", run(exitOK, "plan", "--only", "dns", "--public", "2.2.2.2"))
	holds(t, "report", run(exitDiffer, "verify"))
	holds(t, "report", run(exitDiffer, "drift"))
	holds(t, "status", run(exitOK, "report"))

	if runtime.GOOS != "windows" { // it has no tee
		run(exitOK, "watch", "--test-notice")
		notice, err := os.ReadFile("notice.json")
		if err != nil {
			t.Fatal(err)
		}
		holds(t, "notice", notice)
	}

	full, err := json.Marshal(watch.Notice{
		Format: watch.NoticeFormat,
		Kind:   watch.Healed,
		At:     time.Now(),
		Things: []watch.Item{{Subject: "router.forward tcp/25", Got: "gone", Want: "there", Hint: "apply", Cause: "router.gateway", Since: time.Now(), Seconds: 7}},
	})

	if err != nil {
		t.Fatal(err)
	}

	holds(t, "notice", full)
	holds(t, "error", run(exitFailed, "state", "show", "tcp/26"))
	write(strings.Replace(text, "address: 127.0.0.1", "address: 127.0.0", 1))
	holds(t, "error", run(exitFailed, "plan"))
}

// holds fails where a document is not as its schema says, or has a field that the schema does not name.
func holds(t *testing.T, name string, document []byte) {
	t.Helper()
	text, err := schema.Document(name)
	if err != nil {
		t.Fatal(err)
	}

	var rules any
	if err := json.Unmarshal(text, &rules); err != nil {
		t.Fatal(err)
	}

	c := jsonschema.NewCompiler()
	c.AssertFormat()
	if err := c.AddResource(name, closed(rules)); err != nil {
		t.Fatal(err)
	}

	compiled, err := c.Compile(name)
	if err != nil {
		t.Fatal(err)
	}

	v, err := jsonschema.UnmarshalJSON(bytes.NewReader(document))
	if err != nil {
		t.Fatalf("%v in %s", err, document)
	}

	if err := compiled.Validate(v); err != nil {
		t.Errorf("%s: %v in\n%s", name, err, document)
	}
}

// closed makes a schema refuse what it does not name.
func closed(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for _, inner := range v {
			closed(inner)
		}
		if _, object := v["properties"].(map[string]any); object {
			v["additionalProperties"] = false
		}
	case []any:
		for _, inner := range v {
			closed(inner)
		}
	}

	return v
}

// A schema that has no document is an error that names those that there are.
func TestSchemaNames(t *testing.T) {
	var out, errs bytes.Buffer
	if code := newApp(strings.NewReader(""), &out, &errs).execute(t.Context(),
		[]string{"schema", "plans"}); code != exitFailed ||
		!strings.Contains(errs.String(), "want one of plan, report, notice, status, error") {
		t.Errorf("exit code %d: %s", code, errs.String())
	}
}
