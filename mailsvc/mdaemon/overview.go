package mdaemon

import (
	"context"
	"slices"
)

// Overview is what can be told of an MDaemon at a glance.
type Overview struct {
	Version    string   `json:"version,omitempty"`
	App        string   `json:"app,omitempty"`     // its folder, where mailpub may look into it
	Locked     bool     `json:"locked"`            // somebody has locked its semaphores
	Unfinished bool     `json:"unfinished"`        // a run was cut off before MDaemon loaded its files
	API        string   `json:"api"`               // "answers", "not configured", or why it does not
	Operations int      `json:"operations"`        // that the vendor's help names
	Dialect    string   `json:"dialect,omitempty"` // the version that it was learnt on
	Foreign    string   `json:"foreign,omitempty"` // why it does not hold here
	Learnt     []string `json:"learnt"`            // settings
	Unknown    []string `json:"unknown"`           // settings that can still be learnt
}

// Reached reports whether nothing that the config names is out of reach.
func (s Overview) Reached() bool { return s.API == answers || s.API == notConfigured }

// notConfigured is said of an XML API that the config does not name.
const notConfigured = "not configured"

// Overview asks the XML API and looks into the folder. It writes nothing.
func (d *Driver) Overview(ctx context.Context) Overview {
	s := Overview{
		Version: d.Version(ctx),
		API:     notConfigured,
		Learnt:  []string{},
		Unknown: []string{},
	}

	if state := d.openAPI(ctx); state != nil {
		s.API = answers
		if state.err != nil {
			s.API = state.err.Error()
		}
	}

	if d.App != nil {
		s.App = d.App.Dir
		s.Locked = d.App.unlocked() != nil
		s.Unfinished = len(d.App.leftoverSemaphores()) > 0
	}

	if d.Help != nil {
		s.Operations = d.Help.Operations()
	}

	if d.Dialect != nil {
		s.Dialect = d.Dialect.Version
		s.Foreign = d.otherVersion(ctx)
	}

	for _, one := range Settings() {
		if d.Dialect != nil && d.Dialect.Settings[one.Name] != (Placement{}) {
			s.Learnt = append(s.Learnt, one.Name)
		} else {
			s.Unknown = append(s.Unknown, one.Name)
		}
	}

	slices.Sort(s.Learnt)
	slices.Sort(s.Unknown)
	return s
}
