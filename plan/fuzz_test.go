package plan

import (
	"bytes"
	"encoding/json"
	"testing"
	"time"
)

// What is read as a ledger can be written, and is then read as the same.
func FuzzLedger(f *testing.F) {
	l := NewLedger("office")
	l.Put(Entry{
		Key: Key{"dns", "x.it. A"},
		Target: Target{
			Kind: "zone",
			Name: "x.it",
		},
		Stage: StageAddress,
		Text:  []string{"2.2.2.2 ttl 60"},
		Prior: []string{},
	})

	l.Put(Entry{
		Key:      Key{"forward", "tcp/25"},
		Pending:  []string{},
		Removing: true,
		Grant:    &Grant{time.Hour, time.Unix(1764000000, 0), "nonce"},
	})

	good, err := json.Marshal(l)
	if err != nil {
		f.Fatal(err)
	}

	f.Add(good)
	f.Add([]byte(`{"format":"mailpub/ledger/v1","site":"s","entries":[{"kind":"dns","name":"x","text":[]}]}`))
	f.Add([]byte(`{"format":"mailpub/ledger/v1","site":"s","entries":[{"kind":"f","name":"x","text":["a"],"grant":{"seconds":9223372036854775807,"at":"9999-12-31T23:59:59-23:00"}}]}`))
	f.Add([]byte(`{"format":"mailpub/ledger/v9"}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		var read Ledger
		if json.Unmarshal(data, &read) != nil {
			return
		}

		once, err := json.Marshal(&read)
		if err != nil {
			t.Fatalf("what was read can't be written: %v", err)
		}

		var again Ledger
		if err := json.Unmarshal(once, &again); err != nil {
			t.Fatalf("what was written can't be read: %v\n%s", err, once)
		}

		if twice, err := json.Marshal(&again); err != nil || !bytes.Equal(once, twice) {
			t.Fatalf("%v\n%s\n%s", err, once, twice)
		}
	})
}

// A saved plan is read whole or not at all, and what is read is not stale by itself.
func FuzzSavedPlan(f *testing.F) {
	p := &Plan{
		Site:    "office",
		Changes: []Change{{Key: Key{"dns", "x.it. A"}, Action: Update, Before: []string{"a"}, After: []string{"b"}, Lease: time.Hour}},
	}

	good, err := json.Marshal(p)
	if err != nil {
		f.Fatal(err)
	}

	f.Add(good)
	f.Add(bytes.Replace(good, []byte(`"a"`), []byte(`"c"`), 1))
	f.Add([]byte(`{"format":"mailpub/plan/v1","changes":[{}]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		saved, err := DecodeSaved(data)
		if err != nil {
			return
		}

		keys := map[Key]bool{}
		for _, c := range saved.Changes {
			if keys[c.Key] {
				return // no plan has a key twice
			}
			keys[c.Key] = true
		}

		if err := saved.Stale(&Plan{Site: saved.Site, Changes: saved.Changes}); err != nil {
			t.Fatal(err)
		}
	})
}
