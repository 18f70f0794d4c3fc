package postfix

import (
	"net/netip"
	"strings"
	"testing"
)

const hostsText = "127.0.0.1 localhost\n# the rest\n127.0.1.1\tmail.nomeazienda.it mail # at installation\n10.10.10.10 MAIL.nomeazienda.it\n" +
	"2.2.2.2 mail.nomeazienda.it\nnonsense mail.nomeazienda.it\n::1 ip6-localhost\n"

func TestHosts(t *testing.T) {
	const name = "mail.nomeazienda.it"
	d := &Driver{Public: []netip.Addr{netip.MustParseAddr("2.2.2.2")}}
	if got := strings.Join(d.elsewhere(hostsText, name), " "); got != "127.0.1.1 10.10.10.10" {
		t.Errorf("elsewhere: %s", got)
	}

	without := d.unmap(hostsText, name)
	want := "127.0.0.1 localhost\n# the rest\n127.0.1.1\tmail # at installation\n2.2.2.2 mail.nomeazienda.it\nnonsense mail.nomeazienda.it\n::1 ip6-localhost\n"
	if without != want {
		t.Errorf("without the name:\n%s", without)
	}

	addrs := []string{"127.0.1.1", "10.10.10.10"}
	if got := d.remap(without, hostsText, name, addrs); got != hostsText {
		t.Errorf("put back:\n%s", got)
	}

	if got := d.remap("1.2.3.4 x", hostsText, name,
		addrs); got != "1.2.3.4 x\n127.0.1.1\tmail.nomeazienda.it\n10.10.10.10\tmail.nomeazienda.it\n" {
		t.Errorf("put back after another edit:\n%s", got)
	}
}
