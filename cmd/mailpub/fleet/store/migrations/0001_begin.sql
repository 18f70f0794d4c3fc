-- Everything that a fleet knows. River's tables are in a schema of their own, and may be emptied at any time.

CREATE TABLE tenant (
    path         text PRIMARY KEY CHECK (path ~ '^([a-z0-9][a-z0-9-]*(/[a-z0-9][a-z0-9-]*)*)?$'), -- '' is the operator
    trusted      boolean NOT NULL DEFAULT false, -- its configs may name files, programs and private addresses
    policy       jsonb NOT NULL DEFAULT '{}',
    paused_until timestamptz,
    created      timestamptz NOT NULL DEFAULT now()
);
INSERT INTO tenant (path, trusted) VALUES ('', true);

CREATE TABLE person (
    id      bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    issuer  text NOT NULL DEFAULT '', -- of OpenID Connect; '' for one who only has tokens
    subject text NOT NULL,
    name    text NOT NULL,
    email   text NOT NULL DEFAULT '',
    created timestamptz NOT NULL DEFAULT now(),
    UNIQUE (issuer, subject)
);

-- What a person may do at a tenant and below.
CREATE TABLE membership (
    person bigint NOT NULL REFERENCES person ON DELETE CASCADE,
    tenant text NOT NULL REFERENCES tenant ON UPDATE CASCADE ON DELETE CASCADE,
    role   text NOT NULL CHECK (role IN ('view', 'operate', 'approve', 'admin')),
    PRIMARY KEY (person, tenant)
);

CREATE TABLE token (
    id       text PRIMARY KEY, -- the part that may be shown
    hash     bytea NOT NULL,   -- SHA-256 of the whole
    person   bigint NOT NULL REFERENCES person ON DELETE CASCADE,
    tenant   text NOT NULL REFERENCES tenant ON UPDATE CASCADE ON DELETE CASCADE,
    role     text NOT NULL CHECK (role IN ('view', 'operate', 'approve', 'admin')),
    note     text NOT NULL DEFAULT '',
    expires  timestamptz,
    used     timestamptz,
    created  timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE secret (
    tenant  text NOT NULL REFERENCES tenant ON UPDATE CASCADE ON DELETE CASCADE,
    name    text NOT NULL,
    version bigint NOT NULL,
    sealed  bytea NOT NULL,
    created timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant, name, version)
);

-- Keys of tenants, each sealed under the operator's.
CREATE TABLE tenant_key (
    tenant text PRIMARY KEY REFERENCES tenant ON UPDATE CASCADE ON DELETE CASCADE,
    sealed bytea NOT NULL
);

-- An account at a DNS provider, with what is left of its calls.
CREATE TABLE account (
    id            text PRIMARY KEY, -- the provider, and a digest of the credentials
    provider      text NOT NULL,
    per_second    double precision NOT NULL CHECK (per_second > 0),
    burst         double precision NOT NULL CHECK (burst >= 1),
    tokens        double precision NOT NULL,
    at            timestamptz NOT NULL DEFAULT now(),
    blocked_until timestamptz,
    paused_until  timestamptz
);

-- Settings that several configs share, in every version that one of them has.
CREATE TABLE defaults (
    tenant text NOT NULL REFERENCES tenant ON UPDATE CASCADE ON DELETE CASCADE,
    name   text NOT NULL, -- the file's name
    rev    bigint NOT NULL,
    body   bytea NOT NULL,
    at     timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant, name, rev)
);

CREATE TABLE site (
    id            bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tenant        text NOT NULL REFERENCES tenant ON UPDATE CASCADE,
    name          text NOT NULL,
    file          text NOT NULL, -- the name of its config file
    config        bytea NOT NULL,
    rev           bigint NOT NULL DEFAULT 1,
    digest        text NOT NULL, -- of config and defaults
    defaults      text,
    defaults_rev  bigint,
    host          text NOT NULL DEFAULT '',
    domains       text NOT NULL DEFAULT '', -- for searches
    every         interval NOT NULL DEFAULT '15 minutes',
    accounts      text[] NOT NULL DEFAULT '{}',
    wrong         text NOT NULL DEFAULT '', -- why the config can't be used as it is
    created       timestamptz NOT NULL DEFAULT now(),
    UNIQUE (tenant, name),
    UNIQUE (tenant, file),
    FOREIGN KEY (tenant, defaults, defaults_rev) REFERENCES defaults (tenant, name, rev) ON UPDATE CASCADE
);

-- When a site is looked at next. Narrow, as it changes with every look.
CREATE TABLE due (
    site      bigint PRIMARY KEY REFERENCES site ON DELETE CASCADE,
    tenant    text NOT NULL,
    next      timestamptz NOT NULL DEFAULT now(),
    priority  smallint NOT NULL DEFAULT 4, -- 2 asked for, 3 news, 4 by the schedule
    why       text NOT NULL DEFAULT '',
    asked     bigint NOT NULL DEFAULT 0, -- counts who asked: what was asked for during a look is looked at again
    queued_at timestamptz
) WITH (fillfactor = 70);
CREATE INDEX due_next ON due (next) WHERE queued_at IS NULL;
CREATE INDEX due_queued ON due (queued_at) WHERE queued_at IS NOT NULL;

-- The ledger as the file has it, so that export gives the same octets back.
CREATE TABLE ledger (
    site    bigint PRIMARY KEY REFERENCES site ON DELETE CASCADE,
    version bigint NOT NULL DEFAULT 0, -- who saves has to know it
    holder  text NOT NULL DEFAULT '',  -- who has the lock, for those who wait
    doc     json
);

-- What a site remembers beside its ledger: watch, sent, messages.
CREATE TABLE state (
    site bigint NOT NULL REFERENCES site ON DELETE CASCADE,
    name text NOT NULL,
    doc  json NOT NULL,
    PRIMARY KEY (site, name)
);

CREATE TABLE look (
    site    bigint PRIMARY KEY REFERENCES site ON DELETE CASCADE,
    state   smallint NOT NULL, -- as in history: 0 unknown, 1 good, 2 warning, 3 bad
    at      timestamptz NOT NULL,
    took    interval NOT NULL,
    next    timestamptz NOT NULL,
    since   timestamptz NOT NULL DEFAULT now(), -- of this state
    digest  text NOT NULL, -- of the document: it is written when it changed
    doc     json NOT NULL -- what a page shows
);
CREATE INDEX look_state ON look (state DESC, at);

-- The past of a site, in the lines of a history file, so that export gives the same octets back.
CREATE TABLE history (
    id   bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    site bigint NOT NULL REFERENCES site ON DELETE CASCADE,
    at   timestamptz NOT NULL,
    line text NOT NULL
);
CREATE INDEX history_site ON history (site, id);
CREATE INDEX history_at ON history (at);

CREATE TABLE plan (
    id             bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    site           bigint NOT NULL REFERENCES site ON DELETE CASCADE,
    kind           text NOT NULL CHECK (kind IN ('apply', 'destroy')),
    state          text NOT NULL DEFAULT 'wanted' CHECK (state IN
                   ('wanted', 'planned', 'empty', 'approved', 'applying', 'applied', 'failed', 'stale', 'expired', 'withdrawn')),
    rev            bigint NOT NULL,
    ledger_version bigint NOT NULL DEFAULT 0,
    doc            json, -- mailpub/plan/v1
    digest         text NOT NULL DEFAULT '',
    share          double precision NOT NULL DEFAULT 0, -- of the site's own records that it changes or removes
    adopts         boolean NOT NULL DEFAULT false,
    approvals      smallint NOT NULL DEFAULT 0, -- that it needs
    by_person      bigint REFERENCES person,    -- null: the operator's command line
    by_name        text NOT NULL,
    created        timestamptz NOT NULL DEFAULT now(),
    expires        timestamptz NOT NULL DEFAULT now() + interval '24 hours',
    changed        timestamptz NOT NULL DEFAULT now(),
    done           int NOT NULL DEFAULT 0,
    error          text NOT NULL DEFAULT '',
    wave           bigint
);
CREATE INDEX plan_site ON plan (site, id DESC);
CREATE INDEX plan_open ON plan (state) WHERE state IN ('wanted', 'approved', 'applying');

CREATE TABLE approval (
    plan    bigint NOT NULL REFERENCES plan ON DELETE CASCADE,
    person  bigint NOT NULL REFERENCES person,
    by_name text NOT NULL,
    at      timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (plan, person)
);

-- A notice on its way to one channel of a site.
CREATE TABLE notice (
    id      bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    site    bigint NOT NULL REFERENCES site ON DELETE CASCADE,
    channel int NOT NULL, -- place in watch.notify
    doc     json NOT NULL, -- mailpub/notice/v1
    made    timestamptz NOT NULL DEFAULT now(),
    state   text NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'sent', 'given-up')),
    error   text NOT NULL DEFAULT ''
);
CREATE INDEX notice_open ON notice (made) WHERE state = 'open';

-- A change that goes to a few sites first.
CREATE TABLE wave (
    id       bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tenant   text NOT NULL REFERENCES tenant ON UPDATE CASCADE ON DELETE CASCADE,
    defaults text NOT NULL,
    to_rev   bigint NOT NULL,
    step     int NOT NULL DEFAULT 0,
    state    text NOT NULL DEFAULT 'running' CHECK (state IN ('running', 'stopped', 'done')),
    stop_at  int NOT NULL DEFAULT 1, -- failures that stop it
    why      text NOT NULL DEFAULT '',
    by_person bigint REFERENCES person,
    by_name  text NOT NULL,
    created  timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE wave_site (
    wave  bigint NOT NULL REFERENCES wave ON DELETE CASCADE,
    site  bigint NOT NULL REFERENCES site ON DELETE CASCADE,
    step  int NOT NULL,
    state text NOT NULL DEFAULT 'waiting' CHECK (state IN ('waiting', 'moved', 'well', 'failed')),
    was   smallint NOT NULL DEFAULT 0, -- how the site was before
    moved timestamptz,
    plan  bigint REFERENCES plan ON DELETE SET NULL,
    error text NOT NULL DEFAULT '',
    PRIMARY KEY (wave, site)
);

CREATE TABLE worker (
    id      text PRIMARY KEY,
    host    text NOT NULL,
    version text NOT NULL,
    slots   int NOT NULL,
    started timestamptz NOT NULL DEFAULT now(),
    beat    timestamptz NOT NULL DEFAULT now(),
    leader  boolean NOT NULL DEFAULT false
);

-- Append-only: each row has the hash of the one before it.
CREATE TABLE audit (
    id      bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at      timestamptz NOT NULL DEFAULT now(),
    person  bigint,
    by_name text NOT NULL, -- who
    means   text NOT NULL, -- by what: "token ab12", "oidc", "command line", "worker"
    tenant  text NOT NULL,
    site    text NOT NULL DEFAULT '',
    act     text NOT NULL,
    before  text NOT NULL DEFAULT '', -- digests
    after   text NOT NULL DEFAULT '',
    detail  jsonb NOT NULL DEFAULT '{}',
    former  bytea NOT NULL,
    hash    bytea NOT NULL
);
CREATE INDEX audit_tenant ON audit (tenant, id DESC);
