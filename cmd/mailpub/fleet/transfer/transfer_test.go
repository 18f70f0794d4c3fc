//go:build linux

package transfer

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/mailpub/mailpub/cmd/mailpub/config"
	"github.com/mailpub/mailpub/cmd/mailpub/fleet/pgtest"
	"github.com/mailpub/mailpub/cmd/mailpub/fleet/store"
	"github.com/mailpub/mailpub/cmd/mailpub/history"
	"github.com/mailpub/mailpub/cmd/mailpub/site"
	"github.com/mailpub/mailpub/cmd/mailpub/watch"
	"github.com/mailpub/mailpub/plan"
	"github.com/mailpub/mailpub/plan/ledger"
	_ "github.com/mailpub/mailpub/providers/manual"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

func open(t *testing.T) *store.DB {
	t.Helper()
	db, err := store.Connect(context.Background(), pgtest.Database(t), "a test")
	if err != nil {
		t.Fatal(err)
	}

	t.Cleanup(db.Close)
	if _, err := db.Migrate(context.Background()); err != nil {
		t.Fatal(err)
	}

	return db
}

const configText = `# the office
defaults: common.yml
site: NAME
server: {hostname: mail.NAME.example, address: 10.10.10.10, public: {ipv4: 2.2.2.2}}
domains: [{name: NAME.example}]
zones: [{name: NAME.example, provider: manual}]
router: {protocol: none}
service: {type: manual}
`

// sites writes three sites with all that a watch leaves beside them.
func sites(t *testing.T) (dir string) {
	t.Helper()
	dir = t.TempDir()
	write(t, filepath.Join(dir, "common.yml"), "# shared\nwatch: {every: 20m}\n")
	for _, name := range []string{"alpha", "beta", "gamma"} {
		write(t, filepath.Join(dir, name+".yaml"), strings.ReplaceAll(configText, "NAME", name))
		state := filepath.Join(dir, ".mailpub")
		lock, err := (ledger.Files{Dir: state, Site: name}).Lock(t.Context(), 0)
		if err != nil {
			t.Fatal(err)
		}

		lock.Ledger().Put(plan.Entry{
			Key:    plan.Key{Kind: "dns", Name: name + ".example. MX"},
			Target: plan.ParseTarget("zone " + name + ".example"),
			Stage:  plan.StageMail,
			Text:   []string{"10 mail." + name + ".example."},
		})

		if err := errors.Join(lock.Save(lock.Ledger()), lock.Unlock()); err != nil {
			t.Fatal(err)
		}

		files := site.StateFiles{Dir: state, Site: name}
		if err := files.Write(site.StateWatch, []byte(`{"format":"mailpub/watch/v1","broken":[],"address":{}}`)); err != nil {
			t.Fatal(err)
		}

		past, err := history.Open(t.Context(), filepath.Join(state, "history"))
		if err != nil {
			t.Fatal(err)
		}

		at := time.Unix(1764500000, 0)
		if err := errors.Join(past.AddState(t.Context(), name, at, history.Good, time.Hour),
			past.AddEvent(t.Context(), watch.Event{Site: name, At: at, Kind: watch.Joined, Text: "<from> now & on"})); err != nil {
			t.Fatal(err)
		}
	}

	return dir
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// tree is what is in a directory, but for locks, backups and marks.
func tree(t *testing.T, dir string) map[string]string {
	t.Helper()
	all := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		switch filepath.Ext(path) {
		case ".lock", ".bak", ".fleet":
			return err
		}
		if err != nil || d.IsDir() {
			return err
		}

		data, err := os.ReadFile(path)
		rel, _ := filepath.Rel(dir, path)
		all[rel] = string(data)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}

	return all
}

func moved(t *testing.T, db *store.DB, dir string, o Options) (done string) {
	t.Helper()
	outcomes, err := Import(t.Context(), db, dir, o)
	if err != nil {
		t.Fatal(err)
	}

	var parts []string
	for _, o := range outcomes {
		if o.Err != nil {
			parts = append(parts, "refused")
		} else {
			parts = append(parts, o.Done)
		}
	}

	return strings.Join(parts, " ")
}

// What was moved into the fleet and out of it is the same, to the octet.
func TestThereAndBack(t *testing.T) {
	db := open(t)
	dir := sites(t)
	was := tree(t, dir)
	if len(was) != 13 {
		t.Fatalf("%d files: %v", len(was), was)
	}

	if got := moved(t, db, dir, Options{Tenant: "hoster/customer", DryRun: true}); got != "added added added" {
		t.Errorf("dry run: %s", got)
	}
	if all, err := db.Sites(t.Context(), ""); err != nil || len(all) != 0 {
		t.Errorf("a dry run left %d sites, %v", len(all), err)
	}
	if got := moved(t, db, dir, Options{Tenant: "hoster/customer"}); got != "added added added" {
		t.Errorf("import: %s", got)
	}
	if got := moved(t, db, dir, Options{Tenant: "hoster/customer"}); got != "unchanged unchanged unchanged" {
		t.Errorf("a second import: %s", got)
	}

	out := t.TempDir()
	outcomes, err := Export(t.Context(), db, out, "hoster/customer")
	if err != nil || len(outcomes) != 3 || outcomes[0].Err != nil {
		t.Fatalf("%+v, %v", outcomes, err)
	}

	is := tree(t, out)
	for name, text := range was {
		if is[name] != text {
			t.Errorf("%s:\n%q\nwas\n%q", name, is[name], text)
		}
	}
	if len(is) != len(was) {
		t.Errorf("%d files, were %d: %v", len(is), len(was), is)
	}

	write(t, filepath.Join(dir, "beta.yaml"), strings.ReplaceAll(configText, "NAME", "beta")+"# newer\n")
	if got := moved(t, db, dir, Options{Tenant: "hoster/customer"}); got != "unchanged changed unchanged" {
		t.Errorf("after an edit: %s", got)
	}
}

// A site that was moved is no longer changed by what works on files, until it is moved back.
func TestMovedSiteIsLeftAlone(t *testing.T) {
	db := open(t)
	dir := sites(t)
	moved(t, db, dir, Options{})
	cfg, err := config.Load(filepath.Join(dir, "alpha.yaml"))
	if err != nil {
		t.Fatal(err)
	}

	if _, err := site.NewLock(t.Context(), cfg, site.Options{}); !errors.Is(err, site.ErrMoved) {
		t.Errorf("locked all the same: %v", err)
	}
	if _, err := Export(t.Context(), db, dir, ""); err != nil {
		t.Fatal(err)
	}

	lock, err := site.NewLock(t.Context(), cfg, site.Options{})
	if err != nil {
		t.Fatalf("after the export: %v", err)
	}
	lock.Close()
}

// What has to stay with its machine is refused with the reason, and so is what is wrong; the rest is moved.
func TestRefused(t *testing.T) {
	db := open(t)
	dir := sites(t)
	for name, edit := range map[string][2]string{
		"alpha": {"router: {protocol: none}", "router: {protocol: upnp}"},
		"beta":  {"service: {type: manual}", "service: {type: postfix}"},
	} {
		write(t, filepath.Join(dir, name+".yaml"), strings.Replace(strings.ReplaceAll(configText, "NAME", name), edit[0], edit[1], 1))
	}

	write(t, filepath.Join(dir, "wrong.yaml"), "site: [\n")
	outcomes, err := Import(t.Context(), db, dir, Options{})
	if err != nil {
		t.Fatal(err)
	}

	want := []string{"router.protocol", "service.type", "", "wrong.yaml"}
	for i, o := range outcomes {
		if (o.Err == nil) != (want[i] == "") || o.Err != nil && !strings.Contains(o.Err.Error(), want[i]) {
			t.Errorf("%s: %v, want it to name %q", o.File, o.Err, want[i])
		}
	}
}

// An export writes below its directory and nowhere else.
func TestExportStaysInside(t *testing.T) {
	db := open(t)
	dir := sites(t)
	elsewhere := t.TempDir()
	write(t, filepath.Join(dir, "alpha.yaml"), strings.ReplaceAll(configText, "NAME", "alpha")+"state: "+elsewhere+"\n")
	moved(t, db, dir, Options{})
	before := tree(t, elsewhere)
	outcomes, err := Export(t.Context(), db, t.TempDir(), "")
	if err != nil || outcomes[0].Err == nil || !strings.Contains(outcomes[0].Err.Error(), elsewhere) {
		t.Errorf("%+v, %v", outcomes[0], err)
	}
	if after := tree(t, elsewhere); len(after) != len(before) {
		t.Errorf("written elsewhere: %v", after)
	}
}
