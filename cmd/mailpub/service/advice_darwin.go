package service

// restartOnFailure does nothing: launchd's KeepAlive is in the service's own file.
func restartOnFailure(string) error { return nil }

// adviceOn has none to give: launchd says itself what it wants.
func adviceOn(error) string { return "" }
