package main

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/netip"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mailpub/mailpub/examples/lab"
	"github.com/mailpub/mailpub/mailsvc/probe"
	"github.com/mailpub/mailpub/plan"
)

// fault is something on the way of verify that is broken: what it keeps from being known is said
// to be so, with the reason, in time, and never passed or failed.
type fault struct {
	name   string
	config []string      // edits of a site that is right
	only   string        // what is asked
	says   string        // in what every finding that is no pass got
	within time.Duration // that verify takes at most, on a slow machine
	passes []string      // ids that may pass all the same
	fails  []string      // ids that fail, as the fault is the server's own
}

// brokenServer is where servers that are broken in some way listen.
const brokenServer = "2.2.2.30"

// TestFaults has verify meet resolvers, mail servers and probes that are broken.
func TestFaults(t *testing.T) {
	t.Parallel()
	in := newInternet(t)
	in.must("inet", "ip", "addr", "add", brokenServer+"/24", "dev", "br0")
	faults := slices.Concat(in.brokenResolvers(t), in.brokenMailServers(t), in.brokenProbes(t))
	var sites []scenario

	for _, f := range faults {
		sites = append(sites, scenario{name: f.name, published: published{config: f.config}})
	}

	in.publish(t, sites)
	t.Run("all", func(t *testing.T) {
		for _, f := range faults {
			t.Run(f.name, func(t *testing.T) {
				t.Parallel()
				start := time.Now()
				checks := in.look(t, "inet",
					filepath.Join(in.sites[f.name].dir, "mailpub.yaml"),
					strings.Fields(f.only)...)

				if took := time.Since(start); took > f.within {
					t.Errorf("took %v, want at most %v", took, f.within)
				}

				f.judge(t, checks)
			})
		}
	})
}

func (f fault) judge(t *testing.T, checks []plan.Check) {
	t.Helper()
	said := 0
	for _, c := range checks {
		is := fmt.Sprintf("%s %s %s: %s", c.Status, c.ID, c.Subject, c.Got)
		switch {
		case c.Status == plan.Pass && !slices.Contains(f.passes, c.ID):
			t.Errorf("passed all the same: %s", is)
		case c.Status == plan.Fail && !slices.Contains(f.fails, c.ID):
			t.Errorf("failed: %s", is)
		case c.Status != plan.Pass && strings.Contains(c.Got, f.says):
			said++
		}

		if c.Status != plan.Pass && c.Hint == "" {
			t.Errorf("nothing to do: %s", is)
		}
	}

	if said == 0 {
		t.Errorf("no finding says %q:", f.says)
		for _, c := range checks {
			t.Logf("%s %s: %s", c.Status, c.ID, c.Got)
		}
	}
}

// brokenResolvers listen at one port each.
func (in *internet) brokenResolvers(t *testing.T) (faults []fault) {
	records := "dns.zone mx.exists mx.target host.a host.ptr spf.single spf.pass dmarc.single dns.delegation"
	for i, r := range []struct {
		name, says string
		answer     func(query []byte) []byte // nil says nothing
	}{
		{"a resolver that answers SERVFAIL", "SERVFAIL", func(q []byte) []byte { return header(q, 0x8182) }},
		{"a resolver that never answers", "no reply within", func([]byte) []byte { return nil }},
		{"a resolver that cuts every answer off", "connection refused", func(q []byte) []byte { return header(q, 0x8380) }},
		{"a resolver that answers another question", "another question", func(q []byte) []byte {
			other := header(q, 0x8180)
			other[13] ^= 1
			return other
		}},
		{"a resolver that answers with garbage", "name server", func(q []byte) []byte { return q[:min(len(q), 7)] }},
	} {
		address := fmt.Sprintf("%s:%d", brokenServer, 5301+i)
		conn := in.lab.ListenPacket(t, "inet", address)
		go answerPackets(conn, r.answer)
		faults = append(faults, fault{
			name:   r.name,
			only:   records,
			says:   r.says,
			within: time.Minute,
			config: []string{"[" + labResolver + "] => [\"" + address + "\"]"},
		})
	}

	// One that lies is told from the zone's own servers, which decide.
	address := brokenServer + ":5310"
	conn := in.lab.ListenPacket(t, "inet", address)
	go answerPackets(conn, func(q []byte) []byte {
		reply := header(q, 0x8180)
		if reply[len(reply)-3] != 1 { // another type than A
			return reply
		}
		reply[7] = 1
		return append(reply, 0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 9, 9, 9, 9)
	})

	return append(faults, fault{name: "a resolver that lies",
		only: "host.a mx.exists mx.target spf.single", says: "9.9.9.9", within: time.Minute,
		passes: []string{"host.a", "mx.target"}, // no AAAA record; any address will do
		config: []string{"[" + labResolver + "] => [\"" + address + "\"]",
			"provider: manual} => provider: manual, nameservers: [\"" + firstServer + "\"]}"}})
}

// header is a reply without records to a query, with flags and a code.
func header(query []byte, flags uint16) []byte {
	end := 12
	for end < len(query) && query[end] != 0 {
		end += int(query[end]) + 1
	}

	reply := slices.Clone(query[:end+5])
	reply[2], reply[3] = byte(flags>>8), byte(flags)
	copy(reply[6:12], make([]byte, 6))

	return reply
}

func answerPackets(conn net.PacketConn, answer func([]byte) []byte) {
	buf := make([]byte, 2048)
	for {
		n, from, err := conn.ReadFrom(buf)
		if err != nil {
			return
		}
		if reply := answer(buf[:n]); reply != nil {
			conn.WriteTo(reply, from)
		}
	}
}

func (in *internet) brokenMailServers(t *testing.T) (faults []fault) {
	for i, s := range []struct {
		name, says string
		speak      func(net.Conn)
	}{
		{"a mail server that closes at once", "the connection was closed", func(net.Conn) {}},
		{"a mail server that never greets", "no answer in time", func(c net.Conn) { io.Copy(io.Discard, c) }},
		{"a mail server that drips its greeting", "no answer in time", func(c net.Conn) {
			for _, err := c.Write([]byte("2")); err == nil; _, err = c.Write([]byte("2")) {
				time.Sleep(time.Second)
			}
		}},
		{"a mail server with an endless banner", "more than 100 lines", func(c net.Conn) {
			for _, err := fmt.Fprint(c, "220-more\r\n"); err == nil; _, err = fmt.Fprint(c, "220-more\r\n") {
			}
		}},
		{"a mail server with a reply of 1 MB", "longer than 4096 octets", func(c net.Conn) {
			fmt.Fprintf(c, "220 %s\r\n", strings.Repeat("x", 1<<20))
			io.Copy(io.Discard, c)
		}},
		{"a web server where mail should be", "no SMTP reply", func(c net.Conn) {
			fmt.Fprint(c, "HTTP/1.1 400 Bad Request\r\n\r\n")
			io.Copy(io.Discard, c)
		}},
	} {
		l := in.lab.Listen(t, "inet", fmt.Sprintf("%s:%d", lab.Outside, 2601+i))
		go acceptAll(l, s.speak)
		faults = append(faults, fault{
			name:   s.name,
			only:   "mail caa.permits",
			says:   s.says,
			within: 2 * time.Minute,
			fails:  []string{"smtp.banner"},
			config: []string{fmt.Sprintf("internal: 2525 => internal: %d", 2601+i)},
		})
	}

	return faults
}

func acceptAll(l net.Listener, speak func(net.Conn)) {
	for {
		conn, err := l.Accept()
		if err != nil {
			return
		}

		go func() {
			defer conn.Close()
			conn.SetDeadline(time.Now().Add(2 * time.Minute))
			speak(conn)
		}()
	}
}

// brokenProbes are probes at one port each, which look at nothing: what asks is not public here.
func (in *internet) brokenProbes(t *testing.T) (faults []fault) {
	in.write(filepath.Join(in.dir, "probe.token"), probeToken+"\n")
	day := 24 * time.Hour
	for i, p := range []struct {
		name, says, token string
		change            func(*x509.Certificate) // nil: nothing listens
	}{
		{"a probe that is down", "connection refused", probeToken, nil},
		{"a probe that does not know the token", "does not know this token", "another-token-of-somebody", func(*x509.Certificate) {}},
		{"a probe whose certificate has expired", "has expired", probeToken, func(c *x509.Certificate) { c.NotAfter = time.Now().Add(-day) }},
		{"a clock that is a day behind", "not yet valid", probeToken, func(c *x509.Certificate) { c.NotBefore = time.Now().Add(day) }},
	} {
		address := fmt.Sprintf("%s:%d", lab.Outside, 8443+i)
		faults = append(faults, fault{
			name:   p.name,
			only:   "port.outside port.undeclared mail.outside port.source smtp.starttls",
			says:   p.says,
			within: time.Minute,
			config: []string{"verify:\n => verify:\n  probe: {url: \"https://" + address +
				"\", token: \"file:../probe.token\"}\n"},
		})

		if p.change == nil {
			continue
		}

		shown := in.ca.issue(in.key, "probe", func(c *x509.Certificate) {
			c.IPAddresses = []net.IP{netip.MustParseAddr(lab.Outside).AsSlice()}
			p.change(c)
		})

		server := (&probe.Server{Tokens: map[string]string{"site": p.token}}).HTTP()
		go server.Serve(tls.NewListener(in.lab.Listen(t, "inet", address),
			&tls.Config{Certificates: []tls.Certificate{*shown}}))

		t.Cleanup(func() { server.Close() })
	}

	return faults
}
