package config

import (
	"fmt"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/go-co-op/gocron/v2"
)

func (k *checker) watch() {
	w := k.c.Watch
	if w.Every < time.Minute || w.Every > 24*time.Hour {
		k.add("watch.every", "is %v, want 1m to 24h", w.Every)
	}

	if w.Jitter > w.Every {
		k.add("watch.jitter", "is %v, want at most watch.every, which is %v", w.Jitter, w.Every)
	}

	if k.c.isSet("watch.every") && w.Cron != "" {
		k.add("watch.cron", "is set together with watch.every, want one of them")
	}

	if w.Cron != "" {
		if n := len(strings.Fields(w.Cron)); n != 5 {
			k.add("watch.cron", "%q has %d fields, want five: minute, hour, day of the month, month, day of the week",
				w.Cron, n)
		} else if err := gocron.NewDefaultCron(false).IsValid(w.Cron, time.Local,
			time.Now()); err != nil {
			k.add("watch.cron", "%q is no time, want five fields as in a crontab, like \"*/15 * * * *\"", w.Cron)
		}
	}

	for i, kind := range w.Repair {
		at := fmt.Sprintf("watch.repair[%d]", i)
		k.word("watch.repair", at, kind)
		if slices.Contains(w.Repair[:i], kind) {
			k.add(at, "%q is there twice", kind)
		}
	}

	if w.AddressChanges < 1 || w.AddressChanges > 60 {
		k.add("watch.address_changes_per_hour", "is %d, want 1 to 60", w.AddressChanges)
	}

	if w.AddressConfirm > time.Hour {
		k.add("watch.address_confirm", "is %v, want at most 1h", w.AddressConfirm)
	}

	for i, n := range w.Notify {
		k.notify(fmt.Sprintf("watch.notify[%d]", i), n)
	}
}

func (k *checker) notify(at string, n Notify) {
	ways := 0
	for _, set := range []bool{n.URL != "", n.Webhook != "", len(n.Exec) > 0} {
		if set {
			ways++
		}
	}

	if ways != 1 {
		k.add(at, "has %d ways to tell, want one: url, webhook or exec", ways)
	}

	if n.URL != "" && !IsReference(n.URL) {
		k.add(at+".url", "holds the URL itself, which is a secret, want a reference to it: env:NAME, file:PATH or exec:COMMAND")
	}

	if n.Webhook != "" && !webhook(n.Webhook) {
		k.add(at+".webhook", "%q is nowhere to send notices, want a URL like https://example.org/hook; http only to this network",
			withoutQuery(n.Webhook))
	}

	switch {
	case n.Secret != "" && n.Webhook == "":
		k.add(at+".secret", "belongs to a webhook, but no webhook is configured")
	case n.Secret != "" && !IsReference(n.Secret):
		k.add(at+".secret", "holds the secret itself, want a reference to it: env:NAME, file:PATH or exec:COMMAND")
	}

	if len(n.Exec) > 0 && n.Exec[0] == "" {
		k.add(at+".exec", "names no program, want its path, then its arguments")
	}
}

// webhook reports whether notices may go to a URL: what goes further than this network is not to
// be read on the way.
func webhook(s string) bool {
	u, err := url.Parse(s)
	if err != nil || u.Hostname() == "" {
		return false
	}

	if u.Scheme == "http" {
		a, err := netip.ParseAddr(u.Hostname())
		return u.Hostname() == "localhost" || err == nil && (a.IsLoopback() || a.IsPrivate())
	}

	return u.Scheme == "https"
}

// withoutQuery is a URL without what may be secret in it.
func withoutQuery(s string) string {
	u, err := url.Parse(s)
	if err != nil {
		return "(not a URL)"
	}

	u.User = nil
	u.RawQuery = ""
	u.Fragment = ""

	return u.String()
}
