package mdaemon

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/pem"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/mailpub/mailpub/mailsvc"
	"github.com/mailpub/mailpub/plan"
	"github.com/mailpub/mailpub/plan/mail"
)

const user, password = "admin@nomeazienda.it", "s3cret & more"

// fake is MDaemon's XML API, as far as it is known.
type fake struct {
	*httptest.Server
	calls  []string
	answer func(w http.ResponseWriter, operation string) bool // true: it has answered
}

func newFake(t *testing.T) *fake {
	f := &fake{}
	f.Server = httptest.NewTLSServer(http.HandlerFunc(f.serve))
	f.Config.ErrorLog = nil
	t.Cleanup(f.Close)
	return f
}

func (f *fake) serve(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	var q struct {
		XMLName xml.Name `xml:"MDaemon"`
		Request struct {
			Version    string `xml:"version,attr"`
			Operation  string
			Parameters struct{ Domain, Mailbox string }
		} `xml:"API>Request"`
	}

	if err := xml.Unmarshal(body, &q); err != nil || r.Method != "POST" ||
		r.URL.Path != "/MdMgmtWS/" || q.Request.Version == "" {
		http.Error(w, "bad request", http.StatusBadRequest)
		return
	}

	p := q.Request.Parameters
	f.calls = append(f.calls, strings.Trim(q.Request.Operation+" "+p.Mailbox+"@"+p.Domain,
		" @"))

	if f.answer != nil && f.answer(w, q.Request.Operation) {
		return
	}

	if u, p, _ := r.BasicAuth(); u != user || p != password {
		w.WriteHeader(http.StatusUnauthorized)
		return
	}

	known := q.Request.Operation == "GetVersionInfo" ||
		p.Domain == "nomeazienda.it" && (p.Mailbox == "" || p.Mailbox == "mario")

	status := `id="0" value="0x00000000" message="The operation completed successfully."`
	if !known {
		status = `id="99" value="0x00000063" message="not found"`
	}

	w.Header().Set("Content-Type", "text/xml")
	fmt.Fprintf(w, `<?xml version="1.0"?><MDaemon><API productversion="24.0.0" serviceversion="24.0.0.1"><Response version="24.0"><Status %s/><Result>x</Result></Response></API></MDaemon>`, status)
}

func (f *fake) fingerprint() string {
	sum := sha256.Sum256(f.Certificate().Raw)
	return hex.EncodeToString(sum[:])
}

func (f *fake) client(pass string) *Client {
	return &Client{
		URL:         f.URL + "/MdMgmtWS/",
		User:        user,
		Fingerprint: f.fingerprint(),
		Password:    func(context.Context) (string, error) { return pass, nil },
	}
}

func keys(names ...string) (all []plan.Key) {
	for _, n := range names {
		all = append(all, plan.Key{Kind: mailsvc.Kind, Name: n})
	}
	return all
}

// asked is what the driver says of the XML API.
func asked(t *testing.T, c *Client) error {
	t.Helper()
	d := New("", "nomeazienda.it")
	d.Client = c
	items, err := d.Read(t.Context(), keys(needAPI))
	if err != nil {
		return err
	}

	if len(items) != 1 {
		t.Fatalf("%+v", items)
	}

	if why := items[0].Unreadable; why != "" {
		return errors.New(why)
	}

	return nil
}

func TestShown(t *testing.T) {
	f := newFake(t)
	d := New("", "nomeazienda.it")
	d.Client = f.client(password)
	got, err := d.observe(t.Context(), keys("hostname", "domain nomeazienda.it",
		"domain other.it", "mailbox mario", "mailbox <anna>", "passwords"))

	if err != nil {
		t.Fatal(err)
	}

	if len(got) != 2 || !slices.Equal(got["domain nomeazienda.it"].Lines,
		[]string{mail.Served}) || !slices.Equal(got["mailbox mario"].Lines,
		[]string{mail.Exists}) {
		t.Errorf("%+v", got)
	}

	want := []string{"GetVersionInfo", "GetDomainInfo @nomeazienda.it",
		"GetDomainInfo @other.it", "GetUserInfo mario@nomeazienda.it",
		"GetUserInfo <anna>@nomeazienda.it"}

	if !slices.Equal(f.calls, want) {
		t.Errorf("called %q, want %q", f.calls, want)
	}
}

// A login that is refused is not tried again, and says what to do.
func TestRefusedLogin(t *testing.T) {
	f := newFake(t)
	c := f.client("wrong")
	for range 3 {
		err := asked(t, c)
		if err == nil || !strings.Contains(err.Error(), ErrLogin.Error()) ||
			!strings.Contains(err.Error(), user) || strings.Contains(err.Error(), "wrong") {
			t.Errorf("%v", err)
		}
	}

	if len(f.calls) != 1 {
		t.Errorf("called %q", f.calls)
	}
}

func TestFaults(t *testing.T) {
	respond := func(code int, kind, body string) func(http.ResponseWriter, string) bool {
		return func(w http.ResponseWriter, _ string) bool {
			w.Header().Set("Content-Type", kind)
			w.WriteHeader(code)
			io.WriteString(w, body)
			return true
		}
	}

	for _, c := range []struct {
		name, want string
		answer     func(http.ResponseWriter, string) bool
	}{
		{"address restrictions", "Address Restrictions", respond(403, "text/html", "forbidden")},
		{"a web page", "web page", respond(200, "text/html; charset=utf-8", "<html>Remote Administration</html>")},
		{"a web page that says it is XML", "not the XML API's", respond(200, "text/xml", "<html><body>hi</body></html>")},
		{"no XML", "not the XML API's", respond(200, "text/xml", "<MDaemon")},
		{"empty", "not the XML API's", respond(200, "text/xml", "")},
		{"no status", "not the XML API's", respond(200, "text/xml", `<MDaemon><API productversion="99"/></MDaemon>`)},
		{"an older version refuses the request", "does not answer GetVersionInfo: unsupported version", respond(200, "text/xml",
			`<MDaemon><API productversion="16"><Response><Status id="7" value="0x7" message="unsupported version"/></Response></API></MDaemon>`)},
		{"fails", "answers 500", respond(500, "text/plain", "")},
		{"breaks off", "EOF", func(w http.ResponseWriter, _ string) bool { panic(http.ErrAbortHandler) }},
		{"sent on", `sent on to "https://elsewhere.example/"`, func(w http.ResponseWriter, _ string) bool {
			w.Header().Set("Location", "https://elsewhere.example/")
			w.WriteHeader(302)
			return true
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := newFake(t)
			f.answer = c.answer
			err := asked(t, f.client(password))
			if err == nil || !strings.Contains(err.Error(), c.want) ||
				strings.Contains(err.Error(), password) || len(f.calls) != 1 {
				t.Errorf("%v after %q, want %q", err, f.calls, c.want)
			}
		})
	}

	t.Run("time-out", func(t *testing.T) {
		f := newFake(t)
		done := make(chan struct{})
		defer close(done)

		f.answer = func(http.ResponseWriter, string) bool { <-done; return true }
		ctx, cancel := context.WithTimeout(t.Context(), 0)
		defer cancel()

		if _, err := f.client(password).GetVersionInfo(ctx); err == nil ||
			!strings.Contains(err.Error(), "no answer within") {
			t.Errorf("%v", err)
		}
	})

	t.Run("no password", func(t *testing.T) {
		f := newFake(t)
		c := f.client("")
		c.Password = func(context.Context) (string, error) {
			return "", errors.New("the environment has no X")
		}

		if _, err := c.GetVersionInfo(t.Context()); err == nil || len(f.calls) != 0 {
			t.Errorf("%v, %q", err, f.calls)
		}
	})
}

// The password goes to nobody whose certificate is not the one that is wanted.
func TestTLS(t *testing.T) {
	f := newFake(t)
	ca := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{
		Type:  "CERTIFICATE",
		Bytes: f.Certificate().Raw,
	}), 0o600); err != nil {
		t.Fatal(err)
	}

	empty := filepath.Join(t.TempDir(), "empty.pem")
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}

	colons := strings.ToUpper(f.fingerprint()[:2] + ":" + f.fingerprint()[2:])
	for _, c := range []struct{ name, ca, pin, want string }{
		{"nobody's", "", "", "of no known authority"},
		{"pinned", "", f.fingerprint(), ""},
		{"pinned, with colons", "", colons, ""},
		{"another", "", strings.Repeat("0", 64), "service.settings.fingerprint wants 0000"},
		{"by CA", ca, "", ""},
		{"empty CA", empty, "", "holds no certificate"},
	} {
		f.calls = nil
		client := f.client(password)
		client.CAFile = c.ca
		client.Fingerprint = c.pin
		_, err := client.GetVersionInfo(t.Context())
		if c.want == "" && err != nil || c.want != "" &&
			(err == nil || !strings.Contains(err.Error(), c.want) || len(f.calls) != 0) {
			t.Errorf("%s: %v after %q, want %q", c.name, err, f.calls, c.want)
		}
	}
}

// Every need has words that name a place, and none of them is left with a gap.
func TestWords(t *testing.T) {
	var needs []plan.Item
	for _, n := range []string{"hostname", "listen", "domain a.it", "alias abuse@a.it",
		"mailbox mario", "delivery", "relaying", "senders",
		"recipients", "account root", "line ends", "vrfy", "passwords", "collector m.a.it",
		"signing a.it"} {
		needs = append(needs, plan.Item{
			Key: plan.Key{
				Kind: mailsvc.Kind,
				Name: n,
			},
			Lines: []string{"TEXT"},
		})
	}

	for _, it := range New("127.0.0.1:25", "a.it").Spell(needs) {
		if it.ByHand == "" || strings.ContainsAny(it.ByHand, "{}") {
			t.Errorf("%s: %q", it.Key, it.ByHand)
		}
	}
}
