package service

// restartOnFailure does nothing: launchd's KeepAlive is in the service's own file.
func restartOnFailure(string) error { return nil }

// managerHint has none to give: launchd says itself what it wants.
func managerHint(error) string { return "" }
