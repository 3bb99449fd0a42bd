"""Reports in: forms in which others write reports and notices, each read into statements, and from there to events."""
