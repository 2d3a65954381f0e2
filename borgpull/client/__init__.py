"""What runs on the client if borg runs there: our folder, a runtime, shell scripts."""
