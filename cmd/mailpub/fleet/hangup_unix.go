//go:build unix

package fleet

import (
	"os"
	"os/signal"
	"syscall"
)

// onHangup sends to c when somebody asks for the configs to be read again.
func onHangup(c chan<- os.Signal) { signal.Notify(c, syscall.SIGHUP) }
