package mdaemon

import (
	"bytes"
	"context"
	"encoding/xml"
	"fmt"
	"slices"
	"strings"
)

// element is a parameter of an operation: a text, or parameters below it.
type element struct {
	name  string
	text  string
	below []element
}

func (e element) write(b *bytes.Buffer) {
	b.WriteString("<" + e.name + ">")
	xml.EscapeText(b, []byte(e.text)) // into memory: it can't fail
	for _, child := range e.below {
		child.write(b)
	}
	b.WriteString("</" + e.name + ">")
}

func request(operation string, parameters []element) []byte {
	var b bytes.Buffer
	b.WriteString(`<MDaemon><API><Request version="20.0.0"><Operation>` + operation +
		`</Operation>`)
	element{name: "Parameters", below: parameters}.write(&b)
	b.WriteString(`</Request></API></MDaemon>`)
	return b.Bytes()
}

// GetVersionInfo asks which MDaemon answers.
func (c *Client) GetVersionInfo(ctx context.Context) (Answer, error) {
	return c.call(ctx, "GetVersionInfo")
}

// GetDomainInfo asks for a domain: the status says whether there is one.
func (c *Client) GetDomainInfo(ctx context.Context, domain string) (Answer, error) {
	return c.call(ctx, "GetDomainInfo", element{name: "Domain", text: domain})
}

// GetDomainList returns the domains that MDaemon serves, in small letters.
func (c *Client) GetDomainList(ctx context.Context) (domains []string, err error) {
	a, err := c.call(ctx, "GetDomainList")
	if err == nil {
		err = a.ok("GetDomainList")
	}

	if err != nil {
		return nil, err
	}

	var result struct {
		Domains []struct {
			ID string `xml:"id,attr"`
		} `xml:"Domains>Domain"`
	}

	if err := decode(a.Result, &result); err != nil {
		return nil, fmt.Errorf("MDaemon's answer to GetDomainList: %w", err)
	}

	for _, d := range result.Domains {
		domains = append(domains, strings.ToLower(d.ID))
	}

	return domains, nil
}

// account is what GetUserInfo tells of an account.
type account struct {
	Exists  bool
	MailDir string   // where its messages are, on the server
	Aliases []string // full addresses
}

// getAccount asks for an account with its aliases. An unknown one has no Result.
func (c *Client) getAccount(ctx context.Context, domain, mailbox string) (account, error) {
	a, err := c.call(ctx, "GetUserInfo", element{
		name: "Domain",
		text: domain,
	}, element{
		name: "Mailbox",
		text: mailbox,
	},
		element{name: "Get", below: []element{{name: "Details"}, {name: "Aliases"}}})

	if err != nil || a.Status.ID != "0" || a.Result == nil {
		return account{}, err
	}

	var result struct {
		User struct {
			Details struct{ MailDir string }
			Aliases []struct {
				ID   string `xml:"id,attr"`
				Text string `xml:",chardata"`
			} `xml:"Aliases>Alias"`
		}
	}

	if err := decode(a.Result, &result); err != nil {
		return account{}, fmt.Errorf("MDaemon's answer to GetUserInfo: %w", err)
	}

	is := account{Exists: true, MailDir: strings.TrimSpace(result.User.Details.MailDir)}
	for _, alias := range result.User.Aliases {
		name := alias.ID
		if name == "" {
			name = strings.TrimSpace(alias.Text)
		}
		is.Aliases = append(is.Aliases, strings.ToLower(name))
	}

	return is, nil
}

// decode reads the inner XML of a Result.
func decode(inner []byte, into any) error {
	return xml.Unmarshal(slices.Concat([]byte("<Result>"), inner, []byte("</Result>")), into)
}

// createAccount makes an account.
func (c *Client) createAccount(ctx context.Context, domain, mailbox, password string) error {
	return c.applyChange(ctx, "CreateUser", element{
		name: "Domain",
		text: domain,
	}, element{
		name: "Mailbox",
		text: mailbox,
	},
		element{
			name: "Details",
			below: []element{{name: "FullName", text: mailbox},
				{name: "Password", text: password}},
		})
}

// deleteAccount takes an account away and leaves its messages where they are.
func (c *Client) deleteAccount(ctx context.Context, domain, mailbox string) error {
	return c.applyChange(ctx, "DeleteUser", element{
		name: "Domain",
		text: domain,
	}, element{
		name: "Mailbox",
		text: mailbox,
	},
		element{name: "RemoveMailbox", text: "0"})
}

// setAlias gives an account an alias, or takes it away.
func (c *Client) setAlias(ctx context.Context, domain, mailbox, alias string, has bool) error {
	group := "RemoveAliases"
	if has {
		group = "AddAliases"
	}

	return c.applyChange(ctx, "UpdateUser", element{
		name: "Domain",
		text: domain,
	}, element{
		name: "Mailbox",
		text: mailbox,
	},
		element{name: group, below: []element{{name: "Alias", text: alias}}})
}

func (c *Client) createDomain(ctx context.Context, domain string) error {
	return c.applyChange(ctx, "CreateDomain", element{name: "Domain", text: domain})
}

func (c *Client) deleteDomain(ctx context.Context, domain string) error {
	return c.applyChange(ctx, "DeleteDomain", element{name: "Domain", text: domain})
}

// applyChange calls an operation that changes something.
func (c *Client) applyChange(ctx context.Context, operation string, parameters ...element) error {
	a, err := c.call(ctx, operation, parameters...)
	if err != nil {
		return err
	}
	return a.ok(operation)
}

// users returns the mailboxes of a domain.
func (c *Client) users(ctx context.Context, domain string) (names []string, err error) {
	a, err := c.call(ctx, "GetDomainInfo", element{
		name: "Domain",
		text: domain,
	}, element{
		name:  "Get",
		below: []element{{name: "Users"}},
	})

	if err == nil {
		err = a.ok("GetDomainInfo")
	}

	if err != nil {
		return nil, err
	}

	type user struct {
		ID string `xml:"id,attr"`
	}

	var result struct {
		Users  []user `xml:"Users>User"`
		Nested []user `xml:"Domain>Users>User"`
		Bare   []user `xml:"Domain>User"`
	}

	if err := decode(a.Result, &result); err != nil {
		return nil, fmt.Errorf("MDaemon's answer to GetDomainInfo: %w", err)
	}

	for _, u := range slices.Concat(result.Users, result.Nested, result.Bare) {
		names = append(names, strings.ToLower(u.ID))
	}

	return names, nil
}
