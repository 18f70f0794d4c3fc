package config

import (
	"errors"
	"math"
	"strconv"
	"strings"
)

// Limits are what clients of the receiver may take.
type Limits struct {
	Size        string `mapstructure:"size"`        // of a message; see Octets
	Recipients  int    `mapstructure:"recipients"`  // of a message
	Connections int    `mapstructure:"connections"` // at the same time
	PerAddress  int    `mapstructure:"per_address"` // of these, from one address outside the own network
	Rate        int    `mapstructure:"rate"`        // connections and messages from such an address, a minute
}

// Octets reads a size like 50M: digits, and K, M or G for powers of 1024.
func Octets(s string) (int64, error) {
	digits := strings.TrimRight(s, "KMG")
	n, err := strconv.ParseInt(digits, 10, 64)
	shift := map[string]int{"": 0, "K": 10, "M": 20, "G": 30}
	by, ok := shift[s[len(digits):]]
	if err != nil || !ok || n < 0 || n > math.MaxInt64>>by {
		return 0, errors.New("want octets, or a number with K, M or G, like 50M")
	}

	return n << by, nil
}

func (l *Limits) fillIn() {
	if l.Size == "" {
		l.Size = "50M"
	}

	for field, value := range map[*int]int{&l.Recipients: 1000, &l.Connections: 200,
		&l.PerAddress: 50, &l.Rate: 300} {
		if *field == 0 {
			*field = value
		}
	}
}
