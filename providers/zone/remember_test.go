package zone

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"reflect"
	"sync"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/mailpub/mailpub/plan"
	"github.com/mailpub/mailpub/plan/mail"
	"github.com/mailpub/mailpub/providers/record"
	"github.com/mailpub/mailpub/providers/resolver"
)

// apiZone is a zone at a name server, and a provider's API for what it serves.
type apiZone struct {
	mu      sync.Mutex
	records []string // as zone files have them
	hidden  []string // that only the API shows
	mute    bool     // the name server
	full    bool     // the account has no calls left
	lists   int
}

func (p *apiZone) set(change func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	change()
}

// List implements Backend.
func (p *apiZone) List(context.Context, []record.RRset) (Listing, error) {
	p.mu.Lock()
	defer p.mu.Unlock()

	if p.full {
		return Listing{}, BudgetError{Until: time.Now().Add(time.Minute)}
	}

	p.lists++
	l := NewListing()
	for _, text := range append(p.records, p.hidden...) {
		rr, err := dns.NewRR(text)
		if err != nil {
			return l, err
		}
		r := record.FromRR(rr)
		if text == "www.nomeazienda.it. 60 IN A 2.2.2.7" {
			r.Note = "proxied"
		}
		l.Add(r)
	}

	return l, nil
}

// Write implements Backend.
func (p *apiZone) Write(context.Context, []Edit) error { panic("it is only looked at") }

// serve answers questions until the test ends.
func (p *apiZone) serve(t *testing.T) (addr string) {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}

	server := &dns.Server{PacketConn: conn, Handler: dns.HandlerFunc(func(w dns.ResponseWriter, q *dns.Msg) {
		p.mu.Lock()
		defer p.mu.Unlock()

		if p.mute {
			return
		}

		reply := new(dns.Msg).SetReply(q)
		reply.Authoritative = true
		for _, text := range p.records {
			rr, _ := dns.NewRR(text)
			if rr.Header().Name == q.Question[0].Name && rr.Header().Rrtype == q.Question[0].Qtype {
				reply.Answer = append(reply.Answer, rr)
			}
		}
		_ = w.WriteMsg(reply)
	})}

	go func() { _ = server.ActivateAndServe() }()
	t.Cleanup(func() { _ = server.Shutdown() })
	return conn.LocalAddr().String()
}

// The provider is read at first, and as soon as DNS says something else, and when that is due; else DNS is
// asked, and what was read stands.
func TestRemember(t *testing.T) {
	p := &apiZone{records: []string{
		"nomeazienda.it. 3600 IN MX 10 mail.nomeazienda.it.",
		"nomeazienda.it. 3600 IN TXT \"v=spf1 mx -all\"",
		"mail.nomeazienda.it. 3600 IN A 2.2.2.2",
	}, hidden: []string{"www.nomeazienda.it. 60 IN A 2.2.2.7"}}

	server := p.serve(t)
	keys := []plan.Key{mail.DNSKey("nomeazienda.it.", "MX"), mail.DNSKey("mail.nomeazienda.it.", "A"),
		mail.DNSKey("www.nomeazienda.it.", "A")}

	var kept []byte
	look := func(what string, due, routine bool, lists int) []plan.Item {
		t.Helper()
		z := &Zone{
			Name:        "nomeazienda.it.",
			Backend:     p,
			resolver:    &resolver.Resolver{Servers: []string{server}, Timeout: 300 * time.Millisecond, Attempts: 1},
			nameservers: map[string][]string{"nomeazienda.it.": {server}},
		}

		r := &Reading{Due: due, Routine: routine}
		if kept != nil {
			if err := json.Unmarshal(kept, &r.Kept); err != nil {
				t.Fatal(err)
			}
		}

		p.set(func() { p.lists = 0 })
		z.Remember(r)
		items, err := z.Read(t.Context(), keys)
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}

		p.set(func() {
			if p.lists != lists || r.Read != (lists > 0) {
				t.Errorf("%s: the API was read %d times, want %d", what, p.lists, lists)
			}
		})

		if err := z.Backend.Write(t.Context(), nil); !errors.Is(err, errOnlyLooks) {
			t.Errorf("%s: it writes: %v", what, err)
		}
		if kept, err = json.Marshal(r.Kept); err != nil {
			t.Fatal(err)
		}

		return items
	}

	first := look("at first", true, false, 1)
	if len(first) != 3 {
		t.Fatalf("%+v", first)
	}

	if again := look("again", false, false, 0); !reflect.DeepEqual(again, first) {
		t.Errorf("what was read: %+v, what is remembered: %+v", first, again)
	}

	p.set(func() { p.records[0] = "nomeazienda.it. 3600 IN MX 20 mail.nomeazienda.it." })
	changed := look("DNS says something else", false, false, 1)
	if reflect.DeepEqual(changed, first) {
		t.Errorf("%+v", changed)
	}
	look("it says it still", false, false, 0)

	p.set(func() { p.records[2] = "mail.nomeazienda.it. 300 IN A 2.2.2.2" })
	look("another TTL", false, false, 1)
	p.set(func() { p.records = p.records[:2] })
	look("a record is gone", false, false, 1)
	look("it is gone still", false, false, 0)

	p.set(func() { p.hidden = nil })
	if hidden := look("what only the API shows", false, false, 0); len(hidden) != 2 {
		t.Errorf("%+v", hidden)
	}
	if due := look("it is due", true, true, 1); len(due) != 1 {
		t.Errorf("%+v", due)
	}

	p.set(func() { p.full = true })
	look("it is due, and no call is left", true, true, 0)
	p.set(func() { p.full = false; p.mute = true })
	look("the name server is silent", false, false, 1)
	look("it is silent still", false, false, 1)
	p.set(func() { p.mute = false })
	look("what was read then proves nothing", false, false, 1)
	look("now it does", false, false, 0)

	keys = keys[:2]
	look("something else is asked for", false, false, 1)
	keys = append(keys, mail.DNSKey("nomeazienda.it.", "TXT"))
	p.set(func() { p.full = true })
	z := &Zone{Name: "nomeazienda.it.", Backend: p, resolver: &resolver.Resolver{Servers: []string{server}},
		nameservers: map[string][]string{"nomeazienda.it.": {server}}}
	z.Remember(&Reading{Due: true})
	if _, err := z.Read(t.Context(), keys); !errors.As(err, &BudgetError{}) {
		t.Errorf("nothing is known, and no call is left: %v", err)
	}
}
