package postfix

import (
	"context"
	"os"
	"path/filepath"

	"github.com/mailpub/mailpub/mailsvc"
	"github.com/mailpub/mailpub/plan"
)

// unfinishedKey is of a change that loads what an earlier run wrote and did not get to load.
var unfinishedKey = plan.Key{Kind: mailsvc.Kind, Name: "loaded"}

const (
	notLoaded = "an earlier run was cut off before the server had loaded its files"
	isLoaded  = "as its files say"
)

// Unfinished implements plan.Resumer.
func (d *Driver) Unfinished(context.Context) []plan.Change {
	if !d.isUnfinished() {
		return nil
	}

	return []plan.Change{{
		Key:    unfinishedKey,
		Action: plan.Update,
		Stage:  plan.StageService,
		Before: []string{notLoaded},
		After:  []string{isLoaded},
		Reason: "its tables are indexed and the servers reloaded",
	}}
}

// isUnfinished reports whether an earlier run was cut off between writing files and having them loaded.
func (d *Driver) isUnfinished() bool {
	_, err := os.Stat(d.unfinishedPath())
	return err == nil
}

// unfinishedPath is the file that says that the servers may not have loaded what their files say.
func (d *Driver) unfinishedPath() string { return filepath.Join(d.Dir, ".mailpub-unfinished") }
