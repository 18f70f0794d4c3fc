package receiver

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"
)

// SettingsFormat names the form of a settings file.
const SettingsFormat = "mailpub/receiver/v1"

// Settings say for whom mail is accepted. Names are lower case, without a final dot.
type Settings struct {
	Format   string            `json:"format"`
	Hostname string            `json:"hostname"`
	Domains  []string          `json:"domains"`
	Aliases  map[string]string `json:"aliases"` // full address, or local part alone, to mailbox
}

// DefaultMailbox is where postmaster and abuse go when no alias says otherwise.
const DefaultMailbox = "postmaster"

// mailboxName is what a mailbox may be called: one element of a path, never a hidden
// one, never a way up.
var mailboxName = regexp.MustCompile(`^[a-z0-9]([a-z0-9._+-]{0,62}[a-z0-9])?$`)

// DecodeSettings reads settings. The error says where the JSON is wrong, or which value.
func DecodeSettings(data []byte) (Settings, error) {
	var s Settings
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&s); err != nil {
		return Settings{}, fmt.Errorf("line %d: %w", 1+bytes.Count(data[:min(int(dec.InputOffset()), len(data))], []byte("\n")), err)
	}
	if s.Format != SettingsFormat {
		return Settings{}, fmt.Errorf("format is %q, want %q", s.Format, SettingsFormat)
	}
	for address, mailbox := range s.Aliases {
		if !mailboxName.MatchString(mailbox) {
			return Settings{}, fmt.Errorf("alias %q: %q is no mailbox", address, mailbox)
		}
	}
	return s, nil
}

// Encode is the reverse of DecodeSettings. Equal settings are equal bytes.
func (s Settings) Encode() ([]byte, error) {
	s.Format = SettingsFormat
	slices.Sort(s.Domains)
	if s.Domains == nil {
		s.Domains = []string{}
	}
	if s.Aliases == nil {
		s.Aliases = map[string]string{}
	}
	data, err := json.MarshalIndent(s, "", "  ")
	return append(data, '\n'), err
}

// serves reports whether mail for domain is accepted.
func (s Settings) serves(domain string) bool { return slices.Contains(s.Domains, domain) }

// local reports whether an address of this domain is the site's own: of a served
// domain, or of the mail host itself.
func (s Settings) local(domain string) bool { return s.serves(domain) || domain == s.Hostname }

// mailbox returns where mail for local@domain goes. An alias of the full address is
// first; then, in served domains, the mailboxes by their own names, and postmaster and
// abuse in any case (RFC 5321 section 4.5.1, RFC 2142 section 5). At the mail host
// itself there is only what stands without a domain.
func (s Settings) mailbox(local, domain string) (string, bool) {
	if !s.local(domain) {
		return "", false
	}
	if !s.serves(domain) {
		return s.bare(local)
	}
	if box, ok := s.Aliases[local+"@"+domain]; ok {
		return box, true
	}
	for _, box := range s.Aliases {
		if box == local {
			return box, true
		}
	}
	return s.bare(local)
}

// bare returns where mail for an address without a domain goes.
func (s Settings) bare(local string) (string, bool) {
	if box, ok := s.Aliases[local]; ok {
		return box, true
	}
	if local == "postmaster" || local == "abuse" {
		return DefaultMailbox, true
	}
	return "", false
}

// source re-reads the settings file when it has changed. Settings that can't be read do
// not replace those that could.
type source struct {
	path   string
	report func(error)

	mu      sync.Mutex
	current Settings
	loaded  bool
	seen    fileState
}

type fileState struct {
	size int64
	time time.Time
}

// get returns the settings in force; ok is false as long as there never were any.
func (s *source) get() (_ Settings, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	info, err := os.Stat(s.path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		s.current, s.loaded, s.seen = Settings{}, false, fileState{}
		return Settings{}, false
	case err != nil:
		s.report(err)
		return s.current, s.loaded
	}
	now := fileState{info.Size(), info.ModTime()}
	if now == s.seen {
		return s.current, s.loaded
	}
	data, err := os.ReadFile(s.path)
	if err == nil {
		var fresh Settings
		if fresh, err = DecodeSettings(data); err == nil {
			s.current, s.loaded, s.seen = fresh, true, now
			return s.current, true
		}
	}
	s.seen = now
	s.report(fmt.Errorf("settings %s: %w", s.path, err))
	return s.current, s.loaded
}

// splitAddress splits at the last "@", as a quoted local part may hold others, and folds
// the case. RFC 5321 section 2.4 leaves the case of local parts to the receiving host:
// here it does not count. A final dot of the domain does not count either.
func splitAddress(address string) (local, domain string) {
	i := strings.LastIndex(address, "@")
	if i < 0 {
		return strings.ToLower(address), ""
	}
	return strings.ToLower(address[:i]), strings.ToLower(strings.TrimSuffix(address[i+1:], "."))
}
