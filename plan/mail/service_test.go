package mail

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/mailpub/mailpub/plan"
)

func needs(s Spec) map[string]string { return flat(s.ServiceItems()) }

func TestDelivery(t *testing.T) {
	for text, d := range map[string]Delivery{
		"direct": {},
		"direct, else through smtp.example.net:587": {SmartHost: "smtp.example.net:587"},
		"all through smtp.example.net:587":          {SmartHost: "smtp.example.net:587", Always: true},
	} {
		s := nomeazienda()
		s.Service.Delivery = d
		s.Service.Delivery.SPF = []string{"_spf.example.net", "spf.example.org."}
		s.Domains[0].SPF.Include = []string{"spf.example.org"}

		if got := needs(s)[NeedDelivery]; got != text {
			t.Errorf("%+v is %q, want %q", d, got, text)
		}

		w, err := s.Desired()
		if err != nil {
			t.Fatal(err)
		}

		want := `"v=spf1 mx ip4:2.2.2.2 include:spf.example.org include:_spf.example.net -all"`
		if d.SmartHost == "" {
			want = `"v=spf1 mx ip4:2.2.2.2 include:spf.example.org -all"`
		}

		if got := flat(w.Zones["nomeazienda.it."])["nomeazienda.it. TXT v=spf1"]; got != want {
			t.Errorf("%s: SPF is %s, want %s", text, got, want)
		}
	}
}

func TestServiceNeeds(t *testing.T) {
	s := nomeazienda()
	s.Service.Port = 2525
	s.Service.Networks = []netip.Prefix{netip.MustParsePrefix("192.168.1.0/24")}
	s.Service.PassesOn = []string{"example.org"}
	s.Service.Collectors = []string{"pop.example.net", "MAIL.nomeazienda.it", "192.0.2.7"}
	s.Service.Aliases = append(s.Service.Aliases, Alias{"Test@nomeazienda.it", "mario"})
	s.Domains[0].DKIM = []DKIM{{Selector: "s1", File: "/state/s1.pem"}}
	got := needs(s)

	for name, want := range map[string]string{
		NeedListen: "10.10.10.10:2525", NeedRelaying: "refused | trusts 192.168.1.0/24 | passes on example.org",
		"collector MAIL.nomeazienda.it": Elsewhere, "collector pop.example.net": "",
		"collector 192.0.2.7": "",
		"account root":        Unreachable, "account test": "", // the config itself wants test@
		"signing nomeazienda.it": "selector s1, key /state/s1.pem",
	} {
		if got[name] != want {
			t.Errorf("%s is %q, want %q", name, got[name], want)
		}
	}

	for _, it := range s.ServiceItems() {
		if it.Reason == "" || it.Stage != plan.StageService || len(it.Lines) == 0 ||
			it.ByHand != "" || strings.Contains(it.Key.Name, "it. ") {
			t.Errorf("%+v", it)
		}
	}
}
