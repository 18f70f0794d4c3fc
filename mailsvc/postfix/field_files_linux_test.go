package postfix

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"
)

// filedCases are the configurations in testdata/field: each a reduced one of somebody's, with where it is
// from. The head of a file has a line for each of
//
//	source    where it is from
//	accepts   recipients that are accepted before, and after
//	keeps     settings that stay as they are
//	logins    restrictions of a port 587 that takes logins
//	server    what runs beside Postfix; see fieldServers
//	without   services of master.cf that are taken out
//	refuses   what the error of apply says, which leaves everything as it is
//	arrives   yes, where a message for mario@nomeazienda.it does
//
// and then prose. "main.cf" holds settings, "master.cf" services that replace those of their name, any other
// name a file beside main.cf, with the kinds of table that it is indexed as. DIR is the directory of main.cf,
// ROOT the one above, MAILDIR that of the mailboxes, SOCKET slapd's in an URL.
func filedCases(t *testing.T) (all []fieldCase) {
	t.Helper()
	paths, err := filepath.Glob("testdata/field/*.txtar")
	if err != nil || len(paths) < 16 {
		t.Fatalf("%d configurations, %v", len(paths), err)
	}

	for _, path := range paths {
		archive, err := txtar.ParseFile(path)
		if err != nil {
			t.Fatal(err)
		}

		head := headOf(t, path, string(archive.Comment))

		all = append(all, fieldCase{
			name: strings.TrimSuffix(filepath.Base(path), ".txtar"),
			setup: func(t *testing.T, i *installed) {
				i.fromFiles(t, head, archive.Files)
			},
			accepted: strings.Fields(head["accepts"]),
			keeps:    strings.Fields(head["keeps"]),
			refuses:  head["refuses"],
			arrives:  head["arrives"] == "yes",
		})
	}

	return all
}

// headOf reads the lines of a head up to the first that is empty.
func headOf(t *testing.T, path, comment string) map[string]string {
	t.Helper()
	head := map[string]string{}
	for line := range strings.Lines(comment) {
		line = strings.TrimSpace(line)
		if line == "" {
			break
		}

		key, value, ok := strings.Cut(line, ": ")
		if !ok || !strings.Contains(" source accepts keeps logins server without refuses arrives ",
			" "+key+" ") {
			t.Fatalf("%s: %q is no line of a head", path, line)
		}

		head[key] = value
	}

	if head["source"] == "" {
		t.Fatalf("%s: no source", path)
	}

	return head
}

func (i *installed) fromFiles(t *testing.T, head map[string]string, files []txtar.File) {
	t.Helper()
	places := strings.NewReplacer("MAILDIR", i.Maildir, "DIR", i.Postfix, "ROOT", i.Root,
		"SOCKET", strings.ReplaceAll(i.Root+"/ldap/s", "/", "%2F"))

	for _, name := range strings.Fields(head["server"]) {
		fieldServers()[name](t, i)
	}

	for _, f := range files {
		name, kinds, _ := strings.Cut(f.Name, " ")
		text := places.Replace(string(f.Data))

		switch name {
		case "main.cf", "master.cf":
		default:
			i.tableFile(t, name, text, strings.Fields(kinds))
		}
	}

	for _, service := range strings.Fields(head["without"]) {
		i.postconf(t, "-M#", service)
	}

	for _, f := range files {
		var settings, services []string
		for line := range strings.Lines(places.Replace(string(f.Data))) {
			line = strings.TrimSpace(line)
			fields := strings.Fields(line)

			switch {
			case len(fields) == 0:
			case f.Name == "main.cf":
				settings = append(settings, line)
			case f.Name == "master.cf":
				services = append(services, fields[0]+"/"+fields[1]+"="+line)
			}
		}

		if len(settings) > 0 {
			i.set(t, settings...)
		}

		if len(services) > 0 {
			i.postconf(t, append([]string{"-M"}, services...)...)
		}
	}

	if options, ok := head["logins"]; ok {
		i.submission(t, options)
	}
}

// tableFile writes a file beside main.cf and indexes it.
func (i *installed) tableFile(t *testing.T, name, text string, kinds []string) {
	t.Helper()
	if len(kinds) == 1 && kinds[0] == "aliases" {
		path := filepath.Join(i.Postfix, name)
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		run(t, "postalias", "-c", i.Postfix, path)
		return
	}

	i.write(t, name, text, kinds...)
}
