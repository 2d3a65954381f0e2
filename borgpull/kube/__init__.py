"""What runs in a Kubernetes cluster, as its API tells it: read by the user's kubectl."""
