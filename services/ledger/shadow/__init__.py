"""Shadow ledgers: schemas of the same database that hold another fold of the same evidence."""
