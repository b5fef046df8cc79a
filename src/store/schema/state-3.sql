-- What is known of a signal and is nothing new: ports, keys, sources of logins.
CREATE TABLE known (
    signal TEXT PRIMARY KEY,
    json   TEXT NOT NULL
) STRICT, WITHOUT ROWID;
