// Package api serves a fleet to people and programs: a JSON API under /api/v1 with an OpenAPI document, and
// pages for browsers. Everything it reads and writes goes through the database's row-level security as the
// one who asks; what belongs to a tenant of others does not exist here (404).
//
// It knows no workers: it leaves jobs in the queue. A client of the same API is in the package.
package api

import (
	"context"
	"log/slog"
	"net/http"
	"net/netip"

	"github.com/jackc/pgx/v5"

	"github.com/mailpub/mailpub/cmd/mailpub/fleet/store"
)

// Queue puts jobs beside what they are about, in the same transaction.
type Queue interface {
	Plan(ctx context.Context, tx pgx.Tx, plan int64) error
	Apply(ctx context.Context, tx pgx.Tx, plan int64) error
}

// Server serves the API and the pages.
type Server struct {
	DB      *store.DB
	Queue   Queue
	Secrets store.Secrets
	Allow   []netip.Prefix // ranges that sites of tenants may connect to although they are not public
	OIDC    *OIDC          // how browsers log in; nil: by a token
	Version string
	Log     *slog.Logger
}

// call is one request while it is served.
type call struct {
	*Server
	r    *http.Request
	tx   pgx.Tx
	who  store.Principal
	need store.Role // of the route
}

// at fails where the caller has no role at a tenant (as if there were none), or one that is too low.
func (c *call) at(tenant string) error {
	switch role := c.who.RoleAt(tenant); {
	case role == store.NoRole:
		return store.ErrNotFound
	case role < c.need:
		return errForbidden
	}
	return nil
}
