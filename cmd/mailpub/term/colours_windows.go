package term

import (
	"os"

	"golang.org/x/sys/windows"
)

// understandsColours makes a console understand escape sequences, and reports whether it does: those
// of Windows 10 and later can and, started from cmd.exe, do so only when told to. An older one would
// show the sequences themselves.
func understandsColours(f *os.File) bool {
	console := windows.Handle(f.Fd())
	var mode uint32
	if windows.GetConsoleMode(console, &mode) != nil {
		return false
	}
	return windows.SetConsoleMode(console, mode|windows.ENABLE_VIRTUAL_TERMINAL_PROCESSING) == nil
}
