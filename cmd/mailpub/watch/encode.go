package watch

import (
	"encoding/json"
	"errors"
	"net/netip"
	"time"

	"github.com/mailpub/mailpub/cmd/mailpub/lang"
	"github.com/mailpub/mailpub/plan"
	"github.com/mailpub/mailpub/plan/catalog"
)

// keptSnapshot is a snapshot in JSON, for a database.
type keptSnapshot struct {
	Site     string           `json:"site"`
	File     string           `json:"file"`
	Language lang.Language    `json:"language,omitzero"`
	Host     string           `json:"host"`
	LAN      netip.Addr       `json:"lan,omitzero"`
	Public   []netip.Addr     `json:"public,omitempty"`
	At       time.Time        `json:"at"`
	Took     time.Duration    `json:"took_ns"`
	Next     time.Time        `json:"next,omitzero"`
	Checks   []plan.KeptCheck `json:"checks"`
	Changes  []plan.Change    `json:"changes"`
	Err      string           `json:"error,omitempty"`
	APIRead  time.Time        `json:"api_read,omitzero"`
	Leases   []Lease          `json:"leases,omitempty"`
	Config   string           `json:"config_error,omitempty"`
}

// Encode writes the snapshot as JSON, from which DecodeSnapshot makes it again. Errors become their texts.
func (s Snapshot) Encode() ([]byte, error) {
	kept := keptSnapshot{
		Site:     s.Site,
		File:     s.File,
		Language: s.Language,
		Host:     s.Host,
		LAN:      s.LAN,
		Public:   s.Public,
		At:       s.At,
		Took:     s.Took,
		Next:     s.Next,
		Checks:   make([]plan.KeptCheck, 0, len(s.Report.Checks)),
		Changes:  s.Report.Changes,
		Err:      textOf(s.Err),
		APIRead:  s.APIRead,
		Leases:   s.Leases,
		Config:   textOf(s.Config),
	}

	for _, c := range s.Report.Checks {
		kept.Checks = append(kept.Checks, plan.Keep(c))
	}

	return json.Marshal(kept)
}

// DecodeSnapshot reads what Encode wrote.
func DecodeSnapshot(data []byte) (Snapshot, error) {
	var kept keptSnapshot
	if err := json.Unmarshal(data, &kept); err != nil {
		return Snapshot{}, err
	}

	checks := make([]plan.Check, 0, len(kept.Checks))
	for _, c := range kept.Checks {
		checks = append(checks, c.Whole())
	}

	report := catalog.NewReport(kept.Site, checks)
	report.Changes = kept.Changes
	report.Drift = true

	return Snapshot{
		Site:     kept.Site,
		File:     kept.File,
		Language: kept.Language,
		Host:     kept.Host,
		LAN:      kept.LAN,
		Public:   kept.Public,
		At:       kept.At,
		Took:     kept.Took,
		Next:     kept.Next,
		Report:   report,
		Err:      errorOf(kept.Err),
		APIRead:  kept.APIRead,
		Leases:   kept.Leases,
		Config:   errorOf(kept.Config),
	}, nil
}

func textOf(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

func errorOf(text string) error {
	if text == "" {
		return nil
	}
	return errors.New(text)
}
