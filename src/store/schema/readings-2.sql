-- Hours are spelled another way from here on; what is rolled up stays.
DELETE FROM raw;
-- What somebody changed on the estate, beside the readings that may show it.
CREATE TABLE change (
    id     INTEGER PRIMARY KEY,
    at     INTEGER NOT NULL,
    host   TEXT    NOT NULL,
    target TEXT    NOT NULL,
    kind   TEXT    NOT NULL,
    words  TEXT    NOT NULL,
    UNIQUE (at, target, kind, words)
) STRICT;
CREATE INDEX change_at ON change (at);
