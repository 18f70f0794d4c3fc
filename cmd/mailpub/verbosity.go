package main

import "strconv"

// verbosity is how often -v was given. It implements pflag.Value.
type verbosity int

// more is what -v without a value says.
const more = "+1"

// Set implements pflag.Value: a number, or true and false.
func (v *verbosity) Set(text string) error {
	if text == more {
		*v++
		return nil
	}

	if on, err := strconv.ParseBool(text); err == nil {
		*v = 0
		if on {
			*v = 1
		}
		return nil
	}

	n, err := strconv.ParseUint(text, 10, 8)
	*v = verbosity(n)
	return err
}

// String implements pflag.Value.
func (v *verbosity) String() string { return strconv.Itoa(int(*v)) }

// Type implements pflag.Value.
func (v *verbosity) Type() string { return "count" }
