package mdaemon

import (
	"slices"

	"github.com/mailpub/mailpub/plan"
	"github.com/mailpub/mailpub/plan/mail"
)

// Setting is a box of MDaemon's dialogs whose place in its files nobody has published. It can be
// learnt on a real server (Learner) and is then set like the rest.
type Setting struct {
	Name string // "relaying"
	Need string // the need of a site that it is a part of

	// Where is the dialog of current versions, Former of those before 13.6.
	Where, Former string
	Box           string // the label
	Text          bool   // it holds a text and is no box
}

// Dialogs of current versions, and of those before 13.6.
const (
	relayControl    = "Security > Security Manager > Relay Control"
	formerRelay     = "Security > Security Settings > Relay Control"
	aliasSettings   = "Accounts > Account Settings > Aliases > Settings"
	formerAliases   = "Accounts > Account Settings > Aliases > Options"
	passwordsDialog = "Accounts > Account Settings > Other > Passwords"
	deliveryDialog  = "Setup > Server Settings > Delivery"
	formerDefault   = "Setup > Default Domain/Servers > Default Domain & Servers"
)

// Settings are all that can be learnt.
func Settings() []Setting {
	return []Setting{
		{Name: "relaying", Need: mail.NeedRelaying, Where: relayControl, Former: formerRelay, Box: "Do not allow message relaying"},
		{Name: "known-senders", Need: mail.NeedRecipients, Where: relayControl, Former: formerRelay, Box: "SMTP MAIL address must exist if it uses a local domain"},
		{Name: "known-recipients", Need: mail.NeedRecipients, Where: relayControl, Former: formerRelay, Box: "SMTP RCPT address must exist if it uses a local domain"},
		{Name: "postmaster-login", Need: mail.NeedSenders, Where: aliasSettings, Former: formerAliases,
			Box: "Mail from 'Postmaster,' 'abuse,' 'webmaster' requires authentication"},
		{Name: "strong-passwords", Need: mail.NeedPasswords, Where: passwordsDialog, Former: passwordsDialog, Box: "Require strong passwords"},
		{Name: "direct-delivery", Need: mail.NeedDelivery, Where: deliveryDialog, Former: formerDefault + " > Delivery",
			Box: "Send all outbound email directly to the recipient's mail server"},
		{Name: "hostname", Need: mail.NeedHostname, Where: "Setup > Domain Manager > Host Name & IP", Former: formerDefault + " > Domain",
			Box: "SMTP host name", Text: true},
	}
}

// LookupSetting returns the setting of that name.
func LookupSetting(name string) (Setting, bool) {
	for _, s := range Settings() {
		if s.Name == name {
			return s, true
		}
	}
	return Setting{}, false
}

// settingKey is the key of a learnt setting.
func settingKey(name string) plan.Key {
	return plan.Key{Kind: "service", Name: needSetting + " " + name}
}

// wants reports whether a site wants the setting on, from the need's lines: a server that sends through a smart
// host wants no direct delivery.
func (s Setting) wants(lines []string) bool {
	return s.Need != mail.NeedDelivery || slices.Equal(lines, []string{mail.Direct})
}

// Dialect is where one version of MDaemon keeps its settings, as they were learnt on a real one.
type Dialect struct {
	Version  string               `yaml:"version"` // of the MDaemon that it was learnt on: "26.0.1"
	Settings map[string]Placement `yaml:"settings"`
}

// Placement is where a setting is, and its values.
type Placement struct {
	File    string `yaml:"file"` // in the App folder: "MDaemon.ini"
	Section string `yaml:"section"`
	Key     string `yaml:"key"`
	On      string `yaml:"on,omitempty"`  // the value that is wanted; none of a text
	Off     string `yaml:"off,omitempty"` // the other one
}

// Covers reports whether every part of a need was learnt.
func (d *Dialect) covers(need string) bool {
	if d == nil {
		return false
	}

	any := false
	for _, s := range Settings() {
		if s.Need != need {
			continue
		}
		if _, ok := d.Settings[s.Name]; !ok {
			return false
		}
		any = true
	}

	return any
}

// iniKey is a key in a file.
type iniKey struct{ File, Section, Key string }
