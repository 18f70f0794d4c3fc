package postfix

import (
	"net/netip"
	"strings"
	"testing"
)

// Whatever is in a hosts file: a name that is taken out is mapped nowhere else, the lines of others stay,
// and it is put back as it was.
func FuzzHosts(f *testing.F) {
	for _, text := range []string{
		"127.0.0.1 localhost\n10.10.10.10 mail.nomeazienda.it mail # a server\n",
		"::1 Mail.Nomeazienda.IT", "\t10.1.1.1\tmail.nomeazienda.it\r\n#x\n",
		"10.1.1.1 a mail.nomeazienda.it b mail.nomeazienda.it\n",
		"fe80::1%eth0 mail.nomeazienda.it\n", "2.2.2.2 mail.nomeazienda.it\n",
		"nonsense mail.nomeazienda.it\n",
	} {
		f.Add(text)
	}

	const name = "mail.nomeazienda.it"
	d := &Driver{Public: []netip.Addr{netip.MustParseAddr("2.2.2.2")}}
	f.Fuzz(func(t *testing.T, hosts string) {
		out := d.unmap(hosts, name)
		if left := d.elsewhere(out, name); left != nil {
			t.Fatalf("%q is still at %v in %q", hosts, left, out)
		}

		if again := d.unmap(out, name); again != out {
			t.Fatalf("%q makes %q, and that %q", hosts, out, again)
		}

		for line := range strings.Lines(hosts) {
			_, names, ok := hostsLine(line)
			if (!ok || !containsName(names, name)) && !strings.Contains(out, line) {
				t.Fatalf("%q makes %q, which lacks %q", hosts, out, line)
			}
		}

		if back := d.remap(out, hosts, name, d.elsewhere(hosts, name)); back != hosts {
			t.Fatalf("%q was put back as %q", hosts, back)
		}
	})
}
