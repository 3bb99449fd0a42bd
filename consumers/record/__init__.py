"""The record as it stands on Kafka and in archives, and how one of it becomes an event."""
