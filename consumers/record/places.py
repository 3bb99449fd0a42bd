"""Where records stand on Kafka: partitions, offsets, ranges of them."""

Partition = tuple[str, int]
"""Topic and number."""

Offsets = dict[Partition, int]
"""The next offset by partition."""

Ranges = dict[Partition, tuple[int, int]]
"""By partition: the first offset, and the one after the last."""
