package inwx

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mailpub/mailpub/plan"
	"github.com/mailpub/mailpub/plan/mail"
	"github.com/mailpub/mailpub/providers/providertest"
	"github.com/mailpub/mailpub/providers/record"
	"github.com/mailpub/mailpub/providers/webtest"
	"github.com/mailpub/mailpub/providers/zone"
	"github.com/mailpub/mailpub/providers/zonetest"
)

// fakeINWX answers as INWX' JSON-RPC API is documented to: everything is a POST that needs a
// session, refusals have status 200, an update does not lower a preference to 0.
type fakeINWX struct {
	z    *webtest.FakeRecords
	totp []byte // second factor; nil: none

	mu       sync.Mutex
	sessions map[string]bool // to whether it is unlocked
	logins   int
}

func newFakeINWX(z *webtest.FakeRecords) *fakeINWX {
	return &fakeINWX{z: z, sessions: map[string]bool{}}
}

type inwxParams struct {
	Domain, Name, Type, Content, User, Pass, TAN string
	ID                                           json.RawMessage
	TTL, Prio                                    int
}

func (f *fakeINWX) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var call struct {
		Method string
		Params inwxParams
	}

	if !webtest.Decode(w, r, &call) {
		return
	}

	session := ""
	if c, err := r.Cookie("domrobot"); err == nil {
		session = c.Value
	}

	f.mu.Lock()
	defer f.mu.Unlock()

	reply := func(code int, msg string, data any) {
		webtest.Answer(w, http.StatusOK, map[string]any{"code": code, "msg": msg,
			"resData": data, "svTRID": "1"})
	}

	p := call.Params
	switch {
	case call.Method == "account.login":
		if p.User != "user" || p.Pass != "the-token" {
			reply(2200, "Authentication error", nil)
			return
		}

		f.logins++
		session = strconv.Itoa(f.logins)
		f.sessions[session] = f.totp == nil
		http.SetCookie(w, &http.Cookie{Name: "domrobot", Value: session})
		tfa := "0"

		if f.totp != nil {
			tfa = "GOOGLE-AUTH"
		}

		reply(1000, "Command completed successfully",
			map[string]any{"customerId": 1, "tfa": tfa})
	case call.Method == "account.unlock":
		if _, ok := f.sessions[session]; !ok || p.TAN != totp(f.totp, time.Now()) {
			reply(2200, "Authentication error", nil)
			return
		}
		f.sessions[session] = true
		reply(1000, "Command completed successfully", nil)
	case !f.sessions[session]:
		reply(2200, "Authentication error", nil)
	default:
		f.Records(call.Method, p, reply)
	}
}

func (f *fakeINWX) Records(method string, p inwxParams, reply func(int, string, any)) {
	id := strings.Trim(string(p.ID), `"`)
	old, known := f.z.Get(id)
	switch {
	case method == "nameserver.list":
		reply(1000, "Command completed successfully",
			map[string]any{"count": 1, "domains": []any{map[string]any{"domain": f.z.Domain(),
				"type": "MASTER"}}})
	case method == "nameserver.info" && p.Domain != f.z.Domain(), method == "nameserver.updateRecord" &&
		!known, method == "nameserver.deleteRecord" && !known:
		reply(2303, "Object does not exist", nil)
	case method == "nameserver.info":
		list := []any{}
		for _, r := range f.z.All() {
			prio, text := webtest.Apart(r.Type, webtest.WithoutDot(r.Text))
			list = append(list, map[string]any{"id": r.ID,
				"name": strings.TrimSuffix(r.Name, "."), "type": r.Type, "content": text,
				"ttl":  r.TTL,
				"prio": prio})
		}

		reply(1000, "Command completed successfully",
			map[string]any{"domain": f.z.Domain(), "type": "MASTER", "count": len(list),
				"record": list})
	case method == "nameserver.deleteRecord":
		f.z.Drop(id)
		reply(1000, "Command completed successfully", nil)
	case p.TTL < 300:
		reply(2004, "Parameter value range error", nil)
	default:
		rec := webtest.FakeRecord{
			ID: old.ID,
			RRset: record.RRset{
				Name: mail.FQDN(strings.TrimPrefix(p.Name+"."+f.z.Name, ".")),
				Type: p.Type,
			},
			TTL:  p.TTL,
			Text: p.Content,
		}

		switch {
		case p.Type == "TXT":
			rec.Text = strings.TrimSuffix(p.Content, ` "`) // spaces at the end are lost
		case p.Type == "MX" && known && p.Prio == 0:
			prio, _ := webtest.Apart("MX", old.Text)
			rec.Text = strconv.Itoa(prio) + " " + mail.FQDN(p.Content)
		case p.Type == "MX" || p.Type == "SRV":
			rec.Text = strconv.Itoa(p.Prio) + " " + mail.FQDN(p.Content)
		case p.Type == "CNAME" || p.Type == "NS" || p.Type == "PTR":
			rec.Text = mail.FQDN(p.Content)
		}

		stored, why := f.z.Store(rec)
		if why != "" {
			reply(2308, "Data management policy violation: "+why, nil)
			return
		}

		reply(1000, "Command completed successfully", map[string]any{"id": stored})
	}
}

// inwxReads looks into a request for what it does.
func inwxReads(r *http.Request) bool {
	body, _ := io.ReadAll(r.Body)
	r.Body = io.NopCloser(bytes.NewReader(body))
	for _, m := range []string{"nameserver.info", "nameserver.list", "account."} {
		if bytes.Contains(body, []byte(`"method":"`+m)) {
			return true
		}
	}

	return false
}

func TestINWX(t *testing.T) {
	gate := func(t *testing.T, z *webtest.FakeRecords) *providertest.Gate {
		g := providertest.NewGate(t, newFakeINWX(z))
		g.ReadOnly = inwxReads
		return g
	}

	providertest.Run(t, func(t *testing.T) *providertest.Harness {
		z := webtest.NewFakeRecords()
		h := webtest.RecordHarness(t, Provider(), z, newFakeINWX(z))
		h.Web.ReadOnly = inwxReads
		h.LowTTL = 60
		h.Refused = func(text string) bool {
			return strings.Trim(text, " ") != text || strings.Contains(text, "`")
		}

		return h
	})

	webtest.WrongAccess(t, Provider(), gate(t, webtest.NewFakeRecords()).Client(),
		"Authentication error (code 2200); check user and password")
}

func TestINWXSession(t *testing.T) {
	f := newFakeINWX(webtest.NewFakeRecords())
	f.totp = []byte("12345678901234567890")
	client := providertest.NewGate(t, f).Client()
	open := func(secret string) *zone.Zone {
		d, err := zone.Open(Provider(), zone.Options{
			Zone:       zonetest.Zone,
			HTTPClient: client,
			Settings: map[string]string{
				"user": "user", "password": "the-token", "totp_secret": secret},
		})

		if err != nil {
			t.Fatal(err)
		}

		return d
	}

	keys := []plan.Key{mail.DNSKey(zonetest.Zone, "MX")}
	if _, err := open("").Read(t.Context(), keys); err == nil ||
		!strings.Contains(err.Error(), "wants a second factor (GOOGLE-AUTH): give totp_secret") {
		t.Errorf("without the second factor: %v", err)
	}

	z := open("GEZD GNBV GY3T QOJQ GEZD GNBV GY3T QOJQ")
	for range 2 {
		if _, err := z.Read(t.Context(), keys); err != nil {
			t.Fatal(err)
		}
	}

	if f.logins != 2 {
		t.Errorf("%d logins, want one for each driver", f.logins)
	}

	f.mu.Lock()
	clear(f.sessions) // they have run out
	f.mu.Unlock()
	if _, err := z.Read(t.Context(), keys); err != nil {
		t.Errorf("after the session has run out: %v", err)
	}
}

// The test values of RFC 6238 appendix B, in six digits.
func TestTOTP(t *testing.T) {
	for at, want := range map[int64]string{59: "287082", 1111111109: "081804",
		1234567890: "005924", 20000000000: "353130"} {
		if got := totp([]byte("12345678901234567890"), time.Unix(at, 0)); got != want {
			t.Errorf("at %d: %s, want %s", at, got, want)
		}
	}
}
