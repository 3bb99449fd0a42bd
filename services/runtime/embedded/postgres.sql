-- What the embedded server is asked once it takes queries.

-- name: has_database
SELECT true FROM pg_database WHERE datname = $1;

-- name: create_database
CREATE DATABASE takedown;
