-- What is not told for a while.
CREATE TABLE silence (
    id       INTEGER PRIMARY KEY AUTOINCREMENT,
    about    TEXT    NOT NULL,
    note     TEXT    NOT NULL,
    by       TEXT    NOT NULL,
    from_at  INTEGER NOT NULL,
    until_at INTEGER NOT NULL
) STRICT;
CREATE INDEX silence_until_at ON silence (until_at);

-- Jobs that report in by themselves, by name.
CREATE TABLE push (
    name TEXT PRIMARY KEY,
    json TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- How many messages went one way of late.
CREATE INDEX outbox_delivered_at ON outbox (target, delivered_at) WHERE delivered_at IS NOT NULL;
