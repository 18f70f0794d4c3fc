package api

import (
	"encoding/json"
	"time"
)

// The documents of the API.

// Site is a site in a list.
type Site struct {
	ID      int64      `json:"id"`
	Path    string     `json:"path"`
	Tenant  string     `json:"tenant"`
	Name    string     `json:"name"`
	Host    string     `json:"host"`
	Domains []string   `json:"domains"`
	Rev     int64      `json:"rev"`
	State   string     `json:"state"` // "good", "warning", "bad" or "unknown"
	Wrong   string     `json:"wrong,omitempty"`
	At      *time.Time `json:"at,omitempty"`
	Since   *time.Time `json:"since,omitempty"`
}

// SiteList is a page of a list of sites.
type SiteList struct {
	Sites  []Site         `json:"sites"`
	Counts map[string]int `json:"counts"`         // of all that were found, by state
	Total  int            `json:"total"`          // of those in the state that was asked for
	Next   *int           `json:"next,omitempty"` // offset of the next page
}

// NewSite is a site to be added.
type NewSite struct {
	Tenant string `json:"tenant"`
	File   string `json:"file,omitempty"` // by default its name with .yaml
	Config string `json:"config"`
}

// SiteChange is what became of a config.
type SiteChange struct {
	ID      int64  `json:"id"`
	Path    string `json:"path"`
	Rev     int64  `json:"rev"`
	Digest  string `json:"digest"`
	Changed bool   `json:"changed"`
}

// Report is the last look at a site.
type Report struct {
	Site   string          `json:"site"`
	State  string          `json:"state"`
	At     time.Time       `json:"at"`
	Since  time.Time       `json:"since"`
	Next   time.Time       `json:"next"`
	Error  string          `json:"error,omitempty"` // what could not be looked at
	Report json.RawMessage `json:"report"`          // mailpub/report/v1
}

// PlanStatus is a stored plan.
type PlanStatus struct {
	ID        int64           `json:"id"`
	Site      int64           `json:"site"`
	Path      string          `json:"path"`
	Kind      string          `json:"kind"`
	State     string          `json:"state"`
	Rev       int64           `json:"rev"`
	Digest    string          `json:"digest,omitempty"`
	Share     float64         `json:"share"`
	Adopts    bool            `json:"adopts"`
	Needs     int             `json:"needs"` // approvals
	Approvals []string        `json:"approvals"`
	By        string          `json:"by"`
	Created   time.Time       `json:"created"`
	Expires   time.Time       `json:"expires"`
	Done      int             `json:"done"`
	Error     string          `json:"error,omitempty"`
	Wave      int64           `json:"wave,omitempty"`
	Document  json.RawMessage `json:"document,omitempty"` // mailpub/plan/v1; not in lists
}

// PlanList is a list of plans, newest first.
type PlanList struct {
	Plans []PlanStatus `json:"plans"`
}

// NewPlan asks for a plan.
type NewPlan struct {
	Kind string `json:"kind"` // "apply" or "destroy"
}

// Tenant is a node of the tree of tenants.
type Tenant struct {
	Path        string     `json:"path"`
	Trusted     bool       `json:"trusted"`
	PausedUntil *time.Time `json:"paused_until,omitempty"`
	Created     time.Time  `json:"created"`
	Role        string     `json:"role"` // your own there
}

// TenantList is a list of tenants by path.
type TenantList struct {
	Tenants []Tenant `json:"tenants"`
}

// NewTenant is a tenant to be added.
type NewTenant struct {
	Path string `json:"path"`
}

// PolicyRules are the approvals that plans of a tenant need. What is left open is as the tenant above has it.
type PolicyRules struct {
	Approvals *int     `json:"approvals,omitempty"`
	Special   *int     `json:"special,omitempty"`
	Share     *float64 `json:"share,omitempty"`
}

// PauseRequest has nothing done by itself until a time; without one it goes on.
type PauseRequest struct {
	Until *time.Time `json:"until,omitempty"`
}

// Member is a person with a role.
type Member struct {
	Person  int64  `json:"person"`
	Tenant  string `json:"tenant"`
	Role    string `json:"role"`
	Name    string `json:"name"`
	Email   string `json:"email,omitempty"`
	Issuer  string `json:"issuer,omitempty"`
	Subject string `json:"subject,omitempty"`
}

// MemberList is who has a role at a tenant and below.
type MemberList struct {
	Members []Member `json:"members"`
}

// NewMember gives a person a role. A person is known by issuer and subject; without an issuer it has tokens only.
type NewMember struct {
	Tenant  string `json:"tenant"`
	Role    string `json:"role"`
	Name    string `json:"name"`
	Email   string `json:"email,omitempty"`
	Issuer  string `json:"issuer,omitempty"`
	Subject string `json:"subject"`
}

// Token is what is known of a token.
type Token struct {
	ID      string     `json:"id"`
	Person  int64      `json:"person"`
	Name    string     `json:"name"`
	Tenant  string     `json:"tenant"`
	Role    string     `json:"role"`
	Note    string     `json:"note,omitempty"`
	Expires *time.Time `json:"expires,omitempty"`
	Used    *time.Time `json:"used,omitempty"`
	Created time.Time  `json:"created"`
	Token   string     `json:"token,omitempty"` // once, when it is made
}

// TokenList is a list of tokens.
type TokenList struct {
	Tokens []Token `json:"tokens"`
}

// NewToken asks for a token of a person who has a role at the tenant or above.
type NewToken struct {
	Person  int64      `json:"person"`
	Tenant  string     `json:"tenant"`
	Role    string     `json:"role"`
	Note    string     `json:"note,omitempty"`
	Expires *time.Time `json:"expires,omitempty"`
}

// Secret is what is known of a secret: never its value.
type Secret struct {
	Tenant  string    `json:"tenant"`
	Name    string    `json:"name"`
	Version int64     `json:"version"`
	Created time.Time `json:"created"`
}

// SecretList is a list of secrets.
type SecretList struct {
	Secrets []Secret `json:"secrets"`
}

// NewSecret is the value of a secret.
type NewSecret struct {
	Value string `json:"value"`
}

// AuditEntry is what was done, by whom.
type AuditEntry struct {
	ID     int64             `json:"id"`
	At     time.Time         `json:"at"`
	By     string            `json:"by"`
	Means  string            `json:"means"`
	Tenant string            `json:"tenant"`
	Site   string            `json:"site,omitempty"`
	Act    string            `json:"act"`
	Before string            `json:"before,omitempty"`
	After  string            `json:"after,omitempty"`
	Detail map[string]string `json:"detail,omitempty"`
}

// AuditList is a page of the audit, newest first.
type AuditList struct {
	Entries []AuditEntry `json:"entries"`
}

// Whoami is the caller.
type Whoami struct {
	Name  string            `json:"name"`
	Means string            `json:"means"`
	Roles map[string]string `json:"roles"` // by tenant
}
