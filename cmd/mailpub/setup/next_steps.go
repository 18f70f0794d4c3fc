package setup

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"github.com/mailpub/mailpub/cmd/mailpub/config"
	"github.com/mailpub/mailpub/cmd/mailpub/term"
	"github.com/mailpub/mailpub/cmd/mailpub/unit"
	"github.com/mailpub/mailpub/providers"
)

func (b *wizard) packaged() bool {
	path, err := filepath.Abs(b.UI.ConfigFile)
	if err != nil || !strings.HasPrefix(path, "/etc/") {
		return false
	}
	_, err = os.Stat(unit.PackageState)
	return err == nil
}

// unsetVariables names the variables of the environment that the config refers to and that are not set.
func unsetVariables(cfg *config.Config) (names []string) {
	for _, z := range cfg.Zones {
		p, _ := providers.Lookup(z.Provider)
		for _, s := range p.Settings {
			name, ok := strings.CutPrefix(z.Settings[s.Name], "env:")
			if _, there := os.LookupEnv(name); ok && s.Secret && !there &&
				!strings.Contains(" "+strings.Join(names, " ")+" ", " "+name+" ") {
				names = append(names, name)
			}
		}
	}

	return names
}

// printNextSteps says how it goes on: what to type next, in order.
func (b *wizard) printNextSteps(cfg *config.Config) {
	u := b.UI
	type row struct{ command, why string }
	var rows []row
	add := func(command, why string) { rows = append(rows, row{command, why}) }
	mailpub := "mailpub" + u.ConfigFlag() + " "
	packaged := b.packaged()

	if packaged && u.ConfigFile == config.SystemConfig {
		mailpub = "mailpub --system "
	}

	for _, name := range unsetVariables(cfg) {
		if packaged {
			add("install -m 600 /dev/stdin "+config.SystemCredentials+"/"+name,
				"type the secret, which the config only refers to, then Ctrl-D")
			continue
		}

		set := "export " + name + "=..."
		if runtime.GOOS == "windows" {
			set = `$env:` + name + ` = "..."`
		}

		add(set, "the secret, which the config only refers to")
	}

	if cfg.Service.Type == "mdaemon" {
		add(mailpub+"mdaemon", "tests its XML API, which the config names once you open it: docs/how-to/mdaemon.md")
	}

	add(mailpub+"plan", "shows planned changes; writes nothing")
	switch {
	case cfg.Service.Type == "receiver" && packaged:
		add("systemctl enable --now mailpub-receive", "the mail server")
	case cfg.Service.Type == "receiver":
		add(mailpub+"receive", "the mail server: in another terminal, or as a service")
	}

	add(mailpub+"apply", "applies them, MX last")
	if slices.ContainsFunc(cfg.Domains, func(d config.Domain) bool { return len(d.DKIM) > 0 }) {
		add(mailpub+"dkim", "names the key that the mail server must sign with")
	}

	add(mailpub+"verify", "tests the result, and says what to do about the rest")
	add(mailpub+"request", "letters for what the provider must do, such as the PTR")
	if packaged && !needsRoot(cfg) {
		add("systemctl enable --now mailpub", "monitors the site: watch, as a service")
	} else {
		if cfg.Service.Type == "receiver" && runtime.GOOS == "linux" {
			add(mailpub+"service install --receive",
				"keeps it that way: watch and the receiver, as services")
		} else {
			add(mailpub+"service install", "monitors the site: watch, as a service")
		}
	}

	add("mailpub explain verify.mailboxes", "a mailbox at another provider shows whether mail arrives")
	width := 36
	for _, r := range rows {
		width = max(width, len(r.command))
	}

	fmt.Fprintf(u.Out, "\nWrote %s. Next:\n", u.Bold(u.ConfigFile))
	for _, r := range rows {
		fmt.Fprintf(u.Out, "  %s %s\n", term.Pad(r.command, width), u.Dim(r.why))
	}
}

// needsRoot reports whether a site is looked at and mended by root alone.
func needsRoot(cfg *config.Config) bool {
	return cfg.Router.Protocol == "nftables" || cfg.Service.Type == "postfix"
}
