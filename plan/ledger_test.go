package plan

import (
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"
)

// A newer ledger says which mailpub to use, where it knows.
func TestNewerLedger(t *testing.T) {
	err := NewLedger("s").UnmarshalJSON([]byte(`{"format":"mailpub/ledger/v2","writer":"v3.1.0","site":"s","entries":[]}`))
	if !errors.Is(err, ErrNewer) || !strings.Contains(err.Error(), "mailpub v3.1.0") {
		t.Errorf("%v", err)
	}
}

func TestLedgerRoundTrip(t *testing.T) {
	l := NewLedger("nomeazienda")
	l.Put(Entry{
		Key:    Key{"forward", "tcp/25"},
		Target: ParseTarget("router"),
		Stage:  StageForward,
		Text:   []string{"10.10.10.10:25"},
		Grant:  &Grant{Lifetime: time.Hour, At: now, State: "epoch 7"},
	})

	l.Put(Entry{
		Key:     Key{"dns", "x.example. MX"},
		Target:  ParseTarget("zone x.example"),
		Stage:   StageMail,
		Pending: []string{"10 x.example. ttl 60"},
		Prior:   []string{"0 . ttl 60"},
		Base:    []string{"b"},
	})

	data, err := json.Marshal(l)
	if err != nil {
		t.Fatal(err)
	}

	back := NewLedger("")
	if err := json.Unmarshal(data, back); err != nil {
		t.Fatal(err)
	}

	if !reflect.DeepEqual(l, back) {
		t.Errorf("came back as %+v, was %+v", back, l)
	}

	if g, ok := back.Grant(Key{"forward", "tcp/25"}); !ok || g.Expires() != now.Add(time.Hour) {
		t.Errorf("grant %+v, %v", g, ok)
	}
}

func TestLedgerRefuses(t *testing.T) {
	for what, data := range map[string]string{
		"another format": `{"format":"mailpub/ledger/v9","site":"s","entries":[]}`,
		"no key":         `{"format":"mailpub/ledger/v1","site":"s","entries":[{"kind":"dns","text":["x"]}]}`,
		"no text":        `{"format":"mailpub/ledger/v1","site":"s","entries":[{"kind":"dns","name":"x"}]}`,
		"a key twice": `{"format":"mailpub/ledger/v1","site":"s","entries":[
			{"kind":"dns","name":"x","text":["a"]},{"kind":"dns","name":"x","text":["b"]}]}`,
		"half a file": `{"format":"mailpub/ledger/v1","site":"s","entries":[{"kind":`,
	} {
		l := NewLedger("kept")
		if err := json.Unmarshal([]byte(data), l); err == nil {
			t.Errorf("%s was taken", what)
		}
		if l.Site != "kept" {
			t.Errorf("%s: the ledger was changed by a failed read", what)
		}
	}
}

func TestSavedPlan(t *testing.T) {
	p := &Plan{Site: "s", Unchanged: 2, Changes: []Change{
		{Target: ParseTarget("router"), Key: Key{"forward", "tcp/25"}, Action: Create, Stage: StageForward, After: []string{"10.0.0.1:25"}, Lease: time.Hour},
		{Target: ParseTarget("zone x"), Key: Key{"dns", "x.example. TXT"}, Action: Update, Adopt: true, Stage: StageRecord,
			Before: []string{`"<a> & b"`}, After: []string{`"c"`}, Reason: "because"},
	}}

	data, err := json.MarshalIndent(p, "", "  ")
	if err != nil {
		t.Fatal(err)
	}

	saved, err := DecodeSaved(data)
	if err != nil {
		t.Fatal(err)
	}

	if err := saved.Stale(p); err != nil || saved.Site != "s" {
		t.Errorf("the same plan is stale: %v", err)
	}

	if _, err := DecodeSaved([]byte(strings.Replace(string(data), "10.0.0.1", "10.0.0.2",
		1))); err == nil {
		t.Error("a plan edited by hand was taken")
	}

	for name, edit := range map[string]func(*Plan){
		"one is done": func(p *Plan) { p.Changes = p.Changes[:1] },
		"one came up": func(p *Plan) {
			p.Changes = append(p.Changes, Change{Key: Key{"forward", "tcp/26"}, Action: Create})
		},
		"one looks else": func(p *Plan) { p.Changes[1].Before = []string{"other"} },
		"one is adopted": func(p *Plan) { p.Changes[0].Adopt = true },
	} {
		other := *p
		other.Changes = append([]Change{}, p.Changes...)
		edit(&other)
		if err := saved.Stale(&other); err == nil {
			t.Errorf("%s: not stale", name)
		}
	}
}
