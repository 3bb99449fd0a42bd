"""Who answers for an address."""
