package hostfirewall

import (
	"strings"
	"testing"
)

// defenderAnswer has the shape of what PowerShell 5.1 prints for the query of firewall_windows.go.
const defenderAnswer = "\xef\xbb\xbf" + `{"profiles":[{"Name":"Domain","Enabled":0,"Inbound":4},{"Name":"Private","Enabled":1,"Inbound":4},{"Name":"Public","Enabled":1,"Inbound":4}],
"connections":[{"InterfaceAlias":"Ethernet","Category":1},{"InterfaceAlias":"Ufficio","Category":2}],
"rules":[{"InstanceID":"{1}","DisplayName":"MDaemon SMTP","Action":2,"Profile":2},{"InstanceID":"{2}","DisplayName":"Posta","Action":2,"Profile":0},
{"InstanceID":"{3}","DisplayName":"Blocca","Action":4,"Profile":0},{"InstanceID":"{4}","DisplayName":"Solo rete locale","Action":2,"Profile":0},
{"InstanceID":"{5}","DisplayName":"mdaemon.exe","Action":2,"Profile":0},{"InstanceID":"{6}","DisplayName":"UDP","Action":2,"Profile":0}],
"ports":[{"InstanceID":"{1}","Protocol":"TCP","LocalPort":"25"},{"InstanceID":"{2}","Protocol":"6","LocalPort":["110","143","3000-3010"]},
{"InstanceID":"{3}","Protocol":"TCP","LocalPort":["143"]},{"InstanceID":"{4}","Protocol":"TCP","LocalPort":"1000"},
{"InstanceID":"{5}","Protocol":"TCP","LocalPort":"587"},{"InstanceID":"{6}","Protocol":"UDP","LocalPort":"Any"}],
"programs":[{"InstanceID":"{1}","Program":"Any"},{"InstanceID":"{5}","Program":"C:\\MDaemon\\App\\MDaemon.exe"}],
"addresses":[{"InstanceID":"{2}","RemoteAddress":"Any"},{"InstanceID":"{4}","RemoteAddress":"LocalSubnet"}]}`

func TestDefender(t *testing.T) {
	d, err := parseWindowsFirewall([]byte(defenderAnswer))
	if err != nil {
		t.Fatal(err)
	}

	for _, c := range []struct {
		dev, proto string
		port       uint16
		state, why string
	}{
		{"Ethernet", "tcp", 25, "open", ""},
		{"ethernet", "tcp", 110, "open", ""},
		{"Ethernet", "tcp", 3005, "open", ""},
		{"Ethernet", "tcp", 143, "blocked", `rule "Blocca" blocks it`},
		{"Ethernet", "tcp", 1000, "blocked", "no rule of the private profile lets it in"},
		{"Ethernet", "tcp", 587, "unknown", `rule "mdaemon.exe" is for C:\MDaemon\App\MDaemon.exe alone`},
		{"Ethernet", "tcp", 465, "blocked", "no rule of the private profile"},
		{"Ethernet", "udp", 465, "open", ""},
		{"Wi-Fi", "tcp", 25, "blocked", "no rule of the public profile"},
		{"Ufficio", "tcp", 465, "open", ""}, // the profile is switched off
	} {
		state, why, hint := d.connectionState(c.dev, c.proto, c.port)
		if state != c.state || !strings.Contains(why, c.why) ||
			(hint == "") != (state == "open") {
			t.Errorf("%s %s/%d: %s, %s, %q", c.dev, c.proto, c.port, state, why, hint)
		}

		if state == "blocked" {
			if !strings.Contains(hint, "netsh advfirewall firewall add rule") ||
				!strings.Contains(hint, "action=allow protocol=tcp") {
				t.Errorf("hint is %q", hint)
			}
		}
	}

	for _, bad := range []string{"", "{}", "Get-NetFirewallRule : Access is denied.",
		`{"profiles":"x"}`} {
		if _, err := parseWindowsFirewall([]byte(bad)); err == nil {
			t.Errorf("%q is read", bad)
		}
	}
}

func FuzzDefender(f *testing.F) {
	f.Add([]byte(defenderAnswer))
	f.Fuzz(func(t *testing.T, b []byte) {
		if d, err := parseWindowsFirewall(b); err == nil {
			if state, _, hint := d.connectionState("Ethernet", "tcp",
				25); (hint == "") != (state == "open") {
				t.Errorf("%s with %q", state, hint)
			}
		}
	})
}
