package guard

import (
	"reflect"
	"slices"
	"testing"

	"github.com/mailpub/mailpub/cmd/mailpub/config"
	"github.com/mailpub/mailpub/providers"
)

// Every field of the config is classified, and every class is of a field: a new field cannot be forgotten.
func TestFields(t *testing.T) {
	known := fields()
	described := map[string]bool{}
	for _, f := range config.Fields() {
		described[f.Path] = true
		if _, ok := known[f.Path]; !ok && !isSetting(f.Path) {
			t.Errorf("%s is not classified in fields: say what a tenant may write there",
				f.Path)
		}
	}

	all := leaves(reflect.TypeFor[config.Config](), "")
	if len(all) < 120 {
		t.Errorf("only %d fields were found", len(all))
	}

	for _, path := range all {
		if is := known[path]; is == unknown || is == section {
			t.Errorf("%s is not classified in fields: say what a tenant may write there", path)
		}
	}

	for path, is := range known {
		if !described[path] && !slices.Contains(all, path) {
			t.Errorf("%s is no field of the config", path)
		}

		if is == section && slices.Contains(all, path) {
			t.Errorf("%s is a value, and classified as a section", path)
		}

		if is == operator && reasons()[path] == "" {
			t.Errorf("%s has no reason", path)
		}
	}
}

func isSetting(path string) bool {
	return len(path) > len("zones.settings.") &&
		path[:len("zones.settings.")] == "zones.settings." ||
		len(path) > len("service.settings.") &&
			path[:len("service.settings.")] == "service.settings."
}

// Every setting without a secret of every provider and mail server is classified.
func TestSettings(t *testing.T) {
	known := settingKinds()
	used := map[string]bool{}
	expect := func(name string, secret bool) {
		if secret {
			return
		}
		used[name] = true
		if known[name] == unknown {
			t.Errorf("setting %s is not classified: say what a tenant may write there", name)
		}
	}

	for _, p := range providers.All() {
		for _, s := range p.Settings {
			expect(p.Name+"."+s.Name, s.Secret)
		}
	}

	for _, server := range config.ServerTypes() {
		for _, s := range server.Settings {
			expect(server.Name+"."+s.Name, s.Secret)
		}
	}

	for name := range known {
		if !used[name] {
			t.Errorf("%s is no setting", name)
		}
	}

	for _, name := range serverTypes() {
		if _, ok := config.LookupServer(name); !ok {
			t.Errorf("%s is no mail server", name)
		}
	}
}
