//go:build unix

package lab

import "syscall"

// Signals that let a process stand still and go on.
const (
	stopSignal = syscall.SIGSTOP
	goOnSignal = syscall.SIGCONT
)
