-- The audit log. Nothing in it is ever updated or deleted; the triggers say so to every program that tries.
CREATE TABLE audit (
    seq            INTEGER PRIMARY KEY,
    at             INTEGER NOT NULL,
    actor          TEXT    NOT NULL,
    kind           TEXT    NOT NULL,
    payload_digest BLOB    NOT NULL,
    hash           BLOB    NOT NULL
) STRICT;
CREATE INDEX audit_at ON audit (at);
CREATE TRIGGER audit_no_update BEFORE UPDATE ON audit
BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END;
CREATE TRIGGER audit_no_delete BEFORE DELETE ON audit
BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END;
-- A REPLACE deletes without asking the trigger above.
CREATE TRIGGER audit_in_order BEFORE INSERT ON audit
WHEN NEW.seq <> (SELECT coalesce(max(seq), 0) + 1 FROM audit)
BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END;

-- What the records carry. The columns are computed, so that they cannot say anything else than the text does.
CREATE TABLE payload (
    seq      INTEGER PRIMARY KEY REFERENCES audit (seq),
    salt     BLOB NOT NULL,
    json     TEXT NOT NULL,
    incident INTEGER GENERATED ALWAYS AS (json_extract(json, '$.incident')) VIRTUAL,
    run      INTEGER GENERATED ALWAYS AS (json_extract(json, '$.run'))      VIRTUAL,
    action   INTEGER GENERATED ALWAYS AS (json_extract(json, '$.action'))   VIRTUAL
) STRICT;
CREATE INDEX payload_incident ON payload (incident) WHERE incident IS NOT NULL;
CREATE INDEX payload_run      ON payload (run)      WHERE run IS NOT NULL;
CREATE INDEX payload_action   ON payload (action)   WHERE action IS NOT NULL;

-- A payload may go only after a record that says so.
CREATE TABLE erased (
    seq INTEGER PRIMARY KEY REFERENCES audit (seq),
    by  INTEGER NOT NULL REFERENCES audit (seq)
) STRICT;
CREATE TRIGGER payload_no_update BEFORE UPDATE ON payload
BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END;
CREATE TRIGGER payload_no_replace BEFORE INSERT ON payload
WHEN EXISTS (SELECT 1 FROM payload WHERE seq = NEW.seq)
BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END;
CREATE TRIGGER payload_erase BEFORE DELETE ON payload
WHEN NOT EXISTS (SELECT 1 FROM erased WHERE seq = OLD.seq)
BEGIN SELECT RAISE(ABORT, 'a payload is erased only with a record that says so'); END;
CREATE TRIGGER erased_no_replace BEFORE INSERT ON erased
WHEN EXISTS (SELECT 1 FROM erased WHERE seq = NEW.seq)
BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END;
CREATE TRIGGER erased_no_update BEFORE UPDATE ON erased
BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END;
CREATE TRIGGER erased_no_delete BEFORE DELETE ON erased
BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END;

-- What is needed to close, settle and undo an action after its payload may be gone.
CREATE TABLE action (
    id          INTEGER PRIMARY KEY REFERENCES audit (seq),
    run         INTEGER NOT NULL,
    incident    INTEGER,
    runbook     TEXT,
    at          INTEGER NOT NULL,
    drill       INTEGER NOT NULL,
    service_key TEXT NOT NULL,
    plan_digest BLOB,
    undoes      INTEGER,
    step        TEXT NOT NULL
) STRICT;
CREATE INDEX action_at     ON action (at);
CREATE INDEX action_run    ON action (run);
CREATE INDEX action_undoes ON action (undoes) WHERE undoes IS NOT NULL;
CREATE TABLE action_event (
    seq     INTEGER PRIMARY KEY REFERENCES audit (seq),
    action  INTEGER NOT NULL REFERENCES action (id),
    kind    TEXT    NOT NULL,
    at      INTEGER NOT NULL,
    outcome TEXT    NOT NULL
) STRICT;
CREATE INDEX action_event_action ON action_event (action, kind);
CREATE INDEX action_event_at     ON action_event (at);
CREATE VIEW action_joined AS
SELECT a.*,
       c.at AS closed_at,   c.outcome AS closed,
       s.at AS settled_at,  s.outcome AS settled,
       v.outcome AS verified,
       (SELECT max(u.id) FROM action u
          JOIN action_event e ON e.action = u.id AND e.kind = 'closed' AND e.outcome = 'done'
         WHERE u.undoes = a.id) AS undone_by
  FROM action a
  LEFT JOIN action_event c ON c.seq = (SELECT max(seq) FROM action_event WHERE action = a.id AND kind = 'closed')
  LEFT JOIN action_event s ON s.seq = (SELECT max(seq) FROM action_event WHERE action = a.id AND kind = 'settled')
  LEFT JOIN action_event v ON v.seq = (SELECT max(seq) FROM action_event WHERE action = a.id AND kind = 'verified');

CREATE TABLE incident (
    id        INTEGER PRIMARY KEY AUTOINCREMENT,
    signal    TEXT    NOT NULL,
    host      TEXT    NOT NULL,
    state     TEXT    NOT NULL,
    drill     INTEGER NOT NULL,
    opened_at INTEGER NOT NULL,
    json      TEXT    NOT NULL
) STRICT;
CREATE UNIQUE INDEX incident_unresolved ON incident (signal) WHERE state <> 'resolved';
CREATE INDEX incident_opened_at ON incident (opened_at);
CREATE TABLE incident_reading (
    id       INTEGER PRIMARY KEY,
    incident INTEGER NOT NULL REFERENCES incident (id) ON DELETE CASCADE,
    json     TEXT    NOT NULL
) STRICT;
CREATE INDEX incident_reading_incident ON incident_reading (incident);
CREATE TABLE triage (
    signal TEXT PRIMARY KEY,
    json   TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE run (
    id             INTEGER PRIMARY KEY AUTOINCREMENT,
    origin         TEXT    NOT NULL,
    incident       INTEGER,
    runbook        TEXT,
    runbook_digest BLOB,
    host           TEXT,
    drill          INTEGER NOT NULL,
    state          TEXT    NOT NULL,
    ending         TEXT,
    started_at     INTEGER NOT NULL,
    changed_at     INTEGER NOT NULL,
    json           TEXT    NOT NULL
) STRICT;
CREATE INDEX run_unended    ON run (id) WHERE state <> 'ended';
CREATE INDEX run_incident   ON run (incident) WHERE incident IS NOT NULL;
CREATE INDEX run_changed_at ON run (changed_at);
CREATE INDEX run_runbook    ON run (runbook, host) WHERE runbook IS NOT NULL;

CREATE TABLE approval (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    run        INTEGER NOT NULL,
    state      TEXT    NOT NULL,
    asked_at   INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    json       TEXT    NOT NULL
) STRICT;
CREATE INDEX approval_pending  ON approval (expires_at) WHERE state = 'pending';
CREATE INDEX approval_asked_at ON approval (asked_at);
CREATE INDEX approval_run      ON approval (run);
CREATE TABLE approval_use (
    approval INTEGER NOT NULL REFERENCES approval (id),
    step     INTEGER NOT NULL,
    at       INTEGER NOT NULL,
    PRIMARY KEY (approval, step)
) STRICT, WITHOUT ROWID;

CREATE TABLE timer (
    id     INTEGER PRIMARY KEY AUTOINCREMENT,
    due_at INTEGER NOT NULL,
    kind   TEXT    NOT NULL,
    key    TEXT    NOT NULL UNIQUE,
    json   TEXT    NOT NULL
) STRICT;
CREATE INDEX timer_due_at ON timer (due_at);

CREATE TABLE lease (
    key TEXT PRIMARY KEY,
    run INTEGER NOT NULL,
    at  INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE outbox (
    id           INTEGER PRIMARY KEY AUTOINCREMENT,
    target       TEXT    NOT NULL,
    key          TEXT    NOT NULL,
    page         INTEGER NOT NULL,
    queued_at    INTEGER NOT NULL,
    tries        INTEGER NOT NULL DEFAULT 0,
    next_at      INTEGER,
    delivered_at INTEGER,
    last_error   TEXT,
    json         TEXT    NOT NULL
) STRICT;
CREATE INDEX outbox_next_at   ON outbox (next_at) WHERE next_at IS NOT NULL;
CREATE INDEX outbox_key       ON outbox (key);
CREATE INDEX outbox_queued_at ON outbox (queued_at);

CREATE TABLE reservation (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    incident   INTEGER,
    at         INTEGER NOT NULL,
    micros     INTEGER NOT NULL,
    tokens     INTEGER NOT NULL,
    settled_at INTEGER
) STRICT;
CREATE INDEX reservation_at       ON reservation (at);
CREATE INDEX reservation_incident ON reservation (incident) WHERE incident IS NOT NULL;

CREATE TABLE flag (
    name  TEXT PRIMARY KEY,
    value TEXT    NOT NULL,
    at    INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE demotion (
    runbook TEXT    NOT NULL,
    host    TEXT    NOT NULL,
    leash   TEXT    NOT NULL,
    why     TEXT    NOT NULL,
    at      INTEGER NOT NULL,
    PRIMARY KEY (runbook, host)
) STRICT, WITHOUT ROWID;
