//go:build !man

package main

import "github.com/spf13/cobra"

// packagerCommands are in a program that makes manual pages; see man.go.
func packagerCommands(*app) []*cobra.Command { return nil }
