package providertest

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/mailpub/mailpub/plan"
	"github.com/mailpub/mailpub/plan/mail"
)

func webCases() []testCase {
	return []testCase{
		{"a rate limit is waited out", testRateLimit},
		{"a long rate limit is told", testLongRateLimit},
		{"reading is tried again after a server error", testServerError},
		{"server errors that last", testFault(http.StatusInternalServerError, `{"error":"internal"}`, "500")},
		{"a web page instead of an answer", testFault(http.StatusOK, "<!DOCTYPE html><html>log in</html>", "")},
		{"a web page as an error", testFault(http.StatusForbidden, "<html>forbidden</html>", "403")},
		{"half an answer", testFault(http.StatusOK, `{"result":[`, "")},
		{"a redirect is not followed", testRedirect},
		{"no answer", testTimeout},
		{"a failure that was none", testFalseFailure},
		{"down in the middle", testBreaksOff},
		{"a wrong token is told, and not shown", testFault(http.StatusUnauthorized, `{"message":"unauthorized"}`, "401")},
	}
}

func (h *Harness) one() (plan.Key, plan.Change) {
	k := mail.DNSKey("fault.suite."+h.Zone, "A")
	return k, change(k, nil, h.lines("192.0.2.1"))
}

func testRateLimit(t *testing.T, h *Harness) {
	k, c := h.one()
	for _, kind := range []func(*http.Request) bool{h.Web.Reads, h.Web.Writes} {
		var turned atomic.Int32
		h.Web.Intercept(func(w http.ResponseWriter, r *http.Request) bool {
			if !kind(r) || turned.Add(1) > 2 {
				return false
			}
			w.Header().Set("Retry-After", "0")
			http.Error(w, `{"message":"slow down"}`, http.StatusTooManyRequests)
			return true
		})

		must(t, h.Open(t), c)
		if turned.Load() < 3 {
			t.Errorf("%d requests, want at least 3", turned.Load())
		}

		h.expect(t, k, c.After)
		c = change(k, c.After, c.Before)
	}
}

func testLongRateLimit(t *testing.T, h *Harness) {
	k, _ := h.one()
	h.Web.Intercept(func(w http.ResponseWriter, r *http.Request) bool {
		w.Header().Set("Retry-After", "3600")
		http.Error(w, `{"message":"slow down"}`, http.StatusTooManyRequests)
		return true
	})

	if _, err := h.Open(t).Read(deadline(t), []plan.Key{k}); err == nil ||
		!strings.Contains(err.Error(), "wait 1h0m0s") {
		t.Errorf("got %v", err)
	}
}

func testServerError(t *testing.T, h *Harness) {
	k, _ := h.one()
	var turned atomic.Int32
	h.Web.Intercept(func(w http.ResponseWriter, r *http.Request) bool {
		if turned.Add(1) > 1 {
			return false
		}
		w.Header().Set("Retry-After", "0")
		http.Error(w, "bad gateway", http.StatusBadGateway)
		return true
	})

	if _, err := h.Open(t).Read(deadline(t), []plan.Key{k}); err != nil || turned.Load() < 2 {
		t.Errorf("%v after %d requests", err, turned.Load())
	}
}

// testFault answers everything the same way: an error that says so, nothing written, no
// secret told.
func testFault(status int, body, want string) func(*testing.T, *Harness) {
	return func(t *testing.T, h *Harness) {
		k, c := h.one()
		before := h.Dump(t)
		for i, kind := range []func(*http.Request) bool{h.Web.Reads, h.Web.Writes} {
			h.Web.Intercept(func(w http.ResponseWriter, r *http.Request) bool {
				if !kind(r) {
					return false
				}
				w.Header().Set("Retry-After", "0")
				w.WriteHeader(status)
				_, _ = w.Write([]byte(body))
				return true
			})

			var err error
			if i == 0 {
				_, err = h.Open(t).Read(deadline(t), []plan.Key{k})
			} else {
				err = apply(t, h.Open(t), c)
			}

			switch {
			case err == nil:
				t.Error("no error")
			case !strings.Contains(err.Error(), want):
				t.Errorf("got %v, want ... %s ...", err, want)
			case h.Secret != "" && strings.Contains(err.Error(), h.Secret):
				t.Errorf("the error shows the secret: %v", err)
			case len(err.Error()) > 600 || strings.Contains(err.Error(), "\n"):
				t.Errorf("no error of one line: %v", err)
			}
		}

		h.Web.Intercept(nil)
		h.unchanged(t, before)
	}
}

// A redirect could carry the token to anybody.
func testRedirect(t *testing.T, h *Harness) {
	k, _ := h.one()
	h.Web.Intercept(func(w http.ResponseWriter, r *http.Request) bool {
		http.Redirect(w, r, "https://elsewhere.example/collect", http.StatusTemporaryRedirect)
		return true
	})

	if _, err := h.Open(t).Read(deadline(t), []plan.Key{k}); err == nil ||
		!strings.Contains(err.Error(), "307") {
		t.Errorf("got %v", err)
	}

	for _, r := range h.Web.Requests() {
		if strings.Contains(r, "/collect") {
			t.Error("the redirect was followed")
		}
	}
}

func testTimeout(t *testing.T, h *Harness) {
	k, _ := h.one()
	release := make(chan struct{})
	defer close(release)

	asked := make(chan struct{}, 100)
	h.Web.Intercept(func(_ http.ResponseWriter, r *http.Request) bool {
		asked <- struct{}{}
		select {
		case <-release:
		case <-r.Context().Done():
		}
		return true
	})

	ctx, cancel := context.WithCancel(deadline(t))
	go func() {
		<-asked
		cancel()
	}()

	start := time.Now()
	if _, err := h.Open(t).Read(ctx, []plan.Key{k}); err == nil ||
		time.Since(start) > 20*time.Second {
		t.Errorf("%v after %v", err, time.Since(start))
	}
}

// The write is carried out, but the answer is lost on the way.
func testFalseFailure(t *testing.T, h *Harness) {
	k, c := h.one()
	h.Web.Intercept(func(w http.ResponseWriter, r *http.Request) bool {
		if !h.Web.Writes(r) {
			return false
		}
		h.Web.handler.ServeHTTP(&lost{header: http.Header{}}, r)
		http.Error(w, "bad gateway", http.StatusBadGateway)
		return true
	})

	if err := apply(t, h.Open(t), c); err != nil {
		t.Errorf("everything is in place, but Apply returned %v", err)
	}

	h.Web.Intercept(nil)
	h.expect(t, k, c.After)
}

// From the second write on the provider is down. What is reported as done is in place and
// nothing else is; afterwards the rest can be done.
func testBreaksOff(t *testing.T, h *Harness) {
	var batch []plan.Change
	for i := range 4 {
		batch = append(batch, change(mail.DNSKey(fmt.Sprintf("b%d.suite.%s", i, h.Zone), "A"),
			nil, h.lines("192.0.2.1")))
	}

	var writes atomic.Int32
	h.Web.Intercept(func(w http.ResponseWriter, r *http.Request) bool {
		if !h.Web.Writes(r) || writes.Add(1) == 1 {
			return false
		}
		http.Error(w, `{"message":"down"}`, http.StatusServiceUnavailable)
		return true
	})

	done := map[plan.Key]bool{}
	err := h.Open(t).Apply(deadline(t), batch, func(c plan.Change, err error) {
		done[c.Key] = err == nil
	})

	if writes.Load() > 1 && err == nil {
		t.Error("it was down, and Apply says nothing")
	}

	h.Web.Intercept(nil)
	for _, c := range batch {
		there := h.read(t, c.Key)[c.Key] != nil
		if there != done[c.Key] {
			t.Errorf("%v: in place %v, reported as done %v", c.Key, there, done[c.Key])
		}

		if !there {
			must(t, h.Open(t), c)
		}

		h.expect(t, c.Key, c.After)
	}
}

// lost is an answer that nobody gets.
type lost struct{ header http.Header }

func (l *lost) Header() http.Header         { return l.header }
func (l *lost) Write(p []byte) (int, error) { return len(p), nil }
func (l *lost) WriteHeader(int)             {}
