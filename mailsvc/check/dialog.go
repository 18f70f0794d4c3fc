package check

import (
	"cmp"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/mailpub/mailpub/mailsvc/smtpclient"
	"github.com/mailpub/mailpub/plan"
)

// evaluate handles what is the same for every check by RCPT: no server, a server that
// breaks off, an answer of "later". decide sees a 2xx or 5xx reply to RCPT.
func (f Facts) evaluate(c plan.Check, is answer, decide func(*plan.Check)) plan.Check {
	switch {
	case is.err != nil:
		return f.unreachable(c, is.err)
	case is.isGreylisting():
		return f.deferred(c, is.decisive().String())
	case !is.mail.Accepted():
		c.Status, c.Got = plan.Skip, "MAIL FROM:<> was answered "+is.mail.String()
		c.Hint = cmp.Or(hintOf(is.mail), "a server must accept the null sender (RFC 5321 section 4.5.5): review its sender checks")
	case !is.rcpt.Accepted() && !is.rcpt.Refused():
		c = f.deferred(c, is.rcpt.String())
		c.Hint = cmp.Or(hintOf(is.rcpt), c.Hint)
	default:
		c.Got = is.note(is.rcpt.String())
		decide(&c)
	}

	return c
}

// unknownAddress returns an address that nobody has. It is the same for a day: a server that greylists
// answers a question that it has heard before.
func (f Facts) unknownAddress(domain string) string {
	sum := sha256.Sum256([]byte(f.Hostname + domain + f.Now().UTC().Format(time.DateOnly)))
	return "mailpub-nobody-" + hex.EncodeToString(sum[:8]) + "@" + domain
}

// Nonce returns a word that no message has had before.
func Nonce(now time.Time) string {
	return strconv.FormatInt(now.UnixNano(), 36) + rand.Text()[:8]
}

// hintOf is what to do about a refusal that names its cause; "" where it names none.
func hintOf(r smtpclient.Reply) string {
	text := strings.ToLower(strings.Join(r.Lines, " "))
	has := func(words ...string) bool {
		for _, w := range words {
			if strings.Contains(text, w) {
				return true
			}
		}
		return false
	}

	switch {
	case has("blocked using", "blacklist", "block list", "blocklist", "dnsbl", "rbl",
		"spamhaus", "listed by", "listed at", "listed in"):
		return "the server refuses this machine for a block list: see which one its answer names; a list that has shut down answers everything"
	case has("helo command rejected", "ehlo", "invalid helo", "helo/ehlo"):
		return "the server refuses the name in HELO: let it take address literals (RFC 5321 section 4.1.3), or verify from a machine whose name resolves"
	case has("starttls", "tls required", "must issue"):
		return "the server wants TLS first, and it did not come about: see smtp.certificate"
	case has("null sender", "empty sender", "bounces are not", "no bounces"):
		return "the server refuses the null sender, with which bounces come (RFC 5321 section 4.5.5)"
	case has("size limit", "message size", "too large", "too big"):
		return "the server's limit of the message size is in the way: raise it (Postfix: message_size_limit)"
	case has("insufficient system storage", "disk full", "no space", "out of space"):
		return "the server's disk is full: make room where its queue is"
	case has("too many", "rate limit", "slow down"):
		return "the server limits how much one client may ask: verify again in some minutes, or exempt this machine"
	}

	return ""
}

// firstFew names the first few.
func firstFew(list []string) string {
	const few = 2
	if more := len(list) - few; more > 0 {
		return fmt.Sprintf("%s; and %d more", strings.Join(list[:few], "; "), more)
	}
	return strings.Join(list, "; ")
}

// acceptedFromInside weighs what a server accepts from here. Most servers trust their
// own network, so it proves nothing about strangers, unless the server trusts nobody.
func (f Facts) acceptedFromInside() (plan.Status, string) {
	if f.Closed {
		return plan.Fail, "the server is an open relay: it must refuse recipients of other domains"
	}
	return plan.Warn, "only a candidate: this machine may be in the server's trusted networks; keep those to 127.0.0.0/8, and try again from outside"
}

// refusal judges a transaction that the server has to refuse. hint is what to do when it does
// not.
func (f Facts) refusal(c plan.Check, is answer, hint string) plan.Check {
	decisive := is.decisive().String()
	switch {
	case is.err != nil:
		return f.unreachable(c, is.err)
	case is.mail.Refused() || is.rcpt.Refused():
		c.Status = plan.Pass
		c.Got = is.note(decisive)
	case is.mail.Accepted() && is.rcpt.Accepted():
		c.Got = is.note(decisive)
		if c.Status, c.Hint = f.acceptedFromInside(); c.Status == plan.Fail {
			c.Hint = hint
		}
	default:
		c = f.deferred(c, decisive)
	}

	return c
}
