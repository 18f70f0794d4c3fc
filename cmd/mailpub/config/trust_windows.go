package config

// trusted leaves the rights of files to Windows: new ones have those of their directory.
func trusted(string) error { return nil }

func exposed(string) string { return "" }
