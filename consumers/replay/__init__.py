"""Replay: fold a range of the streams, or of an archive of them, again; publish nothing."""
