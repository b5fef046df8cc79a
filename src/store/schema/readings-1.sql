CREATE TABLE signal (
    id   INTEGER PRIMARY KEY,
    json TEXT NOT NULL UNIQUE
) STRICT;
-- One row a flush: the readings of all signals, as they came.
CREATE TABLE batch (
    id       INTEGER PRIMARY KEY,
    first_at INTEGER NOT NULL,
    last_at  INTEGER NOT NULL,
    packed   BLOB    NOT NULL
) STRICT;
-- One row a signal and ended hour; the key is signal << 24 | hours since 1970, so that a signal's hours lie together.
CREATE TABLE raw (
    key    INTEGER PRIMARY KEY,
    packed BLOB NOT NULL
) STRICT;
CREATE TABLE hour (
    key     INTEGER PRIMARY KEY,
    green   INTEGER NOT NULL,
    unknown INTEGER NOT NULL,
    yellow  INTEGER NOT NULL,
    red     INTEGER NOT NULL,
    median  REAL,
    min     REAL,
    max     REAL
) STRICT;
