package sts

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/mailpub/mailpub/plan"
	"github.com/mailpub/mailpub/plan/mail"
)

func TestParse(t *testing.T) {
	const good = "version: STSv1\r\nmode: enforce\r\nmx: Mail.example.org.\r\nmx: *.example.net\r\nmax_age: 604800\r\n"
	p, err := Parse(good)
	if err != nil || p.Mode != "enforce" || p.MaxAge != 7*24*time.Hour {
		t.Fatalf("%+v, %v", p, err)
	}

	if got := strings.Join(p.Lines, "|"); got != "version: STSv1|mode: enforce|mx: mail.example.org|mx: *.example.net|max_age: 604800" {
		t.Errorf("lines are %s", got)
	}

	for host, want := range map[string]bool{
		"mail.example.org": true, "MAIL.example.org.": true, "a.example.net": true,
		"a.b.example.net": false, "example.net": false, "mail.example.com": false, "": false,
	} {
		if p.Allows(host) != want {
			t.Errorf("%q is allowed: %v", host, !want)
		}
	}

	for name, test := range map[string]struct{ text, want string }{
		"empty":      {"", "version"},
		"html":       {"<html>", "no pair"},
		"version":    {"version: STSv2", "STSv1"},
		"mode":       {"version: STSv1\nmode: on\nmax_age: 1\nmx: a.b", `"on"`},
		"age":        {"version: STSv1\nmode: testing\nmx: a.b\nmax_age: week", "max_age"},
		"age limit":  {"version: STSv1\nmode: testing\nmx: a.b\nmax_age: 31557601", "max_age"},
		"no mx":      {"version: STSv1\nmode: enforce\nmax_age: 1", "no mx"},
		"none alone": {"version: STSv1\nmode: none\nmax_age: 1", ""},
	} {
		_, err := Parse(test.text)
		if (err == nil) != (test.want == "") ||
			err != nil && !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v, want %q", name, err, test.want)
		}
	}
}

// The text that plan asks for is what Parse makes of it once it is served.
func TestRoundTrip(t *testing.T) {
	d := mail.Domain{
		Name:   "example.org.",
		MX:     []mail.MX{{Host: "mail.example.org.", Preference: 10}},
		MTASTS: mail.MTASTS{Mode: "testing", MX: []string{"*.example.net"}, MaxAge: time.Hour},
	}

	p, err := Parse(strings.Join(d.Policy(), "\r\n"))
	if err != nil || !plan.EqualLines(p.Lines, d.Policy()) {
		t.Errorf("%q, %v, want %q", p.Lines, err, d.Policy())
	}
}

// serve is a web server that every policy is fetched from.
func serve(t *testing.T, handler http.HandlerFunc) *Fetcher {
	s := httptest.NewTLSServer(handler)
	t.Cleanup(s.Close)
	transport := s.Client().Transport.(*http.Transport).Clone()
	transport.TLSClientConfig.ServerName = "example.com" // the name in httptest's certificate
	transport.DialContext = func(ctx context.Context, network, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, network, s.Listener.Addr().String())
	}

	return &Fetcher{Transport: transport}
}

func TestRead(t *testing.T) {
	f := serve(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		switch r.Host {
		case "mta-sts.good.example":
			w.Write([]byte("version: STSv1\nmode: none\nmax_age: 60\n"))
		case "mta-sts.long.example":
			w.Write([]byte(strings.Repeat("x: y\n", maxPolicy)))
		case "mta-sts.html.example":
			w.Header().Set("Content-Type", "text/html")
			w.Write([]byte("version: STSv1\nmode: none\nmax_age: 60\n"))
		case "mta-sts.moved.example":
			http.Redirect(w, r, "https://mta-sts.good.example/.well-known/mta-sts.txt",
				http.StatusFound)
		default:
			http.NotFound(w, r)
		}
	})

	d := &Driver{Fetcher: f}
	for domain, want := range map[string]string{
		"good.example": "", "long.example": "over 65536 octets", "html.example": `"text/html"`,
		"moved.example": "302", "absent.example": "404",
	} {
		_, err := f.Fetch(t.Context(), domain)
		if want == "" && err == nil {
			continue
		}
		if !errors.Is(err, ErrNotServed) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", domain, err, want)
		}
	}

	items, err := d.Read(t.Context(), []plan.Key{mail.PolicyKey("good.example."),
		mail.PolicyKey("absent.example")})

	if err != nil || len(items) != 1 || items[0].Key.Name != "mta-sts.good.example" ||
		len(items[0].Lines) != 3 {
		t.Errorf("read %+v, %v", items, err)
	}

	if d.Apply(t.Context(), nil, nil) == nil {
		t.Error("a policy was written")
	}
}

// A web server that can't be reached, or whose certificate is another's, says nothing.
func TestUnknown(t *testing.T) {
	f := serve(t, func(http.ResponseWriter, *http.Request) {})
	f.Transport.(*http.Transport).TLSClientConfig.ServerName = ""
	d := &Driver{Fetcher: f}
	items, err := d.Read(t.Context(), []plan.Key{mail.PolicyKey("good.example")})
	if err != nil || len(items) != 1 || !strings.Contains(items[0].Unreadable, "certificate") {
		t.Errorf("another's certificate: %+v, %v", items, err)
	}

	d = &Driver{Fetcher: &Fetcher{Lookup: func(context.Context, string) ([]string, error) {
		return nil, nil
	}}}

	items, err = d.Read(t.Context(), []plan.Key{mail.PolicyKey("good.example")})
	if err != nil || len(items) != 1 || !strings.Contains(items[0].Unreadable,
		"mta-sts.good.example has no address") {
		t.Errorf("no address: %+v, %v", items, err)
	}
}

// The check and the gate before MX, by what is served.
func TestServed(t *testing.T) {
	policies := map[string]string{
		"good.example":  "version: STSv1\nmode: enforce\nmx: mail.nomeazienda.it\nmax_age: 604800\n",
		"old.example":   "version: STSv1\nmode: enforce\nmx: old.example.net\nmax_age: 604800\n",
		"other.example": "version: STSv1\nmode: testing\nmx: old.example.net\nmax_age: 604800\n",
	}

	f := serve(t, func(w http.ResponseWriter, r *http.Request) {
		text, ok := policies[strings.TrimPrefix(r.Host, "mta-sts.")]
		if !ok {
			http.NotFound(w, r)
			return
		}
		w.Header().Set("Content-Type", "text/plain")
		w.Write([]byte(text))
	})

	for domain, want := range map[string]struct {
		check plan.Status
		gate  string
	}{
		"good.example":   {plan.Pass, ""},
		"old.example":    {plan.Fail, "keeps mail away from mail.nomeazienda.it"},
		"other.example":  {plan.Fail, ""}, // a policy that is only tried out keeps nothing away
		"absent.example": {plan.Fail, ""},
	} {
		d := mail.Domain{
			Name:   domain + ".",
			MX:     []mail.MX{{Host: "mail.nomeazienda.it.", Preference: 10}},
			MTASTS: mail.MTASTS{Mode: "enforce", MaxAge: 7 * 24 * time.Hour},
		}

		found := plan.RunChecks(t.Context(), f.Checks([]mail.Domain{d}))
		if len(found) != 1 || found[0].Status != want.check ||
			found[0].Status != plan.Pass && found[0].Hint == "" {
			t.Errorf("%s: %+v", domain, found)
		}

		err := f.Gate(t.Context(), []mail.Domain{d})
		if (err == nil) != (want.gate == "") ||
			err != nil && !strings.Contains(err.Error(), want.gate) {
			t.Errorf("%s: the gate says %v", domain, err)
		}
	}

	// What answers at the own address from inside proves nothing, be it right or wrong.
	f.Lookup = func(context.Context, string) ([]string, error) {
		return []string{"2.2.2.2"}, nil
	}

	f.Own = []string{"2.2.2.2"}
	for domain, says := range map[string]string{"good.example": "version: STSv1",
		"absent.example": "404"} {
		d := mail.Domain{
			Name: domain + ".",
			MTASTS: mail.MTASTS{
				Mode:   "enforce",
				MaxAge: time.Hour,
			},
		}

		found := plan.RunChecks(t.Context(), f.Checks([]mail.Domain{d}))
		if len(found) != 1 || found[0].Status != plan.Skip ||
			!strings.Contains(found[0].Got, says) || found[0].Hint == "" {
			t.Errorf("%s at the own address: %+v", domain, found)
		}
	}

	if f.Checks([]mail.Domain{{Name: "plain.example."}}) != nil {
		t.Error("a domain without a policy is checked")
	}
}
