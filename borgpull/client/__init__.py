"""What runs on the client where borg runs there: a folder of ours, a runtime, shell scripts."""
