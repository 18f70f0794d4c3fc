package config

// ignoreFields are the fields of ignore.
func ignoreFields() []Field {
	return []Field{
		{
			Path: "ignore",
			Text: "findings that do not count until a day; mailpub ignore\n" +
				"adds one. They are shown as ignored",
		},
		{
			Path:     "ignore.check",
			Example:  "list.dnsbl",
			Text:     "the check's id",
			Item:     true,
			Required: true,
		},
		{
			Path:    "ignore.subject",
			Example: "2.2.2.2",
			Text:    "as verify shows it; by default every subject",
		},
		{
			Path:     "ignore.until",
			Example:  `"2027-01-31"`,
			Text:     "the last day; after it the finding counts again",
			Required: true,
		},
		{
			Path:     "ignore.why",
			Example:  `"removal was requested"`,
			Text:     "the reason, for those who read it later",
			Required: true,
		},
	}
}
