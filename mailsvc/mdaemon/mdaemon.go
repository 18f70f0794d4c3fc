// Package mdaemon drives an MDaemon: over its XML API, and where mailpub runs on the same machine
// through the files and semaphores of its App folder.
//
// It knows what the vendor documents and what was seen at work: domains, accounts, aliases, trusted
// addresses, rows of the IP Shield, the least length of passwords. Where MDaemon keeps the rest is not
// published and is not guessed: a person lets mailpub learn it on a real server (Learner), and it is then
// kept in a Dialect. What is in neither is a person's work, which ends when SMTP shows that it was done or
// the administrator answers for it. Every write has a dated copy, is read back, and is put back where its
// effect does not come.
package mdaemon

import (
	"context"
	"net/netip"
	"slices"
	"strings"

	"github.com/mailpub/mailpub/mailsvc"
	"github.com/mailpub/mailpub/plan"
	"github.com/mailpub/mailpub/plan/mail"
)

// Needs beside those of every mail server.
const (
	needAPI     = "xml-api" // that it answers
	needTrusted = "trusted" // trusted ADDRESS: may send without a password
	needShield  = "shield"  // shield DOMAIN: from where alone its senders may write without a password
	needLength  = "password-length"
	needSetting = "setting" // setting NAME: one of a Dialect
)

// Texts of these needs.
const (
	answers    = "answers"
	trusted    = "trusted"
	ownAccount = "a dedicated account"
	leastChars = "10"
)

// Driver implements mailsvc.Server and plan.Resumer. Not safe for concurrent use.
type Driver struct {
	mailsvc.Manual // what a person does, and what SMTP shows

	Client  *Client    // nil: the XML API is not asked
	App     *App       // nil: mailpub does not run on MDaemon's machine
	Help    *Help      // what this version's XML API knows; nil: nothing
	Dialect *Dialect   // nil: nothing was learnt
	Own     netip.Addr // the server's address on the LAN

	// Mailbox is the account that verify logs in to. It may be made, with its password.
	Mailbox  string
	Password func(context.Context) (string, error)

	api *apiState // what one Read was told; nil before
}

// New returns the driver of an MDaemon that answers SMTP at addr. domain is where names without one
// belong.
func New(addr, domain string) *Driver {
	d := &Driver{Manual: mailsvc.Manual{Addr: addr, Domain: domain, Words: instructions()}}
	d.Manual.Shown = d.observe
	d.Manual.Confirmations.Version = d.Version
	return d
}

// Spell implements mailsvc.Server.
func (d *Driver) Spell(needs []plan.Item) []plan.Item {
	var own, byHand []plan.Item
	for _, it := range needs {
		items, whole := d.spell(it)
		own = append(own, items...)
		if !whole {
			byHand = append(byHand, it)
		}
	}

	if d.Client != nil {
		own = append(own, plan.Item{
			Key:    key(needAPI),
			Lines:  []string{answers},
			Stage:  plan.StageService,
			Reason: "mailpub reads MDaemon's settings there",
		})
	}

	return append(own, d.Manual.Spell(byHand)...)
}

// apiDialog is what opens the XML API. Since version 24 it answers only addresses that are listed.
const apiDialog = "Setup > Web & IM Services > Remote Administration: on; Setup > XML API Service > Address Restrictions (in 26: XML API Management): 127.0.0.1"

func key(words ...string) plan.Key {
	return plan.Key{Kind: mailsvc.Kind, Name: strings.Join(words, " ")}
}

// spell returns what mailpub itself does for a need. whole says that nothing of it is left for a person.
func (d *Driver) spell(it plan.Item) (items []plan.Item, whole bool) {
	need, name := mailsvc.SplitNeed(it.Key)
	switch need {
	case mail.NeedAlias:
		if !strings.Contains(name, "@") || !d.writesAliases() {
			return nil, false
		}
		it.Lines = []string{d.fullAddress(it.Lines[0])}
		it.Fit = keepAlias
		return []plan.Item{it}, true
	case mail.NeedDomain, mail.NeedMailbox:
		if d.drives(it.Key) {
			return []plan.Item{it}, true
		}
		return nil, false
	case mail.NeedRelaying:
		items = d.spellTrusted(it)
	case mail.NeedSenders:
		items = d.spellShield(it)
	case mail.NeedPasswords:
		items = d.spellLength(it)
	}

	return append(items, d.spellSettings(need, it)...), d.Dialect.covers(need)
}

// fullAddress is the address of a mailbox, in the server's first domain where it is named without.
func (d *Driver) fullAddress(mailbox string) string {
	if strings.Contains(mailbox, "@") {
		return mailbox
	}
	return mailbox + "@" + d.Domain
}

// keepAlias keeps an address that leads to the same mailbox in another spelling, and one that is an
// account itself.
func keepAlias(observed, wanted []string) []string {
	if observed[0] == ownAccount || strings.EqualFold(observed[0], wanted[0]) {
		return observed
	}
	return wanted
}

func (d *Driver) writesAliases() bool {
	return d.App != nil || d.Client != nil &&
		d.Help.Knows("UpdateUser", "AddAliases", "RemoveAliases", "Alias")
}

func (d *Driver) writesDomains() bool {
	return d.Client != nil && d.Help.Knows("CreateDomain", "Domain") &&
		d.Help.Knows("DeleteDomain", "Domain")
}

// spellTrusted wants the hosts that may send without a password in the list of trusted addresses. How that
// list writes a network is not known: networks stay a person's work.
func (d *Driver) spellTrusted(it plan.Item) (items []plan.Item) {
	for _, line := range it.Lines {
		network, is := strings.CutPrefix(line, mail.TrustsNetwork)
		p, err := netip.ParsePrefix(network)
		if d.App == nil || !is || err != nil || !p.IsSingleIP() {
			continue
		}

		items = append(items, plan.Item{
			Key:    key(needTrusted, p.Addr().String()),
			Lines:  []string{trusted},
			Stage:  it.Stage,
			Reason: "service.networks lets it send without a password",
		})
	}

	return items
}

// spellShield wants a row of the IP Shield for the domain, where that list is kept in a layout that is known.
func (d *Driver) spellShield(it plan.Item) []plan.Item {
	if d.App == nil || !d.Own.IsValid() || d.Domain == "" {
		return nil
	}

	data, err := d.App.read(shieldFile)
	if s, known := parseShield(data); err != nil || !known || len(s.rows()) == 0 {
		return nil
	}

	return []plan.Item{{
		Key:    key(needShield, d.Domain),
		Lines:  []string{d.Own.String()},
		Stage:  it.Stage,
		Reason: "the IP Shield refuses senders of the domain from other addresses; " + it.Reason,
		Fit:    func(observed, _ []string) []string { return observed },
	}}
}

// spellLength wants passwords of some length, where this version's file has that key.
func (d *Driver) spellLength(it plan.Item) []plan.Item {
	if d.App == nil {
		return nil
	}

	data, err := d.App.read(mainFile)
	if _, has := parseINI(data).get(lengthPlace.Section, lengthPlace.Key); err != nil || !has {
		return nil
	}

	return []plan.Item{{
		Key:    key(needLength),
		Lines:  []string{leastChars},
		Stage:  it.Stage,
		Reason: it.Reason,
		Fit:    longEnough,
	}}
}

// spellSettings wants what was learnt.
func (d *Driver) spellSettings(need string, it plan.Item) (items []plan.Item) {
	if d.App == nil || d.Dialect == nil {
		return nil
	}

	for _, s := range Settings() {
		p, learnt := d.Dialect.Settings[s.Name]
		if s.Need != need || !learnt || !s.wants(it.Lines) {
			continue
		}

		text := p.On
		if s.Text {
			text = it.Lines[0]
		}

		items = append(items, plan.Item{
			Key:    settingKey(s.Name),
			Lines:  []string{text},
			Stage:  it.Stage,
			Reason: s.Where + `: "` + s.Box + `"; ` + it.Reason,
		})
	}

	return items
}

// Version is what MDaemon calls itself, "" where it can't be told.
func (d *Driver) Version(ctx context.Context) string {
	if state := d.openAPI(ctx); state != nil && state.version != "" {
		return state.version
	}
	if d.App != nil {
		return d.App.version()
	}
	return ""
}

// instructions name the places in MDaemon's dialogs: those of current versions, and where they differ those before 13.6.
func instructions() mailsvc.Instructions {
	both := func(s string) string {
		setting, _ := LookupSetting(s)
		text := setting.Where + `: "` + setting.Box + `"`
		if setting.Former != setting.Where {
			text += " (before 13.6: " + setting.Former + ")"
		}
		return text
	}

	return mailsvc.Instructions{
		mail.NeedHostname:     both("hostname") + ": {text}",
		mail.NeedListen:       "Setup > Server Settings > Ports, and Binding: let SMTP listen at {text}",
		mail.NeedDomain:       "Setup > Domain Manager > New domain: {name}",
		mail.NeedMailbox:      "Accounts > Account Manager > New: {name}, with a strong password",
		mailsvc.NeedRecipient: "Accounts > Account Settings > Aliases: {name} = {text} (in every domain: Postmaster@* and abuse@*)",
		mail.NeedDelivery: deliveryDialog + ` (before 13.6: ` + formerDefault +
			` > Delivery): {text} ("Send all outbound email directly to the recipient's mail server", ` +
			`or "Send all email directly first, and then to smart hosts if there are problems")`,
		mail.NeedRelaying: both("relaying") + "{text}",
		mail.NeedRecipients: both("known-senders") +
			` and "SMTP RCPT address must exist if it uses a local domain"`,
		mail.NeedSenders: both("postmaster-login") +
			"; and SMTP authentication for senders of local domains",
		mail.NeedAccount:   "Accounts > Account Manager: remove {name}, or let every account authenticate and give it a strong password",
		mail.NeedPasswords: passwordsDialog + `: "Require strong passwords"`,
		mail.NeedCollector: "MultiPOP and DomainPOP: let them poll {name} by its provider's address, since the name is this server now",
		mail.NeedSigning:   "Security > Security Manager > DKIM Signing: sign mail of {name}, {text}",
	}
}

// drives reports whether a key is one that mailpub reads, and mostly writes, by itself.
func (d *Driver) drives(k plan.Key) bool {
	need, name := mailsvc.SplitNeed(k)
	switch need {
	case needAPI, needTrusted, needShield, needLength, needSetting, mail.NeedAlias:
		return true
	case mail.NeedDomain:
		return d.writesDomains()
	case mail.NeedMailbox:
		return d.Client != nil && d.Mailbox == name
	}

	return k == unfinishedKey
}

// split parts keys into those that mailpub drives and those that a person does.
func (d *Driver) split(keys []plan.Key) (own, byHand []plan.Key) {
	own = slices.DeleteFunc(slices.Clone(keys), func(k plan.Key) bool {
		return !d.drives(k)
	})
	byHand = slices.DeleteFunc(slices.Clone(keys), d.drives)
	return own, byHand
}
