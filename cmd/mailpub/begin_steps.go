package main

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/mailpub/mailpub/cmd/mailpub/config"
	"github.com/mailpub/mailpub/providers"
)

// stateOfPackage is where the .deb and .rpm keep ledger and mail, of configs under /etc.
const stateOfPackage = "/var/lib/mailpub"

// userOfPackage is who their units run as.
const userOfPackage = "mailpub"

func (b *beginning) packaged() bool {
	path, err := filepath.Abs(b.app.configFile)
	if err != nil || !strings.HasPrefix(path, "/etc/") {
		return false
	}
	_, err = os.Stat(stateOfPackage)
	return err == nil
}

// unset names the variables of the environment that the config refers to and that are not set.
func unset(cfg *config.Config) (names []string) {
	for _, z := range cfg.Zones {
		p, _ := providers.Lookup(z.Provider)
		for _, s := range p.Settings {
			name, ok := strings.CutPrefix(z.Settings[s.Name], "env:")
			if _, there := os.LookupEnv(name); ok && s.Secret && !there && !strings.Contains(" "+strings.Join(names, " ")+" ", " "+name+" ") {
				names = append(names, name)
			}
		}
	}
	return names
}

// steps says how it goes on: what to type next, in order.
func (b *beginning) steps(cfg *config.Config) {
	a, w := b.app, b.app.out
	type row struct{ command, why string }
	var rows []row
	add := func(command, why string) { rows = append(rows, row{command, why}) }
	mailpub, packaged := "mailpub"+a.configFlag()+" ", b.packaged()
	for _, name := range unset(cfg) {
		set := "export " + name + "=..."
		if runtime.GOOS == "windows" {
			set = `$env:` + name + ` = "..."`
		}
		add(set, "the secret, which the config only refers to")
		if packaged {
			add("echo "+name+"=... >>/etc/mailpub/environment", "the same, for the services")
		}
	}
	add(mailpub+"plan", "shows what would change; it writes nothing")
	switch {
	case cfg.Service.Type == "receiver" && packaged:
		add("systemctl enable --now mailpub-receive", "the mail server")
	case cfg.Service.Type == "receiver":
		add(mailpub+"receive", "the mail server: in another terminal, or as a service")
	}
	add(mailpub+"apply", "brings it about, MX last")
	add(mailpub+"verify", "proves it")
	if packaged && !needsRoot(cfg) {
		add("systemctl enable --now mailpub", "keeps it so: watch, as a service")
	} else {
		add(mailpub+"service install", "keeps it so: watch, as a service")
	}
	width := 36
	for _, r := range rows {
		width = max(width, len(r.command))
	}
	fmt.Fprintf(w, "\nWrote %s. Next:\n", a.look.bold(a.configFile))
	for _, r := range rows {
		fmt.Fprintf(w, "  %s %s\n", pad(r.command, width), a.look.dim(r.why))
	}
}

// needsRoot reports whether a site is looked at and mended by root alone.
func needsRoot(cfg *config.Config) bool {
	return cfg.Router.Protocol == "nftables" || cfg.Service.Type == "postfix"
}
