package servertest

import (
	"net"
	"strings"
	"sync"
	"testing"

	"github.com/miekg/dns"
)

// Scripted is a name server that answers by a table of "NAME TYPE"; what is not there it refuses.
// The parts of a reply are records, after "authority:" and "glue:" of those sections.
func Scripted(t *testing.T, authoritative bool, replies map[string][]string) (addr string) {
	t.Helper()
	return Handled(t, func(w dns.ResponseWriter, m *dns.Msg) {
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
				line = rest
				section = &reply.Ns
				reply.Authoritative = false
			}

			if rest, is := strings.CutPrefix(line, "glue:"); is {
				line = rest
				section = &reply.Extra
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

// Handled is a name server on loopback, over UDP and TCP at the same port.
func Handled(t *testing.T, handle dns.HandlerFunc) (addr string) {
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
