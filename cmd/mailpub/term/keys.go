package term

import (
	"fmt"

	"github.com/mailpub/mailpub/cmd/mailpub/site"
)

type keyJSON struct {
	Domain    string `json:"domain"`
	Selector  string `json:"selector"`
	Algorithm string `json:"algorithm"`
	File      string `json:"file"`
	Made      bool   `json:"made"` // there is a key
	Name      string `json:"name"`
	Record    string `json:"record,omitempty"`
}

// ShowKeys prints the DKIM keys of a config.
func ShowKeys(u *UI, keys []site.Key) error {
	if u.JSON {
		list := []keyJSON{}
		for _, k := range keys {
			list = append(list, keyJSON{
				Domain:    k.Domain,
				Selector:  k.Selector,
				Algorithm: k.Algorithm,
				File:      k.File,
				Made:      k.Record != "",
				Name:      k.Name(),
				Record:    k.Record,
			})
		}

		return u.PrintJSON(list)
	}

	for _, k := range keys {
		made := u.Green("made")
		if k.Record == "" {
			made = u.Yellow("not created yet; mailpub dkim --make")
		}

		fmt.Fprintf(u.Out, "%s  %s, %s\n", u.Bold(k.Name()), k.Algorithm, made)
		fmt.Fprintf(u.Out, "  private  %s\n", k.File)
		if k.Record != "" {
			fmt.Fprintf(u.Out, "  public   %s\n", k.Record)
		}
	}

	if len(keys) == 0 {
		fmt.Fprintln(u.Out, "The config has no DKIM keys; to add them see domains.dkim in mailpub help config.")
	}

	return nil
}
