"""The services of takedown-monitor."""
