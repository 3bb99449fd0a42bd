"""The contracts: events, topics, codec, SQL migrations and methodologies."""
