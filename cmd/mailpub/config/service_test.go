package config

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/mailpub/mailpub/plan/mail"
)

// withService is the good config with more under service.
func withService(t *testing.T, lines string) string {
	t.Helper()
	return write(t, "site.yaml", strings.Replace(good, "service:\n", "service:\n"+lines, 1))
}

func TestService(t *testing.T) {
	c, err := Load(withService(t, `  type: postfix
  delivery: {mode: fallback, smart_host: "smtp.example.net:587", spf: [_spf.example.net]}
  networks: [192.168.1.77/24]
  backup_for: [Example.org]
  collectors: [{host: pop.example.net}]
  settings: {dovecot: /opt/dovecot.conf}
`))

	if err != nil {
		t.Fatal(err)
	}

	m := c.PlanSite(netip.Addr{}).Service
	if m.Port != 2525 || m.Delivery.String() != "direct, else through smtp.example.net:587" ||
		m.Networks[0].String() != "192.168.1.0/24" ||
		m.PassesOn[0] != "example.org" || m.Collectors[0] != "pop.example.net" ||
		m.Aliases[0] != (mail.Alias{
			Address: "postmaster",
			To:      "mario",
		}) {
		t.Errorf("%+v", m)
	}

	if s := c.Service.Settings; s["config_directory"] != "/etc/postfix" ||
		s["dovecot"] != "/opt/dovecot.conf" || s["pam"] == "" || c.Service.Maildir != "" {
		t.Errorf("settings %v, maildir %q", s, c.Service.Maildir)
	}

	t.Setenv("MDAEMON", "secret")
	c, err = Load(withService(t, "  type: mdaemon\n  settings: {url: \"https://m:444/MdMgmtWS/\", user: a@b.it, password: \"env:MDAEMON\"}\n"))
	if err != nil {
		t.Fatal(err)
	}

	if got, err := c.ServiceSecret(t.Context(), "password"); got != "secret" || err != nil {
		t.Errorf("%q, %v", got, err)
	}

	c.Service.Settings["password"] = "env:NO_SUCH_VARIABLE"
	if _, err := c.ServiceSecret(t.Context(), "password"); err == nil ||
		!strings.Contains(err.Error(), "service.settings.password: the environment has no NO_SUCH_VARIABLE") {
		t.Errorf("%v", err)
	}
}

func TestServiceMistakes(t *testing.T) {
	for _, c := range []struct{ name, lines, want string }{
		{"unknown type", "  type: postfx\n", `20: service.type: is "postfx", did you mean "postfix"?`},
		{"unknown setting", "  type: postfix\n  settings: {config_directry: /x}\n", `21: service.settings.config_directry: postfix has no such setting, did you mean "config_directory"?`},
		{"setting of nothing", "  type: exim\n  settings: {a: b}\n", "21: service.settings.a: exim has no settings"},
		{"relative directory", "  type: postfix\n  settings: {config_directory: postfix}\n", `21: service.settings.config_directory: is "postfix", want an absolute path`},
		{"the password itself", "  type: mdaemon\n  settings: {url: \"https://m/\", user: a@b, password: c2VjcmV0}\n", "21: service.settings.password: holds the secret itself"},
		{"a password in clear", "  type: mdaemon\n  settings: {url: \"http://mail.example.org:1000/\", user: a@b, password: \"env:X\"}\n", "service.settings.url: is \"http://mail.example.org:1000/\", want the XML API's address"},
		{"no password", "  type: mdaemon\n  settings: {url: \"https://m/\", user: a@b}\n", "service.settings.password: is missing, want it together with url"},
		{"no fingerprint", "  type: mdaemon\n  settings: {fingerprint: abc}\n", `service.settings.fingerprint: is "abc", want the SHA-256`},
		{"unknown mode", "  delivery: {mode: relay}\n", `20: service.delivery.mode: is "relay", want one of direct, fallback, smart_host`},
		{"smart host for nothing", "  delivery: {smart_host: \"x.org:25\"}\n", "20: service.delivery.smart_host: is not used: mode is direct"},
		{"no smart host", "  delivery: {mode: smart_host}\n", `service.delivery.smart_host: is "", want the provider's server with its port`},
		{"no port", "  delivery: {mode: smart_host, smart_host: smtp.example.net}\n", `service.delivery.smart_host: is "smtp.example.net", want`},
		{"trusting everybody", "  networks: [0.0.0.0/0]\n", "20: service.networks[0]: 0.0.0.0/0 would let any host send without a password"},
		{"no network", "  networks: [10.0.0.1]\n", `20: service.networks[0]: "10.0.0.1" is no network`},
		{"backup for oneself", "  backup_for: [nomeazienda.it]\n", `20: service.backup_for[0]: "nomeazienda.it" is one of the domains`},
		{"no collector", "  collectors: [{host: pop..it}]\n", `20: service.collectors[0].host: "pop..it" is no name`},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := Load(withService(t, c.lines))
			if err == nil || !strings.Contains(err.Error(), c.want) ||
				strings.Contains(err.Error(), "c2VjcmV0") {
				t.Errorf("%v\nwant %s", err, c.want)
			}
		})
	}

	noSPF := strings.Replace(good, "include: [_spf.example.net], ", "", 1)
	_, err := Load(write(t, "site.yaml", strings.Replace(noSPF, "service:\n",
		"service:\n  delivery: {mode: smart_host, smart_host: \"smtp.example.net:587\"}\n", 1)))

	if err == nil || !strings.Contains(err.Error(),
		"service.delivery.spf: is missing, and domains[0].spf.include too") {
		t.Errorf("a smart host that SPF does not name: %v", err)
	}
}
