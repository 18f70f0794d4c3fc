// Package unit writes the units by which systemd keeps mailpub running: a service that watches,
// or a timer with a service that tells of drift. It installs none of them.
package unit

import (
	"embed"
	"path/filepath"
	"slices"
	"strings"
	"text/template"
)

//go:embed *.tmpl
var templates embed.FS

const (
	// PackageState is where the .deb and .rpm keep ledger and mail, of configs under /etc.
	PackageState = "/var/lib/mailpub"

	// PackageUser is the account of the units that watch. The config and the state are its group's to read.
	PackageUser = "mailpub"

	// PackageReceiver is the account of the unit that receives mail, which anybody may talk to: it has no secret of a
	// provider, and writes nothing but mail, its log and its certificates.
	PackageReceiver = "mailpub-receive"
)

// Options says what a unit is for.
type Options struct {
	Name        string   // of the unit, without an ending: "mailpub"
	Program     string   // absolute path of mailpub
	Configs     []string // absolute paths of config files, or of directories of them
	Writable    []string // absolute paths that mailpub writes to
	Hidden      string   // absolute path of a directory of which nothing is seen but Writable and Readable
	Readable    []string // absolute paths in Hidden
	User        string   // empty: root
	Groups      []string // more groups of User, in the unit alone
	NetAdmin    bool     // nftables is set up by it
	LowPorts    bool     // it listens at port 25
	Credentials bool     // the directories of credentials are there

	// MailServer says that it puts back settings of a mail server, with that one's own commands.
	MailServer bool
}

// File is one unit.
type File struct{ Name, Text string }

// Watch returns the service that watches.
func Watch(o Options) (File, error) {
	return render("watch.service.tmpl", o.Name+".service", o)
}

// Drift returns the service that tells once of drift, and the timer that starts it.
func Drift(o Options) (files []File, err error) {
	for _, f := range [][2]string{{"drift.service.tmpl", o.Name + "-drift.service"},
		{"drift.timer.tmpl", o.Name + "-drift.timer"}} {
		file, err := render(f[0], f[1], o)
		if err != nil {
			return nil, err
		}
		files = append(files, file)
	}

	return files, nil
}

// Receive returns the service that runs the bundled receiver of one config, as soon as that is there.
func Receive(o Options) (File, error) {
	o.LowPorts = true
	return render("receive.service.tmpl", o.Name+"-receive.service", o)
}

// Packaged returns the units that a package brings along: those that watch, tell of drift and receive
// for the site of /etc/mailpub/mailpub.yaml.
func Packaged() ([]File, error) {
	o := Options{
		Name:        "mailpub",
		Program:     "/usr/bin/mailpub",
		Configs:     []string{"/etc/mailpub/mailpub.yaml"},
		Writable:    []string{PackageState},
		User:        PackageUser,
		Credentials: true,
	}

	files, err := Drift(o)
	if err != nil {
		return nil, err
	}

	watch, err := Watch(o)
	if err != nil {
		return nil, err
	}

	o.User = PackageReceiver
	o.Groups = []string{PackageUser} // for the config
	o.Hidden = PackageState
	o.Writable = []string{PackageState + "/mail", PackageState + "/acme", PackageState + "/log"}
	o.Readable = []string{PackageState + "/receiver"}
	receive, err := Receive(o)
	if err != nil {
		return nil, err
	}

	return append(files, watch, receive), nil
}

func render(from, name string, o Options) (File, error) {
	t, err := template.New(from).Funcs(template.FuncMap{"quote": quote, "path": path,
		"home": home}).ParseFS(templates, "*.tmpl")

	if err != nil {
		return File{}, err
	}

	var b strings.Builder
	err = t.ExecuteTemplate(&b, from, o)
	return File{name, b.String()}, err
}

// quote writes a word of a unit's setting, as systemd reads it (systemd.syntax(7)): with
// specifiers and variables as they stand.
func quote(word string) string {
	word = strings.NewReplacer("%", "%%", "$", "$$", `\`, `\\`, `"`, `\"`).Replace(word)
	if strings.ContainsAny(word, " \t;'\"\\") {
		return `"` + word + `"`
	}
	return word
}

// path writes a path for a setting that takes one, whole: only specifiers are to be kept from it.
func path(p string) string { return strings.ReplaceAll(p, "%", "%%") }

// home says how much of people's home directories the service may see: nothing, unless a config
// or the program lies there.
func home(o Options) string {
	for _, p := range slices.Concat(o.Configs, o.Writable, []string{o.Program}) {
		for _, dir := range []string{"/home", "/root", "/run/user"} {
			if strings.HasPrefix(filepath.Clean(p)+"/", dir+"/") {
				return "read-only"
			}
		}
	}

	return "yes"
}
