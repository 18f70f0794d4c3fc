// Package cloudflaretest is a stand-in for the part of Cloudflare's API that deals with
// the records of a zone. It answers as the real one is documented and known to: paged
// lists, refusal of incomplete records, long text cut in pieces, proxied addresses with
// an automatic TTL. It is for tests, and keeps everything in memory.
package cloudflaretest

import (
	"cmp"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// Record is a record as the API shows it.
type Record struct {
	ID       string         `json:"id"`
	Type     string         `json:"type"`
	Name     string         `json:"name"`
	Content  string         `json:"content"`
	Priority *int           `json:"priority,omitempty"`
	Proxied  bool           `json:"proxied"`
	TTL      int            `json:"ttl"`
	Comment  string         `json:"comment,omitempty"`
	Data     map[string]any `json:"data,omitempty"`
}

// String returns the record without its id, for comparing.
func (r Record) String() string {
	s := fmt.Sprintf("%s %d %s %s", r.Name, r.TTL, r.Type, r.Content)
	if r.Priority != nil {
		s += fmt.Sprintf(" priority %d", *r.Priority)
	}

	if r.Proxied {
		s += " proxied"
	}

	return s
}

// API is one account with one zone. The exported fields are set before the first request.
type API struct {
	Zone  string // without final dot
	Token string
	// NoResultInfo leaves result_info out of lists.
	NoResultInfo bool
	// Intercept, when set, may answer a request itself and then returns true. It may be
	// called concurrently.
	Intercept func(w http.ResponseWriter, r *http.Request) bool

	mu       sync.Mutex
	records  []Record
	next     int
	requests []string
	server   *httptest.Server
}

const zoneID = "023e105f4ecef8ad9ca31a8372d0c353"

// New starts an API for a zone. Close it in the end.
func New(zone, token string) *API {
	a := &API{Zone: strings.TrimSuffix(zone, "."), Token: token}
	mux := http.NewServeMux()
	const records = "/client/v4/zones/" + zoneID + "/dns_records"
	mux.HandleFunc("GET /client/v4/zones", a.zones)
	mux.HandleFunc("GET "+records, a.list)
	mux.HandleFunc("POST "+records, a.create)
	mux.HandleFunc("PATCH "+records+"/{id}", a.patch)
	mux.HandleFunc("DELETE "+records+"/{id}", a.remove)
	a.server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		a.mu.Lock()
		a.requests = append(a.requests, r.Method+" "+
			strings.TrimPrefix(r.URL.Path, "/client/v4"))

		a.mu.Unlock()
		if a.Intercept != nil && a.Intercept(w, r) {
			return
		}

		if r.Header.Get("Authorization") != "Bearer "+a.Token {
			Refuse(w, http.StatusForbidden, 9109, "Invalid access token")
			return
		}

		mux.ServeHTTP(w, r)
	}))

	return a
}

// Close stops the API.
func (a *API) Close() { a.server.Close() }

// Client returns a client whose requests reach this API, whatever host they name.
func (a *API) Client() *http.Client {
	c := a.server.Client()
	return &http.Client{Transport: redirect{a.server.URL, c.Transport}}
}

type redirect struct {
	to   string
	next http.RoundTripper
}

func (d redirect) RoundTrip(r *http.Request) (*http.Response, error) {
	to, err := url.Parse(d.to)
	if err != nil {
		return nil, err
	}

	r = r.Clone(r.Context())
	r.URL.Scheme = to.Scheme
	r.URL.Host = to.Host
	r.Host = to.Host

	return d.next.RoundTrip(r)
}

// Put adds records as somebody in the dashboard would, without a look at them.
func (a *API) Put(rs ...Record) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, r := range rs {
		a.add(r)
	}
}

func (a *API) add(r Record) Record {
	a.next++
	r.ID = fmt.Sprintf("%032x", a.next)
	a.records = append(a.records, r)
	return r
}

// Drop removes the records of a name and type.
func (a *API) Drop(name, rrtype string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.records = slices.DeleteFunc(a.records, func(r Record) bool {
		return r.Name == name && r.Type == rrtype
	})
}

// Records returns what is there, sorted.
func (a *API) Records() []Record {
	a.mu.Lock()
	defer a.mu.Unlock()
	out := slices.Clone(a.records)
	slices.SortFunc(out, func(x, y Record) int {
		return cmp.Compare(x.String(), y.String())
	})
	return out
}

// Requests returns the requests so far, as method and path.
func (a *API) Requests() []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.Clone(a.requests)
}

// Refuse answers with an error, as the API words them.
func Refuse(w http.ResponseWriter, status, code int, message string) {
	reply(w, status, map[string]any{"success": false, "result": nil, "messages": []any{},
		"errors": []any{map[string]any{"code": code, "message": message}}})
}

func reply(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body)
}

func (a *API) result(w http.ResponseWriter, result any) {
	reply(w, http.StatusOK, map[string]any{"success": true, "errors": []any{},
		"messages": []any{}, "result": result})
}

func (a *API) zones(w http.ResponseWriter, r *http.Request) {
	found := []any{}
	if r.URL.Query().Get("name") == a.Zone {
		found = append(found, map[string]any{"id": zoneID, "name": a.Zone, "status": "active"})
	}
	a.result(w, found)
}

func (a *API) list(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	page, _ := strconv.Atoi(q.Get("page"))
	size, _ := strconv.Atoi(q.Get("per_page"))
	page = max(page, 1)
	size = cmp.Or(size, 100)
	a.mu.Lock()
	matches := slices.DeleteFunc(slices.Clone(a.records), func(x Record) bool {
		return q.Has("type") && x.Type != q.Get("type") ||
			q.Has("name") && x.Name != q.Get("name") ||
			q.Has("content.exact") && x.Content != q.Get("content.exact") ||
			q.Has("content.contains") && !strings.Contains(x.Content, q.Get("content.contains"))
	})

	a.mu.Unlock()
	from := min((page-1)*size, len(matches))
	part := matches[from:min(from+size, len(matches))]
	body := map[string]any{"success": true, "errors": []any{}, "messages": []any{},
		"result": part}

	if !a.NoResultInfo {
		body["result_info"] = map[string]int{"page": page, "per_page": size, "count": len(part),
			"total_count": len(matches), "total_pages": (len(matches) + size - 1) / size}
	}

	reply(w, http.StatusOK, body)
}
