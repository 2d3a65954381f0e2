"""Launchers: where a job runs. `here` is the caller's own process; `docker` starts the sidecar."""
