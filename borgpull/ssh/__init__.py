"""ssh as OpenSSH speaks it: configuration, host keys, messages, small transfers by SFTP."""
