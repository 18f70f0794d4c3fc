package main

import (
	"github.com/spf13/cobra"

	"github.com/mailpub/mailpub/cmd/mailpub/fleet/console"
	"github.com/mailpub/mailpub/cmd/mailpub/fleet/store"
)

// fleetFlags are those of all commands of a fleet.
type fleetFlags struct {
	database string
	log      string
}

// inFleet runs f with the fleet's database.
func (f *fleetFlags) inFleet(cmd *cobra.Command, run func(*store.DB) error) error {
	db, err := console.Open(cmd.Context(), f.database, cmd.Name())
	if err != nil {
		return err
	}

	defer db.Close()
	return run(db)
}
