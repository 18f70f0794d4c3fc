package main

import "github.com/mailpub/mailpub/cmd/mailpub/term"

// printErrorOf prints an error of another config than that of the command line.
func (a *app) printErrorOf(file string, err error) {
	u := *a.ui
	u.ConfigFile = file
	term.PrintError(&u, err, documentedField)
}
