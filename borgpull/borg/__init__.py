"""Stock borg: its command lines, messages and exit codes, and verification of what it wrote."""
