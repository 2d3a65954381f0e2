"""Programs and functions that run in borg's own Python: nothing else imports borg."""
