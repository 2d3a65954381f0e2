"""What runs on a client: text to be sent there, of which nothing is imported here."""
