package api

import (
	"errors"
	"fmt"
	"time"

	"github.com/mailpub/mailpub/cmd/mailpub/fleet/store"
)

func listMembers(c *call) (any, error) {
	tenant, err := c.inTenant()
	if err != nil {
		return nil, err
	}

	list, err := store.TeamMembers(c.r.Context(), c.tx, tenant)
	out := MemberList{Members: []Member{}}
	for _, m := range list {
		out.Members = append(out.Members, Member{
			Person:  m.ID,
			Tenant:  m.Tenant,
			Role:    m.Role.String(),
			Name:    m.Name,
			Email:   m.Email,
			Issuer:  m.Issuer,
			Subject: m.Subject,
		})
	}

	return out, err
}

func putMember(c *call) (any, error) {
	var in NewMember
	if err := c.decode(&in); err != nil {
		return nil, err
	}
	if err := c.enter(in.Tenant); err != nil {
		return nil, err
	}

	role, err := store.ParseRole(in.Role)
	if err != nil {
		return nil, inputError{"role: " + err.Error()}
	}
	if in.Subject == "" || in.Name == "" {
		return nil, inputError{"subject and name are missing"}
	}

	// One who only has tokens belongs to the tenant: another tenant's of the same name is another person.
	subject := in.Subject
	if in.Issuer == "" {
		subject = in.Tenant + ":" + in.Subject
	}

	id, err := store.PutPerson(c.r.Context(), c.tx, store.Person{
		Issuer:  in.Issuer,
		Subject: subject,
		Name:    in.Name,
		Email:   in.Email,
	})

	if err != nil {
		return nil, err
	}
	if err := store.PutMember(c.r.Context(), c.tx, id, in.Tenant, role); err != nil {
		return nil, err
	}

	out := Member{
		Person:  id,
		Tenant:  in.Tenant,
		Role:    in.Role,
		Name:    in.Name,
		Email:   in.Email,
		Issuer:  in.Issuer,
		Subject: subject,
	}

	detail := map[string]string{"person": fmt.Sprint(id), "name": in.Name, "role": in.Role}
	return out, c.audit(in.Tenant, "", "member.put", "", "", detail)
}

func deleteMember(c *call) (any, error) {
	tenant, err := c.inTenant()
	if err != nil {
		return nil, err
	}

	id, err := c.id()
	if err != nil {
		return nil, err
	}
	if err := store.PutMember(c.r.Context(), c.tx, id, tenant, store.NoRole); err != nil {
		return nil, err
	}

	return nil, c.audit(tenant, "", "member.delete", "", "",
		map[string]string{"person": fmt.Sprint(id)})
}

func tokenDocument(t store.Token) Token {
	return Token{
		ID:      t.ID,
		Person:  t.Person,
		Name:    t.Name,
		Tenant:  t.Tenant,
		Role:    t.Role.String(),
		Note:    t.Note,
		Expires: t.Expires,
		Used:    t.Used,
		Created: t.Created,
	}
}

func listTokens(c *call) (any, error) {
	tenant, err := c.inTenant()
	if err != nil {
		return nil, err
	}

	list, err := store.Tokens(c.r.Context(), c.tx, tenant)
	out := TokenList{Tokens: []Token{}}
	for _, t := range list {
		out.Tokens = append(out.Tokens, tokenDocument(t))
	}

	return out, err
}

func addToken(c *call) (any, error) {
	var in NewToken
	if err := c.decode(&in); err != nil {
		return nil, err
	}
	if err := c.enter(in.Tenant); err != nil {
		return nil, err
	}

	role, err := store.ParseRole(in.Role)
	if err != nil {
		return nil, inputError{"role: " + err.Error()}
	}
	if in.Expires != nil && in.Expires.Before(time.Now()) {
		return nil, inputError{"expires is in the past"}
	}

	person, err := store.PersonByID(c.r.Context(), c.tx, in.Person)
	if errors.Is(err, store.ErrNotFound) {
		return nil, inputError{fmt.Sprintf("person %d has no role at this tenant: add it first (POST /members)",
			in.Person)}
	}
	if err != nil {
		return nil, err
	}

	t := store.Token{
		Person:  in.Person,
		Name:    person.Name,
		Tenant:  in.Tenant,
		Role:    role,
		Note:    in.Note,
		Expires: in.Expires,
		Created: time.Now(),
	}

	text, err := store.NewToken(c.r.Context(), c.tx, &t)
	if err != nil {
		return nil, err
	}

	out := tokenDocument(t)
	out.Token = text
	detail := map[string]string{"token": t.ID, "person": fmt.Sprint(t.Person), "role": in.Role}

	return out, c.audit(in.Tenant, "", "token.add", "", "", detail)
}

func deleteToken(c *call) (any, error) {
	t, err := store.TokenAt(c.r.Context(), c.tx, c.r.PathValue("id"))
	if err != nil {
		return nil, err
	}
	if err := c.at(t.Tenant); err != nil {
		return nil, err
	}
	if err := store.DeleteToken(c.r.Context(), c.tx, t.ID); err != nil {
		return nil, err
	}

	return nil, c.audit(t.Tenant, "", "token.delete", "", "", map[string]string{"token": t.ID})
}
