package mailsvc

import (
	"strings"

	"github.com/mailpub/mailpub/plan"
	"github.com/mailpub/mailpub/plan/mail"
)

// Instructions say, for each need, where a person sets it. "{name}" stands for what the need is
// about, "{text}" for what is wanted; of relaying that is the exceptions, in brackets.
type Instructions map[string]string

// NeedRecipient is how the need of an alias looks from outside.
const NeedRecipient = "recipient"

// Accepted is the text of a recipient that the server takes mail for.
const Accepted = "accepted"

// anyServer are the words for a server that mailpub knows nothing of.
func anyServer() Instructions {
	return Instructions{
		mail.NeedHostname:   "set the server's own name to {text}",
		mail.NeedListen:     "let its SMTP listen at {text}",
		mail.NeedDomain:     "let the server accept mail for {name}",
		NeedRecipient:       "let the server accept {name}, delivered to {text}",
		mail.NeedMailbox:    "create the mailbox {name}",
		mail.NeedDelivery:   "set how mail leaves: {text}",
		mail.NeedRelaying:   "refuse recipients of other domains unless the sender has logged in{text}",
		mail.NeedSenders:    "accept senders of its own domains, and postmaster, abuse and webmaster, only after a login",
		mail.NeedRecipients: "refuse unknown recipients and unknown senders of its own domains at once (550), with no catch-all mailbox",
		mail.NeedAccount:    "block mail and logins for {name}: remove the account, or give it a strong password",
		mail.NeedLineEnds:   "let a message end only at CR LF . CR LF, and refuse or normalise bare CR and LF (SMTP smuggling)",
		mail.NeedVRFY:       "switch VRFY and EXPN off",
		mail.NeedPasswords:  "let the server refuse weak passwords",
		mail.NeedHosts:      "remove {name} from the server's hosts file if its address there differs from DNS",
		mail.NeedCollector:  "let the collector poll {name} by its provider's address: the name is this server now",
		mail.NeedSigning:    "let the server sign mail of {name}: {text}",
	}
}

// Text returns the words for a need. Where a server has none of its own, those for any
// server do.
func (w Instructions) Text(need, name, text string) string {
	words, ok := w[need]
	if !ok {
		words = anyServer()[need]
	}
	return strings.NewReplacer("{name}", name, "{text}", text).Replace(words)
}

// spell makes a person's work of every need.
func (w Instructions) spell(needs []plan.Item) []plan.Item {
	out := make([]plan.Item, 0, len(needs))
	for _, it := range needs {
		need, name := SplitNeed(it.Key)
		text := strings.Join(it.Lines, ", ")
		switch need { // what can't be seen by SMTP is only said
		case mail.NeedAlias:
			if name != "postmaster" && !strings.Contains(name, "@") {
				continue // a server need not know it without a domain (RFC 5321 section 4.5.1)
			}
			need = NeedRecipient
			it.Key.Name = NeedRecipient + " " + name
			it.Lines = []string{Accepted}
		case mail.NeedRelaying:
			text = ""
			if len(it.Lines) > 1 {
				text = " (" + strings.Join(it.Lines[1:], ", ") + ")"
			}
			it.Lines = []string{mail.Refused}
		}

		it.ByHand = w.Text(need, name, text)
		out = append(out, it)
	}

	return out
}
