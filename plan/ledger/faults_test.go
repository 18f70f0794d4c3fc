package ledger

import (
	"errors"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/mailpub/mailpub/plan"
	"github.com/mailpub/mailpub/plan/durable"
)

// Whichever save fails, it is told, the ledger on disk is the one of the save before, and the next save
// makes it whole again.
func TestSaveFaults(t *testing.T) {
	const saves = 6
	entry := func(i int) plan.Entry {
		return plan.Entry{
			Key: plan.Key{
				Kind: "dns",
				Name: fmt.Sprintf("x%d.it. A", i),
			},
			Text: []string{"2.2.2.2 ttl 60"},
		}
	}

	for broken := range saves {
		f := Files{Dir: t.TempDir(), Site: "office"}
		open, err := f.Lock(t.Context(), time.Second)
		if err != nil {
			t.Fatal(err)
		}

		held := open.(*lock)
		calls := 0
		held.replace = func(path string, data []byte) error {
			calls++
			if calls == broken+1 {
				return errors.New("input/output error")
			}
			return durable.Replace(path, data)
		}

		l := held.Ledger()
		saved := 0
		for i := range saves {
			l.Put(entry(i))
			err := held.Save(l)
			if (err != nil) != (i == broken) {
				t.Errorf("save %d of which %d fails: %v", i, broken, err)
			}

			if err == nil {
				saved = i + 1
			}

			read, err := f.Read(t.Context())
			if err != nil || read.Len() != saved {
				t.Fatalf("save %d of which %d fails: %d entries, %v", i, broken, read.Len(),
					err)
			}
		}

		if err := held.Unlock(); err != nil {
			t.Error(err)
		}
	}
}

// The former ledger is kept by a second name, and as a copy where a file can't have two.
func TestFormer(t *testing.T) {
	for name, link := range map[string]func(string, string) error{
		"links": os.Link,
		"no links": func(string, string) error {
			return &os.LinkError{Op: "link", Err: os.ErrPermission}
		},
	} {
		f := Files{Dir: t.TempDir(), Site: "office"}
		if err := keepBackup(f.Path(), link, durable.Replace); name == "links" && err != nil {
			t.Errorf("%s: nothing to keep: %v", name, err)
		}

		for _, text := range []string{"first", "second"} {
			if err := durable.Replace(f.Path(), []byte(text)); err != nil {
				t.Fatal(err)
			}

			if err := keepBackup(f.Path(), link, durable.Replace); err != nil {
				t.Fatalf("%s: %v", name, err)
			}

			if err := durable.Replace(f.Path(), []byte("new")); err != nil {
				t.Fatal(err)
			}

			if data, err := os.ReadFile(f.Path() + ".bak"); err != nil || string(data) != text {
				t.Errorf("%s: the former ledger is %q, %v", name, data, err)
			}
		}
	}
}
