package mdaemon

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/mailpub/mailpub/mailsvc"
	"github.com/mailpub/mailpub/plan"
	"github.com/mailpub/mailpub/plan/mail"
)

// effectPatience is how long a setting may take to show by SMTP after it was loaded.
const effectPatience = 5 * time.Second

// Unfinished implements plan.Resumer: files that a run wrote before it was cut off are loaded by the next.
func (d *Driver) Unfinished(context.Context) []plan.Change {
	if d.App == nil || d.App.leftoverSemaphores() == nil {
		return nil
	}

	return []plan.Change{{
		Key:    unfinishedKey,
		Action: plan.Update,
		Stage:  plan.StageService,
		After:  []string{"MDaemon has loaded its files"},
		Reason: "an earlier run wrote files and was cut off before MDaemon loaded them",
	}}
}

// Apply implements plan.Driver. What is in files is done as a whole or not at all; what the XML API does
// is done one by one after it.
func (d *Driver) Apply(ctx context.Context, batch []plan.Change, done func(plan.Change, error)) error {
	if len(batch) == 0 {
		return nil
	}

	if c, err := d.staleChange(ctx, batch); err != nil {
		done(c, err)
		return err
	}

	files, rest := partition(batch, d.inFiles)
	if err := d.applyFiles(ctx, files, done); err != nil {
		return err
	}

	calls, confirmed := partition(rest, d.drives)
	for _, c := range calls {
		err := d.call(ctx, c)
		done(c, err)
		if err != nil {
			return err
		}
	}

	return d.Manual.Apply(ctx, confirmed, done)
}

// partition parts a batch in two.
func partition(batch []plan.Change, is func(plan.Key) bool) (those, others []plan.Change) {
	for _, c := range batch {
		if is(c.Key) {
			those = append(those, c)
		} else {
			others = append(others, c)
		}
	}

	return those, others
}

// staleChange reads again and returns the first change that was made of something else.
func (d *Driver) staleChange(ctx context.Context, batch []plan.Change) (plan.Change, error) {
	if err := ctx.Err(); err != nil {
		return batch[0], err
	}

	var keys []plan.Key
	for _, c := range batch {
		if d.drives(c.Key) && c.Key != unfinishedKey {
			keys = append(keys, c.Key)
		}
	}

	items, err := d.Read(ctx, keys)
	if err != nil {
		return batch[0], err
	}

	now := map[plan.Key]plan.Item{}
	for _, it := range items {
		now[it.Key] = it
	}

	for _, c := range batch {
		if !slices.Contains(keys, c.Key) {
			continue
		}

		is := now[c.Key]
		if is.Unreadable != "" {
			return c, fmt.Errorf("%s: %s", c.Key, is.Unreadable)
		}
		if !plan.EqualLines(is.Lines, c.Before) {
			return c, fmt.Errorf("%s: %w: is %q", c.Key, plan.ErrStale, is.Lines)
		}
	}

	return plan.Change{}, nil
}

// applyFiles writes what is in the App folder.
func (d *Driver) applyFiles(ctx context.Context, batch []plan.Change, done func(plan.Change, error)) error {
	if len(batch) == 0 {
		return nil
	}

	if err := d.finishEarlier(ctx); err != nil {
		done(batch[0], err)
		return err
	}

	e := d.newEdit()
	for _, c := range batch {
		if err := d.set(e, c.Key, c.After); err != nil {
			done(c, err)
			return err
		}
	}

	if err := e.write(ctx); err != nil {
		done(batch[0], err)
		return err
	}

	if err := e.checkUnchanged(); err != nil {
		done(batch[0], err)
		return err
	}

	for _, c := range batch {
		if err := d.verify(ctx, c); err != nil {
			err = e.rollBack(ctx, err)
			done(c, err)
			return err
		}
	}

	if err := e.finish(); err != nil {
		done(batch[0], err)
		return err
	}

	for _, c := range batch {
		done(c, nil)
	}

	return nil
}

// finishEarlier loads what a run that was cut off wrote.
func (d *Driver) finishEarlier(ctx context.Context) error {
	sems := d.App.leftoverSemaphores()
	if sems == nil {
		return nil
	}
	if err := d.App.signal(ctx, sems); err != nil {
		return err
	}

	e := d.newEdit()
	for _, name := range []string{aliasFile, trustedFile, shieldFile, mainFile} {
		if _, err := e.file(name, ""); err != nil {
			return err
		}
	}

	if d.Dialect != nil {
		for _, p := range d.Dialect.Settings {
			if _, err := e.file(p.File, ""); err != nil {
				return err
			}
		}
	}

	return e.finish()
}

// verify reads a change back, and sees by SMTP that it does not have another effect than is wanted. What SMTP can't
// tell, as from a network that the server trusts, is left to the file.
func (d *Driver) verify(ctx context.Context, c plan.Change) error {
	if c.Key == unfinishedKey {
		return nil
	}

	it, err := d.read(ctx, c.Key)
	if err != nil {
		return err
	}

	var is []string
	if it != nil && it.Lines != nil && it.Lines[0] != ownAccount {
		is = it.Lines
	}

	if it != nil && it.Unreadable != "" {
		return fmt.Errorf("%s can't be read after it was written: %s", c.Key, it.Unreadable)
	}
	if len(c.After) > 0 && !plan.EqualLines(is, c.After) ||
		len(c.After) == 0 && plan.EqualLines(is, c.Before) {
		return fmt.Errorf("%s reads %q after it was written", c.Key, is)
	}

	return d.verifyEffect(ctx, c)
}

// verifyEffect asks the server by SMTP for what a change is to bring about, for a while.
func (d *Driver) verifyEffect(ctx context.Context, c plan.Change) error {
	k, want, ok := d.effect(ctx, c)
	if !ok {
		return nil
	}

	end := time.Now().Add(effectPatience)
	for {
		items, err := d.Manual.Read(ctx, []plan.Key{k})
		if err != nil {
			return err
		}

		got := "the server behaves differently"
		if len(items) > 0 {
			if items[0].Unreadable != "" || want == "" ||
				plan.EqualLines(items[0].Lines, []string{want}) {
				return nil
			}
			got = "the server shows " + strings.Join(items[0].Lines, ", ")
		}

		if time.Now().After(end) {
			return fmt.Errorf("%s was written and loaded, and has no effect: asked by SMTP, %s",
				c.Key, got)
		}

		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(200 * time.Millisecond):
		}
	}
}

// effect is the need that SMTP shows when a change has worked, and its text; "" is any.
func (d *Driver) effect(ctx context.Context, c plan.Change) (k plan.Key, want string, ok bool) {
	if len(c.After) == 0 || c.Action == plan.Delete {
		return k, "", false
	}

	need, name := mailsvc.SplitNeed(c.Key)
	if need == mail.NeedAlias {
		return key(mailsvc.NeedRecipient, name), "", d.serves(ctx, name)
	}

	s, ok := LookupSetting(name)
	if need != needSetting || !ok {
		return k, "", false
	}

	switch s.Need {
	case mail.NeedHostname:
		return key(mail.NeedHostname), c.After[0], true
	case mail.NeedRelaying, mail.NeedSenders:
		return key(s.Need), "", c.After[0] == d.Dialect.Settings[name].On
	case mail.NeedRecipients: // SMTP shows that of recipients
		return key(s.Need), "", name == "known-recipients" &&
			c.After[0] == d.Dialect.Settings[name].On
	}

	return k, "", false
}

// serves reports whether the domain of an address is known to be the server's, so that mail for it is to be accepted.
func (d *Driver) serves(ctx context.Context, address string) bool {
	_, domain, _ := strings.Cut(address, "@")
	if strings.EqualFold(domain, d.Domain) {
		return true
	}
	if state := d.openAPI(ctx); state == nil || state.err != nil {
		return false
	}

	domains, err := d.servedDomains(ctx)
	return err == nil && slices.Contains(domains, strings.ToLower(domain))
}

// call does one change over the XML API, and reads it back. What has no effect is taken back.
func (d *Driver) call(ctx context.Context, c plan.Change) error {
	if err := d.applyChange(ctx, c); err != nil {
		return err
	}

	err := d.verify(ctx, c)
	if err == nil {
		return nil
	}

	back := plan.Change{Key: c.Key, Before: c.After, After: c.Before}
	if undone := d.applyChange(context.WithoutCancel(ctx), back); undone != nil {
		return fmt.Errorf("%w; and could not be taken back: %w", err, undone)
	}

	return fmt.Errorf("%w; taken back", err)
}

func (d *Driver) applyChange(ctx context.Context, c plan.Change) error {
	if d.api != nil { // what was listed holds no longer
		d.api.domains = nil
		d.api.owners = nil
	}

	need, name := mailsvc.SplitNeed(c.Key)
	var err error
	switch is := len(c.After) > 0; {
	case need == mail.NeedMailbox && is:
		err = d.createMailbox(ctx, name)
	case need == mail.NeedMailbox:
		err = d.Client.deleteAccount(ctx, d.Domain, name)
	case need == mail.NeedDomain && is:
		err = d.Client.createDomain(ctx, name)
	case need == mail.NeedDomain:
		err = d.deleteDomain(ctx, name)
	case need == mail.NeedAlias:
		err = d.callAlias(ctx, name, c)
	default:
		err = fmt.Errorf("MDaemon has no setting %q", c.Key.Name)
	}

	return err
}

func (d *Driver) createMailbox(ctx context.Context, name string) error {
	if d.Password == nil {
		return errors.New("verify.mailbox has no password, so that the account can't be made with it")
	}

	password, err := d.Password(ctx)
	if err != nil {
		return err
	}

	return d.Client.createAccount(ctx, d.Domain, name, password)
}

// deleteDomain takes an empty domain away. MDaemon would delete its accounts with it.
func (d *Driver) deleteDomain(ctx context.Context, domain string) error {
	users, err := d.Client.users(ctx, domain)
	if err != nil {
		return err
	}
	if len(users) > 0 {
		return fmt.Errorf("%s has accounts (%s) that would be lost with it: remove the domain manually, in Setup > Domain Manager",
			domain, strings.Join(users, ", "))
	}

	return d.Client.deleteDomain(ctx, domain)
}

// callAlias moves an alias from the account that has it to the one that is to.
func (d *Driver) callAlias(ctx context.Context, alias string, c plan.Change) error {
	if len(c.Before) > 0 && c.Before[0] != ownAccount {
		mailbox, domain, _ := strings.Cut(c.Before[0], "@")
		if err := d.Client.setAlias(ctx, domain, mailbox, alias, false); err != nil {
			return err
		}
	}

	if len(c.After) == 0 {
		return nil
	}

	mailbox, domain, _ := strings.Cut(c.After[0], "@")
	return d.Client.setAlias(ctx, domain, mailbox, alias, true)
}
