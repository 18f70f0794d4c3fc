-- Who may see what, as a second wall behind the API's own checks. The API works as the role mailpub_api, which owns
-- nothing and does not bypass row-level security. Each of its transactions names the tenants that it works for in
-- mailpub.tenant: '/hoster/customer', several with commas, '/' for all. Where it names none it sees nothing.

DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'mailpub_api') THEN
        CREATE ROLE mailpub_api NOLOGIN NOSUPERUSER NOBYPASSRLS NOCREATEDB NOCREATEROLE;
    END IF;
EXCEPTION WHEN duplicate_object OR unique_violation THEN
    NULL; -- another database's migration made it meanwhile
END $$;

DO $$
BEGIN
    IF NOT pg_has_role(current_user, 'mailpub_api', 'MEMBER') THEN
        EXECUTE format('GRANT mailpub_api TO %I', current_user);
    END IF;
END $$;

CREATE FUNCTION visible(path text) RETURNS boolean LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT EXISTS (SELECT FROM unnest(string_to_array(current_setting('mailpub.tenant', true), ',')) AS node
        WHERE node = '/' OR '/' || path = node OR starts_with('/' || path, node || '/'))
$$;

CREATE FUNCTION sees_all() RETURNS boolean LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT coalesce(current_setting('mailpub.tenant', true) = '/', false)
$$;

-- One person is one approval, and one audit entry names one: people are seen by those who share a tenant with them.
ALTER TABLE person ADD COLUMN disabled boolean NOT NULL DEFAULT false;

GRANT USAGE ON SCHEMA mailpub TO mailpub_api;
GRANT SELECT ON migration, tenant, person, membership, token, account, defaults, site, due, look, history, plan, approval,
    wave, wave_site, worker, audit TO mailpub_api;
GRANT SELECT (site, version) ON ledger TO mailpub_api;
GRANT SELECT (tenant, name, version, created), DELETE ON secret TO mailpub_api;
GRANT INSERT, UPDATE, DELETE ON membership, site, due TO mailpub_api;
GRANT INSERT, DELETE ON token TO mailpub_api;
GRANT INSERT (path, policy), UPDATE (policy, paused_until), DELETE ON tenant TO mailpub_api; -- never trusted
GRANT USAGE ON SEQUENCE person_id_seq TO mailpub_api;
GRANT INSERT, UPDATE ON person, plan TO mailpub_api;
GRANT INSERT ON defaults, approval, secret TO mailpub_api;
GRANT SELECT, INSERT ON tenant_key TO mailpub_api;
GRANT UPDATE (paused_until) ON account TO mailpub_api;

CREATE SCHEMA IF NOT EXISTS river;
GRANT USAGE ON SCHEMA river TO mailpub_api;
GRANT SELECT, INSERT, UPDATE ON ALL TABLES IN SCHEMA river TO mailpub_api;
GRANT USAGE ON ALL SEQUENCES IN SCHEMA river TO mailpub_api;
ALTER DEFAULT PRIVILEGES IN SCHEMA river GRANT SELECT, INSERT, UPDATE ON TABLES TO mailpub_api;
ALTER DEFAULT PRIVILEGES IN SCHEMA river GRANT USAGE ON SEQUENCES TO mailpub_api;

DO $$
DECLARE t text;
BEGIN
    FOREACH t IN ARRAY ARRAY['tenant', 'person', 'membership', 'token', 'secret', 'tenant_key', 'account', 'defaults', 'site',
        'due', 'ledger', 'state', 'look', 'history', 'plan', 'approval', 'notice', 'wave', 'wave_site', 'worker', 'audit']
    LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', t);
    END LOOP;
END $$;

CREATE POLICY own ON tenant TO mailpub_api USING (visible(path));
CREATE POLICY own ON membership TO mailpub_api USING (visible(tenant));
CREATE POLICY own ON token TO mailpub_api USING (visible(tenant));
CREATE POLICY own ON secret TO mailpub_api USING (visible(tenant));
CREATE POLICY own ON tenant_key TO mailpub_api USING (visible(tenant));
CREATE POLICY own ON defaults TO mailpub_api USING (visible(tenant));
CREATE POLICY own ON site TO mailpub_api USING (visible(tenant));
CREATE POLICY own ON due TO mailpub_api USING (visible(tenant));
CREATE POLICY own ON wave TO mailpub_api USING (visible(tenant));
CREATE POLICY own ON audit TO mailpub_api USING (visible(tenant));
CREATE POLICY own ON ledger TO mailpub_api USING (EXISTS (SELECT FROM site s WHERE s.id = site));
CREATE POLICY own ON look TO mailpub_api USING (EXISTS (SELECT FROM site s WHERE s.id = site));
CREATE POLICY own ON history TO mailpub_api USING (EXISTS (SELECT FROM site s WHERE s.id = site));
CREATE POLICY own ON plan TO mailpub_api USING (EXISTS (SELECT FROM site s WHERE s.id = site));
CREATE POLICY own ON approval TO mailpub_api USING (EXISTS (SELECT FROM plan p WHERE p.id = plan));
CREATE POLICY own ON wave_site TO mailpub_api USING (EXISTS (SELECT FROM wave w WHERE w.id = wave));
CREATE POLICY own ON account TO mailpub_api USING (sees_all());
CREATE POLICY own ON worker TO mailpub_api USING (sees_all());
CREATE POLICY own ON person TO mailpub_api
    USING (sees_all() OR EXISTS (SELECT FROM membership m WHERE m.person = id))
    WITH CHECK (true);

-- What a login has to know before it is known whose it is.
CREATE FUNCTION token_login(wanted text)
RETURNS TABLE (hash bytea, person bigint, name text, tenant text, role text, expires timestamptz, now timestamptz)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = mailpub, pg_temp AS $$
    SELECT t.hash, t.person, p.name, t.tenant, t.role, t.expires, now() FROM token t JOIN person p ON p.id = t.person
    WHERE t.id = wanted AND NOT p.disabled
$$;

CREATE FUNCTION token_used(wanted text) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = mailpub, pg_temp AS $$
    UPDATE token SET used = now() WHERE id = wanted AND (used IS NULL OR used < now() - interval '1 minute')
$$;

CREATE FUNCTION person_login(issuer text, subject text) RETURNS TABLE (person bigint, name text)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = mailpub, pg_temp AS $$
    SELECT p.id, p.name FROM person p WHERE p.issuer = $1 AND p.subject = $2 AND NOT p.disabled
$$;

CREATE FUNCTION person_roles(person bigint) RETURNS TABLE (tenant text, role text)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = mailpub, pg_temp AS $$
    SELECT m.tenant, m.role FROM membership m JOIN person p ON p.id = m.person WHERE m.person = $1 AND NOT p.disabled
$$;

-- The audit is a chain: each row holds the hash of the one before it, and its own over everything in it.
CREATE FUNCTION audit_part(part text) RETURNS text LANGUAGE sql IMMUTABLE AS $$
    SELECT octet_length(part) || ':' || part
$$;

CREATE FUNCTION audit_append(person bigint, by_name text, means text, tenant text, site text, act text, before text,
    after text, detail jsonb) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = mailpub, pg_temp AS $$
DECLARE
    one audit%ROWTYPE;
BEGIN
    PERFORM pg_advisory_xact_lock(1836056580); -- one row after the other; the number is nobody else's (0x6d700001 and 2: migrate, leader)
    SELECT hash INTO one.former FROM audit ORDER BY id DESC LIMIT 1;
    one.former := coalesce(one.former, ''::bytea);
    one.at := clock_timestamp();
    one.hash := sha256(one.former || convert_to(audit_part((extract(epoch FROM one.at) * 1000000)::bigint::text) ||
        audit_part(coalesce(person::text, '')) || audit_part(by_name) || audit_part(means) || audit_part(tenant) ||
        audit_part(site) || audit_part(act) || audit_part(before) || audit_part(after) || audit_part(detail::text), 'UTF8'));
    INSERT INTO audit (at, person, by_name, means, tenant, site, act, before, after, detail, former, hash)
    VALUES (one.at, person, by_name, means, tenant, site, act, before, after, detail, one.former, one.hash)
    RETURNING id INTO one.id;
    RETURN one.id;
END $$;

CREATE FUNCTION audit_fixed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the audit is only ever added to';
END $$;

CREATE TRIGGER fixed BEFORE UPDATE OR DELETE OR TRUNCATE ON audit FOR EACH STATEMENT EXECUTE FUNCTION audit_fixed();

REVOKE ALL ON FUNCTION token_login, token_used, person_login, person_roles, audit_append FROM PUBLIC;
GRANT EXECUTE ON FUNCTION token_login, token_used, person_login, person_roles, audit_append TO mailpub_api;
