package providers

import (
	"net"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/miekg/dns"

	"github.com/mailpub/mailpub/plan"
)

// scripted is a name server that answers by a table of "NAME TYPE"; what is not there it refuses.
// The parts of a reply are records, after "authority:" and "glue:" of those sections.
func scripted(t *testing.T, authoritative bool, replies map[string][]string) (addr string) {
	t.Helper()
	return handled(t, func(w dns.ResponseWriter, m *dns.Msg) {
		reply := new(dns.Msg).SetReply(m)
		reply.Authoritative = authoritative
		q := m.Question[0]
		lines, there := replies[strings.ToLower(q.Name)+" "+dns.TypeToString[q.Qtype]]
		if !there {
			reply.Rcode = dns.RcodeRefused
		}
		for _, line := range lines {
			section := &reply.Answer
			if rest, is := strings.CutPrefix(line, "authority:"); is {
				line, section, reply.Authoritative = rest, &reply.Ns, false
			}
			if rest, is := strings.CutPrefix(line, "glue:"); is {
				line, section = rest, &reply.Extra
			}
			rr, err := dns.NewRR(line)
			if err != nil {
				t.Error(err)
				return
			}
			*section = append(*section, rr)
		}
		w.WriteMsg(reply)
	})
}

// handled is a name server on loopback, over UDP and TCP at the same port.
func handled(t *testing.T, handle dns.HandlerFunc) (addr string) {
	t.Helper()
	var l net.Listener
	var p net.PacketConn
	for range 20 { // a port may be free for TCP alone
		var err error
		if l, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
			t.Fatal(err)
		}
		if p, err = net.ListenPacket("udp", l.Addr().String()); err == nil {
			break
		}
		l.Close()
	}
	if p == nil {
		t.Fatal("no port is free for UDP and TCP")
	}
	var running sync.WaitGroup
	servers := []*dns.Server{{Listener: l, Handler: handle}, {PacketConn: p, Handler: handle}}
	for _, s := range servers {
		ready := make(chan struct{})
		s.NotifyStartedFunc = func() { close(ready) }
		running.Go(func() { s.ActivateAndServe() })
		<-ready
	}
	t.Cleanup(func() {
		for _, s := range servers {
			s.Shutdown()
		}
		running.Wait()
	})
	return l.Addr().String()
}

func TestDelegation(t *testing.T) {
	const ns, a = "nomeazienda.it. 3600 NS ns.nomeazienda.it.", "ns.nomeazienda.it. 3600 A 127.0.0.1"
	zone := map[string][]string{
		"nomeazienda.it. SOA": {"nomeazienda.it. 3600 SOA ns.nomeazienda.it. hostmaster.nomeazienda.it. 1 3600 600 86400 300"},
		"nomeazienda.it. NS":  {ns}, "ns.nomeazienda.it. A": {a}, "ns.nomeazienda.it. AAAA": {},
		"ns2.nomeazienda.it. A": {"ns2.nomeazienda.it. 3600 A 127.0.0.2"}, "ns2.nomeazienda.it. AAAA": {},
	}
	tests := []struct {
		name   string
		parent []string // the referral; nil refuses
		own    []string // NS of the zone
		lame   bool     // the server does not hold the zone
		status plan.Status
		got    string
	}{
		{"right", []string{"authority:" + ns, "glue:" + a}, []string{ns}, false, plan.Pass, "ns.nomeazienda.it."},
		{"wrong glue", []string{"authority:" + ns, "glue:ns.nomeazienda.it. 3600 A 192.0.2.9"}, []string{ns}, false, plan.Fail, "ns.nomeazienda.it is at 127.0.0.1, the parent says 192.0.2.9"},
		{"no glue", []string{"authority:" + ns}, []string{ns}, false, plan.Fail, "no glue"},
		{"one more in the zone", []string{"authority:" + ns, "glue:" + a}, []string{ns, "nomeazienda.it. 3600 NS ns2.nomeazienda.it."}, false, plan.Warn, "the zone names ns2.nomeazienda.it."},
		{"one more at the parent", []string{"authority:" + ns, "authority:nomeazienda.it. 3600 NS ns2.nomeazienda.it.", "glue:" + a, "glue:ns2.nomeazienda.it. 3600 A 127.0.0.2"}, []string{ns}, false, plan.Warn, "the parent names ns2.nomeazienda.it."},
		{"lame", []string{"authority:" + ns, "glue:" + a}, []string{ns}, true, plan.Fail, "where the zone is not served"},
		{"not delegated", []string{}, []string{ns}, false, plan.Skip, "does not delegate"},
		{"the parent refuses", nil, []string{ns}, false, plan.Skip, "does not delegate nomeazienda.it (REFUSED)"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			replies := map[string][]string{}
			for q, lines := range zone {
				replies[q] = lines
			}
			replies["nomeazienda.it. NS"] = test.own
			own := scripted(t, true, replies)
			_, port, _ := net.SplitHostPort(own)
			if test.lame { // another server is at the address that the parent names
				bad := scripted(t, false, nil)
				_, port, _ = net.SplitHostPort(bad)
			}
			referral := map[string][]string{}
			if test.parent != nil {
				referral["nomeazienda.it. NS"] = test.parent
			}
			f := siteFacts(own)
			f.Zones, f.port = []string{"nomeazienda.it"}, port
			f.Nameservers = map[string][]string{"nomeazienda.it.": {own}, "it.": {scripted(t, false, referral)}}
			for _, checker := range Checks(f) {
				if !slices.Contains(checker.IDs, "dns.delegation") {
					continue
				}
				found := checker.Run(t.Context())
				wellFormed(t, []plan.Checker{checker}, found)
				if len(found) != 1 || found[0].Status != test.status || !strings.Contains(found[0].Got, test.got) {
					t.Errorf("%+v, want %s with %q", found, test.status, test.got)
				}
			}
		})
	}
}

func TestBlockLists(t *testing.T) {
	const q = "2.2.2.2.bl.example.net."
	tests := []struct {
		name   string
		a      []string
		status plan.Status
		got    string
	}{
		{"not listed", []string{}, plan.Pass, "not listed"},
		{"listed", []string{q + " 60 A 127.0.0.2"}, plan.Fail, "127.0.0.2: spam seen"},
		{"refuses who asks", []string{q + " 60 A 127.255.255.254"}, plan.Skip, "refuses the question: 127.255.255.254"},
		{"ended, or altered on the way", []string{q + " 60 A 192.0.2.1"}, plan.Skip, "no answer of a block list"},
		{"can't be asked", nil, plan.Skip, "REFUSED"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			replies := map[string][]string{q + " TXT": {q + ` 60 TXT "spam seen"`}}
			if test.a != nil {
				replies[q+" A"] = test.a
			}
			f := siteFacts(scripted(t, true, replies))
			f.BlockLists = []string{"bl.example.net"}
			for _, checker := range Checks(f) {
				if checker.IDs[0] != "list.dnsbl" {
					continue
				}
				found := checker.Run(t.Context())
				wellFormed(t, []plan.Checker{checker}, found)
				if len(found) != 1 || found[0].Status != test.status || !strings.Contains(found[0].Got, test.got) {
					t.Errorf("%+v, want %s with %q", found, test.status, test.got)
				}
			}
		})
	}
}
