package site

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"hash/fnv"
	"log/slog"
	"slices"
	"time"

	"github.com/mailpub/mailpub/cmd/mailpub/config"
	"github.com/mailpub/mailpub/plan"
	"github.com/mailpub/mailpub/plan/mail"
	"github.com/mailpub/mailpub/providers"
	"github.com/mailpub/mailpub/providers/zone"
)

// A zone at a provider with a web API is read there at least once in apiEvery, at a time of the day that
// differs from zone to zone by up to apiJitter.
const (
	apiEvery  = 24 * time.Hour
	apiJitter = 4 * time.Hour
)

// zoneReads is what the zones of a site showed when their providers were read last.
type zoneReads struct {
	Config string                    `json:"config"` // digest of the config that they were read with
	Ledger string                    `json:"ledger"` // digest of the ledger
	Zones  map[string]*zone.KeptRead `json:"zones"`
	Open   []string                  `json:"open,omitempty"` // zones with differences, or that could not be read
}

// apiReader decides when the providers of a site's zones are read, and keeps what they showed in the site's
// state. It is not safe for concurrent use.
type apiReader struct {
	state  State
	digest string // of the config
	log    *slog.Logger
	now    func() time.Time

	kept   zoneReads
	ledger string
	zones  map[string]*zone.Reading // of the look under way
}

// hasAPI reports whether a zone is read by calls to a provider. A person's zone has none, and a name server
// sends it whole (AXFR).
func hasAPI(z config.Zone) bool {
	p, known := providers.Lookup(z.Provider)
	return known && !p.Manual && z.Provider != "rfc2136"
}

// begin prepares a look with a ledger as it is now.
func (r *apiReader) begin(cfg *config.Config, l *plan.Ledger) {
	r.zones = map[string]*zone.Reading{}
	if !slices.ContainsFunc(cfg.Zones, hasAPI) {
		return
	}

	r.kept = zoneReads{}
	if err := readState(r.state, StateZones, &r.kept); err != nil {
		r.log.Warn("cannot read what the DNS providers showed last; they are read again", "site", cfg.Site, "err", err)
		r.kept = zoneReads{}
	}

	r.ledger = digestOfLedger(l)
	changed := r.kept.Config != r.digest || r.kept.Ledger != r.ledger
	for _, z := range cfg.Zones {
		if !hasAPI(z) {
			continue
		}

		one := &zone.Reading{Kept: r.kept.Zones[z.Name]}
		switch {
		case one.Kept == nil, changed, slices.Contains(r.kept.Open, z.Name):
			one.Due = true
		default:
			age := r.now().Sub(one.Kept.At)
			one.Due = age < 0 || age >= apiEvery-jitterOf(cfg.Site, z.Name)
			one.Routine = one.Due
		}

		r.zones[z.Name] = one
	}
}

// jitterOf is a time below apiJitter, always the same of a zone.
func jitterOf(site, name string) time.Duration {
	sum := fnv.New64a()
	sum.Write([]byte(site + "\x00" + name))
	return time.Duration(sum.Sum64() % uint64(apiJitter))
}

func digestOfLedger(l *plan.Ledger) string {
	data, err := json.Marshal(l)
	if err != nil {
		return ""
	}
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

// reading is how a zone is read in the look under way; nil: whole.
func (r *apiReader) reading(z config.Zone) *zone.Reading { return r.zones[z.Name] }

// end keeps what was read, and returns when the provider of a zone was read that is the longest ago; zero if
// there is none, or one was never read.
func (r *apiReader) end(p *Plan) (oldest time.Time) {
	if len(r.zones) == 0 {
		return time.Time{}
	}

	next := zoneReads{Config: r.digest, Ledger: r.ledger, Zones: map[string]*zone.KeptRead{}}
	read, never := false, false
	for name, one := range r.zones {
		read = read || one.Read
		if one.Kept == nil {
			never = true
			continue
		}

		next.Zones[name] = one.Kept
		if oldest.IsZero() || one.Kept.At.Before(oldest) {
			oldest = one.Kept.At
		}
	}

	next.Open = openZones(p, r.zones)
	if read || next.Config != r.kept.Config || next.Ledger != r.kept.Ledger || !slices.Equal(next.Open, r.kept.Open) {
		if err := writeState(r.state, StateZones, next); err != nil {
			r.log.Warn("cannot keep what the DNS providers showed; they are read again at the next look", "err", err)
		}
	}

	r.zones = nil // nothing of it is kept until the next look
	r.kept = zoneReads{}
	if never {
		return time.Time{}
	}

	return oldest
}

// openZones are those of some zones that differ from the config, or could not be read. Without a plan all are.
func openZones(p *Plan, zones map[string]*zone.Reading) (open []string) {
	for name := range zones {
		target := mail.ZoneTarget(name)
		if p == nil || slices.ContainsFunc(p.Failed, func(e plan.PartyError) bool { return e.Target == target }) ||
			slices.ContainsFunc(p.Changes, func(c plan.Change) bool { return c.Target == target && c.Differs() }) {
			open = append(open, name)
		}
	}

	slices.Sort(open)
	return open
}
