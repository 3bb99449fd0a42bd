"""The demo: the whole main job on a simulated internet, checked against its truth."""
