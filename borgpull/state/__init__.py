"""What must last beside the repository: the folder `state` of the server."""
