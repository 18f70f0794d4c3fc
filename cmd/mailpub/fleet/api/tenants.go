package api

import (
	"fmt"
	"strings"
	"time"

	"github.com/mailpub/mailpub/cmd/mailpub/fleet/guard"
	"github.com/mailpub/mailpub/cmd/mailpub/fleet/store"
)

// inTenant returns the tenant that the query names, where the caller has the role that the route needs.
func (c *call) inTenant() (string, error) {
	tenant := c.tenant()
	return tenant, c.enter(tenant)
}

func (c *call) tenantDocument(t store.Tenant) Tenant {
	return Tenant{
		Path:        t.Path,
		Trusted:     t.Trusted,
		PausedUntil: t.PausedUntil,
		Created:     t.Created,
		Role:        c.who.RoleAt(t.Path).String(),
	}
}

func listTenants(c *call) (any, error) {
	list, err := store.Tenants(c.r.Context(), c.tx)
	out := TenantList{Tenants: []Tenant{}}
	for _, t := range list {
		out.Tenants = append(out.Tenants, c.tenantDocument(t))
	}
	return out, err
}

func addTenant(c *call) (any, error) {
	var in NewTenant
	if err := c.decode(&in); err != nil {
		return nil, err
	}
	if !store.IsTenantPath(in.Path) {
		return nil, inputError{fmt.Sprintf("path is %q, want names of small letters, digits and hyphens with / between them",
			in.Path)}
	}

	parent, _ := store.SplitPath(in.Path)
	if err := c.at(parent); err != nil {
		return nil, err
	}
	if err := store.NewTenant(c.r.Context(), c.tx, in.Path); err != nil {
		return nil, err
	}

	t := store.Tenant{Path: in.Path, Created: time.Now()}
	return c.tenantDocument(t), c.audit(in.Path, "", "tenant.add", "", "", nil)
}

func deleteTenant(c *call) (any, error) {
	path := strings.Trim(c.r.PathValue("path"), "/")
	parent, _ := store.SplitPath(path)
	if err := c.at(path); err != nil {
		return nil, err
	}
	if err := c.at(parent); err != nil { // nobody removes the ground they stand on
		return nil, errForbidden
	}
	if err := store.DeleteTenant(c.r.Context(), c.tx, path); err != nil {
		return nil, err
	}

	return nil, c.audit(path, "", "tenant.delete", "", "", nil)
}

func getPolicy(c *call) (any, error) {
	tenant, err := c.inTenant()
	if err != nil {
		return nil, err
	}
	r, err := store.RulesAt(c.r.Context(), c.tx, tenant)
	return PolicyRules(r), err
}

func putPolicy(c *call) (any, error) {
	tenant, err := c.inTenant()
	if err != nil {
		return nil, err
	}

	var in PolicyRules
	if err := c.decode(&in); err != nil {
		return nil, err
	}
	if err := store.ApprovalRules(in).Check(); err != nil {
		return nil, inputError{err.Error()}
	}
	if err := store.SetRules(c.r.Context(), c.tx, tenant, store.ApprovalRules(in)); err != nil {
		return nil, err
	}

	return in, c.audit(tenant, "", "policy.set", "", "", nil)
}

func (c *call) until() (time.Time, error) {
	var in PauseRequest
	if err := c.decode(&in); err != nil {
		return time.Time{}, err
	}
	if in.Until == nil {
		return time.Time{}, nil
	}

	return *in.Until, nil
}

func pauseTenant(c *call) (any, error) {
	tenant, err := c.inTenant()
	if err != nil {
		return nil, err
	}

	until, err := c.until()
	if err != nil {
		return nil, err
	}
	if err := store.Pause(c.r.Context(), c.tx, tenant, until); err != nil {
		return nil, err
	}

	return nil, c.audit(tenant, "", "tenant.pause", "", "",
		map[string]string{"until": formatUntil(until)})
}

func formatUntil(t time.Time) string {
	if t.IsZero() {
		return "no longer"
	}
	return t.UTC().Format(time.RFC3339)
}

// pauseAccount is the operator's: several tenants may use an account.
func pauseAccount(c *call) (any, error) {
	if c.who.RoleAt("") == store.NoRole {
		return nil, store.ErrNotFound
	}
	if err := c.at(""); err != nil {
		return nil, err
	}

	until, err := c.until()
	if err != nil {
		return nil, err
	}

	id := c.r.PathValue("id")
	if err := store.PauseAccount(c.r.Context(), c.tx, id, until); err != nil {
		return nil, err
	}

	return nil, c.audit("", "", "account.pause", "", "",
		map[string]string{"account": id, "until": formatUntil(until)})
}

func listSecrets(c *call) (any, error) {
	tenant, err := c.inTenant()
	if err != nil {
		return nil, err
	}

	list, err := store.SecretsOf(c.r.Context(), c.tx, tenant)
	out := SecretList{Secrets: []Secret{}}
	for _, s := range list {
		out.Secrets = append(out.Secrets, Secret(s))
	}

	return out, err
}

func putSecret(c *call) (any, error) {
	tenant, err := c.inTenant()
	if err != nil {
		return nil, err
	}

	name := c.r.PathValue("name")
	var in NewSecret
	if err := c.decode(&in); err != nil {
		return nil, err
	}

	switch {
	case !guard.IsSecretName(name):
		return nil, inputError{fmt.Sprintf("the name is %q, want small letters, digits, dots, underscores and hyphens", name)}
	case in.Value == "":
		return nil, inputError{"the value is empty"}
	}

	version, err := c.Secrets.Put(c.r.Context(), c.tx, tenant, name, []byte(in.Value))
	if err != nil {
		return nil, err
	}

	detail := map[string]string{"name": name, "version": fmt.Sprint(version)}
	out := Secret{
		Tenant:  tenant,
		Name:    name,
		Version: version,
		Created: time.Now(),
	}

	return out, c.audit(tenant, "", "secret.set", "", "", detail)
}

func deleteSecret(c *call) (any, error) {
	tenant, err := c.inTenant()
	if err != nil {
		return nil, err
	}

	name := c.r.PathValue("name")
	if err := store.DeleteSecret(c.r.Context(), c.tx, tenant, name); err != nil {
		return nil, err
	}

	return nil, c.audit(tenant, "", "secret.delete", "", "", map[string]string{"name": name})
}

func listAudit(c *call) (any, error) {
	tenant, err := c.scopeOf()
	if err != nil {
		return nil, err
	}

	before, err := c.number("before", 0, 0, 1<<53)
	if err != nil {
		return nil, err
	}

	limit, err := c.number("limit", 100, 1, 1000)
	if err != nil {
		return nil, err
	}

	list, err := store.AuditOf(c.r.Context(), c.tx, tenant, c.r.URL.Query().Get("site"),
		int64(before), limit)

	out := AuditList{Entries: []AuditEntry{}}
	for _, e := range list {
		out.Entries = append(out.Entries, AuditEntry{
			ID:     e.ID,
			At:     e.At,
			By:     e.By.Name,
			Means:  e.By.Means,
			Tenant: e.Tenant,
			Site:   e.Site,
			Act:    e.Act,
			Before: e.Before,
			After:  e.After,
			Detail: e.Detail,
		})
	}

	return out, err
}
