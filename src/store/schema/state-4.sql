-- What reef would have done, beside what became of it without reef.
CREATE TABLE shadow (
    run      INTEGER PRIMARY KEY,
    incident INTEGER NOT NULL,
    runbook  TEXT    NOT NULL,
    host     TEXT    NOT NULL,
    at       INTEGER NOT NULL,
    outcome  TEXT,
    ended_at INTEGER,
    json     TEXT    NOT NULL
) STRICT;
CREATE INDEX shadow_incident ON shadow (incident) WHERE outcome IS NULL;
CREATE INDEX shadow_runbook  ON shadow (runbook, host) WHERE outcome IS NOT NULL;
CREATE INDEX shadow_ended_at ON shadow (ended_at) WHERE ended_at IS NOT NULL;
