package config

import (
	"time"

	"github.com/go-co-op/gocron/v2"
)

// Watch says how the daemon looks after the site.
type Watch struct {
	Every  time.Duration `mapstructure:"every"` // between two passes
	Cron   string        `mapstructure:"cron"`  // instead: five fields, as in a crontab
	Jitter time.Duration `mapstructure:"jitter"`

	Repair []string `mapstructure:"repair"` // of what it may mend by itself; see Words

	AddressChanges int           `mapstructure:"address_changes_per_hour"`
	AddressConfirm time.Duration `mapstructure:"address_confirm"` // where one source alone tells the address

	Notify []Notify `mapstructure:"notify"`
}

// Notify is one way to tell somebody; it has exactly one of URL, Webhook and Exec.
type Notify struct {
	URL     string   `mapstructure:"url"` // a reference to the URL of a service: that holds its secrets
	Webhook string   `mapstructure:"webhook"`
	Secret  string   `mapstructure:"secret"` // of the webhook: a reference
	Exec    []string `mapstructure:"exec"`   // a program and its arguments
}

const (
	defaultEvery          = 15 * time.Minute
	defaultAddressChanges = 4
	defaultAddressConfirm = 30 * time.Second
)

// fillIn sets the defaults; written reports whether a field is in the file.
func (w *Watch) fillIn(written func(string) bool) {
	if w.Every == 0 {
		w.Every = defaultEvery
	}

	if !written("watch.jitter") && w.Cron == "" {
		w.Jitter = w.Every / 10
	}

	if !written("watch.repair") {
		w.Repair = []string{"router"}
	}

	if !written("watch.address_changes_per_hour") {
		w.AddressChanges = defaultAddressChanges
	}

	if !written("watch.address_confirm") {
		w.AddressConfirm = defaultAddressConfirm
	}
}

// Times returns when the cron expression's passes come; nil where there is none.
func (w Watch) Times() interface{ Next(time.Time) time.Time } {
	if w.Cron == "" {
		return nil
	}

	times := gocron.NewDefaultCron(false)
	if times.IsValid(w.Cron, time.Local, time.Now()) != nil { // check has read it
		return nil
	}

	return times
}
