package mdaemon

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/mailpub/mailpub/mailsvc"
	"github.com/mailpub/mailpub/plan"
	"github.com/mailpub/mailpub/plan/mail"
)

// lengthPlace is where older versions keep the least length of a password.
var lengthPlace = iniKey{File: mainFile, Section: "Special", Key: "MinPasswordLength"}

// apiState is what the XML API said of itself.
type apiState struct {
	version string
	err     error // it does not answer

	domains []string          // nil before they are asked for, and after a change
	owners  map[string]string // of each address the account that has it; nil likewise
}

// servedDomains are the domains that MDaemon serves.
func (d *Driver) servedDomains(ctx context.Context) (_ []string, err error) {
	if d.api.domains == nil {
		d.api.domains, err = d.Client.GetDomainList(ctx)
	}
	return d.api.domains, err
}

// aliasOwners returns the account that has each alias, and of each account itself: MDaemon lists aliases by account
// only, so that all are asked, once.
func (d *Driver) aliasOwners(ctx context.Context) (map[string]string, error) {
	if d.api.owners != nil {
		return d.api.owners, nil
	}

	domains, err := d.servedDomains(ctx)
	if err != nil {
		return nil, err
	}

	owners := map[string]string{}
	for _, domain := range domains {
		users, err := d.Client.users(ctx, domain)
		if err != nil {
			return nil, err
		}

		for _, user := range users {
			is, err := d.Client.getAccount(ctx, domain, user)
			if err != nil {
				return nil, err
			}

			address := user + "@" + domain
			if owners[address] == "" { // an alias beats an account of the same name
				owners[address] = ownAccount
			}

			for _, alias := range is.Aliases {
				if is := owners[alias]; is == "" || is == ownAccount {
					owners[alias] = address
				}
			}
		}
	}

	d.api.owners = owners
	return owners, nil
}

// openAPI asks the XML API once who it is; nil where there is none. One that refused is not asked again.
func (d *Driver) openAPI(ctx context.Context) *apiState {
	if d.Client == nil || d.api != nil {
		return d.api
	}

	a, err := d.Client.GetVersionInfo(ctx)
	if err == nil && a.Status.ID != "0" {
		err = errors.New("MDaemon's XML API does not answer GetVersionInfo: " +
			a.Status.Message)
	}

	d.api = &apiState{version: a.Product, err: err}
	return d.api
}

// Read implements plan.Driver. An XML API that does not answer is one thing that is not known; what
// files and SMTP show is read all the same.
func (d *Driver) Read(ctx context.Context, keys []plan.Key) (items []plan.Item, err error) {
	d.api = nil // it may answer by now
	own, byHand := d.split(keys)
	for _, k := range own {
		it, err := d.read(ctx, k)
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if err != nil {
			return nil, err
		}

		if it != nil {
			items = append(items, *it)
		}
	}

	if len(byHand) == 0 {
		return items, nil
	}

	seen, err := d.Manual.Read(ctx, byHand)
	return append(items, seen...), err
}

// read reads one key; nil is that it is not there.
func (d *Driver) read(ctx context.Context, k plan.Key) (*plan.Item, error) {
	need, name := mailsvc.SplitNeed(k)
	switch need {
	case needAPI:
		return d.readAPI(ctx, k), nil
	case mail.NeedAlias:
		return d.readAlias(ctx, k, name)
	case mail.NeedDomain:
		return d.readDomain(ctx, k, name), nil
	case mail.NeedMailbox:
		return d.readAccount(ctx, k, name), nil
	}

	if d.App == nil {
		return unreadable(k, "service.settings.app is not given, so that MDaemon's files can't be read"), nil
	}

	switch need {
	case needTrusted:
		return d.readTrusted(k, name)
	case needShield:
		return d.readShield(k, name)
	case needLength:
		return d.readPlace(k, Placement{
			File:    lengthPlace.File,
			Section: lengthPlace.Section,
			Key:     lengthPlace.Key,
		})
	case needSetting:
		return d.readSetting(ctx, k, name)
	}

	return nil, nil
}

func (d *Driver) readAPI(ctx context.Context, k plan.Key) *plan.Item {
	state := d.openAPI(ctx)
	switch {
	case state == nil:
		return nil
	case state.err != nil:
		return unreadable(k, state.err.Error()+"; it is opened in "+apiDialog)
	}

	it := observedItem(k, answers)
	it.Fixed = "it is MDaemon's own" // seen, and never mailpub's
	return it
}

// readAlias reads where mail for an address goes: by the file, in its order, or by the XML API.
func (d *Driver) readAlias(ctx context.Context, k plan.Key, address string) (*plan.Item, error) {
	if d.App == nil {
		return d.readAPIAlias(ctx, k, address), nil
	}

	a, err := d.aliases()
	if err != nil {
		return unreadable(k, err.Error()), nil
	}
	if actual, line := a.resolve(address); line >= 0 {
		return observedItem(k, actual), nil
	}

	has, err := d.isAccount(ctx, address)
	switch {
	case err != nil:
		return unreadable(k, "cannot determine whether there is an account of that name: "+
			err.Error()), nil
	case has:
		return observedItem(k, ownAccount), nil
	}

	return nil, nil
}

func (d *Driver) aliases() (aliases, error) {
	data, err := d.App.read(aliasFile)
	if err != nil {
		return aliases{}, err
	}
	return parseAliases(data)
}

// isAccount asks whether an address is an account itself, so that an alias would take its mail away.
func (d *Driver) isAccount(ctx context.Context, address string) (bool, error) {
	mailbox, domain, _ := strings.Cut(address, "@")
	if state := d.openAPI(ctx); state != nil && state.err == nil {
		is, err := d.Client.getAccount(ctx, domain, mailbox)
		return is.Exists, err
	}

	if has, known, err := d.App.hasAccount(domain, mailbox); known || err != nil {
		return has, err
	}

	accepted := key(mailsvc.NeedRecipient, address)
	items, err := d.Manual.Read(ctx, []plan.Key{accepted})
	switch {
	case err != nil:
		return false, err
	case len(items) > 0 && items[0].Unreadable != "":
		return false, errors.New(items[0].Unreadable)
	}

	return len(items) > 0, nil
}

// readAPIAlias sees which account has an address.
func (d *Driver) readAPIAlias(ctx context.Context, k plan.Key, address string) *plan.Item {
	state := d.openAPI(ctx)
	if state == nil {
		return unreadable(k, "neither service.settings.app nor url is given, so that nothing tells")
	}
	if state.err != nil {
		return unreachableItem(k, state.err)
	}

	owners, err := d.aliasOwners(ctx)
	if err != nil {
		return unreachableItem(k, err)
	}
	if owner, ok := owners[strings.ToLower(address)]; ok {
		return observedItem(k, owner)
	}

	return nil
}

func (d *Driver) readDomain(ctx context.Context, k plan.Key, domain string) *plan.Item {
	state := d.openAPI(ctx)
	if state.err != nil {
		return unreachableItem(k, state.err)
	}

	domains, err := d.servedDomains(ctx)
	switch {
	case err != nil:
		return unreachableItem(k, err)
	case slices.Contains(domains, strings.ToLower(domain)):
		return observedItem(k, mail.Served)
	}

	return nil
}

func (d *Driver) readAccount(ctx context.Context, k plan.Key, mailbox string) *plan.Item {
	state := d.openAPI(ctx)
	if state.err != nil {
		return unreachableItem(k, state.err)
	}

	is, err := d.Client.getAccount(ctx, d.Domain, mailbox)
	switch {
	case err != nil:
		return unreachableItem(k, err)
	case is.Exists:
		return observedItem(k, mail.Exists)
	}

	return nil
}

func (d *Driver) readTrusted(k plan.Key, address string) (*plan.Item, error) {
	data, err := d.App.read(trustedFile)
	if err != nil {
		return unreadable(k, err.Error()), nil
	}
	if slices.IndexFunc(parseText(data).lines, isRow(address)) >= 0 {
		return observedItem(k, trusted), nil
	}

	return nil, nil
}

func (d *Driver) readShield(k plan.Key, domain string) (*plan.Item, error) {
	data, err := d.App.read(shieldFile)
	if err != nil {
		return unreadable(k, err.Error()), nil
	}

	s, known := parseShield(data)
	if !known {
		return unreadable(k, shieldFile+" is in a layout that is not known"), nil
	}
	if addresses := s.of(domain); len(addresses) > 0 {
		return &plan.Item{Key: k, Lines: addresses}, nil
	}

	return nil, nil
}

// readSetting reads a learnt setting, where the server is of the version that it was learnt on.
func (d *Driver) readSetting(ctx context.Context, k plan.Key, name string) (*plan.Item, error) {
	if d.Dialect == nil {
		return unreadable(k, "service.settings.dialect is not given"), nil
	}

	p, ok := d.Dialect.Settings[name]
	if !ok {
		return unreadable(k, fmt.Sprintf("the dialect has no setting %q any more", name)), nil
	}
	if why := d.otherVersion(ctx); why != "" {
		return unreadable(k, why), nil
	}

	return d.readPlace(k, p)
}

// otherVersion says why what was learnt does not hold here: settings move between versions.
func (d *Driver) otherVersion(ctx context.Context) string {
	is := d.Version(ctx)
	switch {
	case is == "":
		return "cannot determine which version this MDaemon is, and the dialect holds for " +
			d.Dialect.Version
	case major(is) != major(d.Dialect.Version):
		return fmt.Sprintf("the dialect was learnt on MDaemon %s, and this is %s: learn it again (mailpub mdaemon learn)",
			d.Dialect.Version, is)
	}

	return ""
}

func (d *Driver) readPlace(k plan.Key, p Placement) (*plan.Item, error) {
	data, err := d.App.read(p.File)
	if err != nil {
		return unreadable(k, err.Error()), nil
	}
	if value, ok := parseINI(data).get(p.Section, p.Key); ok {
		return observedItem(k, value), nil
	}

	return nil, nil
}

// observe is what the XML API says of the needs that a person meets. MDaemon's status does not tell "no such
// domain" from other refusals in a way that is published: what it does not confirm is left to SMTP.
func (d *Driver) observe(ctx context.Context, keys []plan.Key) (map[string]mailsvc.Observed, error) {
	state := d.openAPI(ctx)
	if state == nil || state.err != nil {
		return nil, nil // said once, of needAPI
	}

	out := map[string]mailsvc.Observed{}
	for _, k := range keys {
		switch need, name := mailsvc.SplitNeed(k); need {
		case mail.NeedDomain:
			a, err := d.Client.GetDomainInfo(ctx, name)
			if err != nil {
				return nil, err
			}
			if a.Status.ID == "0" {
				out[k.Name] = mailsvc.Observed{Lines: []string{mail.Served}}
			}
		case mail.NeedMailbox:
			is, err := d.Client.getAccount(ctx, d.Domain, name)
			if err != nil {
				return nil, err
			}
			if is.Exists {
				out[k.Name] = mailsvc.Observed{Lines: []string{mail.Exists}}
			}
		}
	}

	return out, nil
}
