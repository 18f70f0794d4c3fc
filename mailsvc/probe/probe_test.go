package probe

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/mailpub/mailpub/plan"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const token = "a-token-of-at-least-twenty"

// outside is a probe whose world is made up: it dials a fake mail server whatever the port, and
// keeps account of where it went.
type outside struct {
	*Server
	mu     sync.Mutex
	dialed []string
	said   []string
}

func newOutside(t *testing.T) *outside {
	o := &outside{}
	o.Server = &Server{
		Tokens: map[string]string{"office": token, "other": "another-token-of-twenty"},
		MX: func(context.Context, string) ([]string, error) {
			return []string{"mail.nomeazienda.it"}, nil
		},
		Addresses: func(context.Context, string) ([]netip.Addr, error) {
			return []netip.Addr{netip.MustParseAddr("2.2.2.2")}, nil
		},
		Dial: func(_ context.Context, _, address string) (net.Conn, error) {
			o.mu.Lock()
			o.dialed = append(o.dialed, address)
			o.mu.Unlock()

			if _, port, _ := net.SplitHostPort(address); port != "25" && port != "110" {
				return nil, &net.OpError{Op: "dial", Err: errors.New("connection refused")}
			}

			here, there := net.Pipe()
			go o.serve(there)
			return here, nil
		},
	}

	return o
}

// serve is a mail server that knows postmaster and abuse, and relays nothing.
func (o *outside) serve(conn net.Conn) {
	defer conn.Close()

	conn.SetDeadline(time.Now().Add(5 * time.Second))
	io.WriteString(conn, "220 mail.nomeazienda.it ESMTP\r\n")
	buf := make([]byte, 4096)
	pending := ""
	data := false

	for {
		n, err := conn.Read(buf)
		if err != nil {
			return
		}

		pending += string(buf[:n])
		for {
			line, rest, ok := strings.Cut(pending, "\r\n")
			if !ok {
				break
			}

			pending = rest
			o.mu.Lock()
			o.said = append(o.said, line)
			o.mu.Unlock()
			verb, _, _ := strings.Cut(line, " ")
			answer := "250 2.0.0 ok"

			switch {
			case data && line == ".":
				data = false
			case data:
				continue
			case verb == "EHLO":
				answer = "250 mail.nomeazienda.it"
			case verb == "DATA":
				answer, data = "354 go ahead", true
			case verb == "RCPT" && !strings.HasPrefix(line,
				"RCPT TO:<postmaster@nomeazienda.it>") &&
				!strings.HasPrefix(line, "RCPT TO:<abuse@nomeazienda.it>") &&
				line != "RCPT TO:<postmaster>":
				answer = "550 5.7.1 no"
			case verb == "MAIL" && strings.Contains(line, "nomeazienda.it"):
				answer = "550 5.7.1 not you"
			case verb == "AUTH":
				answer = "502 5.5.1 no"
			case verb == "QUIT":
				answer = "221 bye"
			}

			if _, err := io.WriteString(conn, answer+"\r\n"); err != nil {
				return
			}
		}
	}
}

// call sends a request as it would come from an address.
func (o *outside) call(from, bearer, body string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodPost, "https://probe.example.net/v1/look",
		strings.NewReader(body))

	r.RemoteAddr = netip.AddrPortFrom(netip.MustParseAddr(from), 4321).String()
	r.Header.Set("Authorization", "Bearer "+bearer)
	r.Header.Set("X-Forwarded-For", "198.51.100.1")
	w := httptest.NewRecorder()
	o.ServeHTTP(w, r)

	return w
}

const everything = `{"format":"mailpub/probe/v1","hostname":"mail.nomeazienda.it","domains":["nomeazienda.it"],"message":true,
"ports":[{"name":"smtp","port":25},{"name":"imap","port":143}]}`

func TestLook(t *testing.T) {
	o := newOutside(t)
	w := o.call("2.2.2.2", token, everything)
	var a Answer
	if err := json.Unmarshal(w.Body.Bytes(), &a); err != nil || w.Code != 200 {
		t.Fatalf("HTTP %d: %s", w.Code, w.Body)
	}

	if a.Seen != netip.MustParseAddr("2.2.2.2") || a.Word == "" {
		t.Errorf("%+v", a)
	}

	got := map[string]plan.Status{}
	for _, c := range a.Checks {
		got[c.ID+" "+c.Subject.String()] = c.Status
		if c.Status != plan.Pass && c.Hint == "" {
			t.Errorf("%s has no hint", c.ID)
		}
	}

	for check, want := range map[string]plan.Status{
		"port.outside smtp at 2.2.2.2:25":  plan.Pass,
		"port.outside imap at 2.2.2.2:143": plan.Fail, "port.undeclared 2.2.2.2": plan.Warn,
		"smtp.banner 2.2.2.2:25": plan.Pass, "smtp.starttls 2.2.2.2:25": plan.Warn,
		"relay.open 2.2.2.2:25": plan.Pass,
	} {
		if got[check] != want {
			t.Errorf("%s is %q, want %s; all: %v", check, got[check], want, got)
		}
	}

	var way []string
	for _, h := range a.Hops {
		way = append(way, h.Name)
		if !h.OK {
			t.Errorf("hop %+v", h)
		}
	}

	if !slices.Equal(way, []string{"MX", "address", "TCP", "banner", "TLS", "MAIL", "RCPT",
		"DATA"}) {
		t.Errorf("hops are %v", way)
	}

	if !slices.ContainsFunc(o.said, func(l string) bool {
		return strings.Contains(l, "Subject: mailpub test "+a.Word)
	}) {
		t.Error("no message with the word was sent")
	}

	for _, address := range o.dialed {
		if host, _, _ := net.SplitHostPort(address); host != "2.2.2.2" {
			t.Errorf("connected to %s", address)
		}
	}
}

// A table of abuses: nothing is connected to, and the answer says why.
func TestAbuse(t *testing.T) {
	ports := `{"format":"mailpub/probe/v1","hostname":"mail.nomeazienda.it","ports":[{"name":"smtp","port":25}]}`
	for name, test := range map[string]struct {
		from, token, body string
		code              int
		why               string
	}{
		"no token":                   {"2.2.2.2", "", ports, 401, "no site has this token"},
		"a wrong token":              {"2.2.2.2", token + "x", ports, 401, "no site has this token"},
		"from a private net":         {"10.10.10.10", token, ports, 403, "private"},
		"from loopback":              {"127.0.0.1", token, ports, 403, "loopback"},
		"from IPv6 loopback":         {"::1", token, ports, 403, "loopback"},
		"an IPv4-compatible address": {"::2.2.2.2", token, ports, 403, "IPv4-compatible"},
		"SIIT":                       {"::ffff:0:2.2.2.2", token, ports, 403, "translated"},
		"Teredo":                     {"2001::1", token, ports, 403, "Teredo"},
		"6to4":                       {"2002:202:202::1", token, ports, 403, "6to4"},
		"ISATAP":                     {"2606:4700::5efe:10.0.0.1", token, ports, 403, "ISATAP"},
		"site-local":                 {"fec0::1", token, ports, 403, "private"},
		"outside any registry":       {"64:ff9b:2::1", token, ports, 403, "reserved"},
		"the discard prefix":         {"100::1", token, ports, 403, "discarded"},
		"documentation":              {"2001:db8::1", token, ports, 403, "documentation"},
		"a relay of 6to4":            {"192.88.99.1", token, ports, 403, "6to4"},
		"mapped private":             {"::ffff:192.168.1.1", token, ports, 403, "private"},
		"mapped loopback":            {"::ffff:127.0.0.1", token, ports, 403, "loopback"},
		"the metadata service":       {"169.254.169.254", token, ports, 403, "link-local"},
		"translated":                 {"64:ff9b::a00:1", token, ports, 403, "translated"},
		"multicast":                  {"224.0.0.1", token, ports, 403, "multicast"},
		"CGNAT":                      {"100.64.0.2", token, ports, 403, "shared"},
		"a unique local":             {"fd00::1", token, ports, 403, "private"},
		"another target":             {"2.2.2.2", token, strings.Replace(ports, `"hostname"`, `"target":"198.51.100.1","hostname"`, 1), 400, "unknown field"},
		"a command as a name":        {"2.2.2.2", token, strings.Replace(ports, "mail.nomeazienda.it", `a.b\r\nMAIL FROM:<x@y>`, 1), 400, "is no name"},
		"a quote as a domain":        {"2.2.2.2", token, strings.Replace(everything, `["nomeazienda.it"]`, `["x> SIZE=1.it"]`, 1), 400, "is no name"},
		"too many ports":             {"2.2.2.2", token, strings.Replace(ports, `[{`, `[`+strings.Repeat(`{"name":"a","port":1},`, 30)+`{`, 1), 400, "31 ports"},
		"an oversized request":       {"2.2.2.2", token, `{"format":"` + strings.Repeat("x", 20<<10) + `"}`, 400, "can't be read"},
		"another format":             {"2.2.2.2", token, `{"format":"mailpub/probe/v2"}`, 400, "want \"mailpub/probe/v1\""},
		"no JSON":                    {"2.2.2.2", token, `GET / HTTP/1.0`, 400, "can't be read"},
	} {
		t.Run(name, func(t *testing.T) {
			o := newOutside(t)
			w := o.call(test.from, test.token, test.body)
			if w.Code != test.code || !strings.Contains(strings.ReplaceAll(w.Body.String(),
				`\"`, `"`), test.why) {
				t.Errorf("HTTP %d %s, want %d %q", w.Code, w.Body, test.code, test.why)
			}

			if len(o.dialed) > 0 {
				t.Errorf("connected to %v", o.dialed)
			}

			if strings.Contains(w.Body.String(), token) {
				t.Error("the answer has a token in it")
			}
		})
	}
}

// Whoever asks again and again without a token fills no log, and does not hide others' requests.
func TestRefusalsInTheLog(t *testing.T) {
	var log strings.Builder
	now := time.Unix(1764000000, 0)
	o := newOutside(t)
	o.Logger = slog.New(slog.NewTextHandler(&log, nil))
	o.Now = func() time.Time { return now }

	for range 5000 {
		o.call("2.2.2.9", "wrong", "{}")
	}

	for i := range 300 { // one machine can have a whole /64
		o.call(fmt.Sprintf("2606:4700::%x", i+1), "wrong", "{}")
	}

	o.call("2.2.2.3", "wrong", "{}")
	if n := strings.Count(log.String(), "\n"); n != 21 {
		t.Errorf("%d lines, want 21", n)
	}

	if !strings.Contains(log.String(), "remote=2.2.2.3 ") {
		t.Error("another address is not in the log")
	}

	for i := range 3000 {
		o.call(fmt.Sprintf("2.3.%d.%d", i/250, i%250), "wrong", "{}")
	}

	if n := strings.Count(log.String(), "\n"); n > 21+mostNoticed+noticesOfOthers {
		t.Errorf("%d lines of 3,000 addresses", n)
	}

	now = now.Add(2 * time.Minute)
	o.call("2.2.2.9", "wrong", "{}")
	if !strings.Contains(log.String(), "further refusals were not logged") {
		t.Error("nothing says that lines were left out")
	}
}

// A third party's domain is not spoken of, and gets no mail: its MX must lead to who asks. An
// MX that changes between two look-ups does not help either: only who asks is connected to.
func TestThirdParty(t *testing.T) {
	for name, change := range map[string]func(*outside){
		"another address": func(o *outside) {
			o.Addresses = func(context.Context, string) ([]netip.Addr, error) {
				return []netip.Addr{netip.MustParseAddr("198.51.100.1")}, nil
			}
		},
		"no address": func(o *outside) {
			o.Addresses = func(context.Context, string) ([]netip.Addr, error) {
				return nil, nil
			}
		},
		"no MX": func(o *outside) {
			o.MX = func(context.Context, string) ([]string, error) { return nil, nil }
		},
		"rebinding": func(o *outside) {
			asked := 0
			o.Addresses = func(context.Context, string) ([]netip.Addr, error) {
				asked++
				if asked == 1 {
					return []netip.Addr{netip.MustParseAddr("10.0.0.1")}, nil
				}
				return []netip.Addr{netip.MustParseAddr("2.2.2.2")}, nil
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			o := newOutside(t)
			change(o)
			w := o.call("2.2.2.2", token, everything)
			var a Answer
			if err := json.Unmarshal(w.Body.Bytes(), &a); err != nil || w.Code != 200 {
				t.Fatalf("HTTP %d: %s", w.Code, w.Body)
			}

			if a.Word != "" || len(a.Hops) == 0 || a.Hops[len(a.Hops)-1].OK {
				t.Errorf("%+v", a.Hops)
			}

			for _, l := range o.said {
				if strings.Contains(l, "@nomeazienda.it") || l == "DATA" {
					t.Errorf("said %q", l)
				}
			}

			for _, address := range o.dialed {
				if !strings.HasPrefix(address, "2.2.2.2:") {
					t.Errorf("connected to %s", address)
				}
			}
		})
	}
}

// Repetition is bounded: by address, by site, and for all together.
func TestRate(t *testing.T) {
	o := newOutside(t)
	now := time.Unix(1e9, 0)
	o.Now = func() time.Time { return now }
	o.Pause = 30 * time.Second
	o.PerHour = 3
	o.AtOnce = 1
	ports := `{"format":"mailpub/probe/v1","hostname":"mail.nomeazienda.it","ports":[{"name":"pop3s","port":995}]}`
	step := func(from, bearer string, want int, why string) {
		t.Helper()
		w := o.call(from, bearer, ports)
		if w.Code != want || !strings.Contains(w.Body.String(), why) ||
			(want == 429) != (w.Header().Get("Retry-After") != "") {
			t.Errorf("HTTP %d %s, want %d %q", w.Code, w.Body, want, why)
		}
	}

	step("2.2.2.2", token, 200, "")
	step("2.2.2.2", token, 429, "less than 30s ago")
	step("2.2.2.2", "another-token-of-twenty", 429, "less than 30s ago") // the address counts, whoever asks
	step("2.2.2.3", token, 200, "")
	now = now.Add(31 * time.Second)
	step("2.2.2.2", token, 200, "")
	now = now.Add(31 * time.Second)
	step("2.2.2.2", token, 429, "3 looks within an hour")
	step("2.2.2.2", "another-token-of-twenty", 200, "")
	now = now.Add(time.Hour)
	step("2.2.2.2", token, 200, "")

	// One at a time for an address, and AtOnce for all.
	o.free <- struct{}{}
	now = now.Add(time.Hour)
	step("2.2.2.2", token, 429, "busy")
	<-o.free
	o.Server.running[netip.MustParseAddr("2.2.2.2")] = true
	step("2.2.2.2", token, 429, "already running")
}

// The client: pinned certificate, what it makes of other answers, and no redirects.
func TestClient(t *testing.T) {
	o := newOutside(t)
	o.Allowed = func(netip.Addr) string { return "" }
	inside := true
	s := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !inside {
			r.RemoteAddr = "2.2.2.2:4242"
		}
		o.ServeHTTP(w, r)
	}))

	defer s.Close()

	c := &Client{URL: s.URL, Token: token, Fingerprint: Fingerprint(s.Certificate())}
	if a, err := c.Check(t.Context(), Request{}); !errors.Is(err, ErrInside) ||
		a.Seen.IsValid() {
		t.Errorf("a probe at the address that it should look at: %+v, %v", a, err)
	}

	inside = false
	a, err := c.Check(t.Context(), Request{})
	if err != nil || a.Seen != netip.MustParseAddr("2.2.2.2") {
		t.Fatalf("%+v, %v", a, err)
	}

	c.Fingerprint = strings.ToUpper(c.Fingerprint[:2]) + ":" + c.Fingerprint[2:]
	if _, err := c.Check(t.Context(), Request{}); err != nil {
		t.Errorf("a fingerprint with colons and capitals: %v", err)
	}

	for want, bad := range map[string]Client{
		"not the one in the config": {s.URL, token, strings.Repeat("ab", 32)},
		"certificate":               {s.URL, token, ""},
		"does not know this token":  {s.URL, "wrong", c.Fingerprint},
	} {
		if _, err := bad.Check(t.Context(), Request{}); err == nil ||
			!strings.Contains(err.Error(), want) || strings.Contains(err.Error(), token) {
			t.Errorf("%v, want %q", err, want)
		}
	}

	for name, handler := range map[string]http.HandlerFunc{
		"the server that answers is not a probe (HTTP 200)": func(w http.ResponseWriter, _ *http.Request) {
			io.WriteString(w, "<html>")
		},
		"the server that answers is not a probe (HTTP 302)": func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, s.URL, http.StatusFound)
		},
		"the probe wants to be asked later": func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(429)
			io.WriteString(w, `{"format":"mailpub/probe/v1","error":"busy"}`)
		},
	} {
		other := httptest.NewTLSServer(handler)
		c := Client{URL: other.URL, Token: token, Fingerprint: Fingerprint(other.Certificate())}
		if _, err := c.Check(t.Context(), Request{}); err == nil ||
			!strings.Contains(err.Error(), name) {
			t.Errorf("%v, want %q", err, name)
		}
		other.Close()
	}
}
