package zone

import (
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/mailpub/mailpub/plan/redact"
	"github.com/mailpub/mailpub/plan/trace"
)

// Whatever is sent back with a secret in it comes without, however it is spelt.
func TestNoSecretComesBack(t *testing.T) {
	const secret = `SECRET/key+"7"`
	p := Provider{Settings: []Setting{{Name: "token", Secret: true}, {Name: "server"}}}
	for name, text := range map[string]string{
		"as it is":       `the key SECRET/key+"7" is not valid`,
		"in JSON":        `{"error":"key SECRET/key+\"7\" is not valid"}`,
		"in a URL":       "see https://x.example/?key=" + url.QueryEscape(secret),
		"in a path":      "see https://x.example/" + url.PathEscape(secret),
		"in base64":      "Basic " + base64.StdEncoding.EncodeToString([]byte(secret)),
		"in broken JSON": `{"error":"SECRET/key+\"7\"`,
	} {
		t.Run(name, func(t *testing.T) {
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Location", "/?"+text)
				w.WriteHeader(http.StatusFound)
				fmt.Fprint(w, text)
			}))

			defer server.Close()

			client := p.scrubbing(Options{Settings: map[string]string{"token": secret,
				"server": "x"}})

			client.CheckRedirect = func(*http.Request, []*http.Request) error {
				return http.ErrUseLastResponse
			}

			resp, err := client.Get(server.URL)
			if err != nil {
				t.Fatal(err)
			}

			defer resp.Body.Close()

			body, err := io.ReadAll(resp.Body)
			got := string(body) + resp.Header.Get("Location")
			if err != nil || !strings.Contains(got, redact.Mark) {
				t.Errorf("%q, %v", got, err)
			}

			for _, s := range redact.Spellings(secret) {
				if strings.Contains(got, s) {
					t.Errorf("%q is in %q", s, got)
				}
			}
		})
	}

	// An error of the connection may have the address in it, and that the key.
	client := p.scrubbing(Options{
		Settings:   map[string]string{"token": "SECRETKEY"},
		HTTPClient: &http.Client{Transport: failing{}},
	})

	if _, err := client.Get("http://x.example/"); err == nil ||
		strings.Contains(err.Error(), "SECRETKEY") {
		t.Errorf("error %v", err)
	}
}

type failing struct{}

func (failing) RoundTrip(*http.Request) (*http.Response, error) {
	return nil, fmt.Errorf("dial /?key=SECRETKEY: refused")
}

// What an observer is told of requests and replies has no secret in it, whoever opened the zone.
func TestNoSecretIsTraced(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(w, r.Body)
	}))

	defer server.Close()

	var told strings.Builder
	ctx := trace.With(t.Context(), &trace.Observer{
		Exchanged: func(e trace.Exchange) { told.WriteString(e.Question + e.Err) },
		Wire: func(_, _ string, way trace.Direction, text string) {
			told.WriteString(string(way) + " " + text + "\n")
		},
	})

	p := Provider{Settings: []Setting{{Name: "token", Secret: true}}}
	client := p.scrubbing(Options{Settings: map[string]string{"token": "SECRETKEY"}})
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, server.URL+"/login/SECRETKEY",
		strings.NewReader(`{"password":"SECRETKEY"}`))

	if err != nil {
		t.Fatal(err)
	}

	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}

	resp.Body.Close()

	if strings.Contains(told.String(), "SECRETKEY") ||
		strings.Count(told.String(), redact.Mark) < 4 {
		t.Errorf("%s", &told)
	}
}
