package trace

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

const secret = "hunter2-hunter2"

func hide(text string) string { return strings.ReplaceAll(text, secret, "[secret]") }

// What is asked is told with its end; without an observer nothing is.
func TestStart(t *testing.T) {
	Start(t.Context(), "dns", "192.0.2.1:53", "a MX")(nil)
	Wire(t.Context(), "dns", "192.0.2.1:53", Sent, "text")
	Redact(t.Context(), "office", hide)

	if Observed(t.Context()) {
		t.Error("observed by none")
	}

	var got []Exchange
	ctx := With(t.Context(), &Observer{Exchanged: func(e Exchange) {
		got = append(got, e)
	}})

	Redact(ctx, "office", hide)
	Start(ctx, "dns", "192.0.2.1:53", "a MX")(nil)
	Start(ctx, "smtp", "192.0.2.1:25", "AUTH "+secret)(errors.New("no " + secret))
	Wire(ctx, "dns", "192.0.2.1:53", Sent, "text")

	if len(got) != 2 || got[0].Protocol != "dns" || got[0].Question != "a MX" ||
		got[0].Err != "" || got[0].Took < 0 {
		t.Fatalf("%+v", got)
	}

	if got[1].Question != "AUTH [secret]" || got[1].Err != "no [secret]" {
		t.Errorf("%+v", got[1])
	}
}

// A request over HTTP is told without headers, query and secrets, and its reply can still be read whole.
func TestDo(t *testing.T) {
	long := strings.Repeat("x", 3*longest)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		w.Write([]byte("reply to " + string(body) + long))
	}))

	defer server.Close()

	var told strings.Builder
	var question string
	ctx := With(t.Context(), &Observer{
		Exchanged: func(e Exchange) { question = e.Question },
		Wire: func(protocol, peer string, way Direction, text string) {
			told.WriteString(protocol + " " + peer + " " + string(way) + " " + text + "\n")
		},
	})

	Redact(ctx, "office", hide)
	req, err := http.NewRequestWithContext(ctx, http.MethodPost,
		server.URL+"/zones?key="+secret, strings.NewReader(`{"key":"`+secret+`"}`))

	if err != nil {
		t.Fatal(err)
	}

	req.Header.Set("Authorization", "Bearer "+secret)

	resp, err := Do("https", req, http.DefaultClient.Do)
	if err != nil {
		t.Fatal(err)
	}

	defer resp.Body.Close()

	body, err := io.ReadAll(resp.Body)
	if err != nil || string(body) != `reply to {"key":"`+secret+`"}`+long {
		t.Errorf("%v: %d octets", err, len(body))
	}

	if question != "POST /zones" {
		t.Errorf("%q", question)
	}

	text := told.String()
	for _, want := range []string{"sent POST /zones\n{\"key\":\"[secret]\"}",
		"received 200 OK\nreply to {\"key\":\"[secret]\"}"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in %.300s", want, text)
		}
	}

	if strings.Contains(text, secret) || strings.Contains(text, "Bearer") ||
		len(text) > 2*longest {
		t.Errorf("%d octets, with a secret or a header: %.300s", len(text), text)
	}
}

// A reply that breaks off is told up to there, and stays an error.
func TestBrokenBody(t *testing.T) {
	broken := errors.New("broken")
	send := func(*http.Request) (*http.Response, error) {
		body := io.NopCloser(io.MultiReader(strings.NewReader("half"), failing{broken}))
		return &http.Response{Status: "200 OK", Body: body}, nil
	}

	ctx := With(context.Background(), &Observer{Wire: func(string, string, Direction, string) {}})
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://192.0.2.1/", nil)
	if err != nil {
		t.Fatal(err)
	}

	resp, err := Do("https", req, send)
	if err != nil {
		t.Fatal(err)
	}

	if body, err := io.ReadAll(resp.Body); string(body) != "half" || !errors.Is(err, broken) {
		t.Errorf("%q, %v", body, err)
	}
}
