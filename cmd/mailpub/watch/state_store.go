package watch

import (
	"bytes"
	"encoding/json"
	"time"
)

const memoryFormat = "mailpub/watch/v1"

// memory is what the next process has to know, so that a restart is no news and no way around
// the damping.
type memory struct {
	problems
	Address addressUpdate

	kept    []byte
	unsaved bool      // and that was logged
	again   time.Time // when a changed address is needs attention again
}

type stateJSON struct {
	Format  string                      `json:"format"`
	Broken  []*problem                  `json:"broken"`
	Flaps   map[subjectKey]*flapCounter `json:"flaps,omitempty"`
	Address addressUpdate               `json:"address"`
}

// load takes up what is remembered. That it can't be read is no reason not to watch.
func (w *watcher) load() {
	w.memory = memory{problems: problems{
		Known: map[subjectKey]*problem{},
		Flaps: map[subjectKey]*flapCounter{},
	}}

	if w.site.Memory == nil {
		return
	}

	data, err := w.site.Memory.Load()
	var m stateJSON
	if err == nil && data != nil {
		err = json.Unmarshal(data, &m)
	}

	if err != nil || data != nil && m.Format != memoryFormat {
		w.log.Warn("cannot read the state of the last watch; problems may be reported again",
			"error", err)
		return
	}

	for _, t := range m.Broken {
		w.Known[t.Subject] = t
	}

	for subject, f := range m.Flaps {
		if f.On || len(f.Breaks) > 0 {
			w.Flaps[subject] = f
		}
	}

	w.Address = m.Address
	w.kept = data
}

// save keeps what changed.
func (w *watcher) save() {
	if w.site.Memory == nil {
		return
	}

	m := stateJSON{
		Format:  memoryFormat,
		Broken:  []*problem{},
		Flaps:   w.Flaps,
		Address: w.Address,
	}

	for _, subject := range sortedSubjects(w.Known) {
		m.Broken = append(m.Broken, w.Known[subject])
	}

	data, err := json.Marshal(m)
	if err != nil || bytes.Equal(data, w.kept) {
		return
	}

	if err := w.site.Memory.Save(data); err != nil {
		if !w.unsaved {
			w.log.Warn("cannot save the known problems for the next watch; watching continues",
				"error", err)
		}
		w.unsaved = true
		return
	}

	w.kept = data
	w.unsaved = false
}
