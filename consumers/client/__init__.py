"""The shell around a Kafka client: connect, fetch, wait, watch."""
