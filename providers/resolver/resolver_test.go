package resolver

import (
	"context"
	"errors"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/mailpub/mailpub/providers/zonetest"
)

func TestResolver(t *testing.T) {
	server := zonetest.Serve(t, map[string]string{zonetest.Zone: zonetest.GoodZone +
		`big IN TXT "` + strings.Repeat("x", 250) + `" "` + strings.Repeat("y", 250) + `"
many IN A 192.0.2.1
` + strings.Repeat("huge IN TXT \""+strings.Repeat("z", 250)+"\"\n", 1) + hugeSet()})

	r := &Resolver{Servers: []string{server}}
	tests := []struct {
		name, rrtype string
		status       Status
		want, chain  string
	}{
		{"MAIL.nomeazienda.it", "A", Found, "2.2.2.2", ""},
		{"alias." + zonetest.Zone, "A", Found, "2.2.2.2", "mail.nomeazienda.it."},
		{"alias." + zonetest.Zone, "CNAME", Found, "mail.nomeazienda.it.", ""},
		{"alias." + zonetest.Zone, "AAAA", NoData, "", "mail.nomeazienda.it."},
		{zonetest.Zone, "MX", Found, "10 mail.nomeazienda.it.", ""},
		{zonetest.Zone, "AAAA", NoData, "", ""},
		{"none." + zonetest.Zone, "A", NoName, "", ""},
		{"big." + zonetest.Zone, "TXT", Found, `"` + strings.Repeat("x", 250) + strings.Repeat("y", 250) + `"`, ""},
	}

	for _, test := range tests {
		a, err := r.Lookup(t.Context(), test.name, test.rrtype)
		if err != nil || a.Status != test.status || strings.Join(a.Data(), "|") != test.want ||
			strings.Join(a.Chain, "|") != test.chain {
			t.Errorf("%s %s: %+v %v", test.name, test.rrtype, a, err)
		}

		if !a.Authoritative || a.Server != server {
			t.Errorf("%s: not said by whom: %+v", test.name, a)
		}
	}

	// More than fits into a UDP reply comes by TCP, whole.
	a, err := r.Lookup(t.Context(), "huge."+zonetest.Zone, "TXT")
	if err != nil || len(a.Records) != 11 {
		t.Errorf("%d records, %v", len(a.Records), err)
	}
}

func hugeSet() string {
	var b strings.Builder
	for i := range 10 {
		b.WriteString(`huge IN TXT "` + strings.Repeat(string(rune('a'+i)), 250) + "\"\n")
	}
	return b.String()
}

func TestResolverDoesNotGuess(t *testing.T) {
	good := zonetest.Serve(t, map[string]string{zonetest.Zone: zonetest.GoodZone})
	deaf, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}

	defer deaf.Close()

	quick := func(servers ...string) *Resolver {
		return &Resolver{Servers: servers, Timeout: 100 * time.Millisecond, Attempts: 2}
	}

	_, err = quick(deaf.LocalAddr().String()).Lookup(t.Context(), zonetest.Zone, "MX")
	if s := (ServerError{}); !errors.As(err, &s) ||
		!strings.Contains(err.Error(), "no reply within 100ms") {
		t.Errorf("a server that says nothing: %v", err)
	}

	_, err = quick(good).Lookup(t.Context(), "example.org", "MX")
	if err == nil || !strings.Contains(err.Error(), "REFUSED") {
		t.Errorf("a server that refuses: %v", err)
	}

	a, err := quick(deaf.LocalAddr().String(), good).Lookup(t.Context(), zonetest.Zone, "MX")
	if err != nil || a.Server != good {
		t.Errorf("the second server: %+v %v", a, err)
	}

	if _, err := quick("host name").Lookup(t.Context(), zonetest.Zone, "MX"); err == nil {
		t.Error("a server that is no address was asked")
	}

	ctx, cancel := context.WithCancel(t.Context())
	slow := &Resolver{Servers: []string{deaf.LocalAddr().String()}, Timeout: time.Hour}
	go func() {
		_, _, _ = deaf.ReadFrom(make([]byte, 512)) // the second query is the slow one's
		cancel()
	}()

	if _, err := slow.Lookup(ctx, zonetest.Zone, "MX"); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

// answerOf on replies that the servers of these tests do not give.
func TestAnswerOf(t *testing.T) {
	reply := func(change func(*dns.Msg), rrs ...string) *dns.Msg {
		m := new(dns.Msg).SetQuestion("a.example.", dns.TypeA)
		m.Response = true
		m.RecursionAvailable = true

		for _, s := range rrs {
			rr, err := dns.NewRR(s)
			if err != nil {
				t.Fatal(err)
			}
			m.Answer = append(m.Answer, rr)
		}

		if change != nil {
			change(m)
		}

		return m
	}

	tests := []struct {
		name   string
		reply  *dns.Msg
		status Status
		data   []string
		bad    bool
	}{
		{"SERVFAIL", reply(func(m *dns.Msg) { m.Rcode = dns.RcodeServerFailure }), 0, nil, true},
		{"a referral", reply(func(m *dns.Msg) { m.RecursionAvailable = false }), 0, nil, true},
		{"another question", reply(func(m *dns.Msg) { m.Question[0].Name = "b.example." }), 0, nil, true},
		{"no question", reply(func(m *dns.Msg) { m.Question = nil }), 0, nil, true},
		{"somebody else's record", reply(nil, "b.example. 60 IN A 192.0.2.1"), NoData, nil, false},
		{"a loop of aliases", reply(nil, "a.example. 60 IN CNAME b.example.", "b.example. 60 IN CNAME a.example."), NoData, nil, false},
		{"an alias of nothing", reply(func(m *dns.Msg) { m.Rcode = dns.RcodeNameError }, "a.example. 60 IN CNAME b.example."), NoName, nil, false},
		{"with its signature", reply(nil, "a.example. 60 IN A 192.0.2.1"), Found, []string{"192.0.2.1"}, false},
	}

	for _, test := range tests {
		a, err := AnswerOf(test.reply, "a.example.", dns.TypeA)
		if (err != nil) != test.bad || !test.bad &&
			(a.Status != test.status || !slices.Equal(a.Data(), test.data) &&
				len(test.data) > 0) {
			t.Errorf("%s: %+v %v", test.name, a, err)
		}
	}
}
