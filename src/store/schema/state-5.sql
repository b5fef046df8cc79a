-- What the tools of MCP servers say of themselves, and what of it the operator accepted.
CREATE TABLE offered (
    server          TEXT    NOT NULL,
    tool            TEXT    NOT NULL,
    digest          TEXT    NOT NULL,
    json            TEXT    NOT NULL,
    seen_at         INTEGER NOT NULL,
    accepted        TEXT,
    accepted_json   TEXT,
    accepted_by     TEXT,
    accepted_at     INTEGER,
    PRIMARY KEY (server, tool)
) STRICT;
