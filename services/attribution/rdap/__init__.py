"""What registries answer over RDAP: who holds a range, and how to reach them."""
