package nat

import (
	"strings"
	"testing"

	"github.com/mailpub/mailpub/examples/lab"
	"github.com/mailpub/mailpub/nat/forward"
	"github.com/mailpub/mailpub/nat/hostfirewall"
	"github.com/mailpub/mailpub/plan"
)

// What is said of a host's rules, and what a connection to it really meets.
func TestFirewall(t *testing.T) {
	t.Parallel()
	l := lab.Up(t, lab.Options{NoDaemon: true})
	input := func(rules string) string {
		return "table inet fw {\n set mail { type inet_service; flags interval; elements = { 25, 100-120 }; }\n" +
			" chain web { tcp dport 3000 accept; }\n" +
			" chain input { type filter hook input priority filter; policy drop;\n  ct state established,related accept; iif lo accept; meta l4proto icmp accept\n" +
			rules + "\n }\n}\n"
	}

	for _, test := range []struct{ name, rules, want, why string }{
		{"no rules", "", "open open open", ""},
		{"a policy that drops", input(""), "blocked blocked blocked", "the policy of chain inet fw input drops it"},
		{"one port", input("tcp dport 25 accept"), "open blocked blocked", ""},
		{"a set of ranges", input("tcp dport @mail accept"), "open open blocked", ""},
		{"an anonymous set", input("tcp dport { 25, 3000 } accept"), "open blocked open", ""},
		{"a range", input("tcp dport 20-30 accept"), "open blocked blocked", ""},
		{"a chain of its own", input("jump web"), "blocked blocked open", ""},
		{"a verdict map", input("tcp dport vmap { 25 : accept, 3000 : goto web }"), "open blocked open", ""},
		{"a state map", input("ct state vmap { established : accept, new : jump web }"), "blocked blocked open", ""},
		{"the LAN alone", input("ip saddr 10.0.0.0/8 accept"), "blocked blocked blocked", ""},
		{"another card alone", input(`iifname "eth9" accept`), "blocked blocked blocked", ""},
		{"this card", input(`iifname "eth0" accept`), "open open open", ""},
		{"rejected", input("tcp dport 110 reject; accept"), "open blocked open", "rule 4 of chain inet fw input drops it"},
		{"a rule that is not followed", input("tcp dport 25 meta hour \"08:00\"-\"17:00\" accept"), "unknown blocked blocked", "unless a rule before lets it through"},
	} {
		nft(t, l, "lan", "flush ruleset\n"+test.rules)
		rep := on(t, l, "lan", order{Firewall: true, Wanted: []string{"25", "110", "3000"}})
		var states, whys []string

		for _, f := range rep.Firewall {
			states = append(states, f.State)
			whys = append(whys, f.Why)
			if (f.Hint == "") != (f.State == "open") {
				t.Errorf("%s: %+v", test.name, f)
			}
		}

		if got := strings.Join(states, " "); got != test.want {
			t.Errorf("%s: %s, want %s; %q", test.name, got, test.want, whys)
		}

		has(t, test.name, strings.Join(whys, "; "), test.why)
	}

	for _, f := range on(t, l, "lan2", order{Firewall: true, Wanted: []string{"25"}}).Firewall {
		if f.State != "unknown" || !strings.Contains(f.Why, "10.10.10.10 is not this host") {
			t.Errorf("on another host: %+v", f)
		}
	}
}

// What ufw and firewalld make is known for theirs, with their own remedy.
func TestFirewallManagers(t *testing.T) {
	t.Parallel()
	l := lab.Up(t, lab.Options{NoDaemon: true, IPv6: true})
	// ufw itself, with a configuration of its own: ip-netns(8) gives it mounts of its own.
	out, err := l.Exec(t, "lan", "sh", "-ec", `d=$(mktemp -d); trap 'rm -rf "$d"' EXIT
		cp -a /etc/ufw "$d/etc"; cp /etc/default/ufw "$d/default"
		mount --bind "$d/etc" /etc/ufw; mount --bind "$d/default" /etc/default/ufw
		ufw --force enable; ufw allow 25/tcp; umount /etc/ufw /etc/default/ufw`)

	if err != nil {
		t.Fatalf("ufw: %v\n%s", err, out)
	}

	look := func(who string, want map[string]string, parts ...string) {
		t.Helper()
		for _, f := range on(t, l, "lan", order{
			Firewall: true,
			Wanted:   []string{"25", "110"},
		}).Firewall {
			if f.State != want[f.Name] {
				t.Errorf("%s: %+v, want %s", who, f, want[f.Name])
			}
			if f.State == "blocked" {
				has(t, who, f.Why+"; "+f.Hint, parts...)
			}
		}
	}

	want := map[string]string{"tcp/25": "open", "tcp/110": "blocked", "tcp6/25": "open",
		"tcp6/110": "blocked"}

	look("ufw", want, "ufw: the policy of chain ip", "ufw allow 110/tcp")
	// The form of firewalld 1.3 with its public zone.
	nft(t, l, "lan", `flush ruleset
table inet firewalld {
 chain filter_INPUT { type filter hook input priority filter + 10; policy accept;
  ct state { established, related } accept; ct status dnat accept; iifname "lo" accept; ct state invalid drop
  jump filter_INPUT_ZONES; reject with icmpx admin-prohibited; }
 chain filter_INPUT_ZONES { goto filter_IN_public; }
 chain filter_IN_public { jump filter_IN_public_deny; jump filter_IN_public_allow
  meta l4proto { icmp, ipv6-icmp } accept; reject with icmpx admin-prohibited; }
 chain filter_IN_public_deny { }
 chain filter_IN_public_allow { tcp dport 22 accept; tcp dport 25 accept; }
}
`)

	look("firewalld", want, "firewalld: rule ", "of chain inet firewalld filter_IN",
		"firewall-cmd --permanent --add-port=110/tcp")
}

func TestFirewallOfNothing(t *testing.T) {
	for _, f := range hostfirewall.Inspect(t.Context(),
		[]plan.Item{{Key: plan.Key{Kind: "dns", Name: "x"}},
			{Key: plan.Key{Kind: forward.Kind, Name: "tcp/25"}}}) {
		if f.State != "unknown" || f.Why == "" {
			t.Errorf("%+v", f)
		}
	}
}
