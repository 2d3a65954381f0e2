"""Trees of files: what is known of an entry, and how two entries differ. No file is opened."""
