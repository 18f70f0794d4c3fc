package page

import (
	"net/http"
	"net/http/httptest"
	"testing"
)

func TestWithToken(t *testing.T) {
	h := WithToken(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusNoContent)
	}), "hush")

	for name, c := range map[string]struct {
		set  func(*http.Request)
		want int
	}{
		"nothing":        {func(*http.Request) {}, http.StatusUnauthorized},
		"bearer":         {func(r *http.Request) { r.Header.Set("Authorization", "Bearer hush") }, http.StatusNoContent},
		"password":       {func(r *http.Request) { r.SetBasicAuth("anybody", "hush") }, http.StatusNoContent},
		"wrong":          {func(r *http.Request) { r.SetBasicAuth("hush", "wrong") }, http.StatusUnauthorized},
		"empty":          {func(r *http.Request) { r.Header.Set("Authorization", "Bearer ") }, http.StatusUnauthorized},
		"part of it":     {func(r *http.Request) { r.Header.Set("Authorization", "Bearer hus") }, http.StatusUnauthorized},
		"another scheme": {func(r *http.Request) { r.Header.Set("Authorization", "Digest hush") }, http.StatusUnauthorized},
	} {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		c.set(r)
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code != c.want {
			t.Errorf("%s: %d, want %d", name, w.Code, c.want)
		}
	}
}

func TestIsLoopback(t *testing.T) {
	for address, want := range map[string]bool{
		"127.0.0.1:8025": true, "[::1]:8025": true, "localhost:1": true, "127.9.9.9:1": true,
		":8025": false, "0.0.0.0:8025": false, "[::]:1": false, "10.10.10.10:1": false,
		"status.example:1": false, "x": false,
	} {
		if got := IsLoopback(address); got != want {
			t.Errorf("%s: %v", address, got)
		}
	}
}
