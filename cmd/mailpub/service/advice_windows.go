package service

import (
	"errors"

	"golang.org/x/sys/windows"
	"golang.org/x/sys/windows/svc/mgr"
)

// restartOnFailure makes Windows start a service anew when it ended with an error too, and not only
// when its process broke down (SERVICE_CONFIG_FAILURE_ACTIONS_FLAG).
func restartOnFailure(name string) error {
	m, err := mgr.Connect()
	if err != nil {
		return err
	}
	defer m.Disconnect()
	s, err := m.OpenService(name)
	if err != nil {
		return err
	}
	defer s.Close()
	return s.SetRecoveryActionsOnNonCrashFailures(true)
}

// managerHint says what to do about an error of the service manager's, "" where nobody knows.
func managerHint(err error) string {
	if errors.Is(err, windows.ERROR_ACCESS_DENIED) {
		return " (run it in a terminal that was opened as administrator)"
	}
	return ""
}
