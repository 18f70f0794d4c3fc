//go:build linux

package api

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/mailpub/mailpub/cmd/mailpub/fleet/pgtest"
	"github.com/mailpub/mailpub/cmd/mailpub/fleet/queue"
	"github.com/mailpub/mailpub/cmd/mailpub/fleet/seal"
	"github.com/mailpub/mailpub/cmd/mailpub/fleet/store"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

// fleet is a fleet with tenants "one" and "two", and a token for each role.
type fleet struct {
	t      testing.TB
	db     *store.DB
	server *Server
	http   *httptest.Server
	tokens map[string]string // "one view"
	people map[string]int64
	n      int
	schema *jsonschema.Compiler
}

func newFleet(t testing.TB) *fleet {
	ctx := context.Background()
	db, err := store.Connect(ctx, pgtest.Database(t), "a test")
	if err != nil {
		t.Fatal(err)
	}

	t.Cleanup(db.Close)
	if _, err := db.Migrate(ctx); err != nil {
		t.Fatal(err)
	}

	jobs, err := queue.NewClient(db)
	if err != nil {
		t.Fatal(err)
	}

	key, _ := seal.ParseKey(seal.Generate())

	f := &fleet{
		t:  t,
		db: db,
		server: &Server{
			DB:    db,
			Queue: jobs,
			Secrets: store.Secrets{
				DB:  db,
				Key: key,
			},
			Version: "test",
			Log:     slog.New(slog.DiscardHandler),
		},
		tokens: map[string]string{},
		people: map[string]int64{},
	}

	f.http = httptest.NewServer(f.server.Handler())
	t.Cleanup(f.http.Close)

	f.tx(func(tx pgx.Tx) error {
		for _, tenant := range []string{"one", "two"} {
			if err := store.AddTenant(ctx, tx, tenant); err != nil {
				return err
			}
			for _, name := range store.Roles() {
				role, _ := store.ParseRole(name)
				f.addToken(tx, tenant+" "+name, tenant, role)
			}
		}

		f.addToken(tx, "operator", "", store.RoleAdmin)
		return nil
	})

	doc, _ := json.Marshal(OpenAPIDocument("test"))
	parsed, err := jsonschema.UnmarshalJSON(bytes.NewReader(doc))
	if err != nil {
		t.Fatal(err)
	}

	f.schema = jsonschema.NewCompiler()
	f.schema.DefaultDraft(jsonschema.Draft2020)
	if err := f.schema.AddResource("openapi.json", parsed); err != nil {
		t.Fatal(err)
	}

	return f
}

func (f *fleet) tx(do func(pgx.Tx) error) {
	f.t.Helper()
	if err := f.db.InTx(context.Background(), do); err != nil {
		f.t.Fatal(err)
	}
}

func (f *fleet) addToken(tx pgx.Tx, name, tenant string, role store.Role) {
	ctx := context.Background()
	id, err := store.PutPerson(ctx, tx, store.Person{Subject: name, Name: name})
	if err == nil {
		err = store.PutMember(ctx, tx, id, tenant, role)
	}

	if err == nil {
		f.people[name] = id
		f.tokens[name], err = store.NewToken(ctx, tx, &store.Token{
			Person: id,
			Tenant: tenant,
			Role:   role,
		})
	}

	if err != nil {
		f.t.Fatal(err)
	}
}

// things are the ids of what a tenant has.
type things struct {
	tenant, name, child, token, account string
	site, plan, member                  int64
}

func configOf(name string) string {
	return strings.NewReplacer("NAME", name).Replace(`site: NAME
server: {hostname: mail.customer.example, address: 2.2.2.2, public: {ipv4: 2.2.2.2}}
domains: [{name: customer.example}]
zones:
  - name: customer.example
    provider: rfc2136
    settings: {server: "3.3.3.3:53", key_name: customer., key: "secret:tsig"}
router: {protocol: none}
service: {type: manual}
`)
}

// make gives a tenant a new one of everything.
func (f *fleet) make(tenant string) (h things) {
	ctx := context.Background()
	f.n++
	h = things{
		tenant:  tenant,
		name:    fmt.Sprintf("office%d", f.n),
		child:   fmt.Sprintf("%s/child%d", tenant, f.n),
		account: fmt.Sprintf("account%d", f.n),
	}

	f.tx(func(tx pgx.Tx) error {
		s := store.Site{
			Tenant: tenant,
			Name:   h.name,
			File:   h.name + ".yaml",
			Config: []byte(configOf(h.name)),
			Host:   "mail.customer.example",
		}

		if _, err := store.PutSite(ctx, tx, &s, 0); err != nil {
			return err
		}

		h.site = s.ID

		author, err := store.PutPerson(ctx, tx, store.Person{
			Subject: fmt.Sprint("author", f.n),
			Name:    "author",
		})

		if err != nil {
			return err
		}

		h.member = author
		if err := store.PutMember(ctx, tx, author, tenant, store.RoleOperate); err != nil {
			return err
		}
		if h.plan, err = store.WantPlan(ctx, tx, s.ID, store.KindApply, store.Actor{
			Person: author,
			Name:   "author",
		}); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, "UPDATE plan SET state = 'planned', doc = '{}', digest = 'd' WHERE id = $1",
			h.plan); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, "INSERT INTO look (site, state, at, took, next, digest, doc) VALUES ($1, 3, now(), '1 s', now(), '', '{}')",
			s.ID); err != nil {
			return err
		}
		if err := store.NewTenant(ctx, tx, h.child); err != nil {
			return err
		}
		if _, err := f.server.Secrets.Put(ctx, tx, tenant, h.name, []byte("word")); err != nil {
			return err
		}

		token := store.Token{Person: author, Tenant: tenant, Role: store.RoleView}
		if _, err := store.NewToken(ctx, tx, &token); err != nil {
			return err
		}

		h.token = token.ID
		_, err = tx.Exec(ctx, "INSERT INTO account (id, provider, per_second, burst, tokens) VALUES ($1, 'x', 1, 1, 1)",
			h.account)

		return err
	})

	return h
}

// request is how a route is asked about things.
type request struct {
	path, body, match string
	list              bool // it lists what the caller may see: others get a list without it
	operator          bool // only the operator may
}

// requests are those of every route.
func requests(h things) map[string]request {
	site := fmt.Sprintf("/sites/%d", h.site)
	plan := fmt.Sprintf("/plans/%d", h.plan)
	in := "?tenant=" + h.tenant
	quoted, _ := json.Marshal(configOf("new" + h.name))

	return map[string]request{
		"whoami":        {path: "/whoami", list: true},
		"listSites":     {path: "/sites", list: true},
		"addSite":       {path: "/sites", body: fmt.Sprintf(`{"tenant": %q, "config": %s}`, h.tenant, quoted)},
		"getSite":       {path: site},
		"deleteSite":    {path: site},
		"getConfig":     {path: site + "/config"},
		"putConfig":     {path: site + "/config", body: configOf(h.name) + "# changed\n", match: `"1"`},
		"look":          {path: site + "/look"},
		"getReport":     {path: site + "/report"},
		"getPage":       {path: site + "/page"},
		"listSitePlans": {path: site + "/plans"},
		"makePlan":      {path: site + "/plans", body: `{"kind": "apply"}`},
		"listPlans":     {path: "/plans", list: true},
		"getPlan":       {path: plan},
		"approvePlan":   {path: plan + "/approve"},
		"applyPlan":     {path: plan + "/apply"},
		"withdrawPlan":  {path: plan + "/withdraw"},
		"listTenants":   {path: "/tenants", list: true},
		"addTenant":     {path: "/tenants", body: fmt.Sprintf(`{"path": "%s/new%s"}`, h.tenant, h.name)},
		"deleteTenant":  {path: "/tenants/" + h.child},
		"getPolicy":     {path: "/policy" + in},
		"putPolicy":     {path: "/policy" + in, body: `{"special": 0}`},
		"pauseTenant":   {path: "/pause" + in, body: `{}`},
		"pauseAccount":  {path: "/accounts/" + h.account + "/pause", body: `{}`, operator: true},
		"listMembers":   {path: "/members" + in},
		"putMember":     {path: "/members", body: fmt.Sprintf(`{"tenant": %q, "role": "view", "name": "x", "subject": "x%s"}`, h.tenant, h.name)},
		"deleteMember":  {path: fmt.Sprintf("/members/%d", h.member) + in},
		"listTokens":    {path: "/tokens" + in},
		"addToken":      {path: "/tokens", body: fmt.Sprintf(`{"person": %d, "tenant": %q, "role": "view"}`, h.member, h.tenant)},
		"deleteToken":   {path: "/tokens/" + h.token},
		"listSecrets":   {path: "/secrets" + in},
		"putSecret":     {path: "/secrets/" + h.name + in, body: `{"value": "s3cret"}`},
		"deleteSecret":  {path: "/secrets/" + h.name + in},
		"listAudit":     {path: "/audit", list: true},
	}
}

func (f *fleet) ask(r route, q request, token string) (status int, body string, header http.Header) {
	req, err := http.NewRequest(r.method, f.http.URL+prefix+q.path, strings.NewReader(q.body))
	if err != nil {
		f.t.Fatal(err)
	}

	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}

	if q.match != "" {
		req.Header.Set("If-Match", q.match)
	}

	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		f.t.Fatal(err)
	}

	defer resp.Body.Close()

	text, _ := io.ReadAll(resp.Body)
	f.valid(r, resp, text)
	return resp.StatusCode, string(text), resp.Header
}

// valid checks an answer against the OpenAPI document.
func (f *fleet) valid(r route, resp *http.Response, body []byte) {
	f.t.Helper()
	name := "Problem"
	if resp.StatusCode < 300 {
		if resp.StatusCode != r.status() {
			f.t.Errorf("%s: status %d, the document says %d", r.id, resp.StatusCode, r.status())
		}
		if _, text := r.out.(rawText); text || r.out == nil {
			return
		}
		name = reflect.TypeOf(r.out).Name()
	}

	schema, err := f.schema.Compile("openapi.json#/components/schemas/" + name)
	if err != nil {
		f.t.Fatal(err)
	}

	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(body))
	if err != nil {
		f.t.Errorf("%s: %v: %s", r.id, err, body)
		return
	}

	if err := schema.Validate(doc); err != nil {
		f.t.Errorf("%s: %v: %s", r.id, err, body)
	}
}

// Every operation, with each role and for another tenant's things: those do not exist.
func TestTwoTenants(t *testing.T) {
	f := newFleet(t)
	for _, r := range routes() {
		t.Run(r.id, func(t *testing.T) {
			f.t = t
			if _, ok := requests(things{})[r.id]; !ok {
				t.Fatal("the operation has no request in the test")
			}

			theirs := f.make("one")
			q := requests(theirs)[r.id]
			if status, body, _ := f.ask(r, q, ""); status != 401 {
				t.Errorf("without a token: %d %s", status, body)
			}

			for _, role := range store.Roles() {
				status, body, _ := f.ask(r, q, f.tokens["two "+role])
				switch {
				case q.list && (status != 200 || strings.Contains(body, theirs.name) ||
					strings.Contains(body, "one/") || strings.Contains(body, `"one"`)):
					t.Errorf("%s of another tenant: %d %s", role, status, body)
				case !q.list && status != 404:
					t.Errorf("%s of another tenant: %d %s", role, status, body)
				case status == 404 && strings.Contains(body, theirs.name):
					t.Errorf("the error names it: %s", body)
				}
			}

			if q.list && r.id != "whoami" {
				if status, body, _ := f.ask(r, request{path: q.path + "?tenant=one"},
					f.tokens["two admin"]); r.id != "listTenants" && status != 404 {
					t.Errorf("of the other tenant by name: %d %s", status, body)
				}
			}

			for i, name := range append(store.Roles(), "operator") {
				own := f.make("one")
				q := requests(own)[r.id]
				token := f.tokens["one "+name]

				if name == "operator" {
					token = f.tokens[name]
				}

				status, body, _ := f.ask(r, q, token)
				switch allowed := i+1 >= int(r.role) && (!q.operator || name == "operator"); {
				case allowed && status >= 300:
					t.Errorf("%s: %d %s", name, status, body)
				case !allowed && q.operator && status != 404, !allowed && !q.operator &&
					status != 403:
					t.Errorf("%s: %d %s", name, status, body)
				}
			}
		})
	}

	f.t = t
	if _, n, err := f.db.VerifyAudit(t.Context(), store.Anchor{}); err != nil || n < 20 {
		t.Errorf("the audit: %d entries, %v", n, err)
	}
}

func (f *fleet) route(id string) route {
	for _, r := range routes() {
		if r.id == id {
			return r
		}
	}
	f.t.Fatal(id)
	return route{}
}

// A plan waits for as many other people as the policy asks for, and is applied once.
func TestApprovals(t *testing.T) {
	f := newFleet(t)
	h := f.make("one")
	f.tx(func(tx pgx.Tx) error {
		_, err := tx.Exec(t.Context(), "UPDATE plan SET approvals = 2, by_person = $2 WHERE id = $1",
			h.plan, f.people["one approve"])
		f.addToken(tx, "second", "one", store.RoleApprove)
		return err
	})

	plan := requests(h)
	expect := func(id, who string, want int) {
		t.Helper()
		if status, body, _ := f.ask(f.route(id), plan[id], f.tokens[who]); status != want {
			t.Errorf("%s by %s: %d, want %d: %s", id, who, status, want, body)
		}
	}

	expect("approvePlan", "one approve", 403) // its author
	expect("applyPlan", "one operate", 409)
	expect("approvePlan", "second", 200)
	expect("approvePlan", "second", 200) // twice is once
	expect("applyPlan", "one operate", 409)
	expect("approvePlan", "one view", 403)
	expect("approvePlan", "one admin", 200)
	expect("applyPlan", "one operate", 202)
	expect("applyPlan", "one operate", 409)
	expect("withdrawPlan", "one operate", 409)

	late := f.make("one")
	f.tx(func(tx pgx.Tx) error {
		_, err := tx.Exec(t.Context(), "UPDATE plan SET expires = now() - interval '1 second' WHERE id = $1",
			late.plan)
		return err
	})

	plan = requests(late)
	expect("applyPlan", "one operate", 409)
	expect("approvePlan", "second", 409)
}

func TestConfigs(t *testing.T) {
	f := newFleet(t)
	h := f.make("one")
	put := func(body, match string) (int, string) {
		t.Helper()
		status, text, _ := f.ask(f.route("putConfig"), request{
			path:  fmt.Sprintf("/sites/%d/config", h.site),
			body:  body,
			match: match,
		}, f.tokens["one operate"])
		return status, text
	}

	_, text, header := f.ask(f.route("getConfig"),
		request{path: fmt.Sprintf("/sites/%d/config", h.site)}, f.tokens["one view"])

	if text != configOf(h.name) || header.Get("ETag") != `"1"` {
		t.Errorf("%s %q", header.Get("ETag"), text)
	}

	if status, body := put(configOf(h.name)+"#\n", ""); status != 428 {
		t.Error(status, body)
	}

	if status, body := put(configOf(h.name)+"#\n", `"7"`); status != 412 {
		t.Error(status, body)
	}

	if status, body := put(configOf(h.name)+"#\n", `"1"`); status != 200 ||
		!strings.Contains(body, `"rev":2`) {
		t.Error(status, body)
	}

	if status, body := put(configOf(h.name)+"#\n", `*`); status != 200 ||
		!strings.Contains(body, `"changed":false`) {
		t.Error(status, body)
	}

	if status, body := put(configOf("another"), `*`); status != 422 ||
		!strings.Contains(body, `"field":"site"`) {
		t.Error(status, body)
	}

	if status, body := put(strings.Replace(configOf(h.name), "secret:tsig", "file:/etc/passwd",
		1), `*`); status != 422 ||
		!strings.Contains(body, `"line":7,"field":"zones[0].settings.key"`) {
		t.Error(status, body)
	}

	if status, body := put("# "+strings.Repeat("x", 300<<10), `*`); status != 422 {
		t.Error(status, body)
	}

	if status, body := put("# "+strings.Repeat("x", 2<<20), `*`); status != 413 {
		t.Error(status, body)
	}

	// Also of a tenant who is trusted: a stolen token must not reach into a worker.
	status, body, _ := f.ask(f.route("addSite"), request{
		path: "/sites",
		body: fmt.Sprintf(`{"tenant": "", "config": %q}`,
			strings.Replace(configOf("trusted"), "secret:tsig", "exec:/bin/id", 1)),
	}, f.tokens["operator"])

	if status != 422 {
		t.Error(status, body)
	}

	again := request{
		path: "/sites",
		body: fmt.Sprintf(`{"tenant": "one", "config": %q}`, configOf(h.name)),
	}

	if status, body, _ := f.ask(f.route("addSite"), again,
		f.tokens["one operate"]); status != 409 {
		t.Error(status, body)
	}

	for _, bad := range []string{"", "{}", "[]", `{"tenant": "one"}`,
		`{"tenant": "one", "config": "x", "more": 1}`, `{"tenant": "one", "config": "x"} {}`,
		"\x00"} {
		if status, body, _ := f.ask(f.route("addSite"), request{
			path: "/sites",
			body: bad,
		}, f.tokens["one operate"]); status/100 != 4 {
			t.Error(bad, status, body)
		}
	}
}

// A secret is nowhere in what the API says, and a job is in the queue with what it is about.
func TestSecretsAndJobs(t *testing.T) {
	f := newFleet(t)
	h := f.make("one")
	status, body, _ := f.ask(f.route("putSecret"), request{
		path: "/secrets/tsig?tenant=one",
		body: `{"value": "s3cret-word"}`,
	}, f.tokens["one admin"])

	if status != 200 || strings.Contains(body, "s3cret") {
		t.Error(status, body)
	}

	for _, id := range []string{"listSecrets", "listAudit"} {
		if status, body, _ := f.ask(f.route(id), requests(h)[id],
			f.tokens["one admin"]); status != 200 || strings.Contains(body, "s3cret") ||
			!strings.Contains(body, "tsig") {
			t.Error(id, status, body)
		}
	}

	if got, err := f.server.Secrets.Find(t.Context(), "one", "tsig"); got != "s3cret-word" ||
		err != nil {
		t.Error(got, err)
	}

	f.ask(f.route("makePlan"), requests(h)["makePlan"], f.tokens["one operate"])
	jobs := 0
	if err := f.db.Pool.QueryRow(t.Context(),
		"SELECT count(*) FROM river.river_job WHERE kind LIKE '%plan%'").Scan(&jobs); err != nil ||
		jobs != 1 {
		t.Error(jobs, err)
	}
}

// The overview shows those with problems first, finds, and pages; a page of a site is watch's.
func TestOverview(t *testing.T) {
	f := newFleet(t)
	for range 5 {
		f.make("one")
	}

	h := f.make("two")
	f.tx(func(tx pgx.Tx) error {
		_, err := tx.Exec(t.Context(), "UPDATE look SET state = 1 WHERE site <> (SELECT max(site) FROM look WHERE site <> $1)", h.site)
		return err
	})

	status, body, _ := f.ask(f.route("listSites"), request{path: "/sites?limit=2"},
		f.tokens["one view"])

	var list SiteList
	if err := json.Unmarshal([]byte(body), &list); err != nil || status != 200 ||
		len(list.Sites) != 2 || list.Sites[0].State != "bad" ||
		list.Total != 5 || list.Counts["good"] != 4 || list.Next == nil || *list.Next != 2 {
		t.Errorf("%d %s", status, body)
	}

	for query, want := range map[string]int{"?search=office3": 1, "?search=OFFICE": 5,
		"?search=%25": 0, "?search=customer.example": 5, "?state=bad": 1, "?state=good": 4,
		"?tenant=one": 5, "?search=two": 0, "?offset=4": 1} {
		_, body, _ := f.ask(f.route("listSites"), request{path: "/sites" + query},
			f.tokens["one view"])
		var list SiteList
		if err := json.Unmarshal([]byte(body), &list); err != nil || len(list.Sites) != want {
			t.Errorf("%s: %s", query, body)
		}
	}

	for _, query := range []string{"?limit=0", "?limit=x", "?state=sad", "?offset=-1"} {
		if status, body, _ := f.ask(f.route("listSites"), request{path: "/sites" + query},
			f.tokens["one view"]); status != 400 {
			t.Errorf("%s: %d %s", query, status, body)
		}
	}

	get := func(path, token string) (int, string) {
		req, _ := http.NewRequest("GET", f.http.URL+path, nil)
		req.Header.Set("Authorization", "Bearer "+token)
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}

		defer resp.Body.Close()

		body, _ := io.ReadAll(resp.Body)
		return resp.StatusCode, string(body)
	}

	if status, body := get("/", f.tokens["one view"]); status != 200 ||
		!strings.Contains(body, "1 bad") || !strings.Contains(body, "office5") ||
		strings.Contains(body, h.name) {
		t.Errorf("%d %s", status, body)
	}

	if status, body := get(fmt.Sprintf("/site/%d", h.site),
		f.tokens["one admin"]); status != 404 {
		t.Errorf("%d %s", status, body)
	}

	if status, body := get(fmt.Sprintf("/site/%d", h.site),
		f.tokens["two view"]); status != 200 || !strings.Contains(body, "<title>") {
		t.Errorf("%d %s", status, body)
	}

	if status, body := get("/healthz", ""); status != 200 {
		t.Errorf("%d %s", status, body)
	}

	if status, _ := get("/", "x"); status != 401 {
		t.Errorf("%d", status)
	}
}

// The document describes what is served: each operation once, and nothing else.
func TestOpenAPI(t *testing.T) {
	f := newFleet(t)
	resp, err := http.Get(f.http.URL + prefix + "/openapi.json")
	if err != nil {
		t.Fatal(err)
	}

	defer resp.Body.Close()

	var doc struct {
		OpenAPI string                                             `json:"openapi"`
		Paths   map[string]map[string]struct{ OperationID string } `json:"paths"`
	}

	if err := json.NewDecoder(resp.Body).Decode(&doc); err != nil || doc.OpenAPI != "3.1.0" {
		t.Fatal(err, doc.OpenAPI)
	}

	ids := map[string]bool{}
	for path, methods := range doc.Paths {
		for method, op := range methods {
			if ids[op.OperationID] {
				t.Errorf("%s is there twice", op.OperationID)
			}

			ids[op.OperationID] = true
			r := f.route(op.OperationID)
			if !strings.EqualFold(r.method, method) ||
				strings.ReplaceAll(prefix+r.path, "...}", "}") != path {
				t.Errorf("%s %s is %s %s", method, path, r.method, r.path)
			}
		}
	}

	if len(ids) != len(routes()) {
		t.Errorf("%d operations, %d routes", len(ids), len(routes()))
	}

	for _, path := range []string{"/nothing", "/sites/x", "/sites/-1",
		"/sites/99999999999999999999"} {
		if status, body, _ := f.ask(f.route("getSite"), request{path: path},
			f.tokens["operator"]); status != 404 {
			t.Errorf("%s: %d %s", path, status, body)
		}
	}
}
