-- What a run's records say beside its plan: why there is a run, what led to it, what it undoes.
ALTER TABLE run ADD COLUMN told TEXT;
