"""The HTTP intake: a token per reporter, sealed at the door, acknowledged once Kafka has it."""
