package service

import (
	"strings"
	"testing"
)

// What is printed is what would be installed: the units of watch, of a timer, of the receiver.
func TestPrintedUnits(t *testing.T) {
	for _, test := range []struct {
		name          string
		o             Options
		want, without []string
	}{
		{"watch", Options{Name: "mailpub"}, []string{"# /etc/systemd/system/mailpub.service", "Type=notify", "watch"}, []string{"timer", "receive"}},
		{"timer", Options{Name: "office", Timer: true}, []string{"# /etc/systemd/system/office-drift.service", "# /etc/systemd/system/office-drift.timer"}, []string{"office.service\n"}},
		{"receiver", Options{Name: "mailpub", Receive: true}, []string{"# /etc/systemd/system/mailpub-receive.service", "receive\n", "CAP_NET_BIND_SERVICE", "# /etc/systemd/system/mailpub.service"}, nil},
	} {
		test.o.Print = true
		got := printed(t, test.o)
		for _, want := range test.want {
			if !strings.Contains(got, want) {
				t.Errorf("%s: no %q in\n%s", test.name, want, got)
			}
		}

		for _, no := range test.without {
			if strings.Contains(got, no) {
				t.Errorf("%s: %q in\n%s", test.name, no, got)
			}
		}
	}
}
