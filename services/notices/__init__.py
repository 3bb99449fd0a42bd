"""The notice channel: what mails say became of a notice, which notice they mean, and what a channel can carry."""
