package resolver

import (
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"
)

// echoServer answers each question with what answer makes of it.
func echoServer(t *testing.T, answer func(q dns.Question) dns.RR) string {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}

	up := make(chan struct{})
	s := &dns.Server{
		PacketConn:        conn,
		NotifyStartedFunc: func() { close(up) },
		Handler: dns.HandlerFunc(func(w dns.ResponseWriter, q *dns.Msg) {
			m := new(dns.Msg).SetReply(q)
			if rr := answer(q.Question[0]); rr != nil {
				m.Answer = []dns.RR{rr}
			}
			w.WriteMsg(m)
		}),
	}

	go s.ActivateAndServe()
	<-up
	t.Cleanup(func() { s.Shutdown() })

	return conn.LocalAddr().String()
}

func TestEcho(t *testing.T) {
	server := echoServer(t, func(q dns.Question) dns.RR {
		h := dns.RR_Header{Name: q.Name, Rrtype: q.Qtype, Class: q.Qclass}
		switch {
		case q.Name == "a.example.":
			return &dns.A{Hdr: h, A: net.IPv4(2, 2, 2, 2)}
		case q.Name == "txt.example.":
			return &dns.TXT{Hdr: h, Txt: []string{"2.2.2.2"}}
		case q.Name == "word.example.":
			return &dns.TXT{Hdr: h, Txt: []string{"hello"}}
		case q.Name == "six.example.":
			return &dns.TXT{Hdr: h, Txt: []string{"2001:db8::1"}}
		}

		return nil
	})

	r := &Resolver{Timeout: time.Second, Attempts: 1}
	for text, want := range map[string]string{
		"a.example A": "2.2.2.2", "txt.example TXT": "2.2.2.2",
		"word.example TXT": "says no such address", "six.example TXT": "says no such address",
		"none.example A": "NOERROR",
	} {
		e, err := ParseEcho(text + " " + server)
		if err != nil {
			t.Fatal(err)
		}

		got, err := r.Echo(t.Context(), e, false)
		if err != nil && (!strings.Contains(err.Error(), want) ||
			!strings.Contains(err.Error(), server)) || err == nil && got.String() != want {
			t.Errorf("%s: %v, %v, want %s", text, got, err, want)
		}

		if e.Asks(true) {
			t.Errorf("%s can be asked by IPv6", text)
		}
	}
}

func TestParseEcho(t *testing.T) {
	for _, e := range Echoes() {
		got, err := ParseEcho(e.Name)
		if err != nil || !got.Asks(false) || !got.Asks(true) {
			t.Errorf("%s: %+v, %v", e.Name, got, err)
		}
	}

	if e, err := ParseEcho("my.example AAAA 2001:db8::1"); err != nil || e.Asks(false) ||
		!e.Asks(true) {
		t.Errorf("%+v, %v", e, err)
	}

	for _, bad := range []string{"", "yahoo", "my.example MX 192.0.2.1",
		"my.example A ns.example.net", "my.example A"} {
		if _, err := ParseEcho(bad); err == nil ||
			!strings.Contains(err.Error(), "want opendns") {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

// A service whose servers hold the name themselves is not believed where another answers for them.
func TestEchoRedirected(t *testing.T) {
	server := echoServer(t, func(q dns.Question) dns.RR {
		return &dns.TXT{
			Hdr: dns.RR_Header{
				Name:   q.Name,
				Rrtype: q.Qtype,
				Class:  q.Qclass,
			},
			Txt: []string{"8.8.4.4"},
		}
	})

	known := Echoes()
	i := slices.IndexFunc(known, func(e Echo) bool { return e.Name == "google" })
	e := known[i]
	e.servers[0] = []string{server}
	r := &Resolver{Timeout: time.Second, Attempts: 1}
	if got, err := r.Echo(t.Context(), e, false); err == nil ||
		!strings.Contains(err.Error(), "answers in its place") {
		t.Errorf("%v, %v", got, err)
	}
}
