package config

// reference checks a secret that has to be given.
func (k *checker) reference(at, value string) {
	switch {
	case value == "":
		k.add(at, "is missing, want a reference to it: env:NAME, file:PATH or exec:COMMAND")
	case !IsReference(value):
		k.add(at, "holds the secret itself, want a reference to it: env:NAME, file:PATH or exec:COMMAND")
	}
}
