"""Retention: URLs go so many days after the watch of their case ended, everywhere; timings stay."""
